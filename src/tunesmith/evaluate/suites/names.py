"""Which suites there are, which metrics each has, and what a recipe can ask of them.

Does not own what they measure (their own modules) nor who is asked (`run`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.evaluate.suites import memorised, retention

if TYPE_CHECKING:
    from tunesmith.evaluate.metric import Metric
    from tunesmith.recipe import Recipe

METRICS: dict[str, tuple[Metric, ...]] = {retention.NAME: retention.METRICS, memorised.NAME: memorised.METRICS}
"""Suite to its metrics."""


def suite_metrics(recipe: Recipe) -> dict[str, Metric]:
    """Return by name the metrics of the suites that the recipe asks for."""
    suites = dict.fromkeys(recipe.evaluate.suites)
    return {metric.name: metric for suite in suites for metric in METRICS[suite]}


def suite_of(name: str) -> str | None:
    """Return the suite that measures a metric; None if none does."""
    return next((suite for suite, own in METRICS.items() if any(one.name == name for one in own)), None)
