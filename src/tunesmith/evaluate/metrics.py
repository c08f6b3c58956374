"""The metrics of each task: what they are called, what they mean, how they are computed.

A metric is a function of columns (`grading`), so that its interval and its paired difference come from the same code
on resampled rows. Does not own intervals and tests (`core.estimates`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.estimates import (
    CONFIDENCE,
    Delta,
    Estimate,
    bootstrap,
    paired_proportions,
    paired_statistic,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tunesmith.evaluate.grading import Columns
    from tunesmith.recipe import Recipe

Found = TypeVar("Found", Estimate, Delta)

BINS = 10
"""Equal bins of confidence in which calibration is measured."""

_LARGEST_EXPONENT = 700.0
_Z2 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2


@dataclass(frozen=True)
class Metric:
    """A number that says how good answers are.

    Args:
        name: as in the recipe.
        meaning: one line for people.
        value: the number on some columns.
        share_of: the column of booleans whose mean it is, if it is a proportion; decides interval and test.
        higher_is_better: False for losses.
        is_share: whether it lies between 0 and 1.
    """

    name: str
    meaning: str
    value: Callable[[Columns], float]
    share_of: str | None = None
    higher_is_better: bool = True
    is_share: bool = True

    def estimate(self, columns: Columns, seed: int) -> Estimate:
        """Return the value with its interval: Wilson for proportions, else the seeded bootstrap over rows."""
        if self.share_of is not None:
            return wilson(int(columns[self.share_of].sum()), len(columns[self.share_of]))
        found = bootstrap(lambda index: self.value(take(columns, index)), rows_in(columns), seed=seed)
        return _never_certain(found, 0.0) if self.is_share else found

    def compare(self, ours: Columns, theirs: Columns, seed: int) -> Delta:
        """Return ours minus theirs over the same rows in the same order."""
        if self.share_of is not None:
            return paired_proportions(ours[self.share_of].tolist(), theirs[self.share_of].tolist())
        found = paired_statistic(
            lambda index: self.value(take(ours, index)) - self.value(take(theirs, index)), rows_in(ours), seed=seed
        )
        return _never_certain(found, -1.0) if self.is_share else found


def _never_certain(found: Found, least: float) -> Found:
    """Widen an interval of no width, which resampling gives when all rows are alike, as far as n rows allow.

    Rows that show no exception out of n leave room for about z^2/n of them, as Wilson's and Tango's intervals say.
    """
    if found.low < found.high:
        return found
    room = _Z2 / (found.n + _Z2)
    return replace(found, low=max(least, found.low - room), high=min(1.0, found.high + room))


def take(columns: Columns, index: NDArray[np.intp]) -> Columns:
    """Return the columns at some rows."""
    return {name: values[index] for name, values in columns.items()}


def rows_in(columns: Columns) -> int:
    """Return how many rows the columns have."""
    return len(columns["nats"])


def share(column: str) -> Callable[[Columns], float]:
    """Return a function that gives the mean of a column."""
    return lambda columns: float(columns[column].mean())


def macro_f1(columns: Columns) -> float:
    """Return the mean over labels of F1; a label counts if it is expected or answered anywhere in the rows.

    Source: as scikit-learn's ``f1_score(average="macro")``.
    """
    wanted, given = columns["wanted"], columns["given"]
    size = int(max(wanted.max(), given.max())) + 1
    expected, answered = np.bincount(wanted, minlength=size), np.bincount(given, minlength=size)
    hits = np.bincount(wanted[wanted == given], minlength=size)
    both = expected + answered
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def mean_nats(columns: Columns) -> float:
    """Return the negative log-likelihood of the right answer: per row for labels, else per token."""
    return float(columns["nats"].sum() / max(int(columns["tokens"].sum()), 1))


def perplexity(columns: Columns) -> float:
    """Return exp of `mean_nats`: 1 is certainty, the number of choices is guessing."""
    return math.exp(min(mean_nats(columns), _LARGEST_EXPONENT))


def calibration_error(columns: Columns) -> float:
    """Return the mean gap between confidence and accuracy over `BINS` equal bins, weighted by rows.

    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
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
    both = columns["claimed"] + columns["there"]
    return _ratio(2 * columns["hits"], both, otherwise=both)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64], otherwise: NDArray[np.int64]) -> float:
    total = int(whole.sum())
    return int(part.sum()) / total if total else float(int(otherwise.sum()) == 0)


