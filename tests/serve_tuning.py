"""Rows to fine-tune on, and what a test does with a server that does: jobs are sent with OpenAI's client."""

from __future__ import annotations

import json
import time
from typing import Any

from tunesmith.core.artifacts import Workspace
from tunesmith.recipe import Serve


def sft_rows(count: int = 12, word: str = "q") -> bytes:
    rows = [
        {"messages": [{"role": "user", "content": f"{word}{n}"}, {"role": "assistant", "content": "ab"[n % 2] * 3}]}
        for n in range(count)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def dpo_rows(count: int = 12, word: str = "q") -> bytes:
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"{word}{n}"}]},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
        }
        for n in range(count)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


class Shop:
    """What a test does with a server that fine-tunes."""

    def __init__(self, server: Any, client: Any, workspace: Workspace) -> None:
        self.server, self.client, self.workspace = server, client, workspace
        self.jobs = client.fine_tuning.jobs

    def file(self, content: bytes) -> str:
        return str(self.client.files.create(file=("rows.jsonl", content), purpose="fine-tune").id)

    def job(self, rows: bytes = sft_rows(), **fields: Any) -> Any:
        return self.jobs.create(**{"model": "tiny", "training_file": self.file(rows), "seed": 1, **fields})

    def ended(self, job_id: str, seconds: float = 90) -> Any:
        """Return the job when nobody works on it any more."""
        return self.until(job_id, lambda job: job.status not in ("validating_files", "queued", "running"), seconds)

    def until(self, job_id: str, true: Any, seconds: float = 90) -> Any:
        deadline = time.monotonic() + seconds
        while not true(job := self.jobs.retrieve(job_id)):
            assert time.monotonic() < deadline, (job.status, self.log(job_id))
            time.sleep(0.05)
        return job

    def steps(self, job_id: str) -> int:
        """Return the last step that was told."""
        events = self.jobs.list_events(job_id, limit=5)
        return max((event.data["step"] for event in events.data if event.type == "metrics"), default=0)

    def messages(self, job_id: str) -> list[str]:
        """Return what was told, first things first."""
        return [event.message for event in self.jobs.list_events(job_id, limit=1000)][::-1]

    def log(self, job_id: str) -> str:
        log = self.workspace.jobs_dir / job_id / "worker.log"
        return log.read_text() if log.exists() else ""


def settings_of(base: Any, **jobs: Any) -> Serve:
    return Serve(jobs={"bases": {"tiny": str(base)}, **jobs})
