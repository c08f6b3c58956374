"""Findings: what a suite found, and how it takes its place beside the test split's numbers.

Owns estimates and paired differences over a suite's rows. Does not own intervals and tests (`metric`), nor the gate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Contestant
from tunesmith.evaluate.suites.system import TUNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.core.clusters import Clusters
    from tunesmith.core.estimates import Delta, Estimate
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Metric

_NO_ANSWERS = Answers([], [], [], [])


@dataclass(frozen=True)
class Details:
    """A table for people: where in the suite the differences are; numbers stand from a column on."""

    title: str
    header: list[str]
    rows: list[list[Any]]
    numeric_from: int = 99


@dataclass
class Findings:
    """What one suite found.

    ``rows`` are its rows, ``passes`` how often a model read one of them, all systems together. ``levels``: by metric
    what no skill reaches. ``silent``: metrics that say nothing here, and why.
    """

    suite: str
    rows: int
    passes: int
    metrics: list[Metric] = field(default_factory=list)
    estimates: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    deltas: dict[str, dict[str, Delta]] = field(default_factory=dict)
    levels: dict[str, float] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    details: list[Details] = field(default_factory=list)

    def add(
        self, metrics: Sequence[Metric], columns: Mapping[str, Columns], seed: int, clusters: Clusters | None = None
    ) -> None:
        """Measure every system (``tuned`` among them) on the same rows, and the tuned one minus each other."""
        for metric in metrics:
            self.metrics.append(metric)
            for who, own in columns.items():
                self.estimates.setdefault(who, {})[metric.name] = metric.estimate(own, seed, clusters)
                if who != TUNED:
                    found = metric.compare(columns[TUNED], own, seed, clusters)
                    self.deltas.setdefault(who, {})[metric.name] = found

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict: ``metrics`` are the tuned model's, ``no_skill`` what guessing reaches."""
        numbers = {who: {name: one.as_dict() for name, one in own.items()} for who, own in self.estimates.items()}
        return {
            "rows": self.rows,
            "passes": self.passes,
            "metrics": numbers.get(TUNED, {}),
            "baselines": {who: own for who, own in numbers.items() if who != TUNED},
            "deltas": {who: {name: one.as_dict() for name, one in own.items()} for who, own in self.deltas.items()},
            "no_skill": self.levels,
            "notes": self.notes,
            "details": [
                {"title": one.title, "rows": [dict(zip(one.header, row, strict=True)) for row in one.rows]}
                for one in self.details
            ],
        }


def beside_tests(
    ours: Contestant, others: Mapping[str, Contestant], found: Sequence[Findings]
) -> tuple[Contestant, dict[str, Contestant]]:
    """Return the contestants of the test split with what suites found of them, for the gate."""
    joined = dict(others)
    for one in found:
        ours = replace(ours, estimates={**ours.estimates, **one.estimates.get(TUNED, {})})
        for who, deltas in one.deltas.items():
            other = joined.get(who) or Contestant(who, [], _NO_ANSWERS, {}, {})
            estimates = {**other.estimates, **one.estimates[who]}
            joined[who] = replace(other, estimates=estimates, deltas={**other.deltas, **deltas})
    return ours, joined
