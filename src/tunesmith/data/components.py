"""Which of many things hang together, directly or through others: one union-find for all who ask.

Does not own what ties two things: near-duplicates (`near`), a prompt or a group (`split`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tunesmith.core.spans import I64


def lowest_of_each(count: int, one: I64, other: I64) -> I64:
    """Return for each of ``count`` things the lowest that it hangs together with; ``one`` and ``other`` are ties."""
    parent = list(range(count))

    def root(thing: int) -> int:
        while parent[thing] != thing:
            parent[thing] = parent[parent[thing]]
            thing = parent[thing]
        return thing

    for left, right in zip(one.tolist(), other.tolist(), strict=True):
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    return np.array([root(thing) for thing in range(count)], np.int64)
