"""Which rows contain an item of an evaluation: verbatim, in other case, re-flowed, or half of it.

Owns how many runs of an item's words are a copy, and what is too common to count. Words are those of `shingles`, so
case, punctuation, line breaks and whitespace change nothing. Does not own the runs (`word_runs`), which files hold
evaluations, nor what becomes of a row (`decontaminate`).

A run of `RUN` words is compared, never a line or a paragraph, and what many rows or items share (instructions, a
template, "how much money does she have left") counts for nothing. A row that tells an item's story with other numbers
is a sibling of it, not a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.ids import digest
from tunesmith.core.spans import I64
from tunesmith.data.duplicates.quotations import characters, other_numbers, stands_alone, words_of
from tunesmith.data.duplicates.shingles import take_ranges, word_hashes
from tunesmith.data.duplicates.word_runs import Hits, Postings, Scan, joined, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SCAN = 1
"""Version of what a scan holds; part of the name under which one is kept."""

RUN = 6
"""Words of a run: the longest of which half of a 13-word item still has one."""
SHORT_ITEM_WORDS = 13
"""An item of fewer words must be contained whole.

One of fewer than `CONTAINED_WORDS` must stand as sentences or lines of their own (the question "How do I link my card?"
is not in "How do I link my card to another one?"); one of fewer than `SHORTEST` must be all that a row asks. What a row
asks as a whole is never too common to count.
"""
SHORTEST, CONTAINED_WORDS = 4, 8
LEAST_SHARE = 0.4
"""Share of an item's own words that a row must have: half of it, cut inside a word or with a common start."""
LEAST_WORDS = 8
COMMON_ROWS, COMMON_ROWS_FRAC = 10, 0.001
COMMON_ITEMS, COMMON_ITEMS_FRAC = 5, 0.02
"""A run is common if more than this many rows (items), and more than this share of them, have it."""
_GAP_WORDS = 3 * RUN  # matches farther apart in a row are not one quotation
_SAME_ITEM = 0.9  # share of an item from which a row that changes one number still has it


@dataclass(frozen=True, slots=True)
class Match:
    """A row that has (part of) an item: characters ``start`` to ``end`` of the row, and the share of the item there."""

    row: int
    item: int
    start: int
    end: int
    score: float


class Items:
    """The items of evaluations, indexed: `scan` rows chunk by chunk, then `matches` says which have one.

    A scan depends on its rows only, so chunks may be scanned in any process. Of equal items the first counts.
    """

    def __init__(self, items: Sequence[str]) -> None:
        hashes, offsets = word_hashes(items)
        self.texts, self.offsets, self.words = items, offsets, np.diff(offsets)
        self._vocabulary, self._spelt = np.unique(hashes, return_inverse=True)
        fresh = np.zeros(len(items), np.bool_)
        fresh[list({" ".join(words_of(item)): at for at, item in reversed(list(enumerate(items)))}.values())] = True
        long = np.flatnonzero(fresh & (self.words >= SHORT_ITEM_WORDS))
        self._runs = [Postings.of(*take_ranges(hashes, offsets, long), RUN, long)]
        for words in np.unique(self.words[(self.words > 0) & (self.words < SHORT_ITEM_WORDS)]).tolist():
            which = np.flatnonzero(fresh & (self.words == words))
            self._runs.append(Postings.of(*take_ranges(hashes, offsets, which), words, which))

    @cached_property
    def digest(self) -> str:
        """What tells these items, and what is looked for of them, from all others."""
        return digest([SCAN, list(self.texts)], hex_digits=32)

    def scan(self, asked: Sequence[str], answered: Sequence[str]) -> Scan:
        """Return what a chunk of rows has of the items, from what each row asks and what it answers."""
        return scan(asked, answered, self._vocabulary, self._runs)

    def matches(self, scans: Iterable[Scan], texts_of: Callable[[I64], Sequence[str]]) -> list[Match]:
        """Return the best match of each contaminated row, rows numbered through all ``scans`` in their order.

        ``texts_of(rows)`` gives the texts of rows with a candidate alone, question and answer on lines of their own. No
        scans give no matches; items of no words are never found.
        """
        parts = list(scans)
        if not parts:
            return []
        rarity = self._rarity(parts)
        long, *whole = (joined([part.hits(number) for part in parts]) for number in range(len(self._runs)))
        found = [_quoted(long, self._runs[0], self.offsets, rarity)]
        for hits, postings in zip(whole, self._runs[1:], strict=True):
            found.append(_contained(hits, postings, self.offsets, rarity))
        lines = _best_first(found)
        rows = np.unique(lines[:, 0].astype(np.int64))
        texts = dict(zip(rows.tolist(), texts_of(rows) if len(rows) else [], strict=True))
        best: dict[int, Match] = {}
        for row, item, first, end, score in lines.tolist():
            if row in best:
                continue
            text, span = texts[int(row)], characters(texts[int(row)], int(first), int(end))
            if self._is_copy(text, int(item), int(first), int(end), span, score):
                best[int(row)] = Match(int(row), int(item), *span, round(min(score, 1.0), 4))
        return list(best.values())

    def _rarity(self, scans: list[Scan]) -> NDArray[np.float64]:
        """Return the sums, up to each word of the items, of how rare words are; 1 is what half a copy must reach.

        The sum of -log2 of the words' frequencies says in how many words a run is expected once, if words were drawn
        one by one. Two runs meet by chance in so many rows and items; language is that much more repetitive that
        twice as many bits are asked for.
        """
        total = sum(int(one.words.sum()) for one in scans)
        counts = np.bincount(np.concatenate([one.known for one in scans]), minlength=len(self._vocabulary))
        bits = -np.log2((counts + 1) / (total + len(counts) + 1))
        needed = 2 * (np.log2(total + 1) + np.log2(len(self._spelt) + 1))
        return np.concatenate([np.zeros(1), np.cumsum(bits[self._spelt] / needed)])

    def _is_copy(self, text: str, item: int, first: int, end: int, span: tuple[int, int], score: float) -> bool:
        if self.words[item] < CONTAINED_WORDS:
            return stands_alone(text, span)
        return score >= _SAME_ITEM or not other_numbers(text, first, end, self.texts[item])


