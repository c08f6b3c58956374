"""What a worker tells of its job: a file of JSON lines, appended by the worker, read on by the supervisor.

Owns the form of the lines. A line counts when its end is there; what a kill cut off is thrown away by the next worker,
and steps that it does again are not told again. Does not own what becomes of the lines (`taking_in`).

Kinds: ``validated`` (train, valid, left_out, unread), ``training`` (model_id, total_steps), ``again`` (a worker goes
on), ``step`` (step, total_steps, train_loss, valid_loss, full_valid_loss), ``checkpoint`` (step, model_id, metrics),
``done`` (model_id, trained_tokens), ``failed`` (code, message, param).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc
from tunesmith.core.disk import append_line

if TYPE_CHECKING:
    from pathlib import Path

Line = dict[str, Any]

AGAIN = "again"


class DamagedProgress(Exception):
    """What a worker told cannot be read: a disk or a machine failed while it was written."""


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

    def tell(self, kind: str, **facts: Any) -> bool:
        """Write a line, unless it was told of the same step before; tell whether it was written. It is on disk then.

        Raises:
            OSError: if the disk refuses; then nothing of the line is left.
        """
        line = {"kind": kind, "at": now_utc().timestamp(), **facts}
        if kind != AGAIN and _place(line) in self._told:
            return False
        append_line(self._path, json.dumps(line, allow_nan=False))
        self._told.add(_place(line))
        return True


def _place(line: Line) -> tuple[str, int]:
    return line["kind"], int(line.get("step", -1))


def read_on(path: Path, start_bytes: int) -> tuple[list[Line], int]:
    """Return the whole lines from a place in the file on, and the place behind them; none if there is no file.

    Raises:
        DamagedProgress: if no line begins at the place, or one cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(start_bytes - 1, 0))
            content = file.read()
    except FileNotFoundError:
        return [], start_bytes
    if start_bytes and content[:1] != b"\n":
        raise DamagedProgress(f"{path}: no line begins at byte {start_bytes}")
    content = content[1:] if start_bytes else content
    whole = content[: content.rfind(b"\n") + 1]
    try:
        lines = [json.loads(line) for line in whole.splitlines()]
        for line in lines:
            _place(line)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedProgress(f"{path}: a line behind byte {start_bytes} cannot be read ({error})") from error
    return lines, start_bytes + len(whole)
