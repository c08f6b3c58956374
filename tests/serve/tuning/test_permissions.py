"""Permissions on checkpoints, as OpenAI's client asks for them."""

from __future__ import annotations

import openai
import pytest

from tunesmith.core.clock import now_utc
from tunesmith.serve.tuning.tuned import Tuned, keep

pytestmark = pytest.mark.slow

NAME = "ft:org/tiny:tunesmith::abc:ckpt-step-3"


@pytest.fixture
def permissions(shop):
    with shop.server.app.state.gateway.store.writing() as connection:
        keep(connection, Tuned(NAME, now_utc(), "ftjob-x", "m-000000000000", "ftckpt_x", 3, {}))
        keep(connection, Tuned("ft:tiny", now_utc(), "ftjob-x", "m-000000000000", None, None, {}))
    return shop.client.fine_tuning.checkpoints.permissions


def test_permissions_are_kept_listed_and_withdrawn(permissions):
    """Catches a project that has two, a page that repeats, an order of its own."""
    made = list(permissions.create(NAME, project_ids=["one", "two", "one"]))
    assert [one.project_id for one in made] == ["one", "two"]
    again = list(permissions.create(NAME, project_ids=["two", "three"]))
    assert again[0].id == made[1].id
    assert [one.project_id for one in permissions.list(NAME, limit=2)] == ["three", "two", "one"]
    assert [one.project_id for one in permissions.list(NAME, order="ascending")] == ["one", "two", "three"]
    assert [one.id for one in permissions.list(NAME, project_id="two")] == [made[1].id]
    assert permissions.delete(made[1].id, fine_tuned_model_checkpoint=NAME).deleted
    assert [one.project_id for one in permissions.list(NAME)] == ["three", "one"]


def test_what_is_not_there_is_told(permissions):
    """Catches a permission on anything that is no checkpoint."""
    for ask in (
        lambda: permissions.list("ft:none"), lambda: permissions.create("ft:tiny", project_ids=["a"]),
        lambda: permissions.delete("cp_none", fine_tuned_model_checkpoint=NAME), lambda: permissions.list(NAME, after="cp_none"),
    ):  # fmt: skip
        with pytest.raises(openai.NotFoundError):
            ask()
    with pytest.raises(openai.BadRequestError) as told:
        permissions.create(NAME, project_ids=[])
    assert told.value.param == "project_ids"
