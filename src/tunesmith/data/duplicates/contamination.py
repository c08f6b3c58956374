"""Which rows contain an item of an evaluation: verbatim, in other case, re-flowed, or half of it.

Owns the index of the items' word runs, the scan of rows against it, and what is too common to count. Words are those
of `shingles`, so case, punctuation, line breaks and whitespace change nothing. Does not own which files hold
evaluations, nor what becomes of a row.

A run of `RUN` words is compared, never a line or a paragraph, and what many rows or items share (instructions, a
template, "how much money does she have left") counts for nothing. A row that tells an item's story with other numbers
is a sibling of it, not a copy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, U64, mixed
from tunesmith.data.duplicates.shingles import normal_words, take_ranges, word_hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RUN = 6
"""Words of a run: the longest of which half of a 13-word item still has one."""
SHORT_ITEM_WORDS = 13
"""An item of fewer words must be contained whole.

One of fewer than `CONTAINED_WORDS` must stand as sentences or lines of their own (the question "How do I link my card?"
is not in "How do I link my card to another one?"); one of fewer than `SHORTEST` must be the whole row.
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
_WORD = re.compile(r"[\w\x80-\U0010ffff]+")
_ANY_WORD = re.compile(r"\w")
_DIGIT = re.compile(r"[0-9]")
_ENDS, _LOOSE = frozenset(".!?:;\r\n\"'”’)|"), " \t\"'“‘(*_#>-"
_TIMES = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Match:
    """A row that has (part of) an item: characters ``start`` to ``end`` of the row, and the share of the item there."""

    row: int
    item: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Runs of items found in ``rows`` rows: the row, the place of the first word, the run, is it all of the row."""

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
    """What a chunk of rows has of the items: hits by length of a run (0: `RUN` of long items), and word counts.

    ``counts`` says how often each word of the items is in the rows, of ``words`` words in all.
    """

    hits: dict[int, Hits]
    words: int
    counts: I64


@dataclass(frozen=True, slots=True)
class _Postings:
    """Runs of ``size`` words: sorted distinct ``hashes``; run r is where ``item`` and ``place`` say in its stretch."""

    size: int
    hashes: U64
    offsets: I64
    item: I64
    place: I64


class Items:
    """The items of evaluations, indexed: `scan` rows chunk by chunk, then `matches` says which have one.

    Hits of a chunk depend on that chunk only, so chunks may be scanned in any process. Of equal items the first counts.
    """

    def __init__(self, items: Sequence[str]) -> None:
        hashes, offsets = word_hashes(items)
        self.texts, self.offsets, self.words = items, offsets, np.diff(offsets)
        self._vocabulary, self._spelt = np.unique(hashes, return_inverse=True)
        fresh = np.zeros(len(items), np.bool_)
        fresh[list({" ".join(_words(item)): at for at, item in reversed(list(enumerate(items)))}.values())] = True
        long = np.flatnonzero(fresh & (self.words >= SHORT_ITEM_WORDS))
        self._runs = _postings(*take_ranges(hashes, offsets, long), RUN, long)
        self._whole: dict[int, _Postings] = {}
        for words in np.unique(self.words[(self.words > 0) & (self.words < SHORT_ITEM_WORDS)]).tolist():
            which = np.flatnonzero(fresh & (self.words == words))
            self._whole[words] = _postings(*take_ranges(hashes, offsets, which), words, which)

    def scan(self, texts: Sequence[str]) -> Scan:
        """Return what a chunk of rows has of the items; rows are numbered from 0 within the chunk."""
        hashes, offsets = word_hashes(texts)
        found = {0: _hits(hashes, offsets, RUN, self._runs)}
        for words, postings in self._whole.items():
            hits = _hits(hashes, offsets, words, postings)
            found[words] = hits.some(hits.whole) if words < SHORTEST else hits
        known = _positions(self._vocabulary, hashes)
        return Scan(found, len(hashes), np.bincount(known[known >= 0], minlength=len(self._vocabulary)))

    def matches(self, scans: Iterable[Scan], texts_of: Callable[[I64], Sequence[str]]) -> list[Match]:
        """Return the best match of each contaminated row, rows numbered through all ``scans`` in their order.

        ``texts_of(rows)`` gives the texts of rows with a candidate alone. No scans give no matches; items of no words
        are never found.
        """
        parts = list(scans)
        if not parts:
            return []
        rarity = self._rarity(parts)
        found = [_quoted(_join([part.hits[0] for part in parts]), self._runs, self.offsets, rarity)]
        for words, postings in self._whole.items():
            found.append(_contained(_join([part.hits[words] for part in parts]), postings, self.offsets, rarity))
        lines = _best_first(found)
        rows = np.unique(lines[:, 0].astype(np.int64))
        texts = dict(zip(rows.tolist(), texts_of(rows) if len(rows) else [], strict=True))
        best: dict[int, Match] = {}
        for row, item, first, end, score in lines.tolist():
            if row in best:
                continue
            text, span = texts[int(row)], _characters(texts[int(row)], int(first), int(end))
            if self._is_copy(text, int(item), int(first), int(end), span, score):
                best[int(row)] = Match(int(row), int(item), *span, round(min(score, 1.0), 4))
        return list(best.values())

    def _rarity(self, scans: list[Scan]) -> NDArray[np.float64]:
        """Return the sums, up to each word of the items, of how rare words are; 1 is what half a copy must reach.

        The sum of -log2 of the words' frequencies says in how many words a run is expected once, if words were drawn
        one by one. Two runs meet by chance in so many rows and items; language is that much more repetitive that
        twice as many bits are asked for.
        """
        total = sum(scan.words for scan in scans)
        counts = np.sum([scan.counts for scan in scans], axis=0)
        bits = -np.log2((counts + 1) / (total + len(counts) + 1))
        needed = 2 * (np.log2(total + 1) + np.log2(len(self._spelt) + 1))
        return np.concatenate([np.zeros(1), np.cumsum(bits[self._spelt] / needed)])

    def _is_copy(self, text: str, item: int, first: int, end: int, span: tuple[int, int], score: float) -> bool:
        if self.words[item] < CONTAINED_WORDS:
            return _stands_alone(text, span)
        return score >= _SAME_ITEM or not _other_numbers(text, first, end, self.texts[item])


def contaminated(texts: Sequence[str], items: Sequence[str], chunk_rows: int = 10_000) -> list[Match]:
    """Return the rows of ``texts`` that contain an item, with the best match of each, ascending by row."""
    index = Items(items)
    scans = (index.scan(texts[start : start + chunk_rows]) for start in range(0, len(texts), chunk_rows))
    return index.matches(scans, lambda rows: [texts[row] for row in rows.tolist()])


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


def _postings(hashes: U64, offsets: I64, size: int, which: I64) -> _Postings:
    runs, text, place = _runs_of(hashes, offsets, size)
    sort = np.argsort(runs, kind="stable")
    distinct, starts = np.unique(runs[sort], return_index=True)
    return _Postings(size, distinct, np.append(starts, len(runs)), which[text[sort]], place[sort])


def _positions(known: U64, values: U64) -> I64:
    """Return where each value is among the ascending ``known`` ones, -1 if it is not."""
    if not len(known):
        return np.full(len(values), -1)
    where = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[where] == values, where, -1)


def _hits(hashes: U64, offsets: I64, size: int, postings: _Postings) -> Hits:
    runs, text, place = _runs_of(hashes, offsets, size)
    where = _positions(postings.hashes, runs)
    hit = np.flatnonzero(where >= 0)
    return Hits(len(offsets) - 1, text[hit], place[hit], where[hit], np.diff(offsets)[text[hit]] == size)


def _join(parts: list[Hits]) -> Hits:
    """Return the hits of all chunks as one, rows numbered through."""
    first = np.cumsum([0, *(part.rows for part in parts)])
    row = np.concatenate([part.row + start for part, start in zip(parts, first[:-1].tolist(), strict=True)])
    place, run, whole = (np.concatenate([getattr(part, name) for part in parts]) for name in ("place", "run", "whole"))
    return Hits(int(first[-1]), row, place, run, whole)


def _rows_with(hits: Hits, postings: _Postings) -> I64:
    """Return in how many rows each run was found."""
    pairs = np.unique(np.stack([hits.run, hits.row]), axis=1)
    return np.bincount(pairs[0], minlength=len(postings.hashes))


def _items_with(postings: _Postings) -> I64:
    """Return in how many items each run is."""
    run = np.repeat(np.arange(len(postings.hashes)), np.diff(postings.offsets))
    return np.bincount(np.unique(np.stack([run, postings.item]), axis=1)[0], minlength=len(postings.hashes))


def _contained(hits: Hits, postings: _Postings, offsets: I64, rarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return row, item, first word, end word, score of rows that are a short item, or have a rare one."""
    few = _rows_with(hits, postings) <= max(COMMON_ROWS, COMMON_ROWS_FRAC * hits.rows)
    item = postings.item[postings.offsets[:-1]]
    if postings.size >= CONTAINED_WORDS:
        few &= rarity[offsets[item + 1]] - rarity[offsets[item]] >= 1
    keep = np.flatnonzero(few[hits.run] | hits.whole)
    place = hits.place[keep]
    return np.stack([hits.row[keep], item[hits.run[keep]], place, place + postings.size, np.ones(len(keep))], axis=1)


