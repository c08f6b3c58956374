"""Which models are listed, and what is said of one that is damaged."""

from __future__ import annotations

import json

import openai
import pytest

from serving import serving
from tunesmith.core.artifacts import Plan
from tunesmith.providers.hosted import HostedModel
from tunesmith.recipe import Serve
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

WHOLE = {"service": "openai", "model": "ft:x", "base": "x", "jobs": [], "checkpoints": []}


@pytest.mark.parametrize(
    "content",
    ["{", "{}", json.dumps({**WHOLE, "service": "nowhere"}), json.dumps({**WHOLE, "options": {"colour": "red"}})],
    ids=["half", "empty", "an unknown service", "an unknown option"],
)
def test_a_damaged_model_keeps_no_other_from_being_listed(local_store, workspace, talker, content):
    """Would let through: one bad hosted.json that answers every GET /v1/models with a 500, as it did."""
    plan = Plan("bad", "model", {"task": "chat"}, given={"base": "openai:x"}, parents=("bad-dddddddddddd",))
    with workspace.draft(plan) as draft:
        (draft.path / "model").mkdir()
        TaskSpec("chat").save(draft.path / "model")
        HostedModel("openai", "ft:x", "x").save(draft.path)
    file = workspace.get(plan.id).path / "hosted.json"
    file.chmod(0o644)
    file.write_text(content)
    settings = Serve(jobs={"bases": {"by-a-name": plan.id}})
    with serving(local_store, workspace, settings=settings) as server, server.client() as client:
        listed = [one.id for one in client.models.list()]
        assert talker.id in listed and not {plan.id, "by-a-name"} & set(listed)
        for name in (plan.id, "by-a-name"):
            with pytest.raises(openai.InternalServerError, match="not on this machine, or damaged") as told:
                client.models.retrieve(name)
            assert (told.value.status_code, told.value.code) == (503, "model_missing")
