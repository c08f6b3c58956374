"""Copies of the data with known defects in them, each row spoilt by at most one.

Owns which rows are spoilt, where what comes of them stands, and that no copy has more than a quarter of its rows
spoilt, so that what rules learn from all rows stays what it was. Does not own the defects (`defects`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.data.audit.defects import Defect, Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.data.audit.rows import Kit, Row

SPOILT_FRAC = 0.25


@dataclass(frozen=True)
class Unit:
    """A planted defect: the lines (from 1) of which one must be taken for it."""

    defect: Defect
    lines: tuple[int, ...]


@dataclass
class Copy:
    """A copy: its lines, what is held out and what an evaluation file asks, and what was planted."""

    lines: list[str]
    held_out: list[str] = field(default_factory=list)
    evaluated: list[str] = field(default_factory=list)
    units: list[Unit] = field(default_factory=list)


def plant(
    rows: Sequence[Row], quiet: Callable[[int, Defect], bool], defects: Sequence[Defect], kit: Kit, each: int
) -> list[Copy]:
    """Return copies in which each defect is planted ``each`` times, or as often as there are rows fit for it.

    The n-th row stands in line n of every copy. Kinds are dealt out in turn, so that each has its share of every copy.
    ``quiet`` tells whether the rules meant for a defect let a row be as it is: no other is fit.
    """
    wanted = deque(defect for _ in range(each) for defect in defects)
    room, unfit = max(int(SPOILT_FRAC * len(rows)), 1), set[str]()
    copies: list[Copy] = []
    while wanted:
        copy = Copy([row.line(kit.recipe.task) for row in rows])
        free = kit.chance.sample(range(len(rows)), len(rows))
        while wanted and len(copy.units) < room:
            defect = wanted.popleft()
            if defect.name not in unfit and not _planted(defect, rows, quiet, free, copy, kit):
                unfit.add(defect.name)
        copies.append(copy)
    return [copy for copy in copies if copy.units]


def _planted(
    defect: Defect, rows: Sequence[Row], quiet: Callable[[int, Defect], bool], free: list[int], copy: Copy, kit: Kit
) -> bool:
    """Spoil the first free row that is fit for a defect; tell whether there is one."""
    for at in free:
        spoilt = defect.spoil(rows[at], kit) if quiet(at, defect) else None
        if spoilt is not None:
            free.remove(at)
            copy.units.append(Unit(defect, _put(spoilt, at, defect.place, rows[at], copy, kit.recipe.task)))
            return True
    return False


def _put(spoilt: Row | str, at: int, place: Place, row: Row, copy: Copy, task: str) -> tuple[int, ...]:
    """Put what came of a row where it belongs; return the lines of which one must be taken."""
    line = spoilt if isinstance(spoilt, str) else spoilt.line(task)
    if place is Place.BESIDE:
        copy.lines.append(line)
        return (at + 1, len(copy.lines))
    if place is Place.HELD_OUT:
        copy.held_out.append(row.line(task))
    if place is Place.EVALUATED:
        copy.evaluated.append(row.asked)
    copy.lines[at] = line
    return (at + 1,)
