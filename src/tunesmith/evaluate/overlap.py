"""How much of the right answer's wording an answer has: ROUGE, BLEU, chrF.

Owns which library computes each, with which settings. BLEU and chrF are numbers over all rows together: each row gives
counts, so that resampled rows give resampled sums.
Does not own names and intervals (`metrics`, `metric`). Needs the ``evaluate`` extra.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import MissingExtraError
from tunesmith.evaluate.grading import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Rows


class _Words:
    """Cuts text for ROUGE as its own library does, but also where letters are not English."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def rouge_scores(kind: str, expected: Sequence[str], texts: Sequence[str]) -> list[float]:
    """Return for each answer the F1 of ROUGE; ``kind`` is ``rouge1`` to ``rouge9`` or ``rougeL``; no stemming.

    Source: Lin 2004, "ROUGE: a package for automatic evaluation of summaries"; computed by rouge-score.

    Raises:
        MissingExtraError: without the ``evaluate`` extra.
    """
    scorer = _rouge(kind)
    return [float(scorer.score(right, text)[kind].fmeasure) for right, text in zip(expected, texts, strict=True)]


def rouge_columns(kind: str) -> Callable[[Rows], Columns]:
    """Return the maker of the column ``kind``."""
    return lambda rows: {kind: np.array(rouge_scores(kind, rows.expected, rows.answers.texts))}


def bleu_columns(rows: Rows) -> Columns:
    """Return the counts that BLEU sums: length, length of the right answer, then hits and n-grams of 1 to 4 words."""
    return {"bleu": _parts(_bleu(), rows)}


def chrf_columns(rows: Rows) -> Columns:
    """Return the counts that chrF sums: n-grams given, there and shared, of 1 to 6 characters."""
    return {"chrf": _parts(_chrf(), rows)}


def bleu(columns: Columns) -> float:
    """Return BLEU over all rows together, 0 to 100, as ``sacrebleu`` prints it (its tokenizer 13a, smoothing exp).

    Source: Papineni et al. 2002, "BLEU"; Post 2018, "A call for clarity in reporting BLEU scores".
    """
    return _whole(_bleu(), columns["bleu"])


def chrf(columns: Columns) -> float:
    """Return chrF over all rows together, 0 to 100, as ``sacrebleu -m chrf`` prints it.

    Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
    """
    return _whole(_chrf(), columns["chrf"])


def bleu_of(text: str, reference: str) -> float:
    """Return BLEU of one answer, 0 to 1, as ``sacrebleu``'s ``sentence_bleu`` (effective order)."""
    return float(_sacrebleu().BLEU(effective_order=True).sentence_score(text, [reference]).score) / 100


def _parts(scorer: Any, rows: Rows) -> np.ndarray[Any, Any]:
    if not rows.expected:
        return np.zeros((0, 0), dtype=np.int64)
    found = scorer._extract_corpus_statistics(list(rows.answers.texts), [list(rows.expected)])
    return np.array(found, dtype=np.int64)


def _whole(scorer: Any, parts: np.ndarray[Any, Any]) -> float:
    return float(scorer._aggregate_and_compute([parts.sum(0).tolist()]).score)


def check_rouge() -> None:
    """Raise `MissingExtraError` if ROUGE cannot be computed."""
    _rouge("rouge1")


def check_sacrebleu() -> None:
    """Raise `MissingExtraError` if BLEU and chrF cannot be computed."""
    _sacrebleu()


@lru_cache(maxsize=16)
def _rouge(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "rouge_score") from error
    return RougeScorer([kind], tokenizer=_Words())


@lru_cache(maxsize=1)
def _bleu() -> Any:
    return _sacrebleu().BLEU()


@lru_cache(maxsize=1)
def _chrf() -> Any:
    return _sacrebleu().CHRF()


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "sacrebleu") from error
    return metrics
