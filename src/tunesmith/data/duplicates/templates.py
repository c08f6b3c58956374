"""Templates whose slot stands inside a sentence: rows that ask one thing with other words in one place or a few.

Owns which rows fill one template although their runs of words differ: of a short sentence, one word in its middle is in
every other run. Does not own prompts alike by their runs (`near`), nor how many rows of a template stay (`alike`).

Rows that begin or end alike are candidates. A word that no more of these rows have than may stay of a template is no
part of one that is too large: it fills a slot. What is left of a row without such words is its template.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.spans import mixed
from tunesmith.data.asked import asked
from tunesmith.data.duplicates.shingles import in_order, word_hashes
from tunesmith.data.rows import from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunesmith.core.spans import I64, U64
    from tunesmith.data.gather import Gathered

KEPT_FRAC = 0.6
"""Share of a row's words that its template must have: "What is the difference between cats and dogs?" has 0.75."""

_SLOT = np.uint64(0x5107)
_ROWS_AT_ONCE = 20_000


def templates(gathered: Gathered, rows: I64, most: int) -> list[list[int]]:
    """Return sets of more than ``most`` of some rows that fill one template, each in the order given.

    A row may be in several: its template with every slot marked, and with all from the first to the last as one slot.
    No rows give no sets.
    """
    ascending = np.sort(rows)
    place = np.searchsorted(ascending, rows)
    found: list[list[int]] = []
    for ends in gathered.ends("prompt", ascending):
        group = ends[place]
        some = np.flatnonzero(_sizes(group) > most)
        if len(some):
            hashes, offsets = _words(gathered, rows[some])
            for keys in _skeletons(hashes, offsets, group[some], most):
                found += [rows[some[one]].tolist() for one in _sets(keys, most)]
    return found


def _words(gathered: Gathered, rows: I64) -> tuple[U64, I64]:
    """Return the hashes of the words that rows ask, without the system's, flat and in their order, and offsets."""
    flat, sizes = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part, where = np.unique(rows[start : start + _ROWS_AT_ONCE], return_inverse=True)
        texts = [asked(from_json(one), system=False) for one in gathered.texts(part)["messages"].to_list()]
        hashes, offsets = word_hashes([texts[at] for at in where.tolist()])
        flat.append(hashes)
        sizes.append(np.diff(offsets))
    return np.concatenate(flat), np.cumsum(np.concatenate(sizes))


def _skeletons(hashes: U64, offsets: I64, group: U64, most: int) -> list[U64]:
    """Return two keys of each row, equal for rows of one template; 0 for a row that has too little of one.

    ``group`` (n): rows that may be of one template, told by how they begin or end.
    """
    row = np.repeat(np.arange(len(group)), np.diff(offsets))
    kept = _sizes(mixed(hashes ^ mixed(group[row]))) > most
    inner = _between(~kept, row, len(group))
    keys = []
    for slot in (~kept, inner):
        starts = slot & ~(np.r_[False, slot[:-1]] & (np.r_[-1, row[:-1]] == row))
        shown = ~slot | starts
        sizes = np.bincount(row[shown], minlength=len(group))
        words = in_order(np.where(slot, _SLOT, hashes)[shown], np.r_[0, np.cumsum(sizes)])
        share = np.bincount(row[~slot], minlength=len(group)) / np.maximum(np.diff(offsets), 1)
        keys.append(np.where(share >= KEPT_FRAC, mixed(words ^ mixed(group)), np.uint64(0)))
    return keys


def _between(marked: NDArray[np.bool_], row: I64, rows: int) -> NDArray[np.bool_]:
    """Mark all words of each row from its first marked one to its last."""
    at = np.flatnonzero(marked)
    first, last = np.full(rows, len(row)), np.full(rows, -1)
    np.minimum.at(first, row[at], at)
    np.maximum.at(last, row[at], at)
    places = np.arange(len(row))
    return np.asarray((places >= first[row]) & (places <= last[row]))


def _sizes(values: U64) -> I64:
    """Return for each value how often it occurs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[which])


def _sets(keys: U64, most: int) -> list[I64]:
    """Return the places of each key, but 0, that more than ``most`` rows have."""
    some = np.flatnonzero((keys != 0) & (_sizes(keys) > most))
    order = some[np.argsort(keys[some], kind="stable")]
    cuts = np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1
    return [part for part in np.split(order, cuts) if len(part)]
