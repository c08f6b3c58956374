"""Successive halving: all are asked on few rows, the better half on twice as many, until the best few have all rows.

Owns who goes on. Does not own what a score is.

Source: Karnin, Koren, Somekh 2013, "Almost optimal exploration in multi-armed bandits"; Jamieson and Talwalkar 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

FIRST_ROWS = 25
"""Fewest rows by which one is dropped."""

FINALISTS = 4
"""So many are asked on all rows, the one that the others are held against among them."""


@dataclass(frozen=True)
class Standing(Generic[T]):
    """How far one has come: the rows it was asked on, and its score on them, of which more is better."""

    one: T
    rows: int
    score: tuple[float, ...]


def ladder(rows: int) -> list[int]:
    """Return the numbers of rows of each round: halves of all, down to `FIRST_ROWS`; a function of the rows alone."""
    steps = [rows]
    while steps[0] // 2 >= FIRST_ROWS:
        steps.insert(0, math.ceil(steps[0] / 2))
    return steps


def race(
    entries: Sequence[T], rows: int, score: Callable[[T, int], tuple[float, ...]], reference: T
) -> list[Standing[T]]:
    """Return how far each has come, the farthest first and among them the best; the reference is never dropped.

    Args:
        entries: who takes part.
        rows: how many rows there are.
        score: of one on so many of the rows, from the first on.
        reference: one of the entries.
    """
    running, dropped = list(entries), list[Standing[T]]()
    for step in ladder(rows):
        ranked = sorted((Standing(one, step, score(one, step)) for one in running), key=_rank, reverse=True)
        if step == rows:
            return [*ranked, *dropped]
        kept = max(FINALISTS, math.ceil(len(ranked) / 2))
        going = [at for at, one in enumerate(ranked) if one.one == reference or at < kept]
        if len(going) > kept:
            going.remove(kept - 1)  # the reference takes the last place
        dropped = [*(one for at, one in enumerate(ranked) if at not in going), *dropped]
        running = [ranked[at].one for at in going]
    raise AssertionError("the last step has all rows")


def _rank(standing: Standing[T]) -> tuple[float, ...]:
    return standing.score
