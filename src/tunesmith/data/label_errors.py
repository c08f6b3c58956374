"""Labels that are probably wrong, by out-of-fold confident learning.

Owns the probe (a linear model on words and word pairs, which never judges a row it has learnt), the threshold of each
label, who is called wrong, and for which rows the probe can tell. Does not own what happens to such rows (`decide`).
The same rows in the same order give the same answer.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", 2021.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import MissingExtraError
from tunesmith.core.estimates import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FOLDS = 5
FEWEST_ROWS, FEWEST_EACH = 200, 10
"""Of fewer rows, or fewer a label on average, the surest do not say how many labels are wrong: in 8 rows of each intent
of BANKING77, none spoilt, a fifth was in doubt (``few_rows`` in `benchmarks/label_errors.py`)."""

ALPHA = 1e-5
"""Regularisation of the probe. Of logistic regression, ridge and stochastic gradient descent on words and word pairs,
the last tells wrong labels of BANKING77 apart best (area under ROC 0.978, 0.975, 0.976) at a tenth of the time."""

SURE_FRAC = 0.25
"""The surest rows, by the probability of the best label: in ten draws from BANKING77 with 3 and 8 % of the labels
wrong, 0.90 to 0.95 of those replaced among them were right; among the surest two fifths 0.88 to 0.91."""

LEVEL_FRAC = 0.9
"""How much more often the surest tenth may agree with the labels than all of the surest rows, before the probe's own
mistakes show among them: 2,000 rows of BANKING77 have 0.65, and 0.71 of what would be replaced is right."""


LEAST_RIGHT = 0.6
"""Share of the contradicted labels that must be wrong, told by the surest rows, if doubts are to be believed."""

BELOW = 0.68
"""Confidence of the interval whose lower end the share of wrong labels is taken to be: one standard error below."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row whose label is probably wrong: which label fits, and the probe's probabilities of both."""

    row: int
    given: str
    likely: str
    p_given: float
    p_likely: float


_WORD = re.compile(r"\w")


def out_of_fold(texts: Sequence[str], labels: Sequence[str]) -> tuple[NDArray[np.float64], list[str]]:
    """Return each row's probability of each label (n x k), by a probe that has not seen the row, and the k labels.

    Folds keep the shares of labels as far as they can; a label whose rows are all in one fold gets no probability
    there.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import SGDClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", "scikit-learn") from error
    names, codes = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    words = TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode", token_pattern=r"(?u)\b\w+\b"
    )
    features: Any = words.fit_transform(text if _WORD.search(text) else "(no words)" for text in texts)
    folds = _folds(codes)
    chances = np.zeros((len(codes), len(names)))
    for fold in range(FOLDS):
        held, learnt = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(held) and len(np.unique(codes[learnt])) > 1:
            probe = SGDClassifier(loss="log_loss", alpha=ALPHA, max_iter=15, tol=None, random_state=0)
            probe.fit(features[learnt], codes[learnt])
            chances[np.ix_(held, probe.classes_)] = probe.predict_proba(features[held])
    return chances, names.tolist()


def _folds(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal the rows of each label out to the folds in turn, in an order that has nothing to do with the file's."""
    order = np.random.default_rng(0).permutation(len(codes))
    by_label = order[np.argsort(codes[order], kind="stable")]
    folds = np.empty(len(codes), np.int64)
    folds[by_label] = np.arange(len(codes)) % FOLDS
    return folds


def sure(chances: NDArray[np.float64], names: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows the probe is so sure of that its label may replace a given one.

    How often a probe is right where it says 0.8 depends on the data, so its own probability is no guide. But wrong
    labels are about as frequent wherever the probe is sure, and what it contradicts beyond that is its own mistakes. So
    the surest `SURE_FRAC` of the rows are taken if it contradicts them hardly more often than it does the surest tenth,
    and none if it does. All are sure if it contradicts no row more often than others.
    """
    surest_first, ordered = _contradicted(chances, names, labels)
    certain = np.zeros(len(ordered), np.bool_)
    if _is_level(ordered):
        return ~certain
    most = round(SURE_FRAC * len(ordered))
    if most and ordered[: _ground(len(ordered), least=200)].mean() >= LEVEL_FRAC * ordered[:most].mean():
        certain[surest_first[:most]] = True
    return certain


def tellable(chances: NDArray[np.float64], names: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return for which rows a contradiction by the probe is more likely a wrong label than the probe's own mistake.

    Wrong labels are about as frequent everywhere; how frequent, the surest rows say. The less sure a row, the more the
    probe contradicts, and what goes beyond that share is its own mistakes. So of the rows, the surest first, as many
    are taken as keep `LEAST_RIGHT` of the contradicted ones wrong; none if they are `too_few`, all if the probe
    contradicts no row more often than others.
    """
    rows = len(labels)
    told = np.zeros(rows, np.bool_)
    if too_few(rows, len(names)):
        return told
    surest_first, contradicted = _contradicted(chances, names, labels)
    if _is_level(contradicted):
        return ~told
    ground = _ground(rows, least=50)
    wrong = wilson(int(contradicted[:ground].sum()), ground, BELOW).low
    enough = wrong * np.arange(1, rows + 1) >= LEAST_RIGHT * np.cumsum(contradicted)
    told[surest_first[: np.flatnonzero(enough).max(initial=-1) + 1]] = True
    return told


def too_few(rows: int, labels: int) -> bool:
    """Tell whether there are too few rows to say of any label that it is wrong."""
    return rows < FEWEST_ROWS or rows < FEWEST_EACH * labels


def _contradicted(
    chances: NDArray[np.float64], names: Sequence[str], labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows, the surest first, and in that order which of them the probe contradicts."""
    code_of = {name: code for code, name in enumerate(names)}
    surest_first = np.argsort(-chances.max(axis=1), kind="stable")
    contradicted = chances.argmax(axis=1) != [code_of[label] for label in labels]
    return surest_first, contradicted[surest_first].astype(np.float64)


def _ground(rows: int, least: int) -> int:
    """Return how many of the surest rows the frequency of wrong labels is told from: a tenth, or ``least`` of few."""
    return max(rows // 10, min(rows // 3, least), 1)


def _is_level(surest_first: NDArray[np.float64]) -> bool:
    """Tell whether the less sure half of the rows is contradicted no more than the surer half, up to chance (5 %)."""
    surer, less = np.array_split(surest_first, 2)
    spread = np.sqrt(surer.var() / len(surer) + less.var() / max(len(less), 1))
    return bool(less.mean() - surer.mean() <= 1.64 * spread)


def doubtful(chances: NDArray[np.float64], names: Sequence[str], labels: Sequence[str]) -> list[Doubt]:
    """Return the rows whose label is probably wrong, the surest first.

    A row is in doubt if the probe gives another label at least the probability that it gives, on average, to rows
    that bear that label, and its own label less than its own average.
    """
    code_of = {name: code for code, name in enumerate(names)}
    codes = np.array([code_of[label] for label in labels])
    own = chances[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=len(names))
    usual = np.bincount(codes, own, len(names)) / np.maximum(counts, 1)
    confident = np.where(chances >= np.maximum(usual, 1e-12), chances, 0.0)
    likely = confident.argmax(axis=1)
    wrong = (confident.max(axis=1) > 0) & (likely != codes) & (own < usual[codes])
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(own[rows] - chances[rows, likely[rows]], kind="stable")]
    return [
        Doubt(row, labels[row], names[likely[row]], float(own[row]), float(chances[row, likely[row]]))
        for row in rows.tolist()
    ]