_EXACT = Metric("exact_match", "share of answers that are the right one", share("correct"), "correct")
_NLL = Metric("nll", "nats by which the right answer is missed", mean_nats, higher_is_better=False, is_share=False)
_PERPLEXITY = Metric(
    "perplexity", "exp of the nats per target token", perplexity, higher_is_better=False, is_share=False
)
_LABEL_PERPLEXITY = replace(_PERPLEXITY, meaning="exp of the nats of the right label: 1 is certainty")

METRICS: dict[str, tuple[Metric, ...]] = {
    "classify": (
        Metric("accuracy", "share of rows with the right label", share("correct"), "correct"),
        Metric("macro_f1", "mean F1 of the labels, rare ones as much as frequent ones", macro_f1),
        _LABEL_PERPLEXITY,
        Metric("ece", "mean gap between probability and accuracy", calibration_error, higher_is_better=False),
        _EXACT,
        _NLL,
    ),
    "extract": (
        _EXACT,
        Metric("slot_f1", "F1 of key and value pairs over all rows", slot_f1),
        Metric("slot_precision", "share of the given pairs that are right", slot_precision),
        Metric("slot_recall", "share of the right pairs that were given", slot_recall),
        Metric("valid_json", "share of answers that are JSON", share("valid"), "valid"),
        _PERPLEXITY,
        _NLL,
    ),
    "chat": (
        Metric("token_f1", "mean F1 of the words shared with the right answer", share("overlap")),
        _EXACT,
        _PERPLEXITY,
        _NLL,
    ),
    "preference": (
        Metric("preference_accuracy", "share of pairs whose chosen answer is preferred", share("correct"), "correct"),
        Metric("margin", "mean implicit reward of chosen above rejected, in nats", share("margin"), is_share=False),
        replace(_PERPLEXITY, meaning="exp of the nats per token of the chosen answer"),
        _NLL,
    ),
}
"""Task to its metrics; the first is the one that decides unless the gate says otherwise."""

_ON_REQUEST = {"classify": {"exact_match", "nll"}, "extract": {"nll"}, "chat": {"nll"}, "preference": {"nll"}}


def chosen_metrics(recipe: Recipe) -> list[Metric]:
    """Return the metrics to measure: the recipe's (or the task's), and those the gate needs.

    Raises:
        RecipeError: for a metric the task does not have, or a minimum of one where less is better.
    """
    known = {metric.name: metric for metric in METRICS[recipe.task]}
    settings = recipe.evaluate
    names = list(settings.metrics) or [name for name in known if name not in _ON_REQUEST[recipe.task]]
    _check_names(names, "evaluate.metrics", recipe.task)
    gate = settings.gate
    needed = [main_metric(recipe).name, *gate.minimum]
    _check_names(list(gate.minimum), "evaluate.gate.minimum", recipe.task)
    for name in gate.minimum:
        if not known[name].higher_is_better:
            raise RecipeError(
                f"evaluate.gate.minimum: of {name} less is better, so it can have no minimum",
                expected="a metric where more is better, such as " + METRICS[recipe.task][0].name,
            )
    return [known[name] for name in dict.fromkeys([*names, *needed])]


def stopping_metric(recipe: Recipe) -> Metric | None:
    """Return the metric that stops training and chooses its weights; None if that is the validation loss.

    Raises:
        RecipeError: for a metric the task does not have.
    """
    settings = recipe.train.regularise.early_stopping
    if settings is None or settings.metric == "valid_loss":
        return None
    _check_names([settings.metric], "train.regularise.early_stopping.metric", recipe.task)
    return next(metric for metric in METRICS[recipe.task] if metric.name == settings.metric)


def main_metric(recipe: Recipe) -> Metric:
    """Return the metric that decides.

    Raises:
        RecipeError: if the gate names one the task does not have.
    """
    name = recipe.evaluate.gate.metric or METRICS[recipe.task][0].name
    _check_names([name], "evaluate.gate.metric", recipe.task)
    return next(metric for metric in METRICS[recipe.task] if metric.name == name)


def _check_names(names: list[str], where: str, task: str) -> None:
    known = [metric.name for metric in METRICS[task]]
    for name in names:
        if name not in known:
            raise RecipeError(
                f"{where}: {task} has no metric {name!r}",
                expected="some of " + ", ".join(known),
                hint=did_you_mean(name, known),
            )
