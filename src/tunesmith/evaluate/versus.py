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
from tunesmith.evaluate.grading import grade
from tunesmith.evaluate.metric import with_columns
from tunesmith.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.estimates import Delta
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Metric


@dataclass(frozen=True)
class Versus:
    """The second scorecard's model beside the first's; differences are second minus first.

    ``not_compared`` are metrics that both have, made of what a scorecard does not keep.
    """

    both_right: int
    won: int
    lost: int
    both_wrong: int
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
        deltas = {name: delta.as_dict() for name, delta in self.deltas.items()}
        return {**counts, "deltas": deltas, "not_compared": self.not_compared, "changed": self.changed}


def versus(first: Artifact, second: Artifact) -> Versus:
    """Compare two scorecards of one task and the same test rows.

    Compared are metrics that both have and that can be had from answers: the likelihood of generated text is not among
    them, as its tokens are not kept.

    Raises:
        ArtifactError: for other rows, or another task.
    """
    task = _same_task(first, second)
    theirs, ours = _same_rows(first, second)
    before, after = theirs["correct"].to_numpy(), ours["correct"].to_numpy()
    clusters = Clusters.named(ours["group"].to_list()) if "group" in ours.columns else None
    shared = [name for name in first.result["metrics"] if name in second.result["metrics"]]
    metrics = [one for one in METRICS[task] if one.name in shared and (one.columns is None or one.of_texts)]
    old, new = _columns(task, theirs, metrics), _columns(task, ours, metrics)
    deltas = {
        metric.name: metric.compare(new, old, 0, clusters)
        for metric in metrics
        if metric.counts(new) and not math.isnan(metric.on(new) + metric.on(old))
    }
    return Versus(
        int((before & after).sum()), int((after & ~before).sum()), int((before & ~after).sum()),
        int((~before & ~after).sum()), deltas, [name for name in shared if name not in deltas], _changed(theirs, ours),
    )  # fmt: skip


def _same_task(first: Artifact, second: Artifact) -> str:
    one, other = (card.manifest["config"]["task"] for card in (first, second))
    if one != other:
        raise ArtifactError(f"{first.id} is of task {one} and {second.id} of {other}", expected="two of one task")
    return str(one)


def _same_rows(first: Artifact, second: Artifact) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the examples of both in the order of the first."""
    import polars as pl

    theirs, ours = (pl.read_parquet(card.path / "examples.parquet") for card in (first, second))
    keys = ["row_id", "input", "expected"]
    both = theirs.select(keys).join(ours.select(keys), on=keys, nulls_equal=True)
    if not len(both) == len(theirs) == len(ours):
        raise ArtifactError(
            f"{first.id} and {second.id} were measured on other test rows: {len(both):,} of {len(theirs):,} and "
            f"{len(ours):,} are the same",
            expected="two scorecards of the same rows with the same right answers",
            hint="evaluate both models on one test set: name it in data.test of both recipes",
        )
    return theirs, theirs.select("row_id").join(ours, on="row_id", maintain_order="left")


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
    graded = grade(task, expected, with_columns(metrics, [], expected, answers))
    return {**graded, "correct": np.array(right, dtype=bool)}


def _changed(theirs: pl.DataFrame, ours: pl.DataFrame) -> list[dict[str, str]]:
    """Return the rows that one had right and the other had not, the lost ones first."""
    pairs = zip(theirs.iter_rows(named=True), ours.iter_rows(named=True), strict=True)
    found = [
        {
            "change": "won" if new["correct"] else "lost", "row_id": new["row_id"], "input": new["input"],
            "expected": new["expected"], "first": old["answer"], "second": new["answer"],
        }
        for old, new in pairs
        if old["correct"] != new["correct"]
    ]  # fmt: skip
    return sorted(found, key=lambda one: one["change"])
