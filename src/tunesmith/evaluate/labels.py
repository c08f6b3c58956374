"""The labels of a classification one by one: how each fares, and what it is taken for.

Owns the table ``labels.json``. Does not own how it is shown (`card`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.evaluate.values import label_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.grading import Columns


@dataclass(frozen=True)
class LabelScore:
    """How one label fares; precision is None if it was never answered, recall if no row expects it."""

    label: str
    rows: int
    answered: int
    right: int
    precision: float | None
    recall: float | None
    f1: float


def label_scores(names: Sequence[str], columns: Columns) -> list[LabelScore]:
    """Return the labels that are expected or answered, worst F1 first, then those of most rows.

    ``names`` are in the order of the numbers in the columns ``wanted`` and ``given``.
    """
    found = []
    for name, there, answered, right in zip(names, *(counts.tolist() for counts in label_counts(columns)), strict=True):
        precision, recall = right / answered if answered else None, right / there if there else None
        found.append(LabelScore(name, there, answered, right, precision, recall, 2 * right / (there + answered)))
    return sorted(found, key=lambda one: (one.f1, -one.rows, one.label))


def confusion(names: Sequence[str], columns: Columns) -> NDArray[np.int64]:
    """Return how often each right label, by row, was answered as each label, by column."""
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (columns["wanted"], columns["given"]), 1)
    return counts


def mistakes(names: Sequence[str], counts: NDArray[np.int64]) -> list[tuple[int, str, str]]:
    """Return how often a right label was answered as another, most frequent first: (times, right, answered)."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    pairs = [(int(wrong[i, j]), names[i], names[j]) for i, j in np.argwhere(wrong > 0)]
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))


def labels_dict(names: Sequence[str], columns: Columns) -> dict[str, Any]:
    """Return what ``labels.json`` holds: ``labels``, worst first, and ``mistakes`` as ``[right, answered, times]``."""
    return {
        "labels": [asdict(one) for one in label_scores(names, columns)],
        "mistakes": [[right, other, times] for times, right, other in mistakes(names, confusion(names, columns))],
    }
