"""What becomes of the rows of train that are far from the target domain.

Owns the calibration of the score on target texts that it has not seen, the rule ``irrelevant``, its evidence and its
verdict. Rows of validation and test are never touched. Does not own the target (`target`) nor the score (`score`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.estimates import bootstrap_mean, wilson
from tunesmith.core.spans import I64
from tunesmith.data.asked import texts_of
from tunesmith.data.read.files import PIECE_ROWS
from tunesmith.data.relevance.describe import meant_by
from tunesmith.data.relevance.score import F64, FEWEST_EXAMPLES, bags, fit
from tunesmith.data.relevance.target import target_of
from tunesmith.data.rows import hash64, shortened
from tunesmith.data.sample import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tunesmith.core.estimates import Estimate
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.relevance.target import Target
    from tunesmith.models.embed import WordVectors
    from tunesmith.recipe import Recipe

FEWEST_WORDS = 100
"""Distinct words of the target below which no threshold is made."""

DOUBT = 0.01
"""Chance at which as many rows below the threshold could be of the target after all: nothing is removed from here."""

_MORE_BELOW = 1.4
"""How many times more rows of the domain itself lie below than the target's own texts say, because the background
holds rows that are judged: 0.07 instead of 0.05 (``false_alarms`` in `benchmarks/relevance.py`)."""

SURE = 0.9
"""Confidence that the share of the domain which the recipe wants to keep is kept."""

TELLING = 0.95
"""Share of the target above the line at which it is tested whether rows can be told from it; also where rows are
counted as irrelevant when the recipe draws them."""

LOOK_FRAC, POOR_FRAC = 0.1, 0.5
NEAREST_OF = 128
SHOWN_ROWS = 5
SHOWN_CHARS, SHOWN_WORDS = 200, 8


@dataclass
class Judged:
    """The rows of train with their scores, and what the target's own texts say of them."""

    rows: I64
    scores: F64
    held_out: F64
    threshold: float

    @property
    def below(self) -> NDArray[np.bool_]:
        """Which rows lie below the threshold."""
        return np.asarray(self.scores < self.threshold)

    @property
    def chance(self) -> float:
        """Chance that so many rows lie below the target's lowest text, or its lowest twentieth, were all of the target.

        The target's true share below its k+1 lowest of n texts is Beta(k + 1, n - k), so the chance that it exceeds s
        is that of at most k successes of n at s. There are two lines, so the smaller chance counts double (Bonferroni).
        """
        return min(1.0, 2 * min(self._chance_below(keep) for keep in (1.0, TELLING)))

    def _chance_below(self, keep: float) -> float:
        threshold, count = lowest(self.held_out, keep), len(self.held_out)
        lower = int((self.held_out < threshold).sum())
        share = float((self.scores < threshold).mean()) / _MORE_BELOW
        if share == 0:
            return 1.0
        return next(itertools.islice(_at_most(count, share), lower, None))

    def auc(self) -> Estimate:
        """Estimate the chance that a held-out text of the target scores above a row of the pool, ties as half."""
        ordered = np.sort(self.scores)
        places = (np.searchsorted(ordered, self.held_out) + np.searchsorted(ordered, self.held_out, "right")) / 2
        return bootstrap_mean((places / len(ordered)).tolist())


def judge_relevance(fates: Fates, gathered: Gathered, recipe: Recipe, recipe_dir: Path) -> dict[str, Any]:
    """Do with the rows of train that are far from the target what the recipe says; return what is to be told of it.

    Rule: ``irrelevant`` (the score lies below what ``keep`` of the target's own held-out texts reach; with
    ``resample``: not drawn). Nothing is removed where the rows cannot be told from the target. What is returned has
    the keys of a verdict, and ``auc``, ``auc_of`` (whose), ``examples``, ``words``, ``score_threshold``, ``rows``,
    ``removed``; of a description also ``said`` (its words that the rows taken for it say) and ``agreement``.

    Raises:
        DataError: if the target is too small, or it cannot be said what rows a description means, for a removal that
            the recipe asks for.
        RecipeError: if ``valid`` is named and there are no validation files.
    """
    settings = recipe.data.relevance
    assert settings is not None
    target = target_of(recipe, recipe_dir, gathered, fates.alive)
    rows, vectors = fates.living("train"), _vectors(recipe.base)
    sample = texts_of(gathered, spread(rows), target.answers)
    facts: dict[str, Any] = {"target": target.names, "action": settings.action}
    if target.described:
        meant = meant_by(target.texts[0], sample, vectors)
        facts |= {"description": target.texts[0], "said": meant.words, "agreement": round(meant.agreement, 3)}
        if meant.doubt:
            return facts | _unclear(target.texts[0], meant.doubt, settings.action)
        target = replace(target, texts=meant.texts)
    words = int(bags(target.texts)[0].sizes.sum())
    facts |= {"examples": len(target.texts), "words": words}
    if len(target.texts) < FEWEST_EXAMPLES or words < FEWEST_WORDS or not len(rows):
        return facts | _too_small(target, words, settings.action)
    scorer = fit([target.texts[at] for at in spread(np.arange(len(target.texts))).tolist()], sample, vectors)
    parts = [rows[start : start + PIECE_ROWS] for start in range(0, len(rows), PIECE_ROWS)]
    scores = np.concatenate([scorer(texts_of(gathered, part, target.answers)) for part in parts])
    held = np.sort(scorer.held_out)
    judged = Judged(rows, scores, held, line(held, TELLING if settings.action == "resample" else settings.keep))
    evidence = Evidence(judged, target.texts, lambda some: texts_of(gathered, some, target.answers))
    facts |= {"embeddings": recipe.base if scorer.nearby else None, "background": scorer.background}
    facts["auc_of"] = "rows taken for the description" if target.described else "held-out target texts"
    facts |= _told_of(fates, judged, evidence, facts["auc_of"])
    if target.described:
        facts["why"] += _read_thus(facts)
    return facts | _done(fates, judged, evidence, recipe)


