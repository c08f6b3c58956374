"""Which suites there are, which metrics each has, and what a recipe can ask of them.

Does not own what they measure (their own modules) nor who is asked (`run`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.suites import form, memorised, retention, robustness, safety, slices
from tunesmith.evaluate.suites.system import BASE, PRODUCTION
from tunesmith.recipe.use import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.evaluate.metric import Metric
    from tunesmith.recipe import Recipe

RIVALS = (BASE, PRODUCTION)
"""Whom suites ask besides the tuned model."""

_OWN = {
    retention.NAME: retention.METRICS,
    memorised.NAME: memorised.METRICS,
    safety.NAME: safety.METRICS,
    form.NAME: form.METRICS,
}

NAMES: dict[str, tuple[str, ...]] = {
    **{suite: tuple(one.name for one in own) for suite, own in _OWN.items()},
    robustness.NAME: tuple(robustness.WORDS),
    slices.NAME: (),
}
"""Suite to the names of its metrics."""


def suite_metrics(recipe: Recipe, main: Metric) -> dict[str, Metric]:
    """Return by name the metrics of the suites that the recipe asks for; ``main`` is its main metric."""
    found: dict[str, Metric] = {}
    for suite in recipe.evaluate.suites:
        own = robustness.metrics_of(main) if suite == robustness.NAME else _OWN.get(suite, ())
        found |= {metric.name: metric for metric in own}
    return found


def suite_of(name: str) -> str | None:
    """Return the suite that measures a metric; None if none does."""
    return next((suite for suite, own in NAMES.items() if name in own), None)


def check_suites(recipe: Recipe) -> None:
    """Refuse a suite that the task cannot have, and a gate on secrets that are not planted.

    Raises:
        RecipeError: naming it.
    """
    if robustness.NAME in recipe.evaluate.suites and recipe.task == "preference":
        raise RecipeError(
            "evaluate.suites: robustness changes questions and looks at the answers, and preference has pairs",
            expected="some of " + ", ".join(suite for suite in NAMES if suite != robustness.NAME),
        )
    if form.NAME in recipe.evaluate.suites and recipe.task == "classify":
        raise RecipeError(
            "evaluate.suites: format looks at the shape of written answers, and those of classify are labels",
            expected="some of " + ", ".join(suite for suite in NAMES if suite != form.NAME),
        )
    gate = recipe.evaluate.gate
    named = next((one.name for one in memorised.OF_SECRETS if one.name in {*gate.minimum, *gate.maximum}), None)
    if named is not None and recipe.data.canaries is None:
        raise RecipeError(
            f"evaluate.gate: {named} is about planted secrets, and data.canaries plants none",
            hint="data.canaries: {secrets: 20, repeats: 8}, in a trial of the recipe",
        )


def check_rivals(metric: Metric, rivals: Sequence[str]) -> None:
    """Refuse a comparison with a system that does not have the metric.

    Raises:
        RecipeError: naming it.
    """
    there = (*RIVALS, UNCHANGED) if metric.suite == robustness.NAME else RIVALS
    name, strange = metric.name, next((who for who in rivals if who not in there), None)
    if metric.suite and strange:
        raise RecipeError(
            f"evaluate.gate.metrics: {name} is measured by the suite {metric.suite}, which does not ask {strange}",
            expected="some of " + ", ".join(there),
        )
    if not metric.suite and UNCHANGED in rivals:
        raise RecipeError(
            f"evaluate.gate.metrics: {name} is measured on unchanged questions, so they are no rival",
            expected="a metric of the suite robustness, such as robust_typos",
        )