def _rows_with(hits: Hits, postings: Postings) -> I64:
    """Return in how many rows each run was found."""
    pairs = np.unique(np.stack([hits.run, hits.row]), axis=1)
    return np.bincount(pairs[0], minlength=len(postings.hashes))


def _items_with(postings: Postings) -> I64:
    """Return in how many items each run is."""
    run = np.repeat(np.arange(len(postings.hashes)), np.diff(postings.offsets))
    return np.bincount(np.unique(np.stack([run, postings.item]), axis=1)[0], minlength=len(postings.hashes))


def _contained(hits: Hits, postings: Postings, offsets: I64, rarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return row, item, first word, end word, score of rows that ask a short item, or have a rare one."""
    if postings.size < SHORTEST:
        hits = hits.some(hits.whole)
    few = _rows_with(hits, postings) <= max(COMMON_ROWS, COMMON_ROWS_FRAC * hits.rows)
    item = postings.item[postings.offsets[:-1]]
    if postings.size >= CONTAINED_WORDS:
        few &= rarity[offsets[item + 1]] - rarity[offsets[item]] >= 1
    keep = np.flatnonzero(few[hits.run] | hits.whole)
    place = hits.place[keep]
    return np.stack([hits.row[keep], item[hits.run[keep]], place, place + postings.size, np.ones(len(keep))], axis=1)


def _quoted(hits: Hits, postings: Postings, offsets: I64, rarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return row, item, first word, end word, score of the rows that quote enough of what is an item's own.

    An item that has nothing of its own (all of it is in many rows) is found where all of its words are.
    """
    words = np.diff(offsets)
    common = _rows_with(hits, postings) > max(COMMON_ROWS, COMMON_ROWS_FRAC * hits.rows)
    common |= _items_with(postings) > max(COMMON_ITEMS, COMMON_ITEMS_FRAC * len(words))
    own = np.flatnonzero(~np.repeat(common, np.diff(postings.offsets)))
    own_words = _covered(postings.item[own], postings.place[own], len(words))
    poor = own_words < LEAST_WORDS
    rare = np.flatnonzero(~common[hits.run])
    quotes, covered, start, end = _quotations(hits.row[rare], hits.place[rare], hits.run[rare], postings, ~poor)
    item = quotes[:, 1].astype(np.int64)
    quotes[:, 4] = covered / np.maximum(own_words[item], 1)
    weight = (rarity[offsets[item] + end] - rarity[offsets[item] + start]) * covered / np.maximum(end - start, 1)
    enough = (quotes[:, 4] >= LEAST_SHARE) & (covered >= LEAST_WORDS) & (weight >= 1)
    quotes = quotes[enough | ((quotes[:, 4] >= 1) & (covered >= SHORT_ITEM_WORDS))]
    wholes, covered, _, _ = _quotations(hits.row, hits.place, hits.run, postings, poor)
    wholes[:, 4] = covered / words[wholes[:, 1].astype(np.int64)]
    return np.concatenate([quotes, wholes[wholes[:, 4] >= 1]])


def _quotations(
    row: I64, place: I64, run: I64, postings: Postings, wanted: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], I64, I64, I64]:
    """Join near hits of one row and one ``wanted`` item.

    Returns lines of score 0, and for each how many words of the item it covers, and from which to which.
    """
    at, ends = take_ranges(np.arange(len(postings.item)), postings.offsets, run)
    hit = np.repeat(np.arange(len(run)), np.diff(ends))
    keep = np.flatnonzero(wanted[postings.item[at]])
    at, hit = at[keep], hit[keep]
    row, place, item, there = row[hit], place[hit], postings.item[at], postings.place[at]
    sort = np.lexsort((place, item, row))
    row, place, item, there = row[sort], place[sort], item[sort], there[sort]
    new = (np.diff(row, prepend=-1) != 0) | (np.diff(item, prepend=-1) != 0) | (np.diff(place, prepend=0) > _GAP_WORDS)
    group, first = np.cumsum(new) - 1, np.flatnonzero(new)
    last = np.append(first[1:], len(row))[: len(first)] - 1
    lines = np.stack([row[first], item[first], place[first], place[last] + postings.size, np.zeros(len(first))], axis=1)
    start, end = (np.zeros(0, np.int64),) * 2
    if len(first):
        start, end = np.minimum.reduceat(there, first), np.maximum.reduceat(there, first) + postings.size
    return lines, _covered(group, there, len(first)), start, end


def _covered(group: I64, place: I64, groups: int) -> I64:
    """Return how many words the runs of each group cover, where they overlap counted once."""
    pairs = np.unique(np.stack([group, place]), axis=1)
    group, place = pairs
    fresh = np.where(np.diff(group, prepend=-1) != 0, RUN, np.minimum(np.diff(place, prepend=0), RUN))
    return np.bincount(group, fresh, groups).astype(np.int64)


def _best_first(found: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return all lines by row, then the highest score, then the most words, then the first item."""
    lines = np.concatenate([np.zeros((0, 5)), *found])
    return lines[np.lexsort((lines[:, 1], lines[:, 2] - lines[:, 3], -lines[:, 4], lines[:, 0]))]
