"""A scripted judge behind a real HTTP server: the edge of services that cannot be had.

It speaks OpenAI's chat completions and Anthropic's messages, prefers what its script says with known chances, and can
be told to fail.
"""

from __future__ import annotations

import contextlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from local_server import at_port
from tunesmith.core.artifacts import Workspace
from tunesmith.evaluate.judge.judging import Judging
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import connect
from tunesmith.recipe.judge import Judge

CUT = 0
Script = Callable[[str], Any]
"""What the user says last in, the judge's whole answer out: words, or a list of calls, each a name and arguments."""


@dataclass
class Judged:
    """A running judge: where it is, what it was asked, and what it shall do wrong."""

    script: Script
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # status and headers, one a request
    failing: tuple[int, dict[str, str]] | None = None  # the same for all requests; status CUT: the connection is cut
    slow_s: float = 0.0
    key: str | None = None
    foreign: str | None = None  # a body of another protocol, for all
    received: int = 0
    written: int = 0  # events of streamed answers
    keys: list[str] = field(default_factory=list)
    together: int = 0
    most_together: int = 0
    lock: Any = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    judged: Judged

    def do_POST(self) -> None:
        judged = self.judged
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with judged.lock:
            judged.together += 1
            judged.most_together = max(judged.most_together, judged.together)
            judged.received += 1
            failure = judged.failures.pop(0) if judged.failures else judged.failing
        try:
            time.sleep(judged.slow_s)
            given = self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")
            judged.keys.append(given)
            if judged.key is not None and given != judged.key:
                return self._send(401, {"error": {"message": f"wrong key {given}", "type": "authentication_error"}})
            if failure is not None and failure[0] == CUT:
                return self._cut()
            if failure is not None:
                return self._send(failure[0], {"error": {"message": f"told to fail, with {given}"}}, failure[1])
            if judged.foreign is not None:
                kind = "application/json" if judged.foreign.startswith("{") else "text/html"
                return self._write(200, judged.foreign, {"content-type": kind})
            with judged.lock:
                judged.asked.append(body)
            said = judged.script(_user(body))
            if body.get("stream"):
                return self._stream(body, said)
            return self._send(200, (_anthropic if self.path.endswith("/messages") else _openai)(body, said))
        finally:
            with judged.lock:
                judged.together -= 1

    def _stream(self, body: dict[str, Any], said: str) -> None:
        """Send an answer word by word, as either protocol does."""
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
            events = _anthropic_events if self.path.endswith("/messages") else _openai_events
            for event in events(body, re.findall(r"\S+\s*", said)):
                self.wfile.write(event.encode())
                self.wfile.flush()
                time.sleep(self.judged.slow_s)
                self.judged.written += 1

    def _cut(self) -> None:
        """End the connection in the middle of an answer."""
        self.close_connection = True
        self.wfile.write(
            b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"id": "x", '
        )

    def _send(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._write(status, json.dumps(body), {"content-type": "application/json", **(headers or {})})

    def _write(self, status: int, body: str, headers: dict[str, str]) -> None:
        content = body.encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def _user(body: dict[str, Any]) -> str:
    return str([one["content"] for one in body["messages"] if one["role"] == "user"][-1])


def _openai(body: dict[str, Any], said: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said}
    if isinstance(said, list):
        functions = [{"name": name, "arguments": json.dumps(given)} for name, given in said]
        calls = [{"id": f"c{n}", "type": "function", "function": one} for n, one in enumerate(functions)]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if isinstance(said, list) else "stop"}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": usage,
    }


def _anthropic(body: dict[str, Any], said: Any) -> dict[str, Any]:
    calls = said if isinstance(said, list) else []
    used = [{"type": "tool_use", "id": f"c{n}", "name": one, "input": given} for n, (one, given) in enumerate(calls)]
    return {
        "id": "x", "type": "message", "role": "assistant", "model": body["model"],
        "stop_reason": "tool_use" if calls else "end_turn",
        "stop_sequence": None, "content": used or [{"type": "text", "text": said}], "usage": {"input_tokens": 100, "output_tokens": 10},
    }  # fmt: skip


def _openai_events(body: dict[str, Any], pieces: Sequence[str]) -> Iterator[str]:
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    for piece in pieces:
        choice = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
        yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield f"data: {json.dumps({**head, 'choices': [last]})}\n\n"
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    yield f"data: {json.dumps({**head, 'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"


def _anthropic_events(body: dict[str, Any], pieces: Sequence[str]) -> Iterator[str]:
    message = {**_anthropic(body, ""), "content": [], "stop_reason": None}
    yield _event({"type": "message_start", "message": message})
    yield _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for piece in pieces:
        yield _event({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})
    yield _event({"type": "content_block_stop", "index": 0})
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    yield _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 10}})
    yield _event({"type": "message_stop"})


def _event(value: dict[str, Any]) -> str:
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n"


@contextlib.contextmanager
def judging(script: Script, **settings: Any) -> Iterator[Judged]:
    """Serve a scripted judge while the block runs."""
    judged = Judged(script, **settings)
    with at_port(type("Handler", (_Handler,), {"judged": judged})) as place:
        judged.url = f"{place}/v1"
        yield judged


@contextlib.contextmanager
def at_work(folder: Path, rows: Sequence[str] = (), **settings: Any) -> Iterator[Judging]:
    """Return the judge of some settings, at work."""
    judge = Judge(**{"timeout_s": 20, "retries": 2, **settings})
    asker = Asker(connect(judge, Workspace(folder)), ReplyCache(folder))
    with Judging(judge, asker, frozenset(rows), 0) as working:
        yield working


_PAIR = re.compile(r"<answer_1>\n(.*?)\n</answer_1>\s*<answer_2>\n(.*?)\n</answer_2>", re.DOTALL)


def answers_in(said: str) -> tuple[str, str]:
    """Return the two answers that a judge is shown."""
    found = _PAIR.search(said)
    assert found is not None
    return found[1], found[2]


def biased(better: set[str], *, right: float = 0.75, bias: float = 0.0, seed: int = 0) -> Script:
    """Return a judge that prefers the better answer with a known chance, and the first place with a known bias.

    The better answer wins with ``right + bias`` where it stands first, ``right - bias`` where it stands second.
    """
    generator, lock = random.Random(seed), threading.Lock()

    def judge(said: str) -> str:
        first, second = answers_in(said)
        with lock:
            luck = generator.random()
        if first in better:
            return f"I looked.\nBetter: {1 if luck < right + bias else 2}"
        assert second in better
        return f"I looked.\nBetter: {2 if luck < right - bias else 1}"

    return judge
