"""A model asked through the server in this process: the real application, requests as clients send them, no socket.

Owns the way from messages to a `Reply`. Nothing is captured and no alias moved: the store is one of its own that goes
afterwards. Does not own which rows are asked nor what follows (`evaluate.served`).
"""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import steps
from tunesmith.core.store import Store
from tunesmith.evaluate.served.replies import CLIENTS, Reply
from tunesmith.serve.app import build_app
from tunesmith.serve.engine import Answer, EmbeddedEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.applications import Starlette

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.core.progress import Bar
    from tunesmith.recipe import Serve
    from tunesmith.serve.engine import Event, Question
    from tunesmith.text.examples import Message

PATH = "/v1/chat/completions"


class _Overheard(EmbeddedEngine):
    """The engine as it is, and by a question's seed what it answered, to tell with which tokens."""

    def __init__(self, queue_size: int) -> None:
        super().__init__(queue_size)
        self.answers: dict[int, Answer] = {}

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; see `serve.engine.Engine`."""

        def noted(event: Event) -> None:
            if isinstance(event, Answer):
                self.answers[question.seed] = event
            deliver(event)

        super().submit(question, noted)


def ask_as_served(
    workspace: Workspace, settings: Serve, model: Artifact, conversations: Sequence[list[Message]]
) -> list[Reply]:
    """Return the replies to conversations, in order: several clients at a time, every other answer streamed.

    Raises:
        ArtifactError: if the server cannot load the model or fails to answer.
    """
    if not conversations:
        return []
    with TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store.db")
        engine = _Overheard(settings.queue)
        app = build_app(store, workspace, settings=settings.model_copy(update={"capture": False}), engine=engine)
        try:
            with steps("answers as it is served", len(conversations)) as bar:
                return _in_a_thread(lambda: asyncio.run(_all(app, engine, model.id, conversations, bar)))
        finally:
            app.state.gateway.close()
            store.close()


def _in_a_thread(work: Callable[[], list[Reply]]) -> list[Reply]:
    """Return what a function returns that needs a thread without an event loop; notebooks have one in theirs."""
    done: Future[list[Reply]] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, name="tunesmith-clients", daemon=True).start()
    return done.result()


async def _all(
    app: Starlette, engine: _Overheard, model: str, conversations: Sequence[list[Message]], bar: Bar
) -> list[Reply]:
    await _ask(app, engine, _request(model, conversations[0], len(conversations)))  # loads the model
    clients = asyncio.Semaphore(min(CLIENTS, engine.queue_size))

    async def one(place: int) -> Reply:
        async with clients:
            reply = await _ask(app, engine, _request(model, conversations[place], place))
            bar.advance()
            return reply

    return await asyncio.gather(*(one(place) for place in range(len(conversations))))


def _request(model: str, messages: list[Message], place: int) -> dict[str, Any]:
    """Return the body of a request; at temperature 0 its seed does nothing but tell it from others."""
    asked = {"model": model, "messages": messages, "temperature": 0, "seed": place}
    return {**asked, "stream": True, "stream_options": {"include_usage": True}} if place % 2 else asked


async def _ask(app: Starlette, engine: _Overheard, request: dict[str, Any]) -> Reply:
    began_s = monotonic_s()
    sent = await _post(app, PATH, json.dumps(request).encode())
    latency_ms = 1000 * (monotonic_s() - began_s)
    streamed = bool(request.get("stream"))
    if sent.status >= 500 or sent.status == 429:
        raise ArtifactError(
            f"{request['model']} is not served: the server answers {sent.status}, {_refusal(sent.body)}",
            hint="tunesmith chat shows it; evaluate.served: 0 evaluates without the server",
        )
    if sent.status != 200:
        return Reply(latency_ms=latency_ms, streamed=streamed, problem=f"the server refuses: {_refusal(sent.body)}")
    reply = _streamed(sent.body) if streamed else _whole(json.loads(sent.body))
    answer = engine.answers[request["seed"]]
    if not reply.problem and reply.prompt_ids != [len(answer.prompt_ids)]:
        reply = replace(reply, problem="usage.prompt_tokens is not what the model was asked with")
    return replace(
        reply, prompt_ids=answer.prompt_ids, ids=answer.ids, made_in=answer.made_in, latency_ms=latency_ms,
        streamed=streamed,
    )  # fmt: skip


def _refusal(body: bytes) -> str:
    return str(json.loads(body)["error"]["message"])


def _whole(completion: dict[str, Any]) -> Reply:
    [choice] = completion["choices"]
    return _reply(choice["message"]["content"], choice["finish_reason"], completion, completion["usage"])


def _streamed(body: bytes) -> Reply:
    """Put a streamed answer together; the last event but two has the reason and what only Tunesmith tells."""
    events = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line]
    if events[-1] != "[DONE]":
        return Reply(problem="the stream ended without [DONE]")
    chunks = [json.loads(one) for one in events[:-1]]
    if any("error" in one for one in chunks):
        return Reply(problem="the stream ended in an error")
    *pieces, last, usage = chunks
    text = "".join(one["choices"][0]["delta"].get("content", "") for one in pieces)
    return _reply(text, last["choices"][0]["finish_reason"], last, usage["usage"])


def _reply(text: str, reason: str, told: dict[str, Any], usage: dict[str, int]) -> Reply:
    labels = [(one["label"], one["probability"]) for one in told["tunesmith"].get("labels", [])]
    return Reply(text, [usage["prompt_tokens"]], labels=labels, finish_reason=reason)


# -- a client without a socket --


@dataclass
class _Sent:
    """What an application sent back."""

    status: int = 0
    body: bytes = b""


async def _post(app: Starlette, path: str, body: bytes) -> _Sent:
    """Send a request to an application and return all of its answer. Source: the ASGI specification, HTTP."""
    headers = [
        (b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
    ]  # fmt: skip
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    sent, given, never = _Sent(), [{"type": "http.request", "body": body, "more_body": False}], asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not given:
            await never.wait()  # the client stays
        return given.pop()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.status = message["status"]
        else:
            sent.body += message.get("body", b"")

    await app(scope, receive, send)
    return sent
