"""What OpenAI's jobs tell while they run, as the rows of ``metrics.jsonl`` that local runs have.

Owns the names and the order: events come newest first, late, and more than once. Does not own asking for them.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.providers.said import number_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tunesmith.providers.hosted import Row

_NAMES = {
    "train_loss": "loss",
    "full_valid_loss": "valid_loss",
    "valid_loss": "batch_valid_loss",
    "train_mean_token_accuracy": "token_accuracy",
    "train_accuracy": "token_accuracy",
    "full_valid_mean_token_accuracy": "valid_token_accuracy",
    "valid_mean_token_accuracy": "batch_valid_token_accuracy",
}
"""The service's names to ours: only at the ends of epochs all validation rows are looked at."""


@dataclass
class Curve:
    """The rows of one job by step. ``before`` steps of earlier jobs of the same run come before its first."""

    before: int = 0
    total_steps: int | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def unseen(self, newest_first: Iterable[Any], page: int) -> list[Any]:
        """Return the events that were not taken before, reading on until a whole page of them was."""
        found, known = [], 0
        for event in newest_first:
            known = known + 1 if event.id in self._seen else 0
            if known == 0:
                found.append(event)
            elif known >= page:
                break
        return found

    def take(self, events: Iterable[Any]) -> tuple[list[Row], list[str]]:
        """Take events in any order; return rows that are new or grew, ascending, and new messages, oldest first.

        Of one second, of which there are several, those that come last are the oldest: services list newest first.
        """
        changed, said = set(), []
        last_first = [*events][::-1]
        for event in sorted(last_first, key=lambda one: one.created_at or 0):
            if event.id in self._seen:
                continue
            self._seen.add(event.id)
            if isinstance(event.data, dict) and "step" in event.data:
                changed.add(self.measured(event.data))
            elif event.message:
                said.append(str(event.message))
        return [self.rows[step] for step in sorted(changed)], said

    def measured(self, data: Mapping[str, Any]) -> int:
        """Take what was measured at a step; returns the step in the whole run."""
        step = int(data["step"]) + self.before
        row = self.rows.setdefault(step, {"step": step})
        for name, value in data.items():
            number = number_of(value)
            if name in _NAMES and number is not None:
                row[_NAMES[name]] = number
        if total := number_of(data.get("total_steps")):
            self.total_steps = int(total) + self.before
        return step

    def result_file(self, content: bytes) -> None:
        """Take a job's result file, which some services encode in base64; what events told stays."""
        with_header = content if b"step" in content[:200] else _decoded(content)
        for line in csv.DictReader(io.StringIO(with_header.decode("utf-8-sig", "replace"))):
            if (step := number_of(line.get("step"))) is not None and int(step) + self.before not in self.rows:
                self.measured({**line, "step": step})

    def ordered(self) -> list[Row]:
        """Return all rows, ascending by step."""
        return [self.rows[step] for step in sorted(self.rows)]

    def validations(self) -> list[tuple[int, float]]:
        """Return steps and validation losses of whole validations, ascending."""
        return [(row["step"], row["valid_loss"]) for row in self.ordered() if "valid_loss" in row]


def _decoded(content: bytes) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error:
        return content
