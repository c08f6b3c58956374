"""A real server on a free port with tiny real models, for tests of everything that needs traffic."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from tunesmith.core.artifacts import Artifact, Plan, Workspace
from tunesmith.core.store import Store
from tunesmith.recipe import Serve
from tunesmith.serve.app import build_app
from tunesmith.serve.server import listen, make_server
from tunesmith.text.task import TaskSpec

LABELS = ("billing", "lost card", "refund")


def make_model(workspace: Workspace, base: Path, task: TaskSpec, *, name: str = "tickets", seed: int = 0) -> Artifact:
    """Write a Model artifact that is a copy of a base with a task."""
    config = {"train": {"method": "full"}, "task": task.task, "system": task.system}
    plan = Plan(name, "model", config, given={"base": "tiny"}, parents=(f"{name}-dddddddddddd",), seed=seed)
    if (found := workspace.find(plan.id)) is not None:
        return found
    with workspace.draft(plan) as draft:
        shutil.copytree(base, draft.path / "model")
        task.save(draft.path / "model")
    return workspace.get(plan.id)


@dataclass
class Running:
    """A server in a thread of this process."""

    url: str
    app: Any
    server: Any

    def client(self, key: str = "ts-none", **settings: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60, **settings)

    def http(self, **settings: Any) -> openai.DefaultHttpxClient:
        return openai.DefaultHttpxClient(base_url=self.url, timeout=60, **settings)

    def ask(self, text: str, model: str = "tickets", **fields: Any) -> Any:
        with self.client() as client:
            return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **fields)

    def stream(self, text: str, model: str = "tickets", **fields: Any) -> Iterator[Any]:
        """Yield the chunks of a streamed answer; closing the iterator hangs up."""
        with self.client() as client:
            messages = [{"role": "user", "content": text}]
            with client.chat.completions.create(model=model, messages=messages, stream=True, **fields) as chunks:
                yield from chunks

    def health(self) -> dict[str, Any]:
        with self.http() as http:
            return dict(http.get("/healthz").json())


@contextlib.contextmanager
def serving(store: Store, workspace: Workspace, *, settings: Serve | None = None, **options: Any) -> Iterator[Running]:
    """Serve while the block runs; leaving it drains."""
    listener = listen("127.0.0.1", 0)
    app = build_app(store, workspace, settings=settings, **options)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield Running(f"http://127.0.0.1:{listener.getsockname()[1]}", app, server)
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


def wait_until(true: Any, seconds: float = 10.0) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
