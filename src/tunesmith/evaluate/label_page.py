"""What ``scorecard.html`` shows of labels: scores of each, which is taken for which, whether probabilities hold.

Owns wording and order; the numbers are those of `labels` and `values`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.estimates import wilson
from tunesmith.core.page import some_of, table, wide
from tunesmith.evaluate.compare import show_estimate
from tunesmith.evaluate.grading import label_names
from tunesmith.evaluate.labels import confusion, label_scores, mistakes
from tunesmith.evaluate.plots import heatmap, reliability_plot
from tunesmith.evaluate.values import reliability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.core.estimates import Estimate
    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.grading import Columns

LABELS_SHOWN = 100
PAIRS_SHOWN = 20
HEATMAP_LABELS = 20


def labels_section(expected: Sequence[str], ours: Contestant) -> str:
    """Return the part of the page about the labels of a classification."""
    names = label_names(expected, ours.answers.texts)
    return _labels(names, ours.columns) + _confusion(names, ours.columns) + _calibration(ours.columns)


def _labels(names: Sequence[str], columns: Columns) -> str:
    taken_for: dict[str, str] = {}
    for times, right, other in mistakes(names, confusion(names, columns)):
        taken_for.setdefault(right, f"{other} ({times})")
    scores = label_scores(names, columns)
    rows = []
    for one in scores[:LABELS_SHOWN]:
        recall = _share(wilson(one.right, one.rows)) if one.rows else "not in the test rows"
        precision = "–" if one.precision is None else f"{one.precision:.3f}"
        rows.append(
            [one.label, taken_for.get(one.label, "–"), f"{one.rows:,}", recall, precision, f"{one.f1:.3f}"]
        )  # fmt: skip
    shown = table(["label", "most often taken for", "rows", "recall", "precision", "F1"], rows, numeric_from=2)
    return f"<h2>Labels, worst first{some_of(len(scores), LABELS_SHOWN)}</h2>{wide(shown, 'labels')}"


def _confusion(names: Sequence[str], columns: Columns) -> str:
    counts = confusion(names, columns)
    if len(names) <= HEATMAP_LABELS:
        return f"<h2>Confusion: right label by row, answer by column</h2>{wide(heatmap(names, counts), 'map')}"
    return _pairs(names, counts)


def _pairs(names: Sequence[str], counts: NDArray[np.int64]) -> str:
    pairs, there = mistakes(names, counts), dict(zip(names, counts.sum(1).tolist(), strict=True))
    rows = [
        [right, answer, count, f"{count / there[right]:.0%}"] for count, right, answer in pairs[:PAIRS_SHOWN]
    ]  # fmt: skip
    header = ["right label", "answered", "times", "of its rows"]
    shown = table(header, rows, numeric_from=2) if rows else '<p class="soft">no label was taken for another</p>'
    return f"<h2>Most confused pairs{some_of(len(pairs), PAIRS_SHOWN)}</h2>{wide(shown)}"


def _calibration(columns: Columns) -> str:
    if np.isnan(columns["confidence"]).any():
        return ""  # nobody said any
    plot = reliability_plot(*reliability(columns))
    return (
        "<h2>Can its probabilities be believed?</h2>"
        '<p class="soft">Dots on the dashed line: of answers given with probability 0.8, 80 % are right. '
        f"Below it the model is too sure. Larger dots are more rows.</p>{wide(plot)}"
    )


def _share(one: Estimate) -> str:
    return show_estimate(one.value, one.low, one.high)
