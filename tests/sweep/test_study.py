"""The search without trainings: what is tried, what is stopped, what is known after a kill."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna")

from tunesmith.recipe import Recipe
from tunesmith.sweep.space import Space
from tunesmith.sweep.study import Study, opened

RECIPE = Recipe.model_validate({"name": "t", "task": "classify", "data": {"train": "a.csv"}})


def space(**fields):
    from tunesmith.recipe import Sweep

    return Space(
        RECIPE,
        Sweep.model_validate({"fields": {key.replace("__", "."): value for key, value in fields.items()}}).fields,
    )


def bowl(values):
    return (values["train.regularise.dropout"] - 0.2) ** 2 + abs(values["train.lora.rank"] - 8) / 100


FIELDS = {"train__regularise__dropout": {"low": 0.0, "high": 0.9}, "train__lora__rank": [4, 8, 16]}


def searched(folder, most, *, stop_at=None, pruning="off"):
    """Try until ``most`` are there; with ``stop_at`` die within that trial."""
    with opened(Study(folder, space(**FIELDS), False, pruning, 7)) as study:
        while (attempt := study.next(most)) is not None:
            if attempt.number == stop_at:
                return study.tried()
            attempt.finish(bowl(attempt.values))
        return study.tried()


def test_killed_within_any_trial_it_tries_the_same(tmp_path):
    """Bug: a resumed sampler draws its first values again, or a trial that was running is lost or done twice."""
    whole = searched(tmp_path / "whole", 14)
    for at in (0, 3, 9, 13):
        folder = tmp_path / str(at)
        assert len(searched(folder, 14, stop_at=at)) == at + 1
        assert searched(folder, 14) == whole
    assert [one.number for one in whole] == list(range(14))


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    """Bug: asking for more starts anew, or asking for fewer throws some away."""
    few = searched(tmp_path, 5)
    assert searched(tmp_path, 12)[:5] == few
    assert len(searched(tmp_path, 3)) == 12


def test_goes_by_what_it_saw(tmp_path):
    """Bug: the sampler is handed no history (a study of its own for each trial), so it is a random search."""
    tried = searched(tmp_path, 40)
    early = min(one.score for one in tried[:8])
    assert sum(one.score < 0.05 for one in tried[20:]) > 2 * sum(one.score < 0.05 for one in tried[:20]) or early < 1e-3