def _quoted(hits: Hits, postings: _Postings, offsets: I64, rarity: NDArray[np.float64]) -> NDArray[np.float64]:
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
    row: I64, place: I64, run: I64, postings: _Postings, wanted: NDArray[np.bool_]
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


def _words(text: str) -> list[str]:
    """Return the words that `word_hashes` hashes."""
    return _WORD.findall(normal_words(text).lower())


def _other_numbers(text: str, first: int, end: int, item: str) -> bool:
    """Tell whether a row says an item with other numbers: a sibling of it, and not a quotation.

    True if in words ``first`` to ``end`` of the row and around them, a number of the item is replaced by another one
    between words that are the same.
    """
    theirs = _words(item)
    around = len(theirs)
    ours = _words(text)[max(0, first - around) : end + around]
    steps = SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes()
    for before, step, after in zip(steps, steps[1:], steps[2:], strict=False):
        kind, left, right, start, stop = step
        if kind != "replace" or before[0] != "equal" or after[0] != "equal" or not right - left == stop - start <= 3:
            continue
        numbers = [[word for word in words if _DIGIT.search(word)] for words in (theirs[left:right], ours[start:stop])]
        if numbers[0] != numbers[1] and all(numbers):
            return True
    return False


def _stands_alone(text: str, span: tuple[int, int]) -> bool:
    """Tell whether a stretch of a text is a sentence, a line, or several of them."""
    before, rest = text[: span[0]].rstrip(_LOOSE), text[span[1] :]
    after = rest.lstrip(" \t")
    starts = not _ANY_WORD.search(before) or before[-1] in _ENDS
    return starts and (not _ANY_WORD.search(after) or after[0] in _ENDS or text[span[1] - 1] in _ENDS)


def _characters(text: str, first: int, end: int) -> tuple[int, int]:
    """Return the characters that words ``first`` to ``end`` of a text are in, to the next whitespace."""
    counted, start = 0, 0
    for piece in re.finditer(r"\S+", text):
        inside = int(np.diff(word_hashes([piece[0]])[1])[0])
        if counted <= first < counted + inside:
            start = piece.start()
        counted += inside
        if counted >= end:
            return start, piece.end()
    return start, len(text)
