"""Which Models of jobs go when their names go."""

from __future__ import annotations

import pytest

from serving import make_model
from tunesmith.core.artifacts import Plan
from tunesmith.core.clock import now_utc
from tunesmith.release.aliases import promote
from tunesmith.serve.tuning.tuned import Tuned, forget, keep
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow


def kept_model(workspace, job_id, step, parents=()):
    """Write a Model as a job keeps it after a step."""
    plan = Plan(job_id, "model", {"train": {}, "kept_at_step": step}, parents=(f"{job_id}-dddddddddddd", *parents))
    return workspace.make(plan, lambda draft: (draft.path / "model").mkdir())


def test_a_model_that_somebody_needs_outlives_its_name(shop, tiny):
    """Catches a release, or a Model tuned further, whose weights go because a checkpoint is the fourth last."""
    gateway, workspace = shop.server.app.state.gateway, shop.workspace
    released, further, other, free = (kept_model(workspace, "ftjob-a", step) for step in range(4))
    promote(gateway.store, "prod", released.id, force=True)
    kept_model(workspace, "ftjob-b", 9, parents=(further.id,))
    with gateway.store.writing() as connection:
        for number, model in enumerate((released, further, other, free, other)):
            keep(connection, Tuned(f"ft:{number}", now_utc(), "ftjob-a", model.id, f"ftckpt_{number}", number, {}))
    shop.client.models.list()
    for number in range(4):
        assert shop.client.models.delete(f"ft:{number}").deleted
    assert {one.id for one in (released, further, other)} <= {one.id for one in workspace.list("model")}
    assert workspace.find(free.id) is None
    assert shop.client.models.delete("ft:4").deleted and workspace.find(other.id) is None


def test_what_lost_its_name_in_a_kill_goes_at_the_next_start(shop, tiny):
    """Catches disks that fill with checkpoints nobody can name, and those of a running job that go."""
    gateway, workspace = shop.server.app.state.gateway, shop.workspace
    gateway.supervisor.close()
    done, paused = shop.job(), shop.job()
    shop.jobs.cancel(done.id)
    shop.server.client().fine_tuning.jobs.pause(paused.id)
    models = [kept_model(workspace, job.id, step) for job in (done, paused) for step in (1, 2)]
    ours = make_model(workspace, tiny, TaskSpec("chat"))
    with gateway.store.writing() as connection:
        keep(connection, Tuned("ft:x", now_utc(), done.id, models[1].id, "ftckpt_x", 2, {}))
        keep(connection, Tuned("ft:y", now_utc(), done.id, models[0].id, "ftckpt_y", 1, {}))
        forget(connection, "ft:y")
    gateway.tuning.discard_nameless()
    assert {one.id for one in workspace.list("model")} == {ours.id, *(one.id for one in models[1:])}


@pytest.mark.parametrize("damage", [b"", b"a word", b"base: [", b"base: \xff", b"- base"])
def test_a_damaged_recipe_of_one_job_keeps_no_model_from_going(shop, damage):
    """Catches an unfinished job whose recipe a disk has emptied, for which no model of anybody can be deleted."""
    gateway, workspace = shop.server.app.state.gateway, shop.workspace
    gateway.supervisor.close()
    (workspace.jobs_dir / shop.job().id / "recipe.yaml").write_bytes(damage)
    model = kept_model(workspace, "ftjob-a", 1)
    gateway.tuning.discard([model.id])
    assert workspace.find(model.id) is None
