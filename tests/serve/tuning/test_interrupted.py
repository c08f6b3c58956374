"""Jobs that are cut short: workers and servers killed, jobs paused, given up, waiting for others."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from serve_tuning import Shop, settings_of, sft_rows
from serving import serving, wait_until
from stores import free_port
from tunesmith import flow
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.locks import holder
from tunesmith.core.store import Store
from tunesmith.recipe import Serve
from tunesmith.serve.tuning import supervisor
from tunesmith.serve.tuning.folder import JobFolder

pytestmark = pytest.mark.slow

LONG = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 20, "batch_size": 2}}}
"""120 steps, of about ten milliseconds."""


def weights(shop: Shop, name: str) -> bytes:
    """Return the weights of a model by its name."""
    return weights_in(shop.workspace.get(shop.client.models.retrieve(name).root))


def weights_in(model: Artifact) -> bytes:
    return (model.path / "model" / "adapter_model.safetensors").read_bytes()


def worker_of(shop: Shop, job_id: str) -> int | None:
    return holder(JobFolder(shop.workspace.jobs_dir / job_id).lock)


def told_once(shop: Shop, job_id: str) -> None:
    """Check that every step was told once, in order, and each checkpoint too."""
    events = list(shop.jobs.list_events(job_id, limit=1000))[::-1]
    assert [one.data["step"] for one in events if one.type == "metrics"] == list(range(1, 121))
    kept = [one.message for one in events if one.message.startswith("Checkpoint")]
    assert kept == [f"Checkpoint created at step {step}" for step in range(6, 121, 6)]
    assert [one.step_number for one in shop.jobs.checkpoints.list(job_id)] == [120, 114, 108]


def reference(job: Any, rows: bytes, shop: Shop, folder: Path) -> bytes:
    """Return the weights that the job's recipe makes when nothing happens, in this process."""
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(rows)
    shutil.copy(shop.workspace.jobs_dir / job.id / "recipe.yaml", folder)
    project = flow.Project.of(folder / "recipe.yaml")
    return weights_in(flow.train(project))


def test_a_job_ends_in_the_same_weights_whatever_happens_to_its_worker(shop, tmp_path):
    """Catches a second worker, job or model, steps told twice, weights that a kill or a pause changes."""
    rows, store = sft_rows(), Store.open_workspace(shop.workspace.root)
    with serving(store, shop.workspace, settings=Serve()) as other:
        job = shop.job(rows, method=LONG)
        wait_until(lambda: shop.steps(job.id) >= 10, 60)
        os.kill(worker_of(shop, job.id), signal.SIGKILL)
        wait_until(lambda: shop.steps(job.id) >= 40, 60)
        lax = shop.server.client().fine_tuning.jobs  # OpenAI's types have no "paused"
        lax.pause(job.id)
        wait_until(lambda: worker_of(shop, job.id) is None)
        before = shop.steps(job.id)
        time.sleep(0.6)
        assert shop.steps(job.id) == before and lax.retrieve(job.id).status == "paused"
        assert shop.jobs.resume(job.id).status == "queued"
        done = shop.ended(job.id)
        assert done.status == "succeeded", shop.log(job.id)
        with other.client() as client:
            assert client.models.retrieve(done.fine_tuned_model).id == done.fine_tuned_model
        assert other.app.state.gateway.supervisor._workers == {}, "one of two servers sees to the jobs"
    told_once(shop, job.id)
    assert weights(shop, done.fine_tuned_model) == reference(job, rows, shop, tmp_path / "alone")
    assert len(shop.workspace.list("model")) == 4, "the model, and three checkpoints"


SERVER = """
import sys, json
from pathlib import Path
from tunesmith.core.artifacts import Workspace
from tunesmith.core.store import Store
from tunesmith.recipe import Serve
from tunesmith.serve.server import run
home, port, bases = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
run(Store.open_workspace(home), Workspace(home), port=port, settings=Serve(jobs={"bases": bases}))
"""


def start_server(home: Path, port: int, tiny: Path) -> subprocess.Popen[bytes]:
    bases = json.dumps({"tiny": str(tiny)})
    return subprocess.Popen([sys.executable, "-c", SERVER, str(home), str(port), bases], stderr=subprocess.DEVNULL)


