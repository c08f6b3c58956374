"""Two scorecards of the same test rows, row by row: who was right where, and by how much the second is ahead.

Owns which rows are the same and what is recovered from ``examples.parquet``. Does not own intervals (`metric`) nor
printing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.clusters import Clusters
from tunesmith.core.errors import ArtifactError
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.changed import BOTH_RIGHT, BOTH_WRONG, LOST, WON, closeness, outcomes, tally
from tunesmith.evaluate.grading import grade
from tunesmith.evaluate.metric import Rows, with_columns
from tunesmith.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.estimates import Delta
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Metric


LEAST_SHARED = 10
"""Fewer shared rows say too little."""


@dataclass(frozen=True)
class Versus:
    """The second scorecard's model beside the first's on the rows that both have; differences are second minus first.

    ``left_out`` are the rows of each that the other has not. ``not_compared`` are metrics that both have, made of what
    a scorecard does not keep.
    """

    both_right: int
    won: int
    lost: int
    both_wrong: int
    left_out: tuple[int, int]
    deltas: dict[str, Delta]
    not_compared: list[str]
    changed: list[dict[str, str]]

    @property
    def rows(self) -> int:
        """How many rows were compared."""
        return self.both_right + self.won + self.lost + self.both_wrong

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        counts = {name: getattr(self, name) for name in ("rows", "both_right", "won", "lost", "both_wrong")}
        left_out = dict(zip(("first", "second"), self.left_out, strict=True))
        deltas = {name: delta.as_dict() for name, delta in self.deltas.items()}
        return {
            **counts, "left_out": left_out, "deltas": deltas, "not_compared": self.not_compared,
            "changed": self.changed,
        }  # fmt: skip


def versus(first: Artifact, second: Artifact) -> Versus:
    """Compare two scorecards of one task on the test rows that both have, the same questions and right answers.

    Compared are metrics that both have and that can be had from answers: the likelihood of generated text is not among
    them, as its tokens are not kept.

    Raises:
        ArtifactError: for another task, or fewer than `LEAST_SHARED` shared rows.
    """
    task = _same_task(first, second)
    theirs, ours, left_out = _same_rows(first, second)
    clusters = Clusters.named(ours["group"].to_list()) if "group" in ours.columns else None
    shared = [name for name in first.result["metrics"] if name in second.result["metrics"]]
    metrics = [one for one in METRICS[task] if one.name in shared and (one.columns is None or one.of_texts)]
    old, new = _columns(task, theirs, metrics), _columns(task, ours, metrics)
    came = outcomes(new, old)
    counts = tally(came)
    deltas = {
        metric.name: metric.compare(new, old, 0, clusters)
        for metric in metrics
        if metric.counts(new) and not math.isnan(metric.on(new) + metric.on(old))
    }
    return Versus(
        counts[BOTH_RIGHT], counts[WON], counts[LOST], counts[BOTH_WRONG], left_out, deltas,
        [name for name in shared if name not in deltas], _changed(theirs, ours, came, closeness(new) - closeness(old)),
    )  # fmt: skip


def _same_task(first: Artifact, second: Artifact) -> str:
    one, other = (card.manifest["config"]["task"] for card in (first, second))
    if one != other:
        raise ArtifactError(f"{first.id} is of task {one} and {second.id} of {other}", expected="two of one task")
    return str(one)


def _same_rows(first: Artifact, second: Artifact) -> tuple[pl.DataFrame, pl.DataFrame, tuple[int, int]]:
    """Return the shared examples of both in the order of the first, and how many of each are not shared."""
    import polars as pl

    theirs, ours = (pl.read_parquet(card.path / "examples.parquet") for card in (first, second))
    keys = ["row_id", "input", "expected"]
    both = theirs.select(keys).join(ours.select(keys), on=keys, nulls_equal=True, maintain_order="left")
    if len(both) < min(LEAST_SHARED, max(len(theirs), len(ours))):
        raise ArtifactError(
            f"{first.id} and {second.id} were measured on other test rows: {len(both):,} of {len(theirs):,} and "
            f"{len(ours):,} are the same",
            expected="two scorecards of the same rows with the same right answers",
            hint="evaluate both models on one test set: name it in data.test of both recipes",
        )
    old, new = (
        both.select("row_id").join(one, on="row_id", maintain_order="left") for one in (theirs, ours)
    )  # fmt: skip
    return old, new, (len(theirs) - len(both), len(ours) - len(both))


def _columns(task: str, rows: pl.DataFrame, metrics: Sequence[Metric]) -> Columns:
    """Return the columns of one system as they were graded then; what is not kept is not a number."""
    right, unknown = rows["correct"].to_list(), [math.nan] * len(rows)
    nats = rows["nll"].fill_null(0.0).to_list() if task == "classify" else unknown
    scored = rows["nll"].is_not_null().cast(int).to_list()
    leads = [1.0 if one else -1.0 for one in right]
    answers = Answers(
        rows["answer"].to_list(), rows["probability"].to_list(), nats, scored, leads=leads, margins=unknown
    )  # fmt: skip
    expected = rows["expected"].to_list()
    graded = grade(task, expected, with_columns(metrics, Rows([], expected, answers)))
    return {**graded, "correct": np.array(right, dtype=bool)}


def _changed(
    theirs: pl.DataFrame, ours: pl.DataFrame, came: NDArray[np.str_], ahead: NDArray[np.float64]
) -> list[dict[str, str]]:
    """Return the rows that the second lost, then those it won; each the farthest apart first, then the surest wrong."""
    found = []
    for row, (old, new) in enumerate(zip(theirs.iter_rows(named=True), ours.iter_rows(named=True), strict=True)):
        if came[row] not in (WON, LOST):
            continue
        sure = (new if came[row] == LOST else old)["probability"] or 0.0
        shown = {
            "change": str(came[row]), "row_id": new["row_id"], "input": new["input"], "expected": new["expected"],
            "first": old["answer"], "second": new["answer"],
        }  # fmt: skip
        found.append(((shown["change"], -abs(float(ahead[row])), -sure, row), shown))
    return [shown for _, shown in sorted(found, key=lambda one: one[0])]
