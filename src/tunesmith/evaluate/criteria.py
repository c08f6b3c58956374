"""What the gate asks for, as a list: one metric against one other system, or against a number.

Owns what the recipe's ``evaluate.gate`` means. Does not own the verdict (`gate`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.evaluate.metrics import HERE, chosen_metrics, gated_metric, limited_metric, main_metric
from tunesmith.evaluate.suites.names import RIVALS, check_rivals, suite_metrics, suite_of
from tunesmith.evaluate.suites.system import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tunesmith.evaluate.metric import Metric
    from tunesmith.recipe import Recipe

Kind = Literal["over", "not_worse", "minimum", "maximum"]
OF_ITSELF = ("minimum", "maximum")
"""Kinds that look at the metric itself, beside no other system."""


@dataclass(frozen=True)
class Criterion:
    """One thing that must hold: our lead over ``who`` is above ``least``, or (`OF_ITSELF`) the metric itself is.

    All is turned so that more is better for us: of a margin ``least`` is negative, of a maximum it is minus that.
    ``by_suite``: a suite asks for it by itself, not the recipe.
    """

    metric: Metric
    kind: Kind
    least: float
    who: str = ""
    by_suite: bool = False

    @property
    def limit(self) -> float:
        """What ``least`` is in the metric's own direction."""
        return -self.least if self.kind == "maximum" else self.least


def criteria_of(recipe: Recipe, folder: Path = HERE) -> list[Criterion]:
    """Return what must hold, in the order of the recipe.

    What ``gate.metrics`` says of a metric and a system stands for what ``gate.against`` says of them.

    Raises:
        RecipeError: for a metric the task does not have, or one of a suite against what the suite does not ask.
    """
    named = list(_of_metrics(recipe, folder))
    told = {(one.metric.name, one.who) for one in named}
    main = [one for one in _of_main(recipe, folder) if (one.metric.name, one.who) not in told]
    limits = list(_limits(recipe, folder))
    spoken = {one.metric.name for one in (*named, *limits)}
    return [*main, *named, *limits, *(one for one in _of_suites(recipe, folder) if one.metric.name not in spoken)]


def gated_metrics(recipe: Recipe, folder: Path = HERE) -> list[Metric]:
    """Return the metrics to measure on the test rows: the chosen ones, and those that a criterion needs.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    metrics = [*chosen_metrics(recipe, folder), *(one.metric for one in criteria_of(recipe, folder))]
    return list({metric.name: metric for metric in metrics if not metric.suite}.values())


def compared(recipe: Recipe) -> list[str]:
    """Return the systems that criteria compare with on the test rows, production included."""
    gate = recipe.evaluate.gate
    named = [
        who for name, rule in gate.metrics.items() if suite_of(name) is None for who in (*rule.over, *rule.kept_to)
    ]
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
        metric = gated_metric(name, "evaluate.gate.metrics", recipe, folder)
        check_rivals(metric, [*rule.over, *rule.kept_to])
        for who in dict.fromkeys(rule.over):
            yield Criterion(metric, "over", rule.by, who)
        for who in dict.fromkeys(rule.kept_to):
            yield Criterion(metric, "not_worse", -(rule.not_worse_by or 0.0), who)


def _limits(recipe: Recipe, folder: Path) -> Iterator[Criterion]:
    for name, least in recipe.evaluate.gate.minimum.items():
        yield Criterion(limited_metric(name, "minimum", recipe, folder), "minimum", least)
    for name, most in recipe.evaluate.gate.maximum.items():
        yield Criterion(limited_metric(name, "maximum", recipe, folder), "maximum", -most)


def _of_suites(recipe: Recipe, folder: Path) -> Iterator[Criterion]:
    if not recipe.evaluate.gate.suites:
        return
    for metric in suite_metrics(recipe, main_metric(recipe, folder)).values():
        if metric.margin is not None:
            for who in RIVALS:
                yield Criterion(metric, "not_worse", -metric.margin, who, by_suite=True)