def line(held_out: F64, keep: float) -> float:
    """Return the threshold above which at least ``keep`` of the domain lies, with `SURE` confidence.

    The share of the domain below the k+1 lowest of n of its texts is Beta(k + 1, n - k), so it is at most 1 - keep with
    the chance that of n draws at 1 - keep more than k hit. Of too few texts (44 for 0.95) the lowest is the threshold,
    and the confidence is less. ``held_out``: scores, ascending.

    Source: Wilks, "Determination of sample sizes for setting tolerance limits", 1941.
    """
    chances = itertools.takewhile(lambda chance: chance <= 1 - SURE, _at_most(len(held_out), 1 - keep))
    return float(held_out[max(sum(1 for _ in chances) - 1, 0)])


def _at_most(count: int, share: float) -> Iterator[float]:
    """Yield the chances of at most 0, 1, 2, ... hits of ``count`` draws that hit with a chance of ``share``."""
    if not 0 < share < 1:
        yield from itertools.repeat(float(share <= 0), count + 1)
        return
    hit, miss, total = math.log(share), math.log1p(-share), 0.0
    for hits in range(count + 1):
        ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
        total += math.exp(ways + hits * hit + (count - hits) * miss)
        yield total


def lowest(held_out: F64, keep: float) -> float:
    """Return the threshold that at least ``keep`` of the target's held-out scores (ascending) reach."""
    return float(held_out[min(int((1 - keep) * len(held_out) + 1e-9), len(held_out) - 1)])


def _vectors(base: str) -> WordVectors | None:
    from tunesmith.models.embed import WordVectors, has_static_embeddings

    return WordVectors(base) if has_static_embeddings(base) else None


def _too_small(target: Target, words: int, action: str) -> dict[str, Any]:
    what = f"data.relevance.to: {len(target.texts)} example(s) of {words} words ({', '.join(target.names)})"
    if action != "flag":
        raise DataError(
            f"{what} are too few to tell what is irrelevant",
            expected=f"at least {FEWEST_EXAMPLES} examples and {FEWEST_WORDS} words; 50 examples do well",
            hint="name a file with examples, or leave data.relevance out",
        )
    return _verdict("look", f"{what} are too few to tell what is irrelevant; 50 do well", None, [])


def _unclear(description: str, doubt: str, action: str) -> dict[str, Any]:
    what = f"data.relevance.to: it cannot be said which rows {shortened(description, SHOWN_CHARS)!r} means: {doubt}"
    if action != "flag":
        raise DataError(
            what,
            expected="a description of a part of the rows, in words that they say themselves, or a file of examples",
            hint="name things that such rows speak of; or give 50 of them as examples, a line each",
        )
    return _verdict("look", f"{what}; 50 examples do well", None, [])


def _read_thus(facts: dict[str, Any]) -> str:
    said = ", ".join(facts["said"][:SHOWN_WORDS])
    return (
        f"; {facts['examples']:,} rows that say {said} are taken for what is described (of those that either half of "
        f"its words leads to, both lead to {facts['agreement']:.0%}), so the AUC says how well they are told apart, "
        "not that they are what was meant"
    )


def _told_of(fates: Fates, judged: Judged, evidence: Evidence, auc_of: str) -> dict[str, Any]:
    """Return the verdict, the figures behind it and the worst rows."""
    below, auc = int(judged.below.sum()), judged.auc()
    share = wilson(below, len(judged.rows))
    worst = np.argsort(judged.scores, kind="stable")[:SHOWN_ROWS]
    ids = fates.frame["row_id"][judged.rows[worst]].to_list()
    told = f"AUC of {auc_of} against the rows {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]"
    if judged.chance >= DOUBT:
        word, why = (
            "look",
            (
                f"the rows cannot be told from the target ({told}): either all are of the domain, or the target is too "
                "small or too general to say; nothing is removed"
            ),
        )
    else:
        word = "poor" if share.value > POOR_FRAC else "look" if share.value > LOOK_FRAC else "good"
        why = f"{below:,} of {len(judged.rows):,} rows ({share.value:.1%}) are farther from the target than its own "
        why += f"texts are from each other; {told}"
    return {
        **_verdict(word, why, share.value, ids),
        "auc": auc.as_dict(),
        "share_below": share.as_dict(),
        "chance": round(judged.chance, 6),
        "score_threshold": judged.threshold,
        "rows": [
            {"row_id": row, "text": shortened(text, SHOWN_CHARS), **found}
            for row, (text, found) in zip(ids, evidence.of(worst), strict=True)
        ],
    }


