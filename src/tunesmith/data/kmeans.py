"""Groups of vectors that point the same way: k-means on the sphere.

Owns the clustering. Does not own the vectors (`vectors`) nor what the groups are for (`topics`, `select`). Centres are
rounded like the vectors, so every product is exact and the groups are the same on every machine.

Source: Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering", 2001 (spherical
k-means); Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding", 2007.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.data.vectors import SCALE, unit

if TYPE_CHECKING:
    from tunesmith.core.spans import I64
    from tunesmith.data.vectors import I8
    from tunesmith.models.embed import F32

LEARNT_ROWS = 20_000
"""Centres are learnt from at most so many rows, drawn by the seed; all rows are then assigned."""

ROUNDS = 25
_BLOCK_ROWS = 8192


def k_means(vectors: I8, k: int, seed: int) -> I64:
    """Return the group of each vector (n), numbered from 0 without gaps; at most ``k`` groups.

    Takes ``ROUNDS * min(n, LEARNT_ROWS) * k * d + n * k * d`` multiplications.
    """
    random = np.random.default_rng(seed)
    some = np.sort(random.permutation(len(vectors))[:LEARNT_ROWS])
    learnt = vectors[some].astype(np.float32)
    centres = _seeds(learnt, k, random)
    groups = nearest(learnt, centres)
    for _ in range(ROUNDS):
        centres = _centres(learnt, groups, centres)
        before, groups = groups, nearest(learnt, centres)
        if np.array_equal(before, groups):
            break
    return np.asarray(np.unique(nearest(vectors, centres), return_inverse=True)[1], np.int64)


def nearest(vectors: I8 | F32, centres: F32) -> I64:
    """Return the centre each vector points to most, the first of equals; a block at a time."""
    out = np.zeros(len(vectors), np.int64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS].astype(np.float32)
        out[start : start + _BLOCK_ROWS] = (block @ centres.T).argmax(axis=1)
    return out


def _seeds(vectors: F32, k: int, random: np.random.Generator) -> F32:
    """Draw rows as first centres, each the likelier the farther it is from those drawn (k-means++)."""
    chosen = [int(random.integers(len(vectors)))]
    far = np.full(len(vectors), np.inf)
    while len(chosen) < k:
        away = vectors - vectors[chosen[-1]]
        far = np.minimum(far, np.einsum("nd,nd->n", away, away, dtype=np.float64))
        if not far.any():
            break  # every row equals one drawn
        chosen.append(int(np.searchsorted(np.cumsum(far), random.random() * far.sum(), side="right")))
    return vectors[chosen]


def _centres(vectors: F32, groups: I64, before: F32) -> F32:
    """Return the direction of each group's sum; an empty group keeps its centre."""
    order = np.argsort(groups, kind="stable")
    filled, starts = np.unique(groups[order], return_index=True)
    sums = np.add.reduceat(vectors[order], starts, axis=0, dtype=np.float64)
    centres = before.copy()
    centres[filled] = np.rint(unit(sums) * SCALE)
    return centres
