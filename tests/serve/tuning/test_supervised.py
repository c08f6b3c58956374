"""One job's trouble is no other's: damaged progress, workers nobody knew of, rows left over, bases in use, time."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import openai
import pytest
import sqlalchemy as sa

from serve_tuning import Shop, settings_of, sft_rows
from serving import serving, wait_until
from tunesmith.core import tables
from tunesmith.core.artifacts import Workspace
from tunesmith.core.clock import now_utc
from tunesmith.core.locks import holder
from tunesmith.core.store import Store
from tunesmith.serve.tuning import supervisor
from tunesmith.serve.tuning.folder import JobFolder
from tunesmith.serve.tuning.worker import Worker

pytestmark = pytest.mark.slow

LONG = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 20, "batch_size": 2}}}


def folder(shop: Shop, job_id: str) -> JobFolder:
    return JobFolder(shop.workspace.jobs_dir / job_id)


def sleeping(cls: Any, folder: JobFolder, home: Any, *, trains: bool) -> Any:
    """A worker that tells nothing."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    return cls(folder, process.pid, trains, process)


def test_a_job_whose_progress_is_damaged_fails_and_the_others_go_on(shop, monkeypatch):
    """Catches one bad line that keeps all jobs of a workspace from ever being looked at again."""
    real = Worker.start
    with monkeypatch.context() as patch:
        patch.setattr(supervisor.Worker, "start", classmethod(sleeping))
        bad = shop.job()
        wait_until(lambda: shop.server.app.state.gateway.supervisor._workers.get(bad.id) is not None)
        patch.setattr(supervisor.Worker, "start", real)
        folder(shop, bad.id).progress.write_bytes(b"\0\0\0\n")
        failed = shop.ended(bad.id)
        assert (failed.status, failed.error.code) == ("failed", "server_error") and "damaged" in failed.error.message
        assert shop.ended(shop.job().id).status == "succeeded"
    with shop.server.http() as http:
        assert http.get("/healthz").json()["jobs"]["failing"] is None


def test_a_worker_that_nobody_knew_of_is_taken_on(shop, monkeypatch):
    """Catches a server killed just after it started a worker: the next one starts another, whose end fails the job while
    the first trains on unseen.
    """
    started = []
    real = Worker.start.__func__

    def twice(cls: Any, folder: JobFolder, home: Any, *, trains: bool) -> Any:
        """Start a worker, forget it, and start one that ends at once because the lock is held."""
        if not started:
            started.append(real(cls, folder, home, trains=trains))
            wait_until(lambda: holder(folder.lock) == started[0].pid, 30)
        process = subprocess.Popen([sys.executable, "-c", "pass"], start_new_session=True)
        return cls(folder, process.pid, trains, process)

    monkeypatch.setattr(supervisor.Worker, "start", classmethod(twice))
    job = shop.job(method=LONG)
    done = shop.ended(job.id)
    assert done.status == "succeeded", (done.error, shop.log(job.id))
    started[0].process.wait(30)


def test_rows_of_what_is_given_up_while_it_waits_do_not_stay(tiny, tmp_path, monkeypatch):
    """Catches a disk that fills with rows of cancelled jobs, which no deletion of a file frees."""
    monkeypatch.setattr(supervisor, "CLEAR_S", 0.3)
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    with monkeypatch.context() as patch:
        patch.setattr(supervisor.Worker, "start", classmethod(sleeping))
        with serving(store, workspace, settings=settings_of(tiny)) as server, server.client() as client:
            shop = Shop(server, client, workspace)
            running, paused = shop.job(), shop.job()
            wait_until(lambda: server.app.state.gateway.supervisor._workers.get(running.id) is not None)
            client.fine_tuning.jobs.pause(paused.id)
            time.sleep(0.7)
            assert folder(shop, paused.id).has_rows(), "it may go on"
            client.fine_tuning.jobs.cancel(paused.id)
            wait_until(lambda: not folder(shop, paused.id).has_rows())
            assert folder(shop, running.id).has_rows()


