"""Progress that people can follow: a live bar on a terminal, a plain line now and then in a pipe or CI log.

Owns everything written to stderr while work is going on. Does not own results (stdout, `cli`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tunesmith.core.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

LINE_EVERY_S = 15.0
"""How often a plain line is written when stderr is no terminal."""

_console: Console | None = None


def console() -> Console:
    """Return the console all human output goes to: stderr, made once."""
    global _console
    if _console is None:
        _console = Console(stderr=True, highlight=False)
    return _console


def say(message: str, *, style: str = "") -> None:
    """Print one line for people, to stderr; `message` is plain text, not markup."""
    console().print(message, style=style, markup=False, soft_wrap=True)


class Bar(Protocol):
    """What a stage uses to tell how far it is."""

    def advance(self, count: int = 1, **facts: float | str) -> None:
        """Move by ``count`` of the total and show facts such as ``loss=1.2``."""


def _facts_text(facts: dict[str, float | str]) -> str:
    shown = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items())
    return " · ".join(shown)


@dataclass
class _LiveBar:
    progress: Progress
    task: TaskID

    def advance(self, count: int = 1, **facts: float | str) -> None:
        self.progress.update(self.task, advance=count)
        if facts:
            self.progress.update(self.task, facts=_facts_text(facts))


@dataclass
class _PlainBar:
    label: str
    total: int | None
    unit: str = "steps"
    done: int = 0
    last_s: float = field(default_factory=monotonic_s)
    facts: dict[str, float | str] = field(default_factory=dict)

    def advance(self, count: int = 1, **facts: float | str) -> None:
        self.done += count
        self.facts.update(facts)
        if monotonic_s() - self.last_s >= LINE_EVERY_S:
            self.last_s = monotonic_s()
            self.write()

    def write(self) -> None:
        of_total = f"/{self.total}" if self.total else ""
        done = f"{self.done}{of_total}"
        if self.unit == "bytes" and self.total:
            done = f"{self.done / self.total:.0%}"
        say(f"  {self.label}: {done}  {_facts_text(self.facts)}".rstrip())


@contextlib.contextmanager
def steps(label: str, total: int | None = None, unit: Literal["steps", "bytes"] = "steps") -> Iterator[Bar]:
    """Show progress of a piece of work: yields a `Bar`; cleans up after itself whatever happens."""
    target = console()
    if not target.is_terminal:
        yield _PlainBar(label, total, unit)
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(bar_width=28),
        DownloadColumn() if unit == "bytes" else MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[facts]}"),
    )
    with Progress(*columns, console=target, transient=True) as progress:
        yield _LiveBar(progress, progress.add_task(label, total=total, facts=""))
