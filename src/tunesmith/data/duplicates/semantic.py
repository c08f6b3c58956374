"""Prompts that mean the same in other words: the cosine of their embeddings, with every guard of near-duplicates.

Owns the search by embeddings and its calibration: embeddings that find random pairs alike are refused. Facts that
forbid a merge are `near`'s, the agreement of answers is `alike`'s. Held-out rows are neither removed nor compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError
from tunesmith.core.estimates import wilson
from tunesmith.core.spans import I64
from tunesmith.data.duplicates.alike import PAIRS_AT_ONCE, Alike
from tunesmith.data.duplicates.alike import _Search as AlikeSearch  # one copy of what it means that answers agree
from tunesmith.data.duplicates.near import SHORT_WORDS

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

ANSWERS_ALIKE = 0.7
_BLOCK_ROWS = 1024

Pairs = tuple[I64, I64, NDArray[np.float32]]
"""Earlier and later row of each pair, and the cosine."""


def remove_semantic(fates: Fates, gathered: Gathered, recipe: Recipe) -> int:
    """Remove rows of train whose prompt means that of a kept row and whose answer agrees; return how many.

    Rule: ``semantic_duplicate``. Off unless ``data.dedup.semantic`` is set.

    Raises:
        DataError: if there are more than `MOST_ROWS` rows, or the embeddings find random pairs alike.
        MissingExtraError: if a sentence-transformers model is named and the library is not installed.
        SetupError: if the base has no embeddings on this machine.
    """
    settings = recipe.data.dedup
    if settings.semantic is None:
        return 0
    search = AlikeSearch(fates, gathered, settings.near or ANSWERS_ALIKE)
    at = np.flatnonzero((gathered.frame["part"] == "train").to_numpy()[search.rows])
    at = at[gathered.frame["prompt_words"].to_numpy()[search.rows[at]] >= SHORT_WORDS]
    if len(at) > MOST_ROWS:
        raise DataError(
            f"data.dedup.semantic: {len(at):,} rows are too many to compare each with each",
            expected=f"at most {MOST_ROWS:,} rows",
            hint="leave data.dedup.semantic out (null); data.dedup.near has no such limit",
        )
    if len(at) < 2:
        return 0
    vectors = _vectors(search._prompts(at), recipe)
    refuse_if_blind(vectors, settings.semantic, recipe.seed)
    earlier, later, cosine = pairs_above(vectors, settings.semantic)
    same = _agree(search, at[earlier], at[later])
    removed = 0
    for row, kept, value in _representatives(len(at), (earlier[same], later[same], cosine[same])):
        twin = int(search.rows[at[kept]])
        evidence = {**fates.twin(twin), "cosine": round(value, 4)}
        removed += fates.remove(int(search.rows[at[row]]), "semantic_duplicate", evidence)
    return removed


def _vectors(prompts: list[str], recipe: Recipe) -> F32:
    from tunesmith.models.embed import embedder

    step = max(1, len(prompts) // 20_000)
    return embedder(recipe.data.dedup.embedding, recipe.base, prompts[::step])(prompts)


def refuse_if_blind(vectors: F32, threshold: float, seed: int) -> None:
    """Raise if vectors (n x d, of length 1) of random pairs are alike, each row's nearest left out.

    The nearest is left out because a true duplicate is no random pair; few rows with a few of them are not refused.

    Raises:
        DataError: with the share that was measured.
    """
    rows = len(vectors)
    some = np.random.default_rng(seed).permutation(rows)[: max(2, RANDOM_PAIRS // max(rows, 1))]
    alike = (vectors[some] @ vectors.T >= threshold).sum(axis=1) - 1  # itself
    found, pairs = int(np.maximum(alike - 1, 0).sum()), len(some) * max(rows - 2, 1)
    if wilson(min(found, pairs), pairs).low <= MOST_ALIKE_FRAC:
        return
    raise DataError(
        f"data.dedup.semantic: {found / pairs:.2%} of random pairs have a cosine of at least {threshold:g}, so these "
        "embeddings cannot tell duplicates",
        expected=f"at most {MOST_ALIKE_FRAC:.2%} of random pairs",
        hint="raise data.dedup.semantic, name a sentence-transformers model in data.dedup.embedding, or leave it out",
    )


def pairs_above(vectors: F32, threshold: float) -> Pairs:
    """Return all pairs of vectors (n x d, of length 1) whose cosine is at least ``threshold``, a block at a time."""
    none = np.zeros(0, np.int64)
    found: list[Pairs] = [(none, none, np.zeros(0, np.float32))]
    for start in range(0, len(vectors), _BLOCK_ROWS):
        cosines = vectors[start : start + _BLOCK_ROWS] @ vectors[start:].T
        one, other = np.nonzero(cosines >= threshold)
        ahead = other > one
        one, other = one[ahead], other[ahead]
        found.append((one + start, other + start, cosines[one, other]))
    return (
        np.concatenate([one for one, _, _ in found]),
        np.concatenate([other for _, other, _ in found]),
        np.concatenate([cosine for _, _, cosine in found]),
    )


def _agree(search: AlikeSearch, earlier: I64, later: I64) -> NDArray[np.bool_]:
    """Tell which pairs agree in every fact and in their answers."""
    rows, where = np.unique(np.concatenate([earlier, later]), return_inverse=True)
    keys = search.facts.keys_of(rows)[where]
    same = np.asarray(keys[: len(earlier)] == keys[len(earlier) :])
    for start in range(0, len(same), PAIRS_AT_ONCE):
        part = np.flatnonzero(same[start : start + PAIRS_AT_ONCE]) + start
        same[part] = search._same(earlier[part], later[part], Alike())
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
