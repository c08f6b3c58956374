"""Sends what is measured while training to the trackers a recipe names. None of them can stop the training or slow it.

Owns when rows are sent: as they come, from a thread for each tracker; its first error is told and ends it. Does not own
how a tracker is opened (`trackers`) nor the rows (`loop`).
"""

from __future__ import annotations

import contextlib
import math
import sys
from bisect import bisect_right
from operator import itemgetter
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from tunesmith.core.progress import say
from tunesmith.train.trackers import OPENERS, About

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Draft, Workspace
    from tunesmith.recipe import Recipe
    from tunesmith.train.progress import Progress
    from tunesmith.train.trackers import Row, Sink

MOST_WAITING = 10_000
"""Rows that may wait to be sent; a tracker that falls further behind is given up."""

LAST_WAIT_S, BROKEN_WAIT_S = 60.0, 5.0
"""How long the end of a run waits for rows to be sent, and that of one that was interrupted."""


def about(recipe: Recipe, dataset: Artifact, draft: Draft, workspace: Workspace) -> About:
    """Return what trackers are told of a run: settings as in force, and where it goes on from. Of a run at a service
    the settings that were given: what else is in force there it does not say.
    """
    settings = {"base": recipe.base, "task": recipe.task, "seed": recipe.seed, "dataset": dataset.id}
    for name, section in (("train", recipe.train), ("prompt", recipe.prompt)):
        given = section.model_dump(mode="json", exclude={"track"}, exclude_unset=bool(recipe.service))
        settings |= _flat(given, name)
    settings["train.epochs"] = recipe.train.epochs
    settings["train.objective"] = recipe.objective
    return About(
        draft.id, recipe.name, settings, workspace.tracking_dir, 0 if recipe.service else _saved(draft.scratch)
    )


def _saved(folder: Path) -> int:
    from tunesmith.train.checkpoint import saved_step

    return saved_step(folder)


def _flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return nested settings by dotted keys."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}.{name}"
        found |= _flat(value, key) if isinstance(value, dict) and value else {key: value}
    return found


@contextlib.contextmanager
def tracking(names: Sequence[str], about: About) -> Iterator[Callable[[Progress], None]]:
    """Open trackers, yield what hands them the progress after each step, and close them whatever happens.

    What they print goes to stderr: stdout is for results.
    """
    if not names:
        yield lambda progress: None
        return
    with contextlib.redirect_stdout(sys.stderr):
        senders = [one for name in dict.fromkeys(names) if (one := _opened(name, about)) is not None]

        def see(progress: Progress) -> None:
            for sender in senders:
                sender.take(progress)

        well = False
        try:
            yield see
            well = True
        finally:
            for sender in senders:
                sender.end(well)


def _opened(name: str, about: About) -> _Sender | None:
    try:
        sink = OPENERS[name](about)
    except Exception as error:
        _tell_lost(name, error)
        return None
    say(f"  tracked by {name}: {sink.place}")
    return _Sender(name, sink)


def _tell_lost(name: str, error: Exception | str) -> None:
    why = error if isinstance(error, str) else f"{type(error).__name__}: {error}".splitlines()[0][:200]
    say(f"  {name} no longer tracks this run ({why}); training goes on", style="yellow")


class _Sender:
    """Hands rows to one tracker from a thread of its own."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name, self._sink = name, sink
        self._known = sink.last  # steps that the tracker has
        self._lost = False
        self._rows: SimpleQueue[list[Row] | bool] = SimpleQueue()
        self._thread = Thread(target=self._work, name=f"tracks by {name}", daemon=True)
        self._thread.start()

    def take(self, progress: Progress) -> None:
        """Note the rows that the tracker does not have; returns at once."""
        rows, self._known = _rows(progress, self._known), max(self._known, progress.step)
        if self._lost or not rows:
            return
        self._rows.put(rows)
        if self._rows.qsize() > MOST_WAITING:
            self._lost = True
            _tell_lost(self._name, f"{MOST_WAITING:,} rows behind")

    def end(self, well: bool) -> None:
        """Wait until all is sent and the tracker closed, but not for ever."""
        self._rows.put(well)
        self._thread.join(LAST_WAIT_S if well else BROKEN_WAIT_S)
        if self._thread.is_alive() and not self._lost:
            _tell_lost(self._name, "it takes too long to send the last rows")

    def _work(self) -> None:
        well: bool | None = None
        try:
            while well is None and not self._lost:
                rows, well = self._waiting()
                if rows:
                    self._sink.send(rows)
            self._sink.close(bool(well))
        except Exception as error:
            if not self._lost:
                self._lost = True
                _tell_lost(self._name, error)

    def _waiting(self) -> tuple[list[Row], bool | None]:
        """Return all rows that wait, at least one unless the run is over, and how it ended if it did."""
        rows: list[Row] = []
        while not rows or not self._rows.empty():
            one = self._rows.get()
            if isinstance(one, bool):
                return rows, one
            rows += one
        return rows, None


def _rows(progress: Progress, after: int) -> list[Row]:
    """Return what was measured at the steps after one; metrics ascend by step."""
    timed = {row[0]: row for row in progress.timed[bisect_right(progress.timed, after, key=itemgetter(0)) :]}
    rows: list[Row] = []
    for row in progress.metrics[bisect_right(progress.metrics, after, key=itemgetter("step")) :]:
        step = row["step"]
        values = {
            name: float(value)
            for name, value in row.items()
            if name != "step" and isinstance(value, int | float) and math.isfinite(value)
        }
        if (time := timed.get(step)) and time[3] > 0:
            values["tokens_per_s"] = time[1] / time[3]
        rows.append((step, values))
    return rows
