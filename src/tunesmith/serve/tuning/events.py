"""What is told of a fine-tuning job while it goes on: messages, and the metrics of its steps.

Owns the rows and OpenAI's objects of them. Does not own what there is to tell (`jobs`, `progress`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.serve.errors import no_such

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from tunesmith.core.store import Store

Level = Literal["info", "warn", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event."""

    id: str
    at: datetime
    level: Level
    type: Literal["message", "metrics"]
    message: str
    data: dict[str, Any]

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object of it."""
        return {
            "object": "fine_tuning.job.event", "id": self.id, "created_at": int(self.at.timestamp()),
            "level": self.level, "message": self.message, "type": self.type, "data": self.data,
        }  # fmt: skip


def tell(
    connection: Connection,
    job_id: str,
    message: str,
    *,
    level: Level = "info",
    metrics: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Add an event to a job, in the transaction of a connection; with ``metrics`` it is one of a step."""
    row = {
        "id": f"ftevent-{secrets.token_hex(12)}", "job_id": job_id, "at": at or now_utc(), "level": level,
        "type": "message" if metrics is None else "metrics", "message": message, "data": metrics or {},
    }  # fmt: skip
    connection.execute(sa.insert(tables.tuning_events).values(**row))


def page_of_events(store: Store, job_id: str, after: str | None, limit: int) -> tuple[list[Event], bool]:
    """Return events of a job, newest first, behind one of them, and whether there are more.

    Raises:
        ApiError: 404 if the one to go on from is not here.
    """
    table = tables.tuning_events.c
    query = sa.select(*(getattr(table, name) for name in Event.__slots__)).where(table.job_id == job_id)
    with store.reading() as connection:
        if after is not None:
            last = sa.select(table.number).where(table.job_id == job_id, table.id == after)
            number = connection.execute(last).scalar()
            if number is None:
                raise no_such("FineTuningJobEvent", after, "after")
            query = query.where(table.number < number)
        rows = connection.execute(query.order_by(table.number.desc()).limit(limit + 1)).all()
    return [Event(*row) for row in rows[:limit]], len(rows) > limit
