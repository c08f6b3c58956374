"""What a worker tells of its job: a file of JSON lines, appended by the worker, read on by the supervisor.

Owns the form of the lines. A line counts when its end is there; what a kill cut off is thrown away by the next worker,
and steps that it does again are not told again. Does not own what becomes of the lines (`taking_in`).

Kinds: ``validated`` (train, valid), ``training`` (model_id, total_steps), ``step`` (step, total_steps, train_loss,
valid_loss, full_valid_loss), ``checkpoint`` (step, model_id, metrics), ``done`` (model_id, trained_tokens),
``failed`` (code, message, param).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]


class Teller:
    """Writes what there is to tell, each once.

    Args:
        path: the file; what other workers of the job told is in it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines, whole = read_on(path, 0)
        with path.open("ab") as file:
            file.truncate(whole)
        self._told = {_place(line) for line in lines}

    def tell(self, kind: str, **facts: Any) -> None:
        """Write a line, unless it was told of the same step before."""
        line = {"kind": kind, "at": now_utc().timestamp(), **facts}
        if _place(line) in self._told:
            return
        self._told.add(_place(line))
        with self._path.open("ab") as file:
            file.write(json.dumps(line, allow_nan=False).encode() + b"\n")


def _place(line: Line) -> tuple[str, int]:
    return line["kind"], int(line.get("step", -1))


def read_on(path: Path, start_bytes: int) -> tuple[list[Line], int]:
    """Return the whole lines from a place in the file on, and the place behind them; none if there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(start_bytes)
            content = file.read()
    except FileNotFoundError:
        return [], start_bytes
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], start_bytes + len(whole)
