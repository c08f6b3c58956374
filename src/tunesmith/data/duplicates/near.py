"""Which texts say nearly the same: verified near-duplicates, each with the kept row it repeats.

Owns the search: equal bands are only candidates (`candidates`), the Jaccard of the shingle sets decides (`jaccard`),
and a row goes only if it matches a row that stays, never a chain of others. Does not own signatures (`shingles`), the
facts that forbid a merge (`facts`), nor what becomes of a row.

Texts of fewer than `SHORT_WORDS` words are the same only if they are equal but for case, punctuation and whitespace:
one word is too much of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, U64, mixed
from tunesmith.data.components import lowest_of_each
from tunesmith.data.duplicates.candidates import bucket_pairs, contains, crowded, starts_of_runs, unpacked
from tunesmith.data.duplicates.jaccard import jaccards

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.data.duplicates.jaccard import ShinglesOf
    from tunesmith.data.duplicates.shingles import U32, Signatures

    KeysOf = Callable[[I64], U64]
    Allows = Callable[[I64, I64], NDArray[np.bool_]]

SHORT_WORDS = 8


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
        edges = search.edges()
        label = lowest_of_each(len(label), edges.kept, edges.gone)
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
    starts = starts_of_runs(same[sort])
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
        self.which = crowded(bands, rows)
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
        packed = bucket_pairs(self.bands, alive, wide)
        packed = packed[~contains(self.tested, packed)]
        self.tested = np.sort(np.concatenate([self.tested, packed]))
        return unpacked(packed)

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
