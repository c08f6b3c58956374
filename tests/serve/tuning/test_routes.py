"""``/v1/fine_tuning/jobs`` as OpenAI's client, which checks every answer strictly, asks for it; no worker runs."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from serving import serving, wait_until
from tunesmith.core.artifacts import Plan, Workspace
from tunesmith.core.store import Store
from tunesmith.providers.hosted import HostedModel
from tunesmith.recipe import Serve, load_recipe
from tunesmith.serve.keys import create_key
from tunesmith.serve.tuning.events import tell
from tunesmith.serve.tuning.supervisor import Supervisor
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

ROWS = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 12


@pytest.fixture
def ring(tmp_path, monkeypatch):
    """A server that takes jobs and lets them wait."""
    monkeypatch.setattr(Supervisor, "start", lambda self: None)
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    settings = Serve(jobs={"per_key": 3, "bases": {"gpt-4o-mini": "nano"}})
    with serving(store, workspace, settings=settings) as server:
        server.store, server.workspace = store, workspace
        with server.client(_strict_response_validation=True) as client:
            server.strict = client
            yield server


def file_in(client: openai.OpenAI) -> str:
    return client.files.create(file=("rows.jsonl", ROWS), purpose="fine-tune").id


def create(client: openai.OpenAI, **fields: Any) -> Any:
    return client.fine_tuning.jobs.create(**{"model": "nano", "training_file": file_in(client), **fields})


def test_a_job_says_what_was_asked(ring):
    """Catches an object that the client refuses, a field that is lost on the way."""
    file, valid = file_in(ring.strict), file_in(ring.strict)
    job = create(
        ring.strict, training_file=file, validation_file=valid, suffix="My Mice", seed=7, metadata={"team": "a"},
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}},
    )  # fmt: skip
    assert (job.status, job.model, job.training_file, job.validation_file) == ("validating_files", "nano", file, valid)
    assert (job.seed, job.metadata, job.error, job.fine_tuned_model) == (7, {"team": "a"}, None, None)
    assert (job.hyperparameters.n_epochs, job.hyperparameters.batch_size) == (2, 4)
    assert job.method.supervised.hyperparameters.learning_rate_multiplier == "auto"
    assert ring.strict.fine_tuning.jobs.retrieve(job.id) == job
    old = create(ring.strict, hyperparameters={"n_epochs": 1})
    assert old.method.type == "supervised" and old.hyperparameters.n_epochs == 1
    assert create(ring.strict, method={"type": "dpo"}).method.dpo.hyperparameters.beta == "auto"


def test_the_folder_of_a_job_has_all_that_its_worker_needs(ring):
    """Catches a job that fails because its file was deleted meanwhile, a hyperparameter that the recipe loses."""
    file = file_in(ring.strict)
    hyper = {"n_epochs": 2, "batch_size": 4, "beta": 0.5}
    job = create(
        ring.strict,
        model="gpt-4o-mini",
        training_file=file,
        seed=3,
        method={"type": "dpo", "dpo": {"hyperparameters": hyper}},
    )
    ring.strict.files.delete(file)
    folder = ring.workspace.jobs_dir / job.id
    recipe = load_recipe(folder / "recipe.yaml")
    assert (folder / "train.jsonl").read_bytes() == ROWS
    assert (recipe.name, recipe.base, recipe.task, recipe.objective, recipe.seed) == (
        job.id,
        "nano",
        "preference",
        "dpo",
        3,
    )
    assert (recipe.train.epochs, recipe.train.batch_examples, recipe.train.preference.beta) == (2, 4, 0.5)
    assert recipe.data.clean.refusal == "off" and not recipe.data.dedup.exact and recipe.data.split.test == 0


def test_what_the_client_opens_of_our_recipe_is_in_force(ring):
    """Catches an extra that is dropped."""
    own = {"train": {"method": "full", "lora": {}}, "data": {"dedup": {"near": 0.9}, "clean": {"refusal": "remove"}}}
    job = create(ring.strict, extra_body={"tunesmith": own})
    recipe = load_recipe(ring.workspace.jobs_dir / job.id / "recipe.yaml")
    assert (recipe.train.method, recipe.data.dedup.near, recipe.data.clean.refusal) == ("full", 0.9, "remove")
    assert recipe.data.clean.echo == "off"


BAD: dict[str, tuple[dict[str, Any], int, str | None, str]] = {
    "no file": ({"training_file": "file-none"}, 404, None, "training_file"),
    "no validation file": ({"validation_file": "file-none"}, 404, None, "validation_file"),
    "no base": ({"model": "gpt-9"}, 400, "model_not_available", "model"),
    "a path": ({"model": "/etc"}, 400, "model_not_available", "model"),
    "too many epochs": ({"hyperparameters": {"n_epochs": 51}}, 400, "invalid_value", "hyperparameters.n_epochs"),
    "half an example": ({"hyperparameters": {"batch_size": 1.5}}, 400, "invalid_value", "hyperparameters.batch_size"),
    "no rate": ({"hyperparameters": {"learning_rate_multiplier": 0}}, 400, "invalid_value", "hyperparameters.learning_rate_multiplier"),
    "rewards": ({"method": {"type": "reinforcement"}}, 400, "invalid_value", "method.type"),
    "two methods": ({"method": {"type": "dpo", "supervised": {}}}, 400, "invalid_value", "method.supervised"),
    "both places": ({"method": {"type": "dpo"}, "hyperparameters": {}}, 400, "invalid_value", "hyperparameters"),
    "a long suffix": ({"suffix": "x" * 65}, 400, "invalid_value", "suffix"),
    "much metadata": ({"metadata": {str(n): "" for n in range(17)}}, 400, "invalid_value", "metadata"),
    "a long value": ({"metadata": {"a": "x" * 513}}, 400, "invalid_value", "metadata"),
    "wandb": ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, 400, "unsupported_parameter", "integrations"),
    "an unknown field": ({"extra_body": {"colour": "red"}}, 400, "unknown_parameter", "colour"),
    "a file of this machine": ({"extra_body": {"tunesmith": {"data": {"train": "/etc/passwd"}}}}, 400, "unknown_parameter", "tunesmith.data.train"),
    "a program": ({"extra_body": {"tunesmith": {"evaluate": {}}}}, 400, "unknown_parameter", "tunesmith.evaluate"),
    "a setting that cannot be": ({"extra_body": {"tunesmith": {"train": {"lora": {"rank": 0}}}}}, 400, "invalid_value", "tunesmith.train.lora.rank"),
}  # fmt: skip


def test_what_cannot_be_is_refused_by_name_and_leaves_nothing(ring):
    """Catches a refusal that does not name the field, a job or a folder of a request that was refused."""
    file = file_in(ring.strict)
    for name, (fields, status, code, param) in BAD.items():
        with pytest.raises(openai.APIStatusError) as told:
            create(ring.strict, **{"training_file": file, **fields})
        assert (told.value.status_code, told.value.code, told.value.param) == (status, code, param), name
    assert list(ring.strict.fine_tuning.jobs.list()) == []
    assert not ring.workspace.jobs_dir.exists() or not list(ring.workspace.jobs_dir.iterdir())


def test_who_wants_curves_elsewhere_is_sent_where_they_are(ring):
    """Catches a refusal that names a setting which is refused as well."""
    with pytest.raises(openai.BadRequestError, match="in the job's events, and all of them in its result file") as told:
        create(ring.strict, integrations=[{"type": "wandb", "wandb": {"project": "p"}}])
    assert "train." not in told.value.message and "tunesmith" not in told.value.message


def test_a_model_whose_weights_lie_elsewhere_is_no_base(ring):
    """Catches a job that waits for its turn to find that there is nothing to train, a reason that nobody can guess."""
    plan = Plan("away", "model", {"task": "chat"}, given={"base": "openai:big"}, parents=("away-dddddddddddd",))
    with ring.workspace.draft(plan) as draft:
        (draft.path / "model").mkdir()
        TaskSpec("chat").save(draft.path / "model")
        HostedModel("openai", "ft:big:acme::x", "big").save(draft.path)
    ring.app.state.gateway.tuning.settings.bases["away"] = plan.id
    for name in (plan.id, "away"):
        with pytest.raises(openai.BadRequestError, match=f"'{name}' lies at the service that tuned it") as told:
            create(ring.strict, model=name)
        assert (told.value.code, told.value.param) == ("model_not_available", "model")
    file = ring.workspace.get(plan.id).path / "hosted.json"
    file.chmod(0o644)
    file.write_text("{")
    with pytest.raises(openai.BadRequestError, match="is damaged on the server"):
        create(ring.strict, model="away")


def test_lists_are_read_on_to_their_end(ring):
    """Catches a page that repeats or leaves out a job, a filter that is not looked at."""
    ids = [create(ring.strict, metadata={"n": str(n)} if n else None).id for n in range(3)]
    jobs = ring.strict.fine_tuning.jobs
    assert [one.id for one in jobs.list(limit=2)] == ids[::-1]
    assert not jobs.list(limit=3).has_more and jobs.list(limit=2).has_more
    assert [one.id for one in jobs.list(metadata={"n": "2"})] == [ids[2]]
    with ring.http() as http:
        assert [one["id"] for one in http.get("/v1/fine_tuning/jobs?metadata=null").json()["data"]] == [ids[0]]
        for query in ("limit=0", "after=ftjob-none", "colour=red", "metadata=x"):
            answer = http.get(f"/v1/fine_tuning/jobs?{query}")
            assert answer.status_code in (400, 404) and answer.json()["error"]["param"] == query.partition("=")[0]


def test_events_come_newest_first(ring):
    """Catches an order of its own, a page that repeats an event."""
    job = create(ring.strict)
    events = list(ring.strict.fine_tuning.jobs.list_events(job.id, limit=1))
    assert [one.message for one in events] == [
        f"Validating training file: {job.training_file}",
        f"Created fine-tuning job: {job.id}",
    ]
    assert list(ring.strict.fine_tuning.jobs.checkpoints.list(job.id)) == []
    for ask in (ring.strict.fine_tuning.jobs.list_events, ring.strict.fine_tuning.jobs.checkpoints.list):
        with pytest.raises(openai.NotFoundError, match="ftjob-none"):
            ask("ftjob-none")


def test_a_job_is_paused_resumed_and_given_up_once(ring):
    """Catches a status that follows on one that is final, an answer that hides why it is refused."""
    job = create(ring.strict)
    jobs, lax = ring.strict.fine_tuning.jobs, ring.client().fine_tuning.jobs  # OpenAI's types have no "paused"
    assert lax.pause(job.id).status == "paused" and lax.retrieve(job.id).status == "paused"
    assert jobs.resume(job.id).status == "validating_files"
    done = jobs.cancel(job.id)
    assert done.status == "cancelled" and done.finished_at >= done.created_at
    for ask in (jobs.cancel, jobs.pause, jobs.resume):
        with pytest.raises(openai.BadRequestError, match="is cancelled; only one that is") as told:
            ask(job.id)
        assert told.value.code == "invalid_status"
        with pytest.raises(openai.NotFoundError):
            ask("ftjob-none")
    told_of = [one.message for one in jobs.list_events(job.id)]
    assert told_of[:3] == ["Fine-tuning job cancelled", "Fine-tuning job resumed", "Fine-tuning job paused"]


def test_a_key_has_so_many_jobs_and_no_more(ring):
    """Catches a limit that all keys share, one that finished jobs count for, a client that asks again in vain."""
    keys = [create_key(ring.store, name).secret for name in ("one", "two")]
    wait_until(lambda: ring.app.state.gateway.keys.needed)
    one, two = (ring.client(key, _strict_response_validation=True) for key in keys)
    held = [create(one) for _ in range(3)]
    with pytest.raises(openai.RateLimitError) as told:
        create(one)
    assert told.value.code == "job_limit_exceeded" and told.value.response.headers["x-should-retry"] == "false"
    assert create(two).status == "validating_files"
    one.fine_tuning.jobs.cancel(held[0].id)
    create(one)
    with pytest.raises(openai.AuthenticationError):
        ring.strict.fine_tuning.jobs.list()


def test_a_server_may_take_none(tmp_path):
    """Catches a machine without a GPU that trains because somebody asked."""
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    settings = Serve(jobs={"at_once": 0})
    told = pytest.raises(openai.PermissionDeniedError, match="takes no fine-tuning jobs")
    with serving(store, workspace, settings=settings) as server, server.client() as client, told as refusal:
        create(client)
    assert refusal.value.code == "training_not_available"


def test_jobs_outlive_the_server_and_what_a_crash_left_does_not(ring, monkeypatch):
    """Catches jobs known to one process only, folders nobody can reach."""
    job = create(ring.strict)
    (ring.workspace.jobs_dir / "ftjob-orphan").mkdir()
    monkeypatch.setattr("tunesmith.serve.tuning.folder.FORGOTTEN_S", -1)
    with serving(ring.store, ring.workspace) as again, again.client(_strict_response_validation=True) as client:
        assert client.fine_tuning.jobs.retrieve(job.id) == job
    assert [path.name for path in ring.workspace.jobs_dir.iterdir()] == [job.id]


def test_of_two_changes_at_once_one_is_refused(ring):
    """Catches a job that is both cancelled and succeeded."""
    jobs, from_ = ring.app.state.gateway.tuning.jobs, ("running", "queued", "validating_files")
    for _ in range(10):
        job, together = create(ring.strict), threading.Barrier(2)

        def change(status, job=job, together=together):
            together.wait(10)
            return jobs.move(job.id, status, from_, lambda connection: tell(connection, job.id, f"it is {status}"))

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(change, ("succeeded", "cancelled")))
        assert sorted(done) == [False, True]
        status = "succeeded" if done[0] else "cancelled"
        assert jobs.get(job.id).status == status
        told = [
            one.message for one in ring.strict.fine_tuning.jobs.list_events(job.id) if one.message.startswith("it is")
        ]
        assert told == [f"it is {status}"]
