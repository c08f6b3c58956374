"""The numbers behind the report's drawings: where rows went, how long they are, how full packed sequences would be.

Owns these computations, on columns alone. Does not own what is shown of them (`page`) nor any drawing
(`report_plots`).
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.data.rows import SPLITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered

Link = tuple[str, str, int]
"""Rows that went from one state to another."""

SHOWN_RULES = 7
BARS = 36
PACKED_ROWS = 20_000
"""Packing is tried on at most so many rows, evenly spaced: the estimate does not change beyond."""
SYSTEM_ROWS = 50_000

_SYSTEM = r'^\[\{"role":"system","content":"((?:[^"\\]|\\.)*)"'


def flow(gathered: Gathered, decided: Decided, removed_by: Mapping[str, int]) -> list[Link]:
    """Return the links of the diagram of rows: read, then unchanged, repaired or removed, then a split or a rule.

    What flows into a state flows out of it: the sums are the result's.
    """
    repaired = gathered.frame["repaired"].to_numpy()
    last: list[Link] = []
    for split in SPLITS:
        own = np.asarray(decided.parts[split], np.int64)
        changed = int(repaired[own].sum())
        last += [("unchanged", split, len(own) - changed), ("repaired", split, changed)]
    ranked = sorted(removed_by.items(), key=lambda item: (-item[1], item[0]))
    shown = ranked if len(ranked) <= SHOWN_RULES + 1 else ranked[:SHOWN_RULES]
    last += [("removed", rule, count) for rule, count in shown]
    if rest := ranked[len(shown) :]:
        last.append(("removed", f"{len(rest)} other rules", sum(count for _, count in rest)))
    middle = {state: sum(count for source, _, count in last if source == state) for state in _STATES}
    first = [("read", state, count) for state, count in middle.items()]
    return [link for link in first + last if link[2]]


_STATES = ("unchanged", "repaired", "removed")


@dataclass(frozen=True)
class Histogram:
    """Counts of equal bins from 0; the last one holds everything beyond as well."""

    width: int
    counts: list[int]
    median: float
    p95: float
    longest: float

    @property
    def end(self) -> int:
        """Where the last bin begins to hold the rest."""
        return self.width * len(self.counts)

    @property
    def cut(self) -> bool:
        """Whether the last bin holds values beyond its end."""
        return self.longest >= self.end


def histogram(values: NDArray[np.integer[Any]]) -> Histogram:
    """Return the distribution of lengths, up to the 99.5th percentile in bins of a round width. Needs a value."""
    median, p95, most, longest = (float(value) for value in np.quantile(values, (0.5, 0.95, 0.995, 1)))
    width = _round_up(max(most, 1.0) / BARS)
    bins = int(most // width) + 1
    counts = np.bincount(np.minimum(values // width, bins - 1), minlength=bins)
    return Histogram(width, counts.tolist(), median, p95, longest)


def _round_up(raw: float) -> int:
    power: int = 10 ** max(math.floor(math.log10(max(raw, 1.0))), 0)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


@dataclass(frozen=True)
class Packing:
    """What becomes of rows put together into sequences of ``capacity`` tokens; shares are of all their places."""

    capacity: int
    rows: int
    sequences: int
    full_frac: float
    alone_frac: float


def packing(lengths: NDArray[np.integer[Any]], capacity: int) -> Packing | None:
    """Return how full sequences would be if rows were packed, each whole, into the fullest one with room for it.

    Rows longer than ``capacity`` are left out. Source: best-fit decreasing, within 11/9 of the fewest sequences.
    """
    fitting = lengths[lengths <= capacity]
    if not len(fitting):
        return None
    some = np.sort(fitting[:: -(-len(fitting) // PACKED_ROWS)])[::-1]
    rooms: list[int] = []
    for length in some.tolist():
        place = bisect.bisect_left(rooms, length)
        room = rooms.pop(place) if place < len(rooms) else capacity
        bisect.insort(rooms, room - length)
    total = int(some.sum())
    full, alone = total / (len(rooms) * capacity), total / (len(some) * capacity)
    return Packing(capacity, len(fitting), round(len(rooms) * len(fitting) / len(some)), full, alone)


@dataclass(frozen=True)
class Systems:
    """System prompts of the rows looked at: how many rows have one, how many differ, how often the commonest is."""

    rows: int
    having: int
    distinct: int
    commonest: int


def systems(gathered: Gathered) -> Systems:
    """Return how alike the system prompts of the first rows are."""
    head = gathered.rows().select(pl.col("messages").str.extract(_SYSTEM).hash().alias("system"),
                                  pl.col("messages").str.contains(_SYSTEM).alias("has")).head(SYSTEM_ROWS)  # fmt: skip
    found = head.collect()
    counts = found.filter(pl.col("has"))["system"].value_counts()["count"]
    commonest = counts.max()
    return Systems(found.height, int(counts.sum()), len(counts), commonest if isinstance(commonest, int) else 0)


def counts_of(frame: pl.DataFrame, parts: Mapping[str, Sequence[int]], column: str) -> list[tuple[str, list[int]]]:
    """Return each value of a column with its rows in train, valid and test, most of all first."""
    totals: dict[str, list[int]] = {}
    for number, split in enumerate(SPLITS):
        for value, count in frame[column][list(parts[split])].value_counts().iter_rows():
            totals.setdefault("" if value is None else str(value), [0] * len(SPLITS))[number] = count
    return sorted(totals.items(), key=lambda item: (-sum(item[1]), item[0]))
