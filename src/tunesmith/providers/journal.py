"""What was asked of a service and what came of it, in a file that outlives a kill at any moment.

Owns the file: one JSON object a line, each on disk before the call it announces is made or the answer it keeps is
used. Does not own what the steps are (the tuners).
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from tunesmith.core.disk import append_line
from tunesmith.core.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "journal.jsonl"

PAID = ("job", "capacity")
"""What steps begin with that may run at a service and be billed."""

Facts = dict[str, Any]


class Journal:
    """The steps of one hosted run, in order. A step is begun (`begin`: what is about to be asked) and done (`done`:
    what came of it); what was begun and not done is unclear (`unclear`), and the service must be asked what happened.

    Raises:
        ArtifactError: (when made) if the file is damaged other than by a kill while its last line was written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._begun: dict[str, Facts] = {}
        self._done: dict[str, Facts] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for row in self._whole_lines():
            self._take(row)

    def begin(self, step: str, **facts: Any) -> None:
        """Note what is about to be asked for a step, such as ``upload:train`` or ``job:0``; on disk on return."""
        self._write({"begin": step, **facts})

    def done(self, step: str, **facts: Any) -> Facts:
        """Note what came of a step, such as an id, on disk on return; returns the facts."""
        self._write({"done": step, **facts})
        return facts

    def forget(self, step: str) -> None:
        """Note that a step must be taken anew: what came of it is gone or no good."""
        self._write({"forget": step})

    def of(self, step: str) -> Facts | None:
        """Return what came of a step; None if it is not done."""
        return self._done.get(step)

    def unclear(self, step: str) -> Facts | None:
        """Return what was about to be asked for a step of which nothing more is known; None otherwise."""
        return self._begun.get(step)

    def unclear_steps(self, prefix: str = "") -> list[str]:
        """Return the steps, of all or of those that begin so, that were begun and of which nothing more is known."""
        return [step for step in self._begun if step.startswith(prefix)]

    def steps(self, prefix: str = "") -> dict[str, Facts]:
        """Return the steps that are done and what came of each, in order, of all or of those that begin so."""
        return {step: facts for step, facts in self._done.items() if step.startswith(prefix)}

    def _whole_lines(self) -> list[Facts]:
        """Return the lines; cut off a last one that a kill left without its end."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ArtifactError(
                f"{self.path}: damaged ({error})",
                hint="look in the service's console what runs there; then tunesmith clean --hosted, which forgets it",
            ) from error

    def _take(self, row: Facts) -> None:
        kind, step = next(iter(row.items()))
        facts = {name: value for name, value in row.items() if name != kind}
        self._begun.pop(step, None)
        if kind == "begin":
            self._begun[step] = facts
        else:
            self._done.pop(step, None)
        if kind == "done":
            self._done[step] = facts

    def _write(self, row: Facts) -> None:
        append_line(self.path, json.dumps(row, ensure_ascii=False))
        self._take(row)


def at_service(folder: Path) -> list[str]:
    """Return what a run's folder may be all that is known of: jobs and capacity at a service, in words."""
    if not (folder / FILE).is_file():
        return []
    try:
        journal = Journal(folder)
    except ArtifactError as error:
        return [f"what its journal said, which is damaged ({error.message})"]
    known = [f"{kind} {name}" for kind in PAID for name in _names(journal, kind)]
    return known + [f"a {kind} that may have been made" for kind in PAID if journal.unclear_steps(kind)]


def _names(journal: Journal, kind: str) -> list[str]:
    return [str(name) for facts in journal.steps(kind).values() if (name := facts.get("id") or facts.get("arn"))]