def _verdict(word: str, why: str, share: float | None, worst: list[str]) -> dict[str, Any]:
    if share is None:
        return {"verdict": word, "why": why, "value": None, "threshold": None, "worst": worst}
    value = round(share, 6)
    return {
        "verdict": word,
        "why": why,
        "measure": "irrelevant",
        "value": value,
        "threshold": POOR_FRAC if word == "poor" else LOOK_FRAC,
        "worst": worst,
        "measures": {"irrelevant": {"value": value, "look": LOOK_FRAC, "poor": POOR_FRAC}},
    }


def _done(fates: Fates, judged: Judged, evidence: Evidence, recipe: Recipe) -> dict[str, Any]:
    """Remove, flag or draw rows; return how many were removed."""
    settings = recipe.data.relevance
    assert settings is not None
    if judged.chance >= DOUBT:
        return {"removed": 0}
    gone = judged.below
    if settings.action == "resample":
        gone = ~_drawn(fates, judged, settings.keep, recipe.seed)
    removed = 0
    where = np.flatnonzero(gone)
    for start in range(0, len(where), PIECE_ROWS):
        some = where[start : start + PIECE_ROWS]
        for row, (_, found) in zip(judged.rows[some].tolist(), evidence.of(some), strict=True):
            if settings.action == "flag":
                fates.flag(row, "irrelevant", found)
            else:
                removed += fates.remove(row, "irrelevant", found)
    return {"removed": removed}


def _drawn(fates: Fates, judged: Judged, keep: float, seed: int) -> NDArray[np.bool_]:
    """Draw a share of the rows without replacement, by importance: the highest of score plus Gumbel noise.

    The noise hangs on the row's id and the seed alone. Source: Kool, van Hoof and Welling, "Stochastic Beams and Where
    to Find Them", 2019 (Gumbel top-k); Xie et al. 2023.
    """
    ids = fates.frame["row_id"][judged.rows].to_list()
    uniform = (np.array([hash64(f"{seed}\0{one}") >> 11 for one in ids], np.float64) + 0.5) / 2.0**53
    order = np.argsort(-(judged.scores - np.log(-np.log(uniform))), kind="stable")
    drawn = np.zeros(len(order), np.bool_)
    drawn[order[: round(keep * len(order))]] = True
    return drawn


class Evidence:
    """What is noted of a row: its score, the threshold, and the nearest of up to `NEAREST_OF` texts of the target."""

    def __init__(self, judged: Judged, target: Sequence[str], texts_of: Callable[[I64], list[str]]) -> None:
        self._judged, self._texts_of = judged, texts_of
        self._target = [target[at] for at in spread(np.arange(len(target)), NEAREST_OF).tolist()]
        bag = bags(self._target)[0]
        self._places, found = np.unique(bag.place, return_inverse=True)
        self._rare = np.log(1 + len(self._target) / np.bincount(found, minlength=len(self._places)))
        self._matrix = np.zeros((len(self._places), len(self._target)), np.float32)
        self._matrix[found, bag.row] = self._rare[found]
        self._matrix /= np.maximum(np.linalg.norm(self._matrix, axis=0), np.float32(1e-12))

    def of(self, some: I64) -> list[tuple[str, dict[str, Any]]]:
        """Return text and evidence of judged rows, by their place."""
        order = np.argsort(some, kind="stable")
        texts = self._texts_of(self._judged.rows[some[order]])
        told: list[tuple[str, dict[str, Any]]] = [("", {})] * len(some)
        for start in range(0, len(texts), 512):
            part = texts[start : start + 512]
            for at, text, nearest in zip(order[start : start + 512].tolist(), part, self._nearest(part), strict=True):
                score = {"score": float(self._judged.scores[some[at]]), "threshold": self._judged.threshold}
                told[at] = (text, score | nearest)
        return told

    def _nearest(self, texts: list[str]) -> list[dict[str, Any]]:
        """Return the nearest target text by the cosine of rare words, which one it is and how near."""
        bag = bags(texts)[0]
        where = np.minimum(np.searchsorted(self._places, bag.place), len(self._places) - 1)
        known = self._places[where] == bag.place
        weights = np.where(known, self._rare[where], math.log(1 + len(self._target)))
        vectors = np.zeros((len(texts), len(self._places)), np.float32)
        vectors[bag.row[known], where[known]] = weights[known]
        lengths = np.sqrt(np.bincount(bag.row, weights**2, len(texts)))
        cosines = np.round(vectors @ self._matrix / np.maximum(lengths, 1e-12)[:, None], 4)
        best = cosines.argmax(axis=1)
        return [
            {"nearest": shortened(self._target[one], SHOWN_CHARS), "similarity": float(cosines[row, one])}
            for row, one in enumerate(best.tolist())
        ]
