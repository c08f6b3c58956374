"""Runs of words of evaluation items, indexed, and where rows have them.

Owns the index of the runs, the scan of a chunk of rows against it, and what a scan leaves on disk. A scan depends on
its rows and the items alone: it may be made in any process, is kept with the piece of a file that it is of, and is
narrowed to the rows that are still in. Does not own how many runs are a quotation (`contamination`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, U64, mixed
from tunesmith.data.duplicates.shingles import U32, take_ranges, word_hashes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_TIMES = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Postings:
    """Runs of ``size`` words: sorted distinct ``hashes``; run r is where ``item`` and ``place`` say in its stretch."""

    size: int
    hashes: U64
    offsets: I64
    item: I64
    place: I64

    @classmethod
    def of(cls, hashes: U64, offsets: I64, size: int, which: I64) -> Postings:
        """Index the runs of texts of hashed words; ``which`` are the items that the texts are."""
        runs, text, place = _runs_of(hashes, offsets, size)
        sort = np.argsort(runs, kind="stable")
        distinct, starts = np.unique(runs[sort], return_index=True)
        return cls(size, distinct, np.append(starts, len(runs)), which[text[sort]], place[sort])


@dataclass(frozen=True, slots=True)
class Hits:
    """Runs of items found in ``rows`` rows: the row, the place of the first word, the run; is it all that is asked."""

    rows: int
    row: I64
    place: I64
    run: I64
    whole: NDArray[np.bool_]

    def some(self, where: NDArray[np.bool_]) -> Hits:
        """Return some of the hits."""
        return Hits(self.rows, self.row[where], self.place[where], self.run[where], self.whole[where])


@dataclass(frozen=True, slots=True)
class Scan:
    """What a chunk of rows has of the items.

    ``words`` (n): how many words each row has. ``known`` (flat) and ``offsets`` (n + 1): the numbers of those that are
    words of items. ``index``, ``row``, ``place``, ``run``, ``whole``: hits, and in which of the indexes.
    """

    words: NDArray[np.int32]
    known: U32
    offsets: I64
    index: NDArray[np.int32]
    row: I64
    place: I64
    run: I64
    whole: NDArray[np.bool_]

    def hits(self, index: int) -> Hits:
        """Return the hits of one index."""
        return Hits(len(self.words), self.row, self.place, self.run, self.whole).some(self.index == index)

    def of(self, rows: I64) -> Scan:
        """Return the scan of some rows (ascending), numbered from 0."""
        number = np.full(len(self.words), -1)
        number[rows] = np.arange(len(rows))
        known, offsets = take_ranges(self.known, self.offsets, rows)
        some = np.flatnonzero(number[self.row] >= 0)
        hits = self.index[some], number[self.row[some]], self.place[some], self.run[some], self.whole[some]
        return Scan(self.words[rows], known, offsets, *hits)

    def save(self, file: Path) -> None:
        """Write it to a file (``.npz``)."""
        np.savez(file, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def load(cls, file: Path) -> Scan:
        """Read it from a file."""
        with np.load(file) as stored:
            return cls(**{name: stored[name] for name in cls.__slots__})


def scan(asked: Sequence[str], answered: Sequence[str], vocabulary: U64, indexes: Sequence[Postings]) -> Scan:
    """Return what rows have of some indexes. A run may go over from what a row asks into its answer."""
    texts = [text for row in zip(asked, answered, strict=True) for text in row]
    hashes, ends = word_hashes(texts)
    offsets, asking = ends[::2], np.diff(ends)[::2]
    found = [_hits(hashes, offsets, asking, postings) for postings in indexes]
    known = positions(vocabulary, hashes)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(known >= 0)])
    index = np.repeat(np.arange(len(indexes), dtype=np.int32), [len(hits.row) for hits in found])
    hits = (np.concatenate([getattr(one, name) for one in found]) for name in ("row", "place", "run", "whole"))
    words = np.diff(offsets).astype(np.int32)
    return Scan(words, known[known >= 0].astype(np.uint32), before[offsets], index, *hits)


def _hits(hashes: U64, offsets: I64, asking: I64, postings: Postings) -> Hits:
    runs, text, place = _runs_of(hashes, offsets, postings.size)
    where = positions(postings.hashes, runs)
    hit = np.flatnonzero(where >= 0)
    text, place = text[hit], place[hit]
    whole = (place == 0) & ((asking[text] == postings.size) | (np.diff(offsets)[text] == postings.size))
    return Hits(len(offsets) - 1, text, place, where[hit], whole)


def _runs_of(hashes: U64, offsets: I64, size: int) -> tuple[U64, I64, I64]:
    """Return the hash of each run of ``size`` words inside a text, its text, and the place of its first word."""
    sums = hashes.copy()
    for step in range(1, size):
        sums *= _TIMES
        sums[: max(0, len(sums) - step)] += hashes[step:]
    counts = np.maximum(np.diff(offsets) - size + 1, 0)
    text = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(text)) - np.repeat(np.cumsum(counts) - counts, counts)
    return mixed(sums[offsets[text] + place]), text, place


def positions(known: U64, values: U64) -> I64:
    """Return where each value is among the ascending ``known`` ones, -1 if it is not."""
    if not len(known):
        return np.full(len(values), -1)
    where = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[where] == values, where, -1)


def joined(parts: Sequence[Hits]) -> Hits:
    """Return the hits of several chunks as one, rows numbered through."""
    first = np.cumsum([0, *(part.rows for part in parts)])
    row = np.concatenate([part.row + start for part, start in zip(parts, first[:-1].tolist(), strict=True)])
    place, run, whole = (np.concatenate([getattr(part, name) for part in parts]) for name in ("place", "run", "whole"))
    return Hits(int(first[-1]), row, place, run, whole)
