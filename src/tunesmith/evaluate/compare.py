"""The tuned model beside one other: what the other reaches, and the difference on the same rows.

Owns which rows are compared and what is still visible on them. Does not own intervals and tests (`core.estimates`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.clusters import Clusters
from tunesmith.core.estimates import Estimate
from tunesmith.evaluate.grading import grade
from tunesmith.evaluate.metric import Rows, refuse_idle, take, with_columns
from tunesmith.evaluate.preferring import LENGTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.estimates import Delta
    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.judge.judging import Judging
    from tunesmith.evaluate.metric import Metric
    from tunesmith.text.examples import Example

POWER_FACTOR = (1.959964 + 0.841621) / 1.959964
"""Half an interval's width times this is the smallest true difference that shows in 80 % of such tests."""

MOST_ROWS = 10**9
"""Nobody has more test rows: a difference that needs them is none."""


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
        """Return the differences JSON-able, each with the smallest one that would show and the rows it needs."""
        return {
            name: {**delta.as_dict(), "detectable": smallest_visible(delta), "rows_needed": rows_needed(delta)}
            for name, delta in self.deltas.items()
        }


@dataclass(frozen=True)
class Questions:
    """The test rows that every contestant answers: the right answers, and which rows belong together."""

    task: str
    expected: Sequence[str]
    groups: Sequence[str | None]
    seed: int
    examples: Sequence[Example] = ()
    judging: Judging | None = None

    def columns(
        self, rows: Sequence[int], answers: Answers, metrics: Sequence[Metric], who: str = "tuned"
    ) -> Columns:  # fmt: skip
        """Return the columns of somebody's answers to some rows that some metrics are made of."""
        expected = [self.expected[row] for row in rows]
        examples = [self.examples[row] for row in rows] if self.examples else []
        seen = Rows(examples, expected, answers, who, self.judging)
        return grade(self.task, expected, with_columns(metrics, seen))

    def part(self, rows: Sequence[int]) -> Questions:
        """Return some of the rows as questions of their own."""
        expected, groups = [self.expected[row] for row in rows], [self.groups[row] for row in rows]
        return replace(self, expected=expected, groups=groups, examples=[self.examples[row] for row in rows])

    def clusters(self, rows: Sequence[int]) -> Clusters | None:
        """Return the clusters of some rows; None if each stands for itself."""
        return Clusters.named([self.groups[row] for row in rows])


def grouped(groups: Sequence[str | None]) -> list[str]:
    """Return what to say of rows that come in groups; nothing if each stands for itself."""
    if clusters := Clusters.named(groups):
        return [f"The {len(groups):,} test rows form {clusters.count:,} groups: intervals and tests count groups."]
    if len(groups) > 1 and len({*groups}) == 1 and groups[0] is not None:
        return ["All test rows are of one group: how other groups would do cannot be told, and rows are counted."]
    return []


def measure(test: Questions, answers: Answers, metrics: Sequence[Metric]) -> Contestant:
    """Return our model with its estimates on all rows; a model that tells no probabilities has no metric of them."""
    rows = list(range(len(test.expected)))
    columns, clusters = test.columns(rows, answers, metrics), test.clusters(rows)
    refuse_idle(metrics, columns)
    metrics = [metric for metric in metrics if metric.own is not None or not math.isnan(metric.on(columns))]
    estimates = {
        metric.name: metric.estimate(columns, test.seed, clusters)
        if metric.own is None
        else Estimate(metric.own, metric.own, metric.own, metric.count(columns), "by definition")
        for metric in metrics
    }
    return Contestant("tuned", rows, answers, columns, estimates)


def contend(
    ours: Contestant, name: str, rows: list[int], answers: Answers, test: Questions, metrics: Sequence[Metric]
) -> Contestant:
    """Return another system with its estimates on ``rows``, and our lead over it on the same rows.

    ``answers`` are those to ``rows``.
    """
    metrics = metrics_of(name, metrics)
    columns, clusters = test.columns(rows, answers, metrics, name), test.clusters(rows)
    metrics = [metric for metric in metrics if metric.counts(columns) and not math.isnan(metric.on(columns))]
    estimates = {metric.name: metric.estimate(columns, test.seed, clusters) for metric in metrics}
    return beside(ours, Contestant(name, rows, answers, columns, estimates), test, metrics)


def beside(ours: Contestant, other: Contestant, test: Questions, metrics: Sequence[Metric]) -> Contestant:
    """Return another system with our lead over it in those of some metrics that it has."""
    same, clusters = take(ours.columns, np.asarray(other.rows, dtype=np.intp)), test.clusters(other.rows)
    deltas = {
        metric.name: metric.compare(same, other.columns, test.seed, clusters)
        for metric in metrics
        if metric.name in other.estimates
    }
    return replace(other, deltas=deltas)


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


def rows_needed(delta: Delta, seen: float | None = None) -> int | None:
    """Return about how many rows like these would show a true difference of ``seen`` four times in five.

    Without ``seen``, of the difference that was seen. The width of an interval shrinks with the root of the rows. None
    if there is no difference to show, or all rows differ alike.
    """
    seen, visible = delta.value if seen is None else seen, smallest_visible(delta)
    if not seen or not visible or not math.isfinite(visible):
        return None
    needed = delta.n * (visible / seen) ** 2
    return math.ceil(needed) if needed < MOST_ROWS else None


def show_number(value: float) -> str:
    """Return a value for people: ``0.120``, or ``8,917,376``."""
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"


def show_estimate(value: float, low: float, high: float) -> str:
    """Return a value with its interval for people: ``0.120 [0.080, 0.160]``."""
    return f"{show_number(value)} [{show_number(low)}, {show_number(high)}]"


def show(delta: Delta) -> str:
    """Return a difference for people: ``+0.120 [+0.080, +0.160]``."""

    def number(value: float) -> str:
        return f"{value:+.3f}" if abs(value) < 100 else f"{value:+,.0f}"

    return f"{number(delta.value)} [{number(delta.low)}, {number(delta.high)}]"


def show_rows(n: int, clusters: int | None = None) -> str:
    """Return a number of rows for people: ``1 row``, ``1,200 rows in 40 groups``."""
    return f"{n:,} row{'' if n == 1 else 's'}" + (f" in {clusters:,} groups" if clusters else "")


def show_p(p: float) -> str:
    """Return a p-value for people: ``= 0.012`` or ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
