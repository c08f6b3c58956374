"""Prompts that mean the same in other words: the cosine of their embeddings, with every guard of near-duplicates.

Owns the search by embeddings and its calibration on random pairs: embeddings that find them alike are refused, and
``auto`` is the threshold that they leave. Facts that forbid a merge are `near`'s, the agreement of answers and the
alarm about a large cluster are `alike`'s. Held-out rows are neither removed nor compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.estimates import wilson
from tunesmith.core.spans import I64
from tunesmith.data.duplicates.alike import refuse_large
from tunesmith.data.duplicates.near import SHORT_WORDS
from tunesmith.data.duplicates.search import PAIRS_AT_ONCE, Alike, Search, Twin

if TYPE_CHECKING:
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.models.embed import F32
    from tunesmith.recipe import Recipe

MOST_ROWS = 100_000
"""All pairs of more rows take longer than a user waits: the work grows with the square."""

RANDOM_PAIRS = 400_000
MOST_ALIKE_FRAC = 1e-4
"""Share of random pairs above the threshold from which embeddings tell nothing: 1 in 10,000, so that of 10,000 rows
each would be alike one other by chance. Mean-pooled vectors of unknown words put 95 % of random pairs above 0.9
(32 of 20,000 rows survived another tool)."""

CROWDED_FRAC = 0.1
"""Share of the rows, those nearest to many, whose pairs are not random: a cluster of wordings of one question is what
is looked for, not blindness. 150 of them among 10,153 rows put 0.04 % of all pairs above 0.95."""

LEAST_COSINE, MOST_COSINE = 0.9, 0.99
"""``auto`` is never lower: at 0.81, midway for Dolly, "the founder of House Towers" and "of House Arryn" are alike. If
it would be higher, hardly anything lies between random pairs and equal ones."""

MOST_PAIRS = 5_000_000
"""Pairs that are looked at: more of them are clusters of thousands of rows, and fill the memory."""

ANSWERS_ALIKE = 0.7
_BLOCK_ROWS = 1024

Pairs = tuple[I64, I64, NDArray[np.float32]]
"""Earlier and later row of each pair, and the cosine."""


def remove_semantic(fates: Fates, gathered: Gathered, recipe: Recipe) -> dict[str, Any]:
    """Remove rows of train whose prompt means that of a kept row and whose answer agrees.

    Rule: ``semantic_duplicate``. Off unless ``data.dedup.semantic`` is set. Returns ``semantic``: the ``threshold``,
    the cosine that ``random_pairs`` stay below, and how many were ``removed``; nothing if there was nothing to do.

    Raises:
        DataError: if there are more than `MOST_ROWS` rows, the embeddings find random pairs alike, or one row would
            stand for more than ``data.dedup.max_cluster_frac`` of the rows.
        MissingExtraError: if a sentence-transformers model is named and the library is not installed.
        SetupError: if the base has no embeddings on this machine.
    """
    settings = recipe.data.dedup
    if settings.semantic is None:
        return {}
    search = Search(fates, gathered, settings.near or ANSWERS_ALIKE)
    at = np.flatnonzero((gathered.frame["part"] == "train").to_numpy()[search.rows])
    at = at[gathered.frame["prompt_words"].to_numpy()[search.rows[at]] >= SHORT_WORDS]
    _refuse_many(len(at))
    if len(at) < 2:
        return {}
    vectors = _vectors(search.said(at), recipe)
    random = random_pairs(vectors, recipe.seed)
    threshold = calibrated(random) if settings.semantic == "auto" else settings.semantic
    refuse_if_blind(random, threshold)
    twins = _twins(search, at, vectors, threshold)
    refuse_large(fates, gathered, twins, settings.max_cluster_frac, "semantic duplicates", "data.dedup.semantic: null")
    removed = 0
    for row, twin, cosine in twins:
        removed += fates.remove(row, "semantic_duplicate", {**fates.twin(twin), "cosine": round(cosine, 4)})
    level = round(_level(random), 4)
    return {"semantic": {"threshold": threshold, "random_pairs": level, "removed": removed}}


def _refuse_many(rows: int) -> None:
    if rows > MOST_ROWS:
        raise DataError(
            f"data.dedup.semantic: {rows:,} rows are too many to compare each with each",
            expected=f"at most {MOST_ROWS:,} rows",
            hint="leave data.dedup.semantic out (null); data.dedup.near has no such limit",
        )


def _twins(search: Search, at: I64, vectors: F32, threshold: float) -> list[Twin]:
    """Return the rows that go, the kept row of each, and the cosine."""
    earlier, later, cosine = pairs_above(vectors, threshold)
    same = _agree(search, at[earlier], at[later])
    gone = _representatives(len(at), (earlier[same], later[same], cosine[same]))
    return [(int(search.rows[at[row]]), int(search.rows[at[kept]]), value) for row, kept, value in gone]


def _vectors(prompts: list[str], recipe: Recipe) -> F32:
    from tunesmith.models.embed import embedder

    step = max(1, len(prompts) // 20_000)
    return embedder(recipe.data.dedup.embedding, recipe.base, prompts[::step])(prompts)


def random_pairs(vectors: F32, seed: int) -> F32:
    """Return the cosines of random pairs of vectors (n x d, of length 1): some rows with all others but the nearest.

    The nearest is left out because a true duplicate is no random pair, and so are the `CROWDED_FRAC` of the rows whose
    nearest hundredth of all is nearest. Fewer than three rows have no random pairs.
    """
    rows = len(vectors)
    if rows < 3:
        return np.zeros(0, np.float32)
    some = np.random.default_rng(seed).permutation(rows)[: max(2, RANDOM_PAIRS // rows)]
    cosines = np.sort(vectors[some] @ vectors.T, axis=1)[:, :-2]  # itself and the nearest
    crowd = max(1, rows // 100)
    lonely = np.argsort(cosines[:, -crowd:].mean(axis=1), kind="stable")
    return np.asarray(cosines[lonely[: len(some) - int(CROWDED_FRAC * len(some))]].ravel())


def calibrated(random: F32) -> float:
    """Return the cosine midway between what random pairs stay below and 1, rounded up; never below `LEAST_COSINE`.

    Raises:
        DataError: if it would lie above `MOST_COSINE`.
    """
    level = _level(random)
    threshold = max(LEAST_COSINE, float(np.ceil(50 * (1 + level)) / 100))
    if threshold <= MOST_COSINE:
        return threshold
    raise DataError(
        f"data.dedup.semantic: {MOST_ALIKE_FRAC:.2%} of random pairs have a cosine of at least {level:.3f}, so these "
        "embeddings cannot tell duplicates",
        expected=f"random pairs below {2 * MOST_COSINE - 1:g}",
        hint="name a sentence-transformers model in data.dedup.embedding, or leave data.dedup.semantic out",
    )


def _level(random: F32) -> float:
    """Return the cosine that all but `MOST_ALIKE_FRAC` of random pairs stay below."""
    return float(np.quantile(random, 1 - MOST_ALIKE_FRAC)) if len(random) else 0.0


def refuse_if_blind(random: F32, threshold: float) -> None:
    """Raise if random pairs are alike.

    Raises:
        DataError: with the share that was measured.
    """
    pairs, found = len(random), int((random >= threshold).sum())
    if not pairs or wilson(found, pairs).low <= MOST_ALIKE_FRAC:
        return
    raise DataError(
        f"data.dedup.semantic: {found / pairs:.2%} of random pairs have a cosine of at least {threshold:g}, so these "
        "embeddings cannot tell duplicates",
        expected=f"at most {MOST_ALIKE_FRAC:.2%} of random pairs",
        hint="raise data.dedup.semantic, name a sentence-transformers model in data.dedup.embedding, or leave it out",
    )


def pairs_above(vectors: F32, threshold: float) -> Pairs:
    """Return all pairs of vectors (n x d, of length 1) whose cosine is at least ``threshold``, a block at a time.

    Raises:
        DataError: if there are more than `MOST_PAIRS`.
    """
    none = np.zeros(0, np.int64)
    found: list[Pairs] = [(none, none, np.zeros(0, np.float32))]
    pairs = 0
    for start in range(0, len(vectors), _BLOCK_ROWS):
        cosines = vectors[start : start + _BLOCK_ROWS] @ vectors[start:].T
        one, other = np.nonzero(cosines >= threshold)
        ahead = other > one
        one, other = one[ahead], other[ahead]
        found.append((one + start, other + start, cosines[one, other]))
        pairs += len(one)
        if pairs > MOST_PAIRS:
            raise DataError(
                f"data.dedup.semantic: more than {MOST_PAIRS:,} pairs of rows have a cosine of at least {threshold:g}",
                expected="clusters of at most some thousand rows",
                hint="raise data.dedup.semantic, or leave it out (null)",
            )
    return (
        np.concatenate([one for one, _, _ in found]),
        np.concatenate([other for _, other, _ in found]),
        np.concatenate([cosine for _, _, cosine in found]),
    )


def _agree(search: Search, earlier: I64, later: I64) -> NDArray[np.bool_]:
    """Tell which pairs agree in every fact and in their answers."""
    rows, where = np.unique(np.concatenate([earlier, later]), return_inverse=True)
    keys = search.facts.keys_of(rows)[where]
    same = np.asarray(keys[: len(earlier)] == keys[len(earlier) :])
    for start in range(0, len(same), PAIRS_AT_ONCE):
        part = np.flatnonzero(same[start : start + PAIRS_AT_ONCE]) + start
        same[part] = search.same(earlier[part], later[part], Alike())
    return same


def _representatives(rows: int, pairs: Pairs) -> list[tuple[int, int, float]]:
    """Return who goes, the kept row that stands for it, and the cosine: who is alike most rows is judged first."""
    alike: dict[int, dict[int, float]] = {}
    for one, other, cosine in zip(*(column.tolist() for column in pairs), strict=True):
        alike.setdefault(one, {})[other] = cosine
        alike.setdefault(other, {})[one] = cosine
    kept: set[int] = set()
    gone: list[tuple[int, int, float]] = []
    for row in sorted(alike, key=lambda row: (-len(alike[row]), row)):
        twins = [(cosine, -other) for other, cosine in alike[row].items() if other in kept]
        if twins:
            cosine, other = max(twins)
            gone.append((row, -other, cosine))
        else:
            kept.add(row)
    return sorted(gone)
