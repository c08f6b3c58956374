"""Which texts say nearly the same: verified near-duplicates, each with the kept row it repeats.

Owns the search: equal bands are only candidates, the Jaccard of the shingle sets decides, and a row goes only if it
matches a row that stays, never a chain of others. Does not own signatures (`shingles`), the facts that forbid a merge
(`facts`), nor what becomes of a row.

Texts of fewer than `SHORT_WORDS` words are the same only if they are equal but for case, punctuation and whitespace:
one word is too much of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, U64, mixed
from tunesmith.data.duplicates.shingles import U32, Signatures, take_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    ShinglesOf = Callable[[I64], tuple[U64, I64]]
    KeysOf = Callable[[I64], U64]
    Allows = Callable[[I64, I64], NDArray[np.bool_]]

SHORT_WORDS = 8
_SMALL = 9  # members of a bucket up to which all of its pairs are compared
_NEIGHBOURS, _BEST = 2, 4  # rows of a larger bucket that a row is compared with: per band, and in all
_PAIRS_AT_ONCE = 1 << 22
_BATCH_PAIRS, _BATCH_SHINGLES = 4096, 1 << 19


@dataclass(frozen=True, slots=True)
class Twins:
    """Rows that repeat a kept row: ``row`` (ascending), ``kept`` and the ``jaccard`` of their shingle sets."""

    row: I64
    kept: I64
    jaccard: NDArray[np.float64]

    def mask(self, rows: int) -> NDArray[np.bool_]:
        """Return which of ``rows`` rows are dropped."""
        out = np.zeros(rows, np.bool_)
        out[self.row] = True
        return out


def near_duplicates(
    signatures: Signatures,
    shingles_of: ShinglesOf,
    *,
    threshold: float,
    priority: I64 | None = None,
    fixed: NDArray[np.bool_] | None = None,
    keys_of: KeysOf | None = None,
    allows: Allows | None = None,
) -> Twins:
    """Return the rows that repeat a kept row: the Jaccard of their shingle sets is >= ``threshold``, in [0, 1].

    ``priority`` (n, lower first) says who stays; among equals (by default all) the one that stands for the most rows,
    then the first: of rows in an order of what they say, another order of the files gives the same. Rows of ``fixed``
    (n) come before all others and are never dropped: an older index, or held-out rows. ``keys_of(rows)`` gives one
    integer per row, and rows with different integers are never merged;
    ``allows(kept, rows)`` judges the pairs that pass. Both are asked only about candidates. ``shingles_of(rows)``
    gives flat shingle hashes and offsets, as `Signed.of` does. Copies that differ only in case, punctuation and
    whitespace share one fate. No rows give no twins. Running again on the kept rows with the
    same priority drops nothing.
    """
    order = _judging_order(len(signatures), priority, fixed)
    keys_of = keys_of and _Remembered(keys_of, len(order)).of
    held = np.zeros(len(order), np.bool_) if fixed is None else fixed[order]
    leader = _leaders(signatures.exact[order], order, keys_of)
    copies = np.bincount(leader, minlength=len(order))
    first = np.flatnonzero((copies > 0) & (signatures.words[order] >= SHORT_WORDS))
    search = _Search(signatures.bands, order[first], shingles_of, threshold, keys_of, allows)
    at = first[search.which]
    edges = _settle(search, held[at], _rank(order[at], priority), copies[at])
    kept_of, score = np.arange(len(order)), np.ones(len(order))
    kept_of[at[edges.gone]] = at[edges.kept]
    score[at[edges.gone]] = edges.jaccard
    dropped = np.flatnonzero((kept_of[leader] != np.arange(len(order))) & ~held)
    dropped = dropped[np.argsort(order[dropped])]
    return Twins(order[dropped], order[kept_of[leader[dropped]]], score[leader[dropped]])


def near_clusters(
    signatures: Signatures,
    shingles_of: ShinglesOf,
    *,
    threshold: float,
    keys_of: KeysOf | None = None,
    allows: Allows | None = None,
) -> I64:
    """Return for each row the lowest row of its cluster: rows joined by verified pairs, directly or through others.

    For splits without leaks: two rows on different sides are then never verified near-duplicates. Arguments as for
    `near_duplicates`; give no ``keys_of`` to keep texts together that differ only in a number.
    """
    order = np.arange(len(signatures))
    keys_of = keys_of and _Remembered(keys_of, len(order)).of
    leader = _leaders(signatures.exact, order, keys_of)
    first = np.flatnonzero((leader == order) & (signatures.words >= SHORT_WORDS))
    search = _Search(signatures.bands, first, shingles_of, threshold, keys_of, allows)
    label = np.arange(len(search.which))
    for wide in (False, True):
        earlier, later = search.new_pairs(np.arange(len(label)), wide=wide)
        apart = label[earlier] != label[later]
        search.verify(earlier[apart], later[apart])
        label = _joined(len(label), search.edges())
    cluster = leader.copy()
    cluster[first[search.which]] = first[search.which[label]]
    return np.asarray(cluster[leader])


def _judging_order(rows: int, priority: I64 | None, fixed: NDArray[np.bool_] | None) -> I64:
    """Return the rows in the order they are judged."""
    free = np.zeros(rows, np.bool_) if fixed is None else ~fixed
    return np.lexsort((np.arange(rows), _rank(np.arange(rows), priority), free))


def _rank(rows: I64, priority: I64 | None) -> I64:
    return np.zeros(len(rows), np.int64) if priority is None else priority[rows]


class _Remembered:
    """The keys of rows, each asked for once."""

    def __init__(self, keys_of: KeysOf, rows: int) -> None:
        self._keys_of = keys_of
        self._keys = np.zeros(rows, np.uint64)
        self._known = np.zeros(rows, np.bool_)

    def of(self, rows: I64) -> U64:
        fresh = rows[~self._known[rows]]
        if len(fresh):
            self._keys[fresh] = self._keys_of(fresh)
            self._known[fresh] = True
        return self._keys[rows]


def _leaders(exact: U64, order: I64, keys_of: KeysOf | None) -> I64:
    """Return for each position the first position whose text is the same; ``exact`` is in the order of positions."""
    leader = np.arange(len(order))
    again = _repeated(exact)
    if not len(again):
        return leader
    same = exact[again]
    if keys_of is not None:
        same = mixed(same ^ mixed(keys_of(order[again])))
    sort = np.argsort(same, kind="stable")
    starts = _starts(same[sort])
    leader[again[sort]] = again[sort][starts]
    return leader


def _repeated(values: U64) -> I64:
    """Return where the values lie that occur more than once, ascending."""
    sort = np.argsort(values, kind="stable")
    equal = values[sort[1:]] == values[sort[:-1]]
    found = np.zeros(len(values), np.bool_)
    found[sort[1:][equal]] = True
    found[sort[:-1][equal]] = True
    return np.flatnonzero(found)


def _starts(ordered: U64 | U32) -> I64:
    """Return for each place of an ordered array where the run of its value starts."""
    begins = np.zeros(len(ordered), np.int64)
    new = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    begins[new] = new
    return np.maximum.accumulate(begins)


@dataclass(frozen=True, slots=True)
class _Edges:
    """Verified pairs of candidates. While it is open who stays, ``kept`` is the one judged earlier by position."""

    kept: I64
    gone: I64
    jaccard: NDArray[np.float64]

    def some(self, where: NDArray[np.bool_] | I64) -> _Edges:
        return _Edges(self.kept[where], self.gone[where], self.jaccard[where])


class _Search:
    """The pairs of ``rows`` (in judging order) that were compared, and those that are near-duplicates.

    Candidates are numbered: candidate c is ``rows[which[c]]``.
    """

    def __init__(
        self,
        bands: U32,
        rows: I64,
        shingles_of: ShinglesOf,
        threshold: float,
        keys_of: KeysOf | None,
        allows: Allows | None,
    ) -> None:
        self.which = _crowded(bands, rows)
        self.rows = rows[self.which]
        self.keys = np.zeros(len(self.rows), np.uint64) if keys_of is None else keys_of(self.rows)
        self.bands = bands[self.rows] ^ self.keys.astype(np.uint32)[:, None]
        self.shingles_of, self.threshold, self.allows = shingles_of, threshold, allows
        self.tested = np.zeros(0, np.uint64)
        self.found: list[_Edges] = []

    def edges(self) -> _Edges:
        """Return all near-duplicates found so far."""
        none = np.zeros(0, np.int64)
        parts = self.found or [_Edges(none, none, np.zeros(0))]
        return _Edges(
            np.concatenate([one.kept for one in parts]),
            np.concatenate([one.gone for one in parts]),
            np.concatenate([one.jaccard for one in parts]),
        )

    def new_pairs(self, alive: I64, *, wide: bool) -> tuple[I64, I64]:
        """Return pairs of ``alive`` candidates (ascending) that share a bucket and were not returned before."""
        packed = _bucket_pairs(self.bands, alive, wide)
        packed = packed[~_contains(self.tested, packed)]
        self.tested = np.sort(np.concatenate([self.tested, packed]))
        return _unpacked(packed)

    def verify(self, earlier: I64, later: I64) -> None:
        """Keep the pairs whose facts agree and whose shingle sets are alike."""
        likely = np.flatnonzero(self.keys[earlier] == self.keys[later])
        earlier, later = earlier[likely], later[likely]
        score = jaccards(self.shingles_of, self.rows[earlier], self.rows[later])
        good = score >= self.threshold
        if self.allows is not None and good.any():
            good[good] = self.allows(self.rows[earlier[good]], self.rows[later[good]])
        self.found.append(_Edges(earlier[good], later[good], score[good]))


def _settle(search: _Search, fixed: NDArray[np.bool_], rank: I64, copies: I64) -> _Edges:
    """Compare candidates until no two kept ones are left uncompared; returns each dropped one with its best twin."""
    kept, before, wide = np.ones(len(search.which), np.bool_), None, False
    while before is None or not wide or (kept != before).any():
        wide, before = before is not None, kept
        earlier, later = search.new_pairs(np.flatnonzero(kept), wide=wide)
        movable = ~fixed[later]
        search.verify(earlier[movable], later[movable])
        edges = _directed(search.edges(), fixed, rank, copies)
        kept = _kept(len(kept), edges)
    edges = edges.some(kept[edges.kept] & ~kept[edges.gone])
    edges = edges.some(np.lexsort((edges.kept, -edges.jaccard, edges.gone)))
    return edges.some(np.flatnonzero(np.diff(edges.gone, prepend=-1)))


def _directed(edges: _Edges, fixed: NDArray[np.bool_], rank: I64, copies: I64) -> _Edges:
    """Return edges from the one judged first, in the order in which the other is judged."""
    covers = copies + np.bincount(edges.kept, copies[edges.gone], len(rank))
    covers += np.bincount(edges.gone, copies[edges.kept], len(rank))
    turn = np.empty(len(rank), np.int64)
    turn[np.lexsort((np.arange(len(rank)), -covers, rank, ~fixed))] = np.arange(len(rank))
    swap = turn[edges.kept] > turn[edges.gone]
    kept, gone = np.where(swap, edges.gone, edges.kept), np.where(swap, edges.kept, edges.gone)
    return _Edges(kept, gone, edges.jaccard).some(np.argsort(turn[gone], kind="stable"))


def _kept(count: int, edges: _Edges) -> NDArray[np.bool_]:
    """Return who stays if, in turn, everyone goes who matches one that stayed."""
    kept = [True] * count
    for one, other in zip(edges.kept.tolist(), edges.gone.tolist(), strict=True):
        if kept[one]:
            kept[other] = False
    return np.array(kept, np.bool_)


def _joined(count: int, edges: _Edges) -> I64:
    """Return the lowest member of each one's component (union-find)."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for earlier, later in zip(edges.kept.tolist(), edges.gone.tolist(), strict=True):
        low, high = sorted((root(earlier), root(later)))
        parent[high] = low
    return np.array([root(one) for one in range(count)], np.int64)


def _crowded(bands: U32, rows: I64) -> I64:
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


def _bucket_pairs(bands: U32, alive: I64, wide: bool) -> U64:
    """Return pairs that share a key in some band, packed, ascending; not quadratic in the size of a bucket.

    All pairs of a bucket of up to `_SMALL` members; in a larger one each with the lowest. If ``wide``, there also each
    with its neighbours in the order of the next band (alike in more than what all of them share), and of those per
    row the `_BEST` that share most bands.
    """
    sure, maybe = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for band in range(bands.shape[1]):
        packed = _packed(bands[alive, band], alive)
        packed.sort()
        starts = _starts((packed >> np.uint64(32)).astype(np.uint32))
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
    earlier, later = _unpacked(pairs)
    shared = _agreement(bands, earlier, later)
    sort = np.argsort((later << 8) + (255 - shared), kind="stable")
    place = np.arange(len(sort)) - _starts(later[sort].astype(np.uint64))
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


def _unpacked(packed: U64) -> tuple[I64, I64]:
    return (packed >> np.uint64(32)).astype(np.int64), packed.astype(np.uint32).astype(np.int64)


def _contains(ordered: U64, values: U64) -> NDArray[np.bool_]:
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
