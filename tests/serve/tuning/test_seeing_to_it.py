"""What a look of the supervisor does, look by look and without its thread: clearing up, damage, deaths."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from serve_tuning import Shop
from serving import wait_until
from tunesmith.core.locks import holder
from tunesmith.serve.tuning import supervisor
from tunesmith.serve.tuning.folder import JobFolder
from tunesmith.serve.tuning.supervisor import Supervisor

pytestmark = pytest.mark.slow


class Looking(Shop):
    """A server whose supervisor looks when the test says so; its workers are programs of one line."""

    program = "import time; time.sleep(60)"

    @property
    def supervisor(self) -> Supervisor:
        return self.server.app.state.gateway.supervisor

    def folder(self, job_id: str) -> JobFolder:
        return JobFolder(self.workspace.jobs_dir / job_id)

    def given_up(self) -> str:
        """Return a job that was cancelled before anybody worked on it, with a checkpoint that a kill left."""
        job = self.job()
        self.jobs.cancel(job.id)
        left = self.checkpoint_of(job.id)
        left.mkdir(parents=True)
        (left / "checkpoint.safetensors").write_bytes(b"x")
        return str(job.id)

    def checkpoint_of(self, job_id: str) -> Path:
        return self.workspace.work_dir / f"{job_id}-dddddddddddd"

    def started(self, cls: Any, folder: JobFolder, home: Any, *, trains: bool) -> Any:
        process = subprocess.Popen([sys.executable, "-c", self.program], start_new_session=True)
        return cls(folder, process.pid, trains, process)

    def tell(self, job_id: str, *lines: dict[str, Any]) -> None:
        """Write what a worker would."""
        with self.folder(job_id).progress.open("a") as file:
            file.writelines(json.dumps({"at": time.time(), **line}) + "\n" for line in lines)


@pytest.fixture
def looking(shop, monkeypatch):
    shop.server.app.state.gateway.supervisor.close()
    found = Looking(shop.server, shop.client, shop.workspace)
    monkeypatch.setattr(supervisor.Worker, "start", classmethod(found.started))
    yield found
    for worker in found.supervisor._workers.values():
        worker.kill()


def test_what_a_kill_left_half_cleared_is_found_again(looking, monkeypatch):
    """Catches checkpoints that stay for ever, because the rows by which their job is found went before them."""
    job_id, real = looking.given_up(), shutil.rmtree

    def refused(path: Path, *more: Any, **how: Any) -> None:
        raise OSError("killed here")

    monkeypatch.setattr(supervisor.shutil, "rmtree", refused)
    with pytest.raises(OSError, match="killed here"):
        looking.supervisor._clear_up()
    monkeypatch.setattr(supervisor.shutil, "rmtree", real)
    looking.supervisor._clear_up()
    assert not looking.checkpoint_of(job_id).exists() and not looking.folder(job_id).has_rows()


def test_a_job_that_cannot_be_cleared_keeps_no_other_from_it(looking, monkeypatch):
    """Catches one folder that the disk holds fast, behind which the rows of all later jobs pile up."""
    first, second = sorted(looking.given_up() for _ in range(2))
    real = JobFolder.drop_rows
    monkeypatch.setattr(JobFolder, "drop_rows", lambda self: _refused() if self.path.name == first else real(self))
    with pytest.raises(OSError, match="held fast"):
        looking.supervisor._clear_up()
    assert looking.folder(first).has_rows() and not looking.folder(second).has_rows()


def test_a_job_that_cannot_be_cleared_keeps_no_other_waiting(looking, monkeypatch):
    """Catches a job that is not started because the one before it, given up at work, cannot be cleared."""
    at_work, waiting = looking.job(), looking.job()
    looking.supervisor.look()
    looking.jobs.cancel(at_work.id)
    monkeypatch.setattr(JobFolder, "drop_rows", lambda self: _refused())
    looking.supervisor._workers.pop(waiting.id).kill()
    with pytest.raises(OSError, match="held fast"):
        looking.supervisor.look()
    assert list(looking.supervisor._workers) == [waiting.id]


def test_a_job_that_cannot_be_started_keeps_no_other_waiting(shop):
    """Catches a folder that takes no log, behind which all later jobs of the workspace wait for ever."""
    shop.server.app.state.gateway.supervisor.close()
    looking = Looking(shop.server, shop.client, shop.workspace)
    first, second = looking.job(), looking.job()
    looking.folder(first.id).log.mkdir()
    with pytest.raises(IsADirectoryError):
        looking.supervisor.look()
    assert list(looking.supervisor._workers) == [second.id]
    looking.supervisor._workers[second.id].kill()


def test_damage_before_what_was_taken_in_fails_its_own_job(looking):
    """Catches a server that limits hours, and after a restart starts no job: each look ends at one bad early line."""
    tuning = looking.server.app.state.gateway.tuning
    tuning.settings = tuning.settings.model_copy(update={"max_hours": 100})
    bad = looking.job()
    looking.supervisor.look()
    looking.tell(bad.id, {"kind": "validated", "train": 12, "valid": 0, "left_out": {}})
    looking.tell(bad.id, {"kind": "training", "model_id": "m", "total_steps": 9})
    looking.supervisor.look()
    assert looking.jobs.retrieve(bad.id).status == "running"
    path = looking.folder(bad.id).progress
    path.write_bytes(b"\0" * 9 + path.read_bytes()[9:])
    looking.supervisor._began.clear()  # as of a server that starts
    other = looking.job()
    looking.supervisor.look()
    failed = looking.jobs.retrieve(bad.id)
    assert failed.status == "failed" and "damaged" in failed.error.message
    assert other.id in looking.supervisor._workers


def test_what_is_not_read_or_left_out_is_an_event(looking):
    """Catches rows and keys that a client sends, and never hears were not learnt."""
    job = looking.job()
    looking.tell(job.id, {"kind": "validated", "train": 12, "valid": 0, "left_out": {"leak": 2}, "unread": {"mood": 3}})
    looking.supervisor.look()
    events = looking.jobs.list_events(job.id).data
    assert {one.message for one in events if one.level == "warn"} == {
        "2 example(s) are left out by rule leak", "3 example(s) have the key 'mood', which is not read"
    }  # fmt: skip


def test_a_worker_that_nobody_knew_of_counts_no_death(looking):
    """Catches a job that fails because the workers a server starts end at once, while one it has not seen trains on."""
    looking.program = "pass"
    job = looking.job()
    looking.supervisor.look()
    looking.supervisor._workers[job.id].process.wait()
    program = "import sys, time, pathlib; from tunesmith.core.locks import locked_if_free as lock\n"
    program += "with lock(pathlib.Path(sys.argv[1])): time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", program, looking.folder(job.id).lock], start_new_session=True
    ) as unseen:
        wait_until(lambda: holder(looking.folder(job.id).lock) == unseen.pid, 30)
        looking.supervisor.look()
        worker, deaths = looking.supervisor._workers[job.id], looking.supervisor._tuning.jobs.get(job.id).deaths
        unseen.kill()
    assert (worker.pid, deaths) == (unseen.pid, 0)


def test_deaths_far_apart_do_not_add_up(looking):
    """Catches a long job that fails at its third death, although each worker got further than the one before."""
    looking.program = "pass"
    job = looking.job()
    looking.tell(job.id, {"kind": "validated", "train": 12, "valid": 0, "left_out": {}})
    looking.tell(job.id, {"kind": "training", "model_id": "m", "total_steps": 9})
    for step in range(1, 2 * supervisor.MOST_DEATHS):
        looking.supervisor.look()
        looking.supervisor._workers[job.id].process.wait()
        looking.tell(job.id, {"kind": "step", "step": step, "total_steps": 9, "train_loss": 1.0})
        looking.supervisor.look()
        assert looking.jobs.retrieve(job.id).status == "running", step


def _refused() -> None:
    raise OSError("held fast")