def answers(jobs: Any) -> bool:
    try:
        jobs.list()
    except openai.APIConnectionError:
        return False
    return True


def test_a_job_outlives_servers_that_are_killed_or_stopped(tiny, tmp_path):
    """Catches a worker that nobody looks after, a second one beside it, training that a stopped server leaves behind."""
    port, workspace, rows = free_port(), Workspace(tmp_path / "home"), sft_rows()
    first = start_server(workspace.root, port, tiny)
    where = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "none", "max_retries": 0}
    with openai.OpenAI(**where, _strict_response_validation=True) as client:
        shop = Shop(None, client, workspace)
        wait_until(lambda: answers(shop.jobs), 60)
        job = shop.job(rows, method=LONG)
        wait_until(lambda: shop.steps(job.id) >= 5, 60)
        worker = worker_of(shop, job.id)
        first.kill()
        first.wait()
        assert worker_of(shop, job.id) == worker, "it goes on"
        second = start_server(workspace.root, port, tiny)
        wait_until(lambda: answers(shop.jobs), 60)
        wait_until(lambda: shop.steps(job.id) >= 20, 60)
        second.send_signal(signal.SIGTERM)
        assert second.wait(30) == 0 and worker_of(shop, job.id) is None
    store = Store.open_workspace(workspace.root)
    settings = settings_of(tiny)
    with (
        serving(store, workspace, settings=settings) as third,
        third.client(_strict_response_validation=True) as client,
    ):
        shop = Shop(third, client, workspace)
        done = shop.ended(job.id)
        assert done.status == "succeeded", shop.log(job.id)
        told_once(shop, job.id)
        assert [one.id for one in shop.jobs.list()] == [job.id]
        assert weights(shop, done.fine_tuned_model) == reference(job, rows, shop, tmp_path / "alone")


def test_what_waits_is_checked_and_what_is_given_up_ends(shop):
    """Catches more at once than the operator allows, rows that are looked at hours later, a worker nobody wants."""
    running, waiting, bad = (shop.job(rows, method=LONG) for rows in (sft_rows(), sft_rows(), sft_rows(3)))
    wait_until(lambda: shop.steps(running.id) >= 7, 30)
    assert shop.until(waiting.id, lambda job: job.status != "validating_files").status == "queued"
    assert shop.ended(bad.id).error.code == "invalid_n_examples"
    assert shop.jobs.retrieve(running.id).status == "running", "the checks did not wait for it"
    assert shop.jobs.cancel(running.id).status == "cancelled"
    wait_until(lambda: worker_of(shop, waiting.id) is not None)
    assert worker_of(shop, running.id) is None
    assert [one.step_number for one in shop.jobs.checkpoints.list(running.id)][-1] == 6, "its checkpoints stay"
    name = shop.jobs.checkpoints.list(running.id).data[-1].fine_tuned_model_checkpoint
    assert shop.client.chat.completions.create(model=name, messages=[{"role": "user", "content": "q"}], max_tokens=2)
    assert not (shop.workspace.jobs_dir / running.id / "train.jsonl").exists()
    shop.jobs.cancel(waiting.id)
    wait_until(lambda: worker_of(shop, waiting.id) is None, 10)
    assert shop.messages(running.id)[-1] == "Fine-tuning job cancelled"
    wait_until(lambda: not list(shop.workspace.work_dir.glob("ftjob-*")), 5)


def test_a_worker_that_always_dies_fails_the_job(shop, monkeypatch):
    """Catches a job that is tried for ever."""
    monkeypatch.setattr(supervisor.Worker, "start", classmethod(_dies))
    failed = shop.ended(shop.job().id)
    assert (failed.status, failed.error.code, failed.error.param) == ("failed", "server_error", None)
    assert "ended 3 times" in failed.error.message


def _dies(cls: Any, folder: JobFolder, home: Path, *, trains: bool) -> Any:
    process = subprocess.Popen([sys.executable, "-c", "raise SystemExit(9)"], start_new_session=True)
    return cls(folder, process.pid, trains, process)
