"""Progress that people can follow: a live bar on a terminal, a plain line now and then in a pipe or CI log.

Owns everything written to stderr while work is going on. Does not own results (stdout, `cli`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from tunesmith.core.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType
    from rich.progress import TaskID

    Lines = Sequence[tuple[str, str]]
    """Lines of plain text, each with its Rich style."""

LINE_EVERY_S = 15.0
"""How often a plain line is written when stderr is no terminal."""

LOOKS_PER_S = 2
"""How often lines below a bar are made anew; a look takes about 0.8 ms of CPU from the work."""

_BLOCKS = "▁▂▃▄▅▆▇█"

_console: Console | None = None
_live: Progress | None = None  # what is on the terminal now


def console() -> Console:
    """Return the console all human output goes to: stderr, made once."""
    global _console
    if _console is None:
        _console = Console(stderr=True, highlight=False)
    return _console


def hush() -> None:
    """Say nothing from now on: another process of the same work speaks."""
    global _console
    _console = Console(stderr=True, highlight=False, quiet=True)


def say(message: str, *, style: str = "") -> None:
    """Print one line for people, to stderr; `message` is plain text, not markup."""
    console().print(message, style=style, markup=False, soft_wrap=True)


class Bar(Protocol):
    """What a stage uses to tell how far it is."""

    def advance(self, count: int = 1, **facts: float | str) -> None:
        """Move by ``count`` of the total and show facts such as ``loss=1.2``; an empty one is not shown any more."""

    def expect(self, total: int) -> None:
        """Set the total, where it comes to be known on the way."""


def _facts_text(facts: dict[str, float | str]) -> str:
    return " · ".join(f"{key} {_shown(value)}" for key, value in facts.items() if value != "")


def _shown(value: float | str) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else value


class Pace:
    """How fast a long work goes and how long the rest takes; what was found done counts for nothing.

    Args:
        total: what all of the work comes to, in any unit; 0 if that is not known.
    """

    def __init__(self, total: float) -> None:
        self._left, self._worked, self._items = total, 0.0, 0
        self._began_s = monotonic_s()

    def skip(self, amount: float) -> None:
        """Note a part that need not be done."""
        self._left -= amount

    def work(self, amount: float, items: int) -> None:
        """Note a part that is done, and how many items it had."""
        self._left -= amount
        self._worked += amount
        self._items += items

    def facts(self, unit: str) -> dict[str, float | str]:
        """Return items a second and the time left, as soon as there is something to go by; ``unit`` names the items."""
        seconds = monotonic_s() - self._began_s
        if not self._items or seconds <= 0:
            return {}
        known = self._worked > 0 and self._left > 0
        left = duration(seconds * self._left / self._worked) if known else ""
        return {f"{unit}/s": round(self._items / seconds), "left": left}


class Course:
    """A work of several parts that take unequal times: tells which one is going on, and how long the rest takes.

    Args:
        bar: of ``share``, with the sum of the costs as its total.
        costs: about how long each part takes, in any unit; one that does not come takes none.
    """

    def __init__(self, bar: Bar, costs: Mapping[str, float]) -> None:
        self._bar, self._costs, self._pace = bar, costs, Pace(sum(costs.values()))
        self._part: str | None = None

    def begin(self, part: str) -> None:
        """Note that the part before is done and another begins; parts are begun in the order of their costs."""
        names, before = list(self._costs), self._part
        for done in names[0 if before is None else names.index(before) : names.index(part)]:
            self._pace.work(self._costs[done], 1)
            self._bar.advance(round(self._costs[done]))
        left = self._pace.facts("parts").get("left", "")
        self._part = part
        self._bar.advance(0, now=part, left=left)


def duration(seconds: float) -> str:
    """Return a time for people, as exact as an estimate deserves: ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 59.5:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@dataclass
class _LiveBar:
    progress: Progress
    task: TaskID
    tells: bool = True  # facts; where lines below the bar have them it does not

    def expect(self, total: int) -> None:
        self.progress.update(self.task, total=total)

    def advance(self, count: int = 1, **facts: float | str) -> None:
        self.progress.update(self.task, advance=count)
        if facts and self.tells:
            self.progress.update(self.task, facts=_facts_text(facts))


class _Board(Progress):
    """Bars, and below them lines that are made anew at each look."""

    below: Callable[[], Lines] | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for text, style in self.below() if self.below else ():
            yield Text(text, style, no_wrap=True, overflow="ellipsis")


@dataclass
class _PlainBar:
    label: str
    total: int | None
    unit: str = "steps"  # or "bytes", "share"
    done: int = 0
    last_s: float = field(default_factory=monotonic_s)
    facts: dict[str, float | str] = field(default_factory=dict)

    def expect(self, total: int) -> None:
        self.total = total

    def advance(self, count: int = 1, **facts: float | str) -> None:
        self.done += count
        self.facts.update(facts)
        if monotonic_s() - self.last_s >= LINE_EVERY_S:
            self.last_s = monotonic_s()
            self.write()

    def write(self) -> None:
        of_total = f"/{self.total}" if self.total else ""
        done = f"{self.done}{of_total}"
        if self.unit != "steps" and self.total:
            done = f"{self.done / self.total:.0%}"
        say(f"  {self.label}: {done}  {_facts_text(self.facts)}".rstrip())


@contextlib.contextmanager
def steps(
    label: str,
    total: int | None = None,
    unit: Literal["steps", "bytes", "share"] = "steps",
    below: Callable[[], Lines] | None = None,
) -> Iterator[Bar]:
    """Show progress of a piece of work: yields a `Bar`; cleans up after itself whatever happens.

    Of ``bytes`` and ``share`` the share is shown; who counts them tells how long the rest takes (`Pace`). A bar within
    another stands below it. On a terminal ``below`` is asked `LOOKS_PER_S` times a second, by another thread, for
    lines that stand below the bar in place of its facts and of the time left.
    """
    global _live
    target = console()
    if _live is not None:
        task = _live.add_task(label, total=total, facts="")
        try:
            yield _LiveBar(_live, task)
        finally:
            _live.remove_task(task)
        return
    if not target.is_terminal:
        yield _PlainBar(label, total, unit)
        return
    left = () if below else (TimeRemainingColumn(compact=True),)
    counted = (MofNCompleteColumn(), *left) if unit == "steps" else (TaskProgressColumn(),)
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=28),
        *counted,
        TextColumn("[dim]{task.fields[facts]}"),
    )
    board = _Board(*columns, console=target, transient=True, refresh_per_second=LOOKS_PER_S if below else 10)
    board.below = below
    with board:
        _live = board
        try:
            yield _LiveBar(board, board.add_task(label, total=total, facts=""), tells=below is None)
        finally:
            _live = None


def sparkline(values: Sequence[float], low: float | None = None) -> str:
    """Return a line of blocks as high as the values are between ``low``, by default the least of them, and the top."""
    if not values:
        return ""
    floor = min(values) if low is None else low
    span = max(values) - floor
    return "".join(_BLOCKS[min(7, int((value - floor) / span * 7.999)) if span > 0 else 0] for value in values)
