"""What is refused before anything is spent: prompts that cannot be compared, and a writer that cannot be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith import checks
from tunesmith.core.errors import RecipeError, Refusals
from tunesmith.evaluate.metrics import METRICS, deciding_metric
from tunesmith.prompts import candidates as known
from tunesmith.prompts.evolution import require_gepa
from tunesmith.prompts.rows import check_validation
from tunesmith.prompts.writer import check_writer

if TYPE_CHECKING:
    from tunesmith.evaluate.metric import Metric
    from tunesmith.flow import Project


def check(project: Project) -> Metric:
    """Refuse, before anything is spent, what cannot be searched; return the metric that prompts are compared by.

    Raises:
        RecipeError: for all that is wrong.
        SetupError: for a writer on this machine that is not there, or a metric that it cannot compute.
        MissingExtraError: without the ``providers`` extra, if a service writes; without ``gepa``, if it evolves.
    """
    recipe, refusals = project.recipe, Refusals()
    checks.refuse_hosted(project, "prompts are compared by a model on this machine, again and again")
    if recipe.task == "preference":
        raise RecipeError(
            "task is preference, whose rows are pairs: a prompt has no answers to be compared by",
            expected="task: classify, extract or chat", hint="tunesmith sweep RECIPE searches its settings",
        )  # fmt: skip
    with refusals:
        known.given(recipe)
    with refusals:
        check_validation(recipe)
    with refusals:
        metric = _metric(project)
        if metric.check is not None:
            metric.check()
    with refusals:
        if recipe.prompts.writer is not None:
            check_writer(recipe.prompts.writer, project.workspace)
    with refusals:
        if recipe.prompts.gepa is not None:
            require_gepa()
    refusals.tell()
    return metric


def _metric(project: Project) -> Metric:
    recipe = project.recipe
    named, usual = recipe.prompts.metric, METRICS[recipe.task][0].name
    name = named or recipe.evaluate.gate.metric or usual
    where = "prompts.metric" if named else "evaluate.gate.metric"
    metric = deciding_metric(name, where, recipe, project.folder)
    if metric.asks:
        raise RecipeError(
            f"{where}: {name} asks another model about answers to test rows, and these are answers to validation rows",
            expected="a metric that follows from answers, such as " + usual, hint=f"prompts.metric: {usual}",
        )  # fmt: skip
    return metric
