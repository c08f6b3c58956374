"""What the gate asks for, as a list: one metric against one other system, or against a number.

Owns what the recipe's ``evaluate.gate`` means. Does not own the verdict (`gate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.evaluate.metrics import HERE, chosen_metrics, deciding_metric, find_metric, main_metric

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tunesmith.evaluate.metric import Metric
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


def criteria_of(recipe: Recipe, folder: Path = HERE) -> list[Criterion]:
    """Return what must hold, in the order of the recipe.

    What ``gate.metrics`` says of a metric and a system stands for what ``gate.against`` says of them.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    named = list(_of_metrics(recipe, folder))
    told = {(one.metric.name, one.who) for one in named}
    main = [one for one in _of_main(recipe, folder) if (one.metric.name, one.who) not in told]
    return [*main, *named, *_minimums(recipe, folder)]


def gated_metrics(recipe: Recipe, folder: Path = HERE) -> list[Metric]:
    """Return the metrics to measure: the chosen ones, and those that a criterion needs.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    metrics = [*chosen_metrics(recipe, folder), *(one.metric for one in criteria_of(recipe, folder))]
    return list({metric.name: metric for metric in metrics}.values())


def compared(recipe: Recipe) -> list[str]:
    """Return the systems that criteria compare with, production included."""
    gate = recipe.evaluate.gate
    named = [who for rule in gate.metrics.values() for who in (*rule.over, *rule.kept_to)]
    return list(dict.fromkeys([*gate.against, *named]))


def _of_main(recipe: Recipe, folder: Path) -> Iterator[Criterion]:
    gate, metric = recipe.evaluate.gate, main_metric(recipe, folder)
    for who in dict.fromkeys(gate.against):
        if who == PRODUCTION:
            yield Criterion(metric, "not_worse", -gate.margin, who)
        else:
            yield Criterion(metric, "over", 0.0, who)


def _of_metrics(recipe: Recipe, folder: Path) -> Iterator[Criterion]:
    for name, rule in recipe.evaluate.gate.metrics.items():
        metric = deciding_metric(name, "evaluate.gate.metrics", recipe, folder)
        for who in dict.fromkeys(rule.over):
            yield Criterion(metric, "over", rule.by, who)
        for who in dict.fromkeys(rule.kept_to):
            yield Criterion(metric, "not_worse", -(rule.not_worse_by or 0.0), who)


def _minimums(recipe: Recipe, folder: Path) -> Iterator[Criterion]:
    for name, least in recipe.evaluate.gate.minimum.items():
        yield Criterion(find_metric(name, "evaluate.gate.minimum", recipe, folder), "minimum", least)
