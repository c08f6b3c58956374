"""What ``--over`` and its like do to the recipe's own ``sweep``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tunesmith import flow
from tunesmith.cli.sweep import settings_of
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Recipe

NONE = {"trials": None, "seeds": None}


def project(tmp_path, **sweep):
    recipe = Recipe.model_validate({"name": "t", "task": "classify", "data": {"train": "a.csv"}, "sweep": sweep})
    return flow.Project(recipe, Path(tmp_path), Workspace(Path(tmp_path)))


def test_the_command_line_stands_in_place_of_the_recipe(tmp_path):
    """Bug: --over adds to the recipe's fields, or what it does not name is lost."""
    own = project(tmp_path, fields={"train.lora.rank": [4, 8]}, trials=7, pruning="off")
    assert settings_of(own, (), NONE) == own.recipe.sweep
    over = ("train.lora.alpha=[8, 16]", "train.schedule.peak = {low: 1e-4, high: 1e-2, log: true}")
    found = settings_of(own, over, {"trials": 3, "seeds": None})
    assert list(found.fields) == ["train.lora.alpha", "train.schedule.peak"]
    assert (found.fields["train.schedule.peak"].low, found.trials, found.pruning) == (1e-4, 3, "off")


@pytest.mark.parametrize(
    ("over", "fragment"),
    [
        ("train.lora.rank", "neither a list of values nor a range"),
        ("train.lora.rank=8", "neither a list of values nor a range"),
        ("train.lora.rank=[8]", "1 value, which leaves no choice"),
        ("train.lora.rank={low: 8, high: 4}", "low 8 is not below high 4"),
        ("train.schedule.peak={low: 0, high: 4, log: true}", "no value of 0 or below"),
        ("train.schedule.peak={low: 0}", "high"),
        ("train.lora.rank=[8", "--over train.lora.rank"),
    ],
)
def test_what_cannot_be_meant_is_told_with_an_example(tmp_path, over, fragment):
    """Bug: a shell's lost quotes end in a traceback."""
    with pytest.raises(RecipeError) as caught:
        settings_of(project(tmp_path), (over,), NONE)
    assert fragment in str(caught.value)
