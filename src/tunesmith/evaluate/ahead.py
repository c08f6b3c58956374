"""What an evaluation would refuse, compare with and cost, looked at before anything is spent.

Owns which baselines there are for a task. Does not own how they are asked (`systems`, `rivals`) nor measured (`stage`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import rivals
from tunesmith.evaluate.compare import metrics_of
from tunesmith.evaluate.criteria import compared, criteria_of, gated_metrics
from tunesmith.evaluate.graders.run import asks
from tunesmith.evaluate.judge.cost import planned
from tunesmith.evaluate.judge.judging import check_judge
from tunesmith.evaluate.judge.sample import sampled_rows
from tunesmith.evaluate.metrics import HERE
from tunesmith.evaluate.own import graders_of
from tunesmith.evaluate.preferring import LENGTH
from tunesmith.evaluate.rivals import check_rivals
from tunesmith.evaluate.suites.names import check_suites
from tunesmith.evaluate.suites.system import PRODUCTION
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import prompts_of

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.recipe import Recipe

SLOW = ("base", "prompt")
BASELINES = {"classify": (*SLOW, "linear", "nearest", "majority"), "preference": ("base", LENGTH)}
"""Task to the baselines it has; other tasks have the base, plain and prompted, and the nearest training question."""


def check(recipe: Recipe, folder: Path = HERE, workspace: Workspace | None = None) -> None:
    """Refuse, before anything is spent, what cannot be evaluated.

    Raises:
        RecipeError: for a metric or baseline that makes no sense.
        SetupError: for a metric that this machine cannot compute.
    """
    for metric in gated_metrics(recipe, folder):
        if metric.check is not None:
            metric.check()
    check_suites(recipe)
    chosen_baselines(recipe)
    check_rivals(recipe, workspace)
    check_judge(recipe, _model_graders(recipe, folder), workspace)
    for one in criteria_of(recipe, folder):
        if one.who == LENGTH and not metrics_of(LENGTH, [one.metric]):
            raise RecipeError(
                f"evaluate.gate: {LENGTH} has no {one.metric.name}, so it cannot be beaten by it",
                expected="evaluate.gate.metric: preference_accuracy",
            )


def chosen_baselines(recipe: Recipe) -> list[str]:
    """Return the baselines to measure: the recipe's, and those the gate compares with.

    Those that the task does not have are left out of the default list.

    Raises:
        RecipeError: if the user asked for one that the task does not have.
    """
    settings = recipe.evaluate
    given = list(settings.baselines) if "baselines" in settings.model_fields_set else []
    needed = [who for who in compared(recipe) if who != PRODUCTION and who not in settings.rivals]
    known = BASELINES.get(recipe.task, (*SLOW, "nearest"))
    against = [who for who in needed if who in settings.gate.against]
    asked = (("evaluate.baselines", given), ("evaluate.gate.against", against), ("evaluate.gate.metrics", needed))
    for where, names in asked:
        for name in names:
            if name not in known:
                raise RecipeError(
                    f"{where}: {name} {_NEEDS[name]}, and task is {recipe.task}",
                    expected="some of " + ", ".join(known),
                    hint=f"remove {name}",
                )
    return [name for name in dict.fromkeys([*settings.baselines, *needed]) if name in known]


_NEEDS = {
    "linear": "needs labels", "majority": "needs labels", "prompt": "needs answers to give",
    "nearest": "needs answers to give", LENGTH: "needs pairs",
}  # fmt: skip


def plan_judge(recipe: Recipe, dataset: Artifact, folder: Path = HERE) -> dict[str, Any] | None:
    """Return what the recipe's judge would be asked and cost beside the baselines; None if it has none."""
    test = read_examples(dataset.path / "test.parquet")
    return planned(recipe, test, chosen_baselines(recipe), _model_graders(recipe, folder))


def plan_rivals(recipe: Recipe, dataset: Artifact) -> dict[str, dict[str, Any]]:
    """Return by name what the recipe's rivals would be asked and cost; empty if it has none."""
    if not recipe.evaluate.rivals:
        return {}
    test = read_examples(dataset.path / "test.parquet")
    rows = [test[row] for row in sampled_rows(recipe, len(test))]
    task = prompts_of(recipe, dataset).own
    return rivals.planned(recipe, task, read_examples(dataset.path / "train.parquet"), rows)


def _model_graders(recipe: Recipe, folder: Path) -> int:
    return sum(asks(one) for one in graders_of(recipe, folder))
