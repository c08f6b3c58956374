"""Which pairs of rows are worth comparing: those that share a MinHash band key, not quadratic in how many share it.

Owns the buckets of equal keys and the pairs taken of each. A pair is packed into 64 bits, the earlier row above. Does
not own the keys (`shingles`) nor the comparison (`jaccard`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunesmith.core.spans import I64, U64
    from tunesmith.data.duplicates.shingles import U32

_SMALL = 9  # members of a bucket up to which all of its pairs are compared
_NEIGHBOURS, _BEST = 2, 4  # rows of a larger bucket that a row is compared with: per band, and in all
_PAIRS_AT_ONCE = 1 << 22
_BATCH_PAIRS = 4096


def crowded(bands: U32, rows: I64) -> I64:
    """Return which of ``rows`` share a band key with another, ascending."""
    crowded = np.zeros(len(rows), np.bool_)
    for band in range(bands.shape[1]):
        packed = _packed(bands[rows, band], np.arange(len(rows)))
        packed.sort()
        keys = packed >> np.uint64(32)
        equal = np.zeros(len(rows) + 1, np.bool_)
        equal[1:-1] = keys[1:] == keys[:-1]
        crowded[packed[equal[1:] | equal[:-1]].astype(np.uint32)] = True
    return np.flatnonzero(crowded)


def bucket_pairs(bands: U32, alive: I64, wide: bool) -> U64:
    """Return pairs that share a key in some band, packed, ascending; not quadratic in the size of a bucket.

    All pairs of a bucket of up to `_SMALL` members; in a larger one each with the lowest. If ``wide``, there also each
    with its neighbours in the order of the next band (alike in more than what all of them share), and of those per
    row the `_BEST` that share most bands.
    """
    sure, maybe = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for band in range(bands.shape[1]):
        packed = _packed(bands[alive, band], alive)
        packed.sort()
        starts = starts_of_runs((packed >> np.uint64(32)).astype(np.uint32))
        back, large = np.arange(len(starts)) - starts, np.bincount(starts, minlength=len(starts))[starts] > _SMALL
        member = packed.astype(np.uint32).astype(np.int64)
        sure += _within(member, np.where(large, 0, back))
        if large.any():
            crowd, bucket = member[large], starts[large]
            sure.append(_with_lowest(crowd, bucket))
            maybe += _neighbours(crowd, bucket, bands[crowd, (band + 1) % bands.shape[1]]) if wide else []
        if sum(map(len, sure)) + sum(map(len, maybe)) > _PAIRS_AT_ONCE:
            sure, maybe = [_distinct(sure)], [_best(bands, _distinct(maybe))]
    return _distinct([*sure, _best(bands, _distinct(maybe))])


def _within(member: I64, reach: I64) -> list[U64]:
    """Return the pairs of each member with the ``reach`` ones before it."""
    laters = (np.flatnonzero(reach >= step) for step in range(1, int(reach.max(initial=0)) + 1))
    return [_ascending(member[later - step], member[later]) for step, later in enumerate(laters, 1)]


def _with_lowest(member: I64, starts: I64) -> U64:
    """Return the pairs of each member with the lowest of its bucket."""
    lowest = member[np.searchsorted(starts, starts)]
    return _packed(lowest, member)[np.flatnonzero(lowest != member)]


def _neighbours(member: I64, starts: I64, order: U32) -> list[U64]:
    """Return the pairs of each member with the few before it in ``order`` within its bucket."""
    sort = np.lexsort((member, order, starts))
    member, starts = member[sort], starts[sort]
    back = np.arange(len(starts)) - np.searchsorted(starts, starts)
    return _within(member, np.minimum(back, _NEIGHBOURS))


def _best(bands: U32, pairs: U64) -> U64:
    """Return for each later row the `_BEST` pairs that share most bands, ascending."""
    earlier, later = unpacked(pairs)
    shared = _agreement(bands, earlier, later)
    sort = np.argsort((later << 8) + (255 - shared), kind="stable")
    place = np.arange(len(sort)) - starts_of_runs(later[sort].astype(np.uint64))
    chosen = pairs[sort[place < _BEST]]
    chosen.sort()
    return chosen


def _ascending(one: I64, other: I64) -> U64:
    return _packed(np.minimum(one, other), np.maximum(one, other))


def _distinct(parts: list[U64]) -> U64:
    values = np.concatenate(parts)
    values.sort()
    return values[np.flatnonzero(np.diff(values, prepend=~values[:1]))]


def _packed(high: I64 | U32, low: I64) -> U64:
    return (high.astype(np.uint64) << np.uint64(32)) | low.astype(np.uint64)


def unpacked(packed: U64) -> tuple[I64, I64]:
    """Return the earlier and the later row of packed pairs."""
    return (packed >> np.uint64(32)).astype(np.int64), packed.astype(np.uint32).astype(np.int64)


def contains(ordered: U64, values: U64) -> NDArray[np.bool_]:
    """Tell which values are among the ascending ``ordered`` ones."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    where = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[where] == values)


def _agreement(bands: U32, earlier: I64, later: I64) -> I64:
    """Return in how many bands the rows of each pair agree."""
    out = np.zeros(len(earlier), np.int64)
    for start in range(0, len(earlier), _BATCH_PAIRS):
        some = slice(start, start + _BATCH_PAIRS)
        out[some] = np.count_nonzero(bands[earlier[some]] == bands[later[some]], axis=1)
    return out


def starts_of_runs(ordered: U64 | U32) -> I64:
    """Return for each place of an ordered array where the run of its value starts."""
    begins = np.zeros(len(ordered), np.int64)
    new = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    begins[new] = new
    return np.maximum.accumulate(begins)
