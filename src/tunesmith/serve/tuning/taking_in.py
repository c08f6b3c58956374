"""From what a worker told to what clients see: events, checkpoints, statuses, the model and its file of results.

Each line is taken in once: the place up to which the file was read moves in the transaction that keeps what the lines
say. Does not own the lines (`progress`) nor who writes them (`worker`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.serve.files import record
from tunesmith.serve.tuning import results, tuned
from tunesmith.serve.tuning.events import tell
from tunesmith.serve.tuning.jobs import ACTIVE, new_id
from tunesmith.serve.tuning.progress import read_on
from tunesmith.serve.tuning.tuned import Tuned, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from tunesmith.serve.files import Files, StoredFile
    from tunesmith.serve.tuning.folder import JobFolder
    from tunesmith.serve.tuning.jobs import Job, Jobs, Status
    from tunesmith.serve.tuning.progress import Line

KEPT_CHECKPOINTS = 3
"""Source: https://platform.openai.com/docs/guides/supervised-fine-tuning, "the last three epochs"."""

_ENDS: dict[str, Status] = {"done": "succeeded", "failed": "failed"}

METRICS = (
    "step", "total_steps", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy",
    "full_valid_loss", "full_valid_mean_token_accuracy",
)  # fmt: skip
"""What an event of a step may have."""


def take_in(jobs: Jobs, job: Job, folder: JobFolder, files: Files) -> list[Tuned]:
    """Take in what the worker of an active job told since last time; return the checkpoints that are no longer kept.

    Does nothing if somebody changed the job meanwhile so that nobody is to work on it.
    """
    lines, place = read_on(folder.progress, job.taken_in_bytes)
    if not lines:
        return []
    kept = _results(files, folder) if any(line["kind"] == "done" for line in lines) else None
    with jobs.store.writing() as connection:
        if not _moved_on(connection, job, place):
            return []
        gone: list[Tuned] = []
        for line in lines:
            gone += _Taking(connection, job, kept).take(line)
            if (status := _ENDS.get(line["kind"])) is not None:
                jobs.announce(connection, job.id, status)
        _estimate(connection, job, lines)
    return gone


def _moved_on(connection: Connection, job: Job, place: int) -> bool:
    table = tables.tuning_jobs
    change = sa.update(table).where(
        table.c.id == job.id, table.c.status.in_(ACTIVE), table.c.taken_in_bytes == job.taken_in_bytes
    )
    return connection.execute(change.values(taken_in_bytes=place)).rowcount == 1


def _results(files: Files, folder: JobFolder) -> StoredFile:
    """Write the file of results; a kill before it is recorded leaves what the next tidying throws away."""
    lines, _ = read_on(folder.progress, 0)
    return files.write(results.results_of(lines), results.FILENAME, results.PURPOSE)


def _estimate(connection: Connection, job: Job, lines: Sequence[Line]) -> None:
    """Say when the job will end, by the pace of the steps just taken in; none of them says nothing."""
    steps = [line for line in lines if line["kind"] == "step"]
    ended = any(line["kind"] in ("done", "failed") for line in lines)
    if ended or len(steps) < 2 or steps[-1]["step"] == steps[0]["step"]:
        return
    first, last = steps[0], steps[-1]
    pace_s = (last["at"] - first["at"]) / (last["step"] - first["step"])
    finish = _moment(last) + timedelta(seconds=pace_s * (last["total_steps"] - last["step"]))
    _change(connection, job.id, estimated_finish=finish)


def _change(connection: Connection, job_id: str, **changes: Any) -> None:
    connection.execute(sa.update(tables.tuning_jobs).where(tables.tuning_jobs.c.id == job_id).values(**changes))


def _moment(line: Line) -> datetime:
    return datetime.fromtimestamp(line["at"], UTC)


class _Taking:
    """Takes in one line, in the transaction of a connection."""

    def __init__(self, connection: Connection, job: Job, results_file: StoredFile | None) -> None:
        self._connection, self._job, self._file = connection, job, results_file

    def take(self, line: Line) -> list[Tuned]:
        """Do what a line says; return the checkpoints that are no longer kept."""
        return getattr(self, f"_{line['kind']}")(line) or []

    def _tell(self, message: str, line: Line, **how: Any) -> None:
        tell(self._connection, self._job.id, message, at=_moment(line), **how)

    def _validated(self, line: Line) -> None:
        _change(self._connection, self._job.id, status="queued", validated=True)
        for rule, count in line["left_out"].items():
            self._tell(f"{count} example(s) are left out by rule {rule}", line, level="warn")
        for key, count in line.get("unread", {}).items():
            self._tell(f"{count} example(s) have the key {key[:100]!r}, which is not read", line, level="warn")
        self._tell("Files validated, moving job to queued state", line)

    def _training(self, line: Line) -> None:
        _change(self._connection, self._job.id, status="running")
        self._tell("Fine-tuning job started", line)

    def _again(self, line: Line) -> None:
        _change(self._connection, self._job.id, status="running")

    def _step(self, line: Line) -> None:
        data = {name: line[name] for name in METRICS if name in line}
        losses = [("training", "train_loss"), ("validation", "valid_loss"), ("full validation", "full_valid_loss")]
        told = ", ".join(f"{words} loss={line[name]:.2f}" for words, name in losses if name in line)
        self._tell(f"Step {line['step']}/{line['total_steps']}: {told}", line, metrics=data)
        _change(self._connection, self._job.id, status="running", deaths=0)

    def _checkpoint(self, line: Line) -> list[Tuned]:
        name = name_of(self._job, line["step"])
        made = Tuned(
            name, _moment(line), self._job.id, line["model_id"], new_id("ftckpt_"), line["step"], line["metrics"]
        )  # fmt: skip
        if not tuned.keep(self._connection, made):
            return []
        self._tell(f"Checkpoint created at step {line['step']}", line)
        gone = tuned.checkpoints_in(self._connection, self._job.id)[KEPT_CHECKPOINTS:]
        for one in gone:
            tuned.forget(self._connection, one.name)
        return gone

    def _done(self, line: Line) -> None:
        name, at = name_of(self._job), _moment(line)
        tuned.keep(self._connection, Tuned(name, at, self._job.id, line["model_id"], None, None, {}))
        assert self._file is not None
        record(self._connection, self._file, self._job.key_id)
        _change(
            self._connection, self._job.id, status="succeeded", finished=at, estimated_finish=None,
            fine_tuned_model=name, trained_tokens=line["trained_tokens"], result_file=self._file.id,
        )  # fmt: skip
        self._tell(f"New fine-tuned model created: {name}", line)
        self._tell("The job has successfully completed", line)

    def _failed(self, line: Line) -> None:
        error = {name: line[name] for name in ("code", "message", "param")}
        at = _moment(line)
        _change(self._connection, self._job.id, status="failed", finished=at, estimated_finish=None, error=error)
        self._tell(f"The job failed: {line['message']}", line, level="error")
