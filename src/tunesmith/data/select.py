"""Fewer rows to learn from: which rows of train stay when ``data.size`` asks for less than there is.

Owns the choice (`random`, `diverse`, `coverage`), how a budget is shared among labels, and the rule ``size``. Rows of
validation and test are never touched. Does not own how many rows are enough (`size`) nor the vectors (`vectors`).

Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985 (k-center); Minoux, "Accelerated
greedy algorithms for maximizing submodular set functions", 1978 (lazy greedy); Mirzasoleiman et al., "Distributed
Submodular Maximization", 2013 (blocks).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tunesmith.core.errors import RecipeError
from tunesmith.data.kmeans import k_means
from tunesmith.data.size import rows_needed
from tunesmith.data.vectors import base_of, by_exchange, vectors_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.spans import I64
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.vectors import I8
    from tunesmith.models.embed import F32
    from tunesmith.recipe import Recipe

Method = Literal["random", "diverse", "coverage"]

BLOCK_ROWS = 2048
"""Rows compared each with each at once: 16 MB of products."""


def reduce_train(
    fates: Fates, parts: dict[str, list[int]], gathered: Gathered, recipe: Recipe
) -> tuple[list[int], dict[str, Any]]:
    """Return the rows of train that stay under ``data.size``, and what was decided and why.

    Rule: ``size`` (the evidence names a like row that stays, and the cosine). Rows that the user restored stay
    beyond the number. Which rows go is a matter of what they say, not of their order.

    Raises:
        MissingExtraError: without scikit-learn, for ``max_examples: auto`` of a classification.
        RecipeError: if there are more labels than rows to keep.
    """
    assert recipe.data.size is not None
    train, settings = parts["train"], recipe.data.size
    facts: dict[str, Any] = {"before": len(train), "kept": len(train), **settings.model_dump()}
    wanted = settings.max_examples
    if wanted == "auto":
        needed = rows_needed(gathered, train, parts["valid"], recipe)
        wanted, facts["why"] = needed.rows, needed.why
    if wanted >= len(train):
        return train, facts
    facts["embeddings"] = None if settings.select == "random" else base_of(recipe)
    gone = _remove_surplus(fates, np.asarray(train, np.int64), wanted, gathered, recipe)
    facts["kept"] -= len(gone)
    return [row for row in train if row not in gone], facts


def _remove_surplus(fates: Fates, train: I64, wanted: int, gathered: Gathered, recipe: Recipe) -> set[int]:
    assert recipe.data.size is not None
    method = recipe.data.size.select
    rows = by_exchange(gathered, train)
    labels = fates.frame["label"][rows].to_list() if recipe.task == "classify" else [""] * len(rows)
    if wanted < (least := len(set(labels))):
        raise RecipeError(
            f"data.size.max_examples: {wanted:,} rows are fewer than the {least:,} labels",
            expected=f"at least {least:,}, so that no label is lost",
        )
    vectors = None if method == "random" else vectors_of(gathered, train, recipe)[np.searchsorted(train, rows)]
    return set(_remove(fates, rows, choose(vectors, _groups(labels), wanted, method, recipe.seed), wanted))


def _groups(labels: list[str]) -> list[I64]:
    _, code = np.unique(np.asarray(labels, object), return_inverse=True)
    order = np.argsort(code, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(code[order])) + 1)


def _remove(fates: Fates, rows: I64, chosen: Choice, wanted: int) -> Iterator[int]:
    for at in np.flatnonzero(~chosen.stays).tolist():
        evidence: dict[str, Any] = {"max_examples": wanted}
        if (twin := int(chosen.nearest[at])) >= 0:
            row = fates.twin(int(rows[twin]))
            evidence |= {"like": row["twin"], "at": row["at"], "cosine": round(float(chosen.cosines[at]), 4)}
        if fates.remove(int(rows[at]), "size", evidence):
            yield int(rows[at])


@dataclass(frozen=True)
class Choice:
    """Which rows stay; of the others the nearest of their block that does (-1: none is known), and the cosine."""

    stays: NDArray[np.bool_]
    nearest: I64
    cosines: NDArray[np.float32]


def choose(vectors: I8 | None, groups: Sequence[I64], budget: int, method: Method, seed: int) -> Choice:
    """Choose ``budget`` rows, shared among groups by their sizes, at least one of each.

    `diverse` and `coverage` compare rows within blocks of at most `BLOCK_ROWS`: a group that is larger is first parted
    by k-means into rows that lie together. So time is O(n * BLOCK_ROWS * d) and memory 16 MB beside the vectors.

    Args:
        vectors: n x d; None for `random`.
        groups: the rows of each label, or one group of all; together every row from 0 to n - 1.
        budget: rows to keep; at least one a group, at most n.
        method: how rows of a block are chosen.
        seed: decides what is drawn, and how blocks are parted.
    """
    rows = sum(map(len, groups))
    choice = Choice(np.zeros(rows, np.bool_), np.full(rows, -1, np.int64), np.zeros(rows, np.float32))
    random = np.random.default_rng(seed)
    for group, quota in zip(groups, shares([len(group) for group in groups], budget), strict=True):
        if vectors is None or method == "random":
            choice.stays[random.permutation(group)[:quota]] = True
            continue
        blocks = _blocks(vectors, group, seed)
        for block, own in zip(blocks, shares([len(block) for block in blocks], quota, least=0), strict=True):
            _choose_in(choice, vectors[block].astype(np.float32), block, own, method)
    return choice


def _choose_in(choice: Choice, vectors: F32, block: I64, quota: int, method: Method) -> None:
    if not quota:
        return
    picked = (k_center if method == "diverse" else facility_location)(vectors, quota)
    choice.stays[block[picked]] = True
    alike = vectors @ vectors[picked].T
    best = alike.argmax(axis=1)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    choice.nearest[block] = block[picked][best]
    both = np.maximum(lengths * lengths[picked][best], 1)
    choice.cosines[block] = alike[np.arange(len(block)), best] / both


def shares(sizes: Sequence[int], budget: int, least: int = 1) -> list[int]:
    """Share a budget in proportion to sizes, no share above its size; before that, ``least`` go to each.

    The s-th row of a group has the priority size / (s - 1/2), and the highest ``budget`` of all priorities are served.
    Source: Webster's method of apportionment.
    """
    counts = np.asarray(sizes, np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    turn = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    priority = np.where(turn < least, np.inf, counts[owner] / (turn + 0.5))
    served = np.lexsort((owner, -priority))[:budget]
    return [int(share) for share in np.bincount(owner[served], minlength=len(counts))]


def _blocks(vectors: I8, group: I64, seed: int) -> list[I64]:
    """Part the rows of a group into blocks of rows that lie together."""
    if len(group) <= BLOCK_ROWS:
        return [group]
    cells = k_means(vectors[group], -(-2 * len(group) // BLOCK_ROWS), seed)
    order = np.argsort(cells, kind="stable")
    near = np.split(group[order], np.flatnonzero(np.diff(cells[order])) + 1)
    return [part for cell in near for part in np.array_split(cell, -(-len(cell) // BLOCK_ROWS))]


def k_center(vectors: F32, count: int) -> I64:
    """Return rows such that no row is far from the nearest of them: each next one is the farthest from those before.

    The first is the one nearest the middle. At most twice as far as the best choice (Gonzalez 1985). O(n * count * d).
    """
    lengths = np.einsum("nd,nd->n", vectors, vectors)
    chosen = np.zeros(count, np.int64)
    far = np.full(len(vectors), np.inf, np.float32)
    row = int((vectors.astype(np.float64) @ vectors.sum(axis=0, dtype=np.float64)).argmax())
    for turn in range(count):
        chosen[turn] = row
        np.minimum(far, lengths + lengths[row] - 2 * (vectors @ vectors[row]), out=far)
        far[row] = -1.0
        row = int(far.argmax())
    return chosen


def facility_location(vectors: F32, count: int) -> I64:
    """Return rows such that every row has a like one among them: they maximise the sum of each row's best similarity.

    Lazy greedy: a row's gain only falls, so a gain that is still highest when computed anew is the highest. At least
    0.63 of the best choice's sum. O(n^2 * d) for the products, then O(n) for each gain computed anew.
    """
    alike = np.maximum(vectors @ vectors.T, 0)
    best = np.zeros(len(vectors), np.float32)
    gains = [(-float(one), row) for row, one in enumerate(alike.sum(axis=1, dtype=np.float64))]
    heapq.heapify(gains)
    chosen: list[int] = []
    while len(chosen) < count:
        _, row = heapq.heappop(gains)
        gain = -float(np.maximum(alike[row] - best, 0).sum(dtype=np.float64))
        if gains and (gain, row) > gains[0]:
            heapq.heappush(gains, (gain, row))
            continue
        chosen.append(row)
        np.maximum(best, alike[row], out=best)
    return np.asarray(chosen, np.int64)
