"""The tuned model beside one other: what the other reaches, and the difference on the same rows.

Owns which rows are compared and what is still visible on them. Does not own intervals and tests (`core.estimates`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.grading import grade
from tunesmith.evaluate.preferring import LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.estimates import Delta, Estimate
    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metrics import Metric

POWER_FACTOR = (1.959964 + 0.841621) / 1.959964
"""Half an interval's width times this is the smallest true difference that shows in 80 % of such tests."""


@dataclass(frozen=True)
class Contestant:
    """One system on some test rows: its answers, its estimates, and for others than ours tuned minus it."""

    name: str
    rows: list[int]
    answers: Answers
    columns: Columns
    estimates: dict[str, Estimate]
    deltas: dict[str, Delta] = field(default_factory=dict)

    def estimates_dict(self) -> dict[str, dict[str, Any]]:
        """Return the estimates JSON-able."""
        return {name: estimate.as_dict() for name, estimate in self.estimates.items()}

    def deltas_dict(self) -> dict[str, dict[str, Any]]:
        """Return the differences JSON-able."""
        return {name: delta.as_dict() for name, delta in self.deltas.items()}


def measure(task: str, expected: Sequence[str], answers: Answers, metrics: Sequence[Metric], seed: int) -> Contestant:
    """Return our model with its estimates on all rows."""
    columns = grade(task, expected, answers)
    estimates = {metric.name: metric.estimate(columns, seed) for metric in metrics}
    return Contestant("tuned", list(range(len(expected))), answers, columns, estimates)


def contend(
    ours: Contestant, name: str, rows: list[int], answers: Answers, task: str, expected: Sequence[str],
    metrics: Sequence[Metric], seed: int,
) -> Contestant:  # fmt: skip
    """Return another system with its estimates on ``rows``, and our lead over it on the same rows.

    ``answers`` are those to ``rows``; ``expected`` are the right answers of all test rows.
    """
    right = [expected[row] for row in rows]
    theirs, same = grade(task, right, answers), grade(task, right, ours.answers.at(rows))
    metrics = metrics_of(name, metrics)
    estimates = {metric.name: metric.estimate(theirs, seed) for metric in metrics}
    deltas = {metric.name: metric.compare(same, theirs, seed) for metric in metrics}
    return Contestant(name, rows, answers, theirs, estimates, deltas)


def metrics_of(name: str, metrics: Sequence[Metric]) -> list[Metric]:
    """Return those of some metrics that a system has: one that looks at lengths alone gives no probabilities."""
    return [metric for metric in metrics if name != LENGTH or metric.share_of == "correct"]


def lead(metric: Metric, delta: Delta) -> tuple[float, float, float]:
    """Return value, low and high of a difference, turned so that more is better for us."""
    if metric.higher_is_better:
        return delta.value, delta.low, delta.high
    return -delta.value, -delta.high, -delta.low


def smallest_visible(delta: Delta) -> float:
    """Return the smallest true difference that a test like this one would show four times in five."""
    return (delta.high - delta.low) / 2 * POWER_FACTOR


def show(delta: Delta) -> str:
    """Return a difference for people: ``+0.120 [+0.080, +0.160]``."""

    def number(value: float) -> str:
        return f"{value:+.3f}" if abs(value) < 100 else f"{value:+,.0f}"

    return f"{number(delta.value)} [{number(delta.low)}, {number(delta.high)}]"


def show_p(delta: Delta) -> str:
    """Return a p-value for people: ``= 0.012`` or ``< 0.001``."""
    return "< 0.001" if delta.p < 0.001 else f"= {delta.p:.3f}"
