"""Models that jobs made, under the names that OpenAI gives them, and which of them are checkpoints.

Owns names and rows of `tables.tuned_models`; the Models themselves are Artifacts of the workspace. Does not own how a
request finds one (`serve.catalog`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.serve.errors import no_such

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tunesmith.core.store import Store
    from tunesmith.serve.tuning.jobs import Job

PREFIX = "ft:"
METRICS = ("step", "train_loss", "valid_loss", "full_valid_loss")
"""What a checkpoint has of the metrics of its step."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model of a job; the fields are the columns of `tables.tuned_models`. Of the last one ``step`` is None."""

    name: str
    at: datetime
    job_id: str
    model_id: str
    checkpoint_id: str | None
    step: int | None
    metrics: dict[str, Any]

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object of a checkpoint."""
        return {
            "object": "fine_tuning.job.checkpoint", "id": self.checkpoint_id, "created_at": int(self.at.timestamp()),
            "fine_tuned_model_checkpoint": self.name, "fine_tuning_job_id": self.job_id, "step_number": self.step,
            "metrics": {name: self.metrics[name] for name in METRICS if name in self.metrics},
        }  # fmt: skip


def name_of(job: Job, step: int | None = None) -> str:
    """Return the name of a job's model: ``ft:<base>:tunesmith:<suffix>:<id>``, of a step with ``:ckpt-step-<step>``."""
    base = job.model.split(":")[1] if job.model.startswith(PREFIX) else job.model
    suffix = re.sub(r"[^a-z0-9_.-]+", "-", (job.suffix or "").lower()).strip("-")
    name = f"{PREFIX}{base}:tunesmith:{suffix}:{job.id[-8:]}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def keep(connection: Connection, tuned: Tuned) -> bool:
    """Add a model, in the transaction of a connection; tell whether it was not there yet."""
    table = tables.tuned_models
    there = connection.execute(sa.select(table.c.name).where(table.c.name == tuned.name)).first()
    if there is None:
        connection.execute(sa.insert(table).values(**{name: getattr(tuned, name) for name in Tuned.__slots__}))
    return there is None


def forget(connection: Connection, name: str) -> None:
    """Take a name away, in the transaction of a connection; the Artifact stays."""
    connection.execute(sa.delete(tables.tuned_models).where(tables.tuned_models.c.name == name))


def all_tuned(store: Store) -> dict[str, Tuned]:
    """Return every model of every job, by name, oldest first."""
    table = tables.tuned_models.c
    with store.reading() as connection:
        rows = connection.execute(_tuned().order_by(table.at, table.name)).all()
    return {row.name: Tuned(*row) for row in rows}


def checkpoints_in(connection: Connection, job_id: str) -> list[Tuned]:
    """Return a job's checkpoints, the last first, as a connection sees them."""
    table = tables.tuned_models.c
    query = _tuned().where(table.job_id == job_id, table.checkpoint_id.is_not(None)).order_by(table.step.desc())
    return [Tuned(*row) for row in connection.execute(query).all()]


def page_of_checkpoints(store: Store, job_id: str, after: str | None, limit: int) -> tuple[list[Tuned], bool]:
    """Return checkpoints of a job, the last first, behind one of them, and whether there are more.

    Raises:
        ApiError: 404 if the one to go on from is not here.
    """
    with store.reading() as connection:
        found = checkpoints_in(connection, job_id)
    if after is not None:
        place = next((number for number, one in enumerate(found) if one.checkpoint_id == after), None)
        if place is None:
            raise no_such("FineTuningJobCheckpoint", after, "after")
        found = found[place + 1 :]
    return found[:limit], len(found) > limit


def _tuned() -> sa.Select[Any]:
    return sa.select(*(getattr(tables.tuned_models.c, name) for name in Tuned.__slots__))
