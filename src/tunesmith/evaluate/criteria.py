"""What the gate asks for, as a list: one metric against one other system, or against a number.

Owns what the recipe's ``evaluate.gate`` means. Does not own the verdict (`gate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.evaluate.metrics import METRICS, chosen_metrics, main_metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.evaluate.metrics import Metric
    from tunesmith.recipe import Recipe

Kind = Literal["over", "not_worse", "minimum"]

PRODUCTION = "production"


@dataclass(frozen=True)
class Criterion:
    """One thing that must hold: our lead over ``who`` is above ``least``, or (a minimum) the metric itself is.

    A lead is turned so that more is better for us, so of a margin ``least`` is negative.
    """

    metric: Metric
    kind: Kind
    least: float
    who: str = ""


def criteria_of(recipe: Recipe) -> list[Criterion]:
    """Return what must hold, in the order of the recipe; what ``gate.metrics`` says of a metric outweighs the rest.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    found: dict[tuple[str, str, str], Criterion] = {}
    for one in (*_of_main(recipe), *_of_metrics(recipe), *_minimums(recipe)):
        found[one.metric.name, one.kind, one.who] = one
    return list(found.values())


def gated_metrics(recipe: Recipe) -> list[Metric]:
    """Return the metrics to measure: the chosen ones, and those that a criterion needs.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    metrics = [*chosen_metrics(recipe), *(one.metric for one in criteria_of(recipe))]
    return list({metric.name: metric for metric in metrics}.values())


def compared(recipe: Recipe) -> list[str]:
    """Return the systems that criteria compare with, production included."""
    gate = recipe.evaluate.gate
    named = [who for rule in gate.metrics.values() for who in (*rule.over, *rule.kept_to)]
    return list(dict.fromkeys([*gate.against, *named]))


def _of_main(recipe: Recipe) -> Iterator[Criterion]:
    gate, metric = recipe.evaluate.gate, main_metric(recipe)
    for who in gate.against:
        if who == PRODUCTION:
            yield Criterion(metric, "not_worse", -gate.margin, who)
        else:
            yield Criterion(metric, "over", 0.0, who)


def _of_metrics(recipe: Recipe) -> Iterator[Criterion]:
    for name, rule in recipe.evaluate.gate.metrics.items():
        metric = _named(recipe, name, "evaluate.gate.metrics")
        for who in rule.over:
            yield Criterion(metric, "over", rule.by, who)
        for who in rule.kept_to:
            yield Criterion(metric, "not_worse", -(rule.not_worse_by or 0.0), who)


def _minimums(recipe: Recipe) -> Iterator[Criterion]:
    for name, least in recipe.evaluate.gate.minimum.items():
        yield Criterion(_named(recipe, name, "evaluate.gate.minimum"), "minimum", least)


def _named(recipe: Recipe, name: str, where: str) -> Metric:
    known = {metric.name: metric for metric in (*METRICS[recipe.task], *chosen_metrics(recipe))}
    if name not in known:
        raise RecipeError(
            f"{where}: {recipe.task} has no metric {name!r}",
            expected="some of " + ", ".join(known),
            hint=did_you_mean(name, list(known)),
        )
    return known[name]
