"""Who was better on which test row, and which rows are worth a look.

Owns what won, lost, both right and both wrong mean, and the choice of rows. Does not own how they are shown (`browse`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.grading import Columns

WON, LOST, BOTH_WRONG, BOTH_RIGHT = "won", "lost", "both wrong", "both right"
OUTCOMES = (WON, LOST, BOTH_WRONG, BOTH_RIGHT)
WORST_SHOWN = 25
SHOWN_EACH = 8
"""Rows of each outcome against each system."""


@dataclass(frozen=True)
class Picked:
    """A row to look at: whether it is among the worst, and what it came to against each system that answered it."""

    row: int
    worst: bool
    outcomes: dict[str, str]


def closeness(columns: Columns) -> NDArray[np.float64]:
    """Return how close each answer is to the right one, 0 to 1: right or wrong, or for free text also words shared.

    Equal texts alone reach 1.
    """
    right = columns["correct"].astype(np.float64)
    return (right + columns["overlap"]) / 2 if "overlap" in columns else right


def outcomes(ours: Columns, theirs: Columns) -> NDArray[np.str_]:
    """Return what each of the same rows came to for ours: of free text the closer answer wins."""
    ahead = closeness(ours) - closeness(theirs)
    alike = np.where(ours["correct"], BOTH_RIGHT, BOTH_WRONG)
    return np.where(ahead > 0, WON, np.where(ahead < 0, LOST, alike))


def against(ours: Contestant, other: Contestant) -> NDArray[np.str_]:
    """Return the outcomes against a system on its rows."""
    return outcomes({name: column[other.rows] for name, column in _graded(ours).items()}, other.columns)


def worst(ours: Contestant, seed: int) -> list[int]:
    """Return the wrong rows: farthest off first, then the surest; equal ones in an order drawn by the seed."""
    wrong = np.flatnonzero(~ours.columns["correct"])
    sure = np.asarray(ours.answers.confidences)
    order = np.lexsort((_drawn(ours, seed)[wrong], -sure[wrong], closeness(ours.columns)[wrong]))
    return [int(row) for row in wrong[order]]


def pick(ours: Contestant, others: Sequence[Contestant], seed: int) -> list[Picked]:
    """Return the rows to look at, each once: the worst, then of each system those lost, won, and both wrong.

    Of each the most surprising: where the answers differ most in closeness, then where the one who is wrong was surest.
    """
    bad = worst(ours, seed)[:WORST_SHOWN]
    came = {other.name: against(ours, other) for other in others}
    chosen = dict.fromkeys(bad)
    for kind in (LOST, WON, BOTH_WRONG):
        for other in others:
            chosen |= dict.fromkeys(_surprising(ours, other, came[other.name], kind, seed)[:SHOWN_EACH])
    by_row = {other.name: dict(zip(other.rows, came[other.name].tolist(), strict=True)) for other in others}
    return [
        Picked(row, row in bad, {name: own[row] for name, own in by_row.items() if row in own}) for row in chosen
    ]  # fmt: skip


def tally(came: NDArray[np.str_]) -> Counter[str]:
    """Return how often each outcome came."""
    return Counter(came.tolist())


def _surprising(ours: Contestant, other: Contestant, came: NDArray[np.str_], kind: str, seed: int) -> list[int]:
    places = np.flatnonzero(came == kind)
    rows = np.asarray(other.rows, dtype=np.intp)[places]
    own, theirs = closeness(ours.columns)[rows], closeness(other.columns)[places]
    sure = np.asarray(other.answers.confidences)[places] if kind == WON else np.asarray(ours.answers.confidences)[rows]
    apart = own if kind == BOTH_WRONG else -np.abs(own - theirs)
    return [int(row) for row in rows[np.lexsort((_drawn(ours, seed)[rows], -sure, apart))]]


def _graded(who: Contestant) -> Columns:
    return {name: who.columns[name] for name in ("correct", "overlap") if name in who.columns}


def _drawn(ours: Contestant, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).permutation(len(ours.rows))
