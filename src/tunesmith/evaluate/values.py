"""What metrics compute: numbers on columns, one value per row.

Owns the formulas. Does not own columns (`grading` and the other makers) nor names (`metrics`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tunesmith.evaluate.grading import Columns

BINS = 10
"""Equal bins of confidence in which calibration is measured."""

_LARGEST_EXPONENT = 700.0


def macro_f1(columns: Columns) -> float:
    """Return the mean over labels of F1; a label counts if it is expected or answered anywhere in the rows.

    Source: as scikit-learn's ``f1_score(average="macro")``.
    """
    expected, answered, hits = label_counts(columns)
    both = expected + answered
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def weighted_f1(columns: Columns) -> float:
    """Return the mean of the labels' F1, each weighted by the rows it is expected in.

    Source: as scikit-learn's ``f1_score(average="weighted")``.
    """
    expected, answered, hits = label_counts(columns)
    there = expected > 0
    scores = 2 * hits[there] / (expected + answered)[there]
    return float((scores * expected[there]).sum() / expected.sum())


def label_counts(columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return per label, by its number: rows where it is expected, rows where it is answered, rows where both."""
    wanted, given = columns["wanted"], columns["given"]
    size = int(max(wanted.max(), given.max())) + 1
    expected, answered = np.bincount(wanted, minlength=size), np.bincount(given, minlength=size)
    return expected, answered, np.bincount(wanted[wanted == given], minlength=size)


def mean_nats(columns: Columns) -> float:
    """Return the negative log-likelihood of the right answer: per row for labels, else per token."""
    return float(columns["nats"].sum() / max(int(columns["tokens"].sum()), 1))


def perplexity(columns: Columns) -> float:
    """Return exp of `mean_nats`: 1 is certainty, the number of choices is guessing."""
    return math.exp(min(mean_nats(columns), _LARGEST_EXPONENT))


def bits_per_byte(columns: Columns) -> float:
    """Return the bits a model needs for a byte of the right answers in UTF-8; compares models of different tokenizers.

    The token that ends the answer counts among the bits and has no byte.

    Source: Gao et al. 2020, "The Pile", section 3.1.
    """
    return float(columns["nats"].sum() / math.log(2) / max(int(columns["bytes"].sum()), 1))


def calibration_error(columns: Columns) -> float:
    """Return the mean gap between confidence and accuracy over `BINS` equal bins, weighted by rows; no number without
    confidences.

    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    if np.isnan(columns["confidence"]).any():
        return math.nan
    counts, confidence, correct = reliability(columns)
    return float(np.abs(confidence - correct).sum() / max(int(counts.sum()), 1))


def reliability(columns: Columns) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return per bin of confidence: rows, sum of confidence, number correct."""
    confidence = columns["confidence"]
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    weights = (np.ones_like(confidence), confidence, columns["correct"].astype(np.float64))
    counts, sums, hits = (np.bincount(bins, weights=one, minlength=BINS).astype(np.float64) for one in weights)
    return counts, sums, hits


def slot_precision(columns: Columns) -> float:
    """Return the share of the given slots that are right; without any, 1 if there were none to give, else 0."""
    return _ratio(columns["hits"], columns["claimed"], otherwise=columns["there"])


def slot_recall(columns: Columns) -> float:
    """Return the share of the right slots that were given; without any, 1 if none was given, else 0."""
    return _ratio(columns["hits"], columns["there"], otherwise=columns["claimed"])


def slot_f1(columns: Columns) -> float:
    """Return the harmonic mean of `slot_precision` and `slot_recall` over all rows together (micro)."""
    return f1_of(columns["hits"], columns["claimed"], columns["there"])


def field_f1(field: str) -> Callable[[Columns], float]:
    """Return a function that gives `slot_f1` of one field, in columns that bear its name."""
    return lambda columns: f1_of(*(columns[f"{name}:{field}"] for name in ("hits", "claimed", "there")))


def f1_of(hits: NDArray[np.int64], claimed: NDArray[np.int64], there: NDArray[np.int64]) -> float:
    """Return F1 from counts per row; 1 where nothing was claimed and nothing was there."""
    both = claimed + there
    return _ratio(2 * hits, both, otherwise=both)


def share_of_parts(part: str, whole: str) -> Callable[[Columns], float]:
    """Return a function that gives the sum of one column over the sum of another."""
    return lambda columns: int(columns[part].sum()) / max(int(columns[whole].sum()), 1)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64], otherwise: NDArray[np.int64]) -> float:
    total = int(whole.sum())
    return int(part.sum()) / total if total else float(int(otherwise.sum()) == 0)
