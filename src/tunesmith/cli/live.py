"""A server in a thread of this process and a plain HTTP client of it, for commands that show the ring at work.

Does not own serving (`serve`); users of the server run ``tunesmith serve``.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.flow import Project

READY_S = 60.0
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What a model said: the request's id (for feedback), the text, and how long it took in milliseconds."""

    id: str
    text: str
    latency_ms: float


@dataclass(frozen=True)
class Client:
    """Speaks to a server at ``url`` about one model."""

    url: str
    model: str

    def ask(self, text: str) -> Answer:
        """Ask one question over HTTP."""
        started_s = time.perf_counter()
        body = {"model": self.model, "messages": [{"role": "user", "content": text}]}
        reply = self._call("/v1/chat/completions", body)
        latency_ms = 1000 * (time.perf_counter() - started_s)
        return Answer(reply["id"], reply["choices"][0]["message"]["content"], latency_ms)

    def feedback(self, answer: Answer, *, correction: str | None = None, rating: int | None = None) -> None:
        """Say what the right answer was, or how good it was."""
        given = {"correction": correction, "rating": rating}
        self._call(
            "/v1/feedback", {"id": answer.id, **{key: value for key, value in given.items() if value is not None}}
        )

    def wait_for(self, model_id: str) -> None:
        """Wait until the server answers with a certain Model.

        Raises:
            SetupError: if it does not within `READY_S`.
        """
        deadline_s = time.monotonic() + READY_S
        while time.monotonic() < deadline_s:
            if self._call(f"/v1/models/{self.model}")["root"] == model_id:
                return
            time.sleep(0.1)
        raise SetupError(f"the server did not take up {model_id} within {READY_S:.0f} s")

    def _call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            result: dict[str, Any] = json.loads(response.read())
        return result


@contextlib.contextmanager
def serving(project: Project) -> Iterator[Client]:
    """Serve a project's releases on a free port of this machine while the block runs; leaving it drains.

    Raises:
        SetupError: if the server does not start.
    """
    from tunesmith.serve.app import build_app
    from tunesmith.serve.server import listen, make_server

    listener = listen("127.0.0.1", 0)
    server = make_server(build_app(project.store, project.workspace, settings=project.recipe.serve))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + READY_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline_s:
            raise SetupError("the server did not start", hint="tunesmith serve says why")
        time.sleep(0.02)
    try:
        yield Client(f"http://127.0.0.1:{listener.getsockname()[1]}", project.recipe.name)
    finally:
        server.should_exit = True
        thread.join(READY_S)
        listener.close()
