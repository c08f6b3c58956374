"""A stand-in for OpenAI's files and fine-tuning jobs: a real HTTP server that can be told to fail in any of its ways.

It keeps what was made, so that a test can count jobs and files that were left behind. A job goes one state further each
time it is asked after.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_server import at_port

Body = dict[str, Any]

CUT = 0
"""Status of a fault that does what is asked and then ends the connection without an answer."""


@dataclass
class Fault:
    """What happens in place of an answer to the next requests of a kind; ``does``: but what was asked is done."""

    status: int
    body: Body = field(default_factory=lambda: {"error": {"message": "told to fail", "type": "server_error"}})
    headers: dict[str, str] = field(default_factory=dict)
    times: int = 1
    does: bool = False


@dataclass
class OpenAIStandIn:
    """A running service: where it is, what it has, what it was asked, what it shall do wrong."""

    url: str = ""
    states: list[str] = field(default_factory=lambda: ["validating_files", "running", "succeeded"])
    losses: list[float] = field(default_factory=lambda: [1.5, 1.2, 1.4])  # full_valid_loss, epoch by epoch
    error: Body | None = None
    extra_events: list[Body] = field(default_factory=list)
    shutdown_date: str | None = None
    events_told: bool = True
    keeps_metadata: bool = True
    validates_whole: bool = True  # False: only a batch of the validation rows is looked at
    lag: int = 0  # lists of jobs that do not show any yet
    files: dict[str, Body] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    jobs: dict[str, Body] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    kill: tuple[int, int] | None = None  # process, and at which request it dies: odd before, even after it is done
    made: int = 0
    lock: Any = field(default_factory=threading.RLock)

    def answer(self, method: str, path: str, query: dict[str, list[str]], raw: bytes) -> tuple[int, Any]:
        parts = [unquote(one) for one in path.removeprefix("/v1/").split("/")]
        if parts[0] == "files":
            return self._files(method, parts, raw)
        if parts[0] == "models":
            return 200, {
                "id": parts[1],
                "object": "model",
                "created": 1,
                "owned_by": "o",
                "shutdown_date": self.shutdown_date,
            }
        if len(parts) == 2:
            return self._create(json.loads(raw)) if method == "POST" else self._list(query)
        job = self.jobs[parts[2]]
        what = parts[3] if len(parts) > 3 else ""
        if what == "cancel":
            if job["states"][0] in ("succeeded", "failed", "cancelled"):
                return 400, {"error": {"message": "Job has already completed", "type": "invalid_request_error"}}
            job["states"] = ["cancelled"]
        if what == "events":
            return 200, {"object": "list", "data": self._events(job), "has_more": False}
        if what == "checkpoints":
            return 200, {
                "object": "list",
                "data": self._checkpoints(job),
                "has_more": False,
                "first_id": None,
                "last_id": None,
            }
        return 200, self._told(job, further=not what)

    def _files(self, method: str, parts: list[str], raw: bytes) -> tuple[int, Any]:
        if len(parts) == 1 and method == "POST":
            self.made += 1
            _, _, rest = raw.partition(b'filename="')
            name = rest.split(b'"', 1)[0].decode()
            content = rest.partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0]
            one = {
                "id": f"file-{self.made}", "object": "file", "bytes": len(content), "created_at": 1, "filename": name,
                "purpose": "fine-tune", "status": "processed",
            }  # fmt: skip
            self.files[one["id"]] = one | {"content": content.decode()}
            return 200, one
        if len(parts) == 1:
            told = [{key: value for key, value in one.items() if key != "content"} for one in self.files.values()]
            return 200, {"object": "list", "data": told, "has_more": False}
        if parts[-1] == "content":
            return (
                200,
                "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,2.5,0.5,,\n2,2.25,0.6,,\n",
            )
        if parts[1] not in self.files:
            return 404, {"error": {"message": "no such file", "type": "invalid_request_error", "code": None}}
        self.deleted.append(parts[1])
        del self.files[parts[1]]
        return 200, {"id": parts[1], "object": "file", "deleted": True}

    def _create(self, body: Body) -> tuple[int, Any]:
        number = len(self.jobs)
        job = {"id": f"ftjob-{number}", "body": body, "states": list(self.states), "number": number, "epochs_done": 0}
        self.jobs[job["id"]] = job
        return 200, self._told(job, further=False)

    def _list(self, query: dict[str, list[str]]) -> tuple[int, Any]:
        found = list(self.jobs.values())
        if self.lag:  # a list that has not caught up
            self.lag, found = self.lag - 1, []
        if wanted := query.get("metadata[tunesmith]"):
            found = [one for one in found if one["body"]["metadata"]["tunesmith"] == wanted[0]]
        return 200, {"object": "list", "data": [self._told(one, further=False) for one in found], "has_more": False}

    def _epochs(self, job: Body) -> int:
        method = job["body"]["method"]
        return int(method[method["type"]]["hyperparameters"]["n_epochs"])

    def _told(self, job: Body, further: bool) -> Body:
        state = job["states"][0]
        if further:
            job["epochs_done"] += state == "running"
            if len(job["states"]) > 1:
                job["states"].pop(0)
        ended = state == "succeeded"
        return {
            "id": job["id"], "object": "fine_tuning.job", "created_at": 1, "finished_at": None, "status": state,
            "model": job["body"]["model"], "training_file": job["body"]["training_file"],
            "validation_file": job["body"].get("validation_file"), "result_files": ["file-results"] if ended else [],
            "fine_tuned_model": f"ft:{job['id']}" if ended else None, "trained_tokens": 1000 if ended else None,
            "seed": 1, "organization_id": "o", "error": self.error if state == "failed" else {},
            "hyperparameters": None, "metadata": job["body"]["metadata"] if self.keeps_metadata else None,
        }  # fmt: skip

    def _losses(self, job: Body) -> list[float]:
        """Return the losses of the epochs that are done: one more each time a running job is looked at."""
        done = self._epochs(job) if job["states"][0] in ("succeeded", "failed") else job["epochs_done"]
        made = self.losses[job["number"] :][:1] if self._epochs(job) == 1 else self.losses[: self._epochs(job)]
        return made[:done]

    def _events(self, job: Body) -> list[Body]:
        """Newest first, one of them twice, as the service sends them."""
        events = [_event("e-0", 1, "Created fine-tuning job")]
        if self.events_told:
            for epoch, loss in enumerate(self._losses(job), 1):
                name = "full_valid_loss" if self.validates_whole else "valid_loss"
                data = {"step": 2 * epoch, "total_steps": 2 * self._epochs(job), name: loss}
                before = {"step": 2 * epoch - 1, "total_steps": 2 * self._epochs(job)}
                events.append(_event(f"e-{epoch}a", 2 * epoch, "Step", before | {"train_loss": 2.0 / epoch}))
                events.append(_event(f"e-{epoch}b", 2 * epoch + 1, "Step", data | {"train_loss": 2.0 / epoch}))
        shuffled = [*reversed([*events, *self.extra_events])]
        return [*shuffled[1:], shuffled[0], shuffled[-1]]

    def _checkpoints(self, job: Body) -> list[Body]:
        if job["states"][-1] != "succeeded" and job["states"][-1] != "cancelled":
            return []
        made = [
            {
                "id": f"ckpt-{epoch}", "object": "fine_tuning.job.checkpoint", "created_at": 1, "step_number": 2 * epoch,
                "fine_tuned_model_checkpoint": f"ft:{job['id']}:ckpt-step-{2 * epoch}", "fine_tuning_job_id": job["id"],
                "metrics": {"step": 2 * epoch, "full_valid_loss": loss if self.validates_whole else None},
            }
            for epoch, loss in enumerate(self._losses(job), 1)
        ]  # fmt: skip
        return [*reversed(made[-3:])]


def _event(name: str, created: int, message: str, data: Body | None = None, kind: str | None = None) -> Body:
    return {
        "object": "fine_tuning.job.event", "id": name, "created_at": created, "level": "info", "message": message,
        "type": kind or ("metrics" if data else "message"), "data": data,
    }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: OpenAIStandIn

    def _do(self) -> None:
        service, split = self.service, urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = f"{self.command} {split.path.removeprefix('/v1/')}"
        with service.lock:
            service.asked.append(kind)
            if service.kill and len(service.asked) == (service.kill[1] + 1) // 2 and service.kill[1] % 2:
                return self._die()
            fault = service.faults.get(kind)
            if fault and fault.times and not fault.does:
                fault.times -= 1
                return self._fail(fault)
            status, body = service.answer(self.command, split.path, parse_qs(split.query), raw)
            if service.kill and len(service.asked) == (service.kill[1] + 1) // 2:
                return self._die()
            if fault and fault.times:
                fault.times -= 1
                return self._fail(fault)
        self._send(status, body, {})

    do_GET = do_POST = do_DELETE = _do

    def _die(self) -> None:
        assert self.service.kill
        os.kill(self.service.kill[0], signal.SIGKILL)
        self.service.kill, self.close_connection = None, True

    def _fail(self, fault: Fault) -> None:
        if fault.status == CUT:
            self.close_connection = True
        else:
            self._send(fault.status, fault.body, fault.headers)

    def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def standing_in(**settings: Any) -> Iterator[OpenAIStandIn]:
    """Serve while the block runs."""
    service = OpenAIStandIn(**settings)
    with at_port(type("Handler", (_Handler,), {"service": service})) as place:
        service.url = f"{place}/v1"
        yield service