def test_a_model_that_an_unfinished_job_begins_with_stays(shop, monkeypatch):
    """Catches a job that finds its base gone when its turn comes."""
    first = shop.ended(shop.job().id)
    monkeypatch.setattr(supervisor.Worker, "start", classmethod(sleeping))
    root = shop.client.models.retrieve(first.fine_tuned_model).root
    second = shop.job(model=first.fine_tuned_model)
    shop.client.models.delete(first.fine_tuned_model)
    with pytest.raises(openai.NotFoundError):
        shop.client.models.retrieve(first.fine_tuned_model)
    assert shop.workspace.find(root) is not None
    shop.jobs.cancel(second.id)


def test_a_job_ends_when_its_hours_are_over(tiny, tmp_path):
    """Catches a client who keeps the machine for ever."""
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    with (
        serving(store, workspace, settings=settings_of(tiny, max_hours=0.5 / 3600)) as server,
        server.client(_strict_response_validation=True) as client,
    ):
        shop = Shop(server, client, workspace)
        job = shop.job(
            sft_rows(400),
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 50, "batch_size": 1}}},
        )
        failed = shop.ended(job.id)
        assert failed.status == "failed" and "more than 0.000138889 hours" in failed.error.message
        wait_until(lambda: holder(folder(shop, job.id).lock) is None)


def test_a_key_has_room_for_so_much(tiny, tmp_path):
    """Catches files and open uploads without a bound, room that is taken twice by an upload that ends."""
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    content = sft_rows(12)
    with (
        serving(
            store, workspace, settings=settings_of(tiny, bytes_per_key=f"{len(content) * 2 / 1e6:.6f}MB")
        ) as server,
        server.client() as client,
    ):
        shop = Shop(server, client, workspace)
        kept = shop.file(content)
        upload = client.uploads.create(
            bytes=len(content), filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune"
        )
        with pytest.raises(openai.BadRequestError) as told:
            shop.file(content)
        assert told.value.code == "storage_limit_exceeded"
        with pytest.raises(openai.BadRequestError):
            client.uploads.create(bytes=1, filename="b.jsonl", mime_type="text/jsonl", purpose="fine-tune")
        part = client.uploads.parts.create(upload.id, data=content)
        assert client.uploads.complete(upload.id, part_ids=[part.id]).status == "completed"
        client.files.delete(kept)
        shop.file(content)
        assert len([one for one in workspace.files_dir.iterdir() if one.name.startswith("file-")]) == 2


def test_what_has_expired_takes_no_room_of_its_key(tiny, tmp_path):
    """Catches a key that is refused for hours because of uploads that its script left open, and which it cannot cancel."""
    workspace, content = Workspace(tmp_path / "home"), sft_rows(12)
    store = Store.open_workspace(workspace.root)
    settings = settings_of(tiny, bytes_per_key=f"{len(content) / 1e6:.6f}MB")
    about = {"bytes": len(content), "filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
    with serving(store, workspace, settings=settings) as server, server.client() as client:
        shop = Shop(server, client, workspace)
        left = client.uploads.create(**about)
        client.uploads.parts.create(left.id, data=content)
        with pytest.raises(openai.BadRequestError, match="cancel uploads"):
            shop.file(content)
        expire(store, tables.uploads)
        with pytest.raises(openai.BadRequestError, match=r"is expired: it was open until 2.* takes no room"):
            client.uploads.cancel(left.id)
        assert not (workspace.files_dir / "parts" / left.id).exists()
        expire(store, tables.uploads, status="pending")
        shop.file(content)
        expire(store, tables.files)
        client.uploads.create(**about)


def expire(store: Store, table: Any, **also: Any) -> None:
    with store.writing() as connection:
        connection.execute(sa.update(table).values(expires=now_utc() - timedelta(seconds=1), **also))
