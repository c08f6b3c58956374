"""``POST /v1/chat/completions``: one request from its body to its last byte.

Owns turning a chat request into a question, the engine's events into OpenAI's objects (whole or as server-sent
events), and handing the exchange to capture. Does not own checking the body (`protocol`) nor answering (`engine`).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.core.clock import monotonic_s, now_utc
from tunesmith.serve.capture import Exchange
from tunesmith.serve.engine import Answer, Piece, Question
from tunesmith.serve.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tunesmith.serve.capture import Capture
    from tunesmith.serve.catalog import Served
    from tunesmith.serve.engine import Engine, Event
    from tunesmith.serve.protocol import ChatRequest

GONE_S = 0.5
"""How often to look whether the client is still there while its answer is being made."""

TOP_LABELS = 20
"""How many labels an answer names with their probabilities."""

Json = dict[str, Any]


def completion_id(request_id: str) -> str:
    """Return the id of a chat completion; it differs from its request's id only in the first word."""
    return "chatcmpl-" + request_id.partition("-")[2]


def request_id_of(any_id: str) -> str:
    """Return the request's id of either id."""
    return "req-" + any_id.partition("-")[2]


def question_of(request: ChatRequest, served: Served, default_tokens: int) -> Question:
    """Return the question a request asks; sampling without a seed gets a random one."""
    return Question(
        served=served,
        messages=[message.as_message() for message in request.messages],
        max_tokens=request.token_limit or default_tokens,
        temperature=request.temperature or 0.0,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=secrets.randbits(63) if request.seed is None else request.seed,
        stops=tuple(request.stop or ()),
        given=_given(request),
    )


def _given(request: ChatRequest) -> Json:
    """Return the sampling parameters that the client gave, under OpenAI's older names."""
    named = {name: getattr(request, name) for name in ("temperature", "top_p", "seed", "stop")}
    named["max_tokens"] = request.token_limit
    return {name: value for name, value in named.items() if value is not None}


@dataclass
class Conversation:
    """One request being answered.

    Args:
        id: the request's id, ``req-...``.
        request: its checked body.
        question: what the engine is asked.
        engine: who answers.
        capture: who remembers.
        key_id: whose request it is, if keys are in use.
        is_gone: tells whether the client has hung up.
    """

    id: str
    request: ChatRequest
    question: Question
    engine: Engine
    capture: Capture
    key_id: str | None
    is_gone: Callable[[], Awaitable[bool]]
    _started_s: float = field(default_factory=monotonic_s)
    _at: Any = field(default_factory=now_utc)
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def start(self) -> None:
        """Put the question to the engine.

        Raises:
            ApiError: if it takes no more.
        """
        loop = asyncio.get_running_loop()

        def deliver(event: Event) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody listens any more
                loop.call_soon_threadsafe(self._events.put_nowait, event)

        try:
            self.engine.submit(self.question, deliver)
        except ApiError as error:
            self._remember(None, error.status)
            raise

    async def whole(self) -> Json:
        """Return the chat completion.

        Raises:
            ApiError: if there is no answer.
        """
        async for event in self._until_done():
            if isinstance(event, Answer):
                return self._completion(event)
        raise ApiError(499, "The client closed the connection.", code="client_closed")

    async def streamed(self) -> AsyncIterator[bytes]:
        """Yield the chat completion's chunks as server-sent events.

        An error before the first event is raised by the first step, later ones become an event.

        Raises:
            ApiError: if there is no answer at all.
        """
        begun = False
        try:
            async for event in self._until_done():
                if not begun:
                    begun = True
                    yield self._chunk({"role": "assistant", "content": ""})
                if isinstance(event, Piece):
                    yield self._chunk({"content": event.text})
                elif isinstance(event, Answer):
                    yield self._chunk({}, event)
                    if self.request.wants_usage:
                        yield _sse({**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(event)})
        except ApiError as error:
            if not begun:
                raise
            yield _sse(error.body())
        yield b"data: [DONE]\n\n"

    async def _until_done(self) -> AsyncIterator[Event]:
        """Yield events up to the last; tell the engine to stop when the client is gone or we are cancelled."""
        try:
            while True:
                event = await self._next_event()
                if event is None:
                    self._remember(None, 499)
                    return
                if isinstance(event, ApiError):
                    self._remember(None, event.status)
                    raise event
                if isinstance(event, Answer):
                    self._remember(event, 200)
                yield event
                if isinstance(event, Answer):
                    return
        finally:
            self.question.cancelled.set()

    async def _next_event(self) -> Event | None:
        """Return the next event, or None when the client has hung up."""
        while True:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(self._events.get(), GONE_S)
            if await self.is_gone():
                return None

    def _remember(self, answer: Answer | None, status: int) -> None:
        served = self.question.served
        self.capture.put(
            Exchange(
                id=self.id,
                at=self._at,
                name=served.name,
                alias=served.alias,
                model_id=served.model_id,
                messages=self.question.messages,
                answer=answer.text if answer else None,
                label=answer.labels[0][0] if answer and answer.labels else None,
                probability=answer.labels[0][1] if answer and answer.labels else None,
                prompt_tokens=answer.prompt_tokens if answer else 0,
                completion_tokens=answer.completion_tokens if answer else 0,
                latency_ms=(monotonic_s() - self._started_s) * 1000,
                status=status,
                finish_reason=answer.finish_reason if answer else None,
                key_id=self.key_id,
            )
        )

    # -- OpenAI's objects --

    def _head(self, kind: str) -> Json:
        return {
            "id": completion_id(self.id),
            "object": kind,
            "created": int(self._at.timestamp()),
            "model": self.request.model,
            "system_fingerprint": self.question.served.model_id,
        }

    def _extra(self, answer: Answer) -> Json:
        """Return what OpenAI's form has no place for: ids, and of a classification how probable the labels are."""
        extra: Json = {"request_id": self.id, "model": self.question.served.model_id}
        if answer.labels:
            label, probability = answer.labels[0]
            best = [
                {"label": label, "probability": share, "logprob": math.log(share) if share else None}
                for label, share in answer.labels[:TOP_LABELS]
            ]
            extra |= {"label": label, "probability": probability, "labels": best}
        return extra

    def _completion(self, answer: Answer) -> Json:
        message = {"role": "assistant", "content": answer.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        head = self._head("chat.completion")
        return {**head, "choices": [choice], "usage": _usage(answer), "tunesmith": self._extra(answer)}

    def _chunk(self, delta: Json, answer: Answer | None = None) -> bytes:
        reason = answer.finish_reason if answer else None
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        if self.request.wants_usage:
            chunk["usage"] = None
        if answer:
            chunk["tunesmith"] = self._extra(answer)
        return _sse(chunk)


def _usage(answer: Answer) -> Json:
    total = answer.prompt_tokens + answer.completion_tokens
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": total,
    }


def _sse(value: Json) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
