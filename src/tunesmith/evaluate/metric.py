"""Metric: a number that says how good answers are, with its interval and its paired difference.

Owns how columns become an estimate. Does not own which metrics there are (`metrics`), what they compute (`values`), nor
intervals and tests (`core.estimates`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.clustered import clustered_paired_proportions, clustered_proportion
from tunesmith.core.clusters import Clusters
from tunesmith.core.errors import DataError
from tunesmith.core.estimates import (
    Delta,
    Estimate,
    bootstrap,
    never_certain,
    paired_proportions,
    paired_statistic,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.judge.judging import Judging
    from tunesmith.text.examples import Example


@dataclass(frozen=True)
class Rows:
    """Test rows with what was expected and what ``who`` answered: what a metric's own columns are made of.

    ``judging`` asks the model that judges; None if there is none.
    """

    examples: Sequence[Example]
    expected: Sequence[str]
    answers: Answers
    who: str = "tuned"
    judging: Judging | None = None


@dataclass(frozen=True)
class Metric:
    """A number that says how good answers are.

    Args:
        name: as in the recipe.
        meaning: one line for people.
        value: the number on some columns.
        share_of: the column of booleans whose mean it is, if it is a proportion; decides interval and test.
        among: the column of booleans that says which rows count; None: all. It depends on the rows, not on the answers.
        about: what a row must have to count, for the error if none does.
        higher_is_better: False for losses.
        is_share: whether it lies between 0 and 1.
        most: the largest it can be, of one that is no share; None: unknown.
        least: the smallest it can be, if the largest is known.
        own: what it is for the tuned model by definition, of one that compares with that model; None: it is measured.
        is_quality: False for what is only told, as a length: no gate can rest on it.
        columns: makes the columns that are made for this metric alone; None: `grade` makes them all.
        of_texts: whether those follow from the right answers and the given ones, which a scorecard keeps.
        check: raises what would keep this machine from computing it; None: nothing can.
        asks: whether another model is asked for it: then no made-up answers are measured (`controls`).
        suite: the suite that measures it, on rows of its own; empty: it is measured on the test rows.
        margin: of a suite's, how much worse than the base counts as not worse if the recipe says nothing; None: it
            gates only when it is asked to.
    """

    name: str
    meaning: str
    value: Callable[[Columns], float]
    share_of: str | None = None
    among: str | None = None
    about: str = ""
    higher_is_better: bool = True
    is_share: bool = True
    most: float | None = None
    least: float = 0.0
    own: float | None = None
    is_quality: bool = True
    columns: Callable[[Rows], Columns] | None = None
    of_texts: bool = False
    check: Callable[[], object] | None = None
    asks: bool = False
    suite: str = ""
    margin: float | None = None

    def estimate(self, columns: Columns, seed: int, clusters: Clusters | None = None) -> Estimate:
        """Return the value with its interval: Wilson's for proportions, else the seeded bootstrap over rows.

        ``clusters`` are those of the rows; None if each stands for itself.
        """
        clusters, columns = self._clusters(columns, clusters), self._counting(columns)
        if self.share_of is not None:
            right = columns[self.share_of]
            if clusters:
                return clustered_proportion(right.tolist(), clusters)
            return wilson(int(right.sum()), len(right))
        found = bootstrap(
            lambda index: self.value(take(columns, index)),
            rows_in(columns), seed=seed, clusters=clusters, expanded=True,
        )  # fmt: skip
        return found if self._most is None else never_certain(found, self.least, self._most, self._most - self.least)

    def compare(self, ours: Columns, theirs: Columns, seed: int, clusters: Clusters | None = None) -> Delta:
        """Return ours minus theirs over the same rows in the same order."""
        clusters, ours, theirs = self._clusters(ours, clusters), self._counting(ours), self._counting(theirs)
        if self.share_of is not None:
            one, other = ours[self.share_of].tolist(), theirs[self.share_of].tolist()
            return clustered_paired_proportions(one, other, clusters) if clusters else paired_proportions(one, other)
        found = paired_statistic(
            lambda index: self.value(take(ours, index)) - self.value(take(theirs, index)),
            rows_in(ours), seed=seed, clusters=clusters, expanded=True,
        )  # fmt: skip
        if self._most is None:
            return found
        span = self._most - self.least
        return never_certain(found, -span, span, span)

    def counts(self, columns: Columns) -> bool:
        """Return whether any of the rows counts."""
        return self.among is None or self.count(columns) > 0

    def count(self, columns: Columns) -> int:
        """Return how many of the rows count."""
        return rows_in(columns) if self.among is None else int(columns[self.among].sum())

    def _clusters(self, columns: Columns, clusters: Clusters | None) -> Clusters | None:
        """Return the clusters of the rows that count."""
        if clusters is None or self.among is None:
            return clusters
        return Clusters.named([str(one) for one in clusters.of[columns[self.among]]])

    def on(self, columns: Columns) -> float:
        """Return the value on the rows that count."""
        return self.value(self._counting(columns))

    @property
    def _most(self) -> float | None:
        return 1.0 if self.is_share else self.most

    def _counting(self, columns: Columns) -> Columns:
        return columns if self.among is None else take(columns, np.flatnonzero(columns[self.among]))


def with_columns(metrics: Iterable[Metric], rows: Rows) -> Answers:
    """Return the rows' answers with the columns that some metrics are made of and `grade` does not make."""
    made: Columns = {}
    for maker in dict.fromkeys(one.columns for one in metrics if one.columns is not None):
        made.update(maker(rows))
    return replace(rows.answers, graded={**rows.answers.graded, **made})


def refuse_idle(metrics: Iterable[Metric], columns: Columns) -> None:
    """Refuse metrics that are about none of the rows.

    Raises:
        DataError: naming the first of them.
    """
    for metric in metrics:
        if not metric.counts(columns):
            raise DataError(
                f"evaluate.metrics: {metric.name}, and none of {rows_in(columns):,} rows has {metric.about}",
                expected="rows that have it; data.keep lets columns go along with them",
                hint=f"leave out {metric.name}",
            )


def take(columns: Columns, index: NDArray[np.intp]) -> Columns:
    """Return the columns at some rows."""
    return {name: values[index] for name, values in columns.items()}


def rows_in(columns: Columns) -> int:
    """Return how many rows the columns have."""
    return len(columns["nats"])


def own_column(name: str) -> str:
    """Return the column of a metric that the recipe brings along; no other metric's has such a name."""
    return f"own {name}"


def share(column: str) -> Callable[[Columns], float]:
    """Return a function that gives the mean of a column."""
    return lambda columns: float(columns[column].mean())
