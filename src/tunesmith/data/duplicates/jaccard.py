"""How much two sets of shingles overlap, of many pairs at once.

Source: Jaccard, "The distribution of the flora in the alpine zone", 1912.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.data.duplicates.shingles import take_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tunesmith.core.spans import I64, U64

    ShinglesOf = Callable[[I64], tuple[U64, I64]]

_BATCH_PAIRS, _BATCH_SHINGLES = 4096, 1 << 19


def jaccards(shingles_of: ShinglesOf, left: I64, right: I64) -> NDArray[np.float64]:
    """Return the Jaccard similarity of the shingle sets of pairs of rows, in [0, 1]; 0 if both are empty.

    Exact but for collisions of 51 bits of the hashes. No pairs give no values.
    """
    out = np.zeros(len(left))
    start, step = 0, _BATCH_PAIRS
    while start < len(left):
        some = slice(start, start + step)
        rows, where = np.unique(np.concatenate([left[some], right[some]]), return_inverse=True)
        flat, offsets = shingles_of(rows)
        total = int((offsets[where + 1] - offsets[where]).sum())
        if total > _BATCH_SHINGLES and step > 1:
            step = max(1, step * _BATCH_SHINGLES // (2 * total))
            continue
        out[some] = _jaccard_batch(flat, offsets, where)
        start += step
    return out


def _jaccard_batch(flat: U64, offsets: I64, where: I64) -> NDArray[np.float64]:
    """Score pair p, the stretches ``where[p]`` and ``where[p + pairs]``, by one sort of (pair, hash, side)."""
    pairs = len(where) // 2
    values, ends = take_ranges(flat, offsets, where)
    pair_and_side = np.tile(np.arange(pairs, dtype=np.uint64) << np.uint64(52), 2)
    pair_and_side[pairs:] |= np.uint64(1)
    tagged = ((values >> np.uint64(13)) << np.uint64(1)) | np.repeat(pair_and_side, np.diff(ends))
    tagged.sort()
    tagged = tagged[np.diff(tagged, prepend=~tagged[:1]) != 0]
    both = (tagged[1:] >> np.uint64(1)) == (tagged[:-1] >> np.uint64(1))
    owner = (tagged >> np.uint64(52)).astype(np.int64)
    shared = np.bincount(owner[1:][both], minlength=pairs)
    union = np.bincount(owner, minlength=pairs) - shared
    return np.asarray(shared / np.maximum(union, 1), np.float64)
