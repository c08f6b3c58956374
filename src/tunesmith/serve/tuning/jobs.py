"""Fine-tuning jobs as the store knows them: made, found, and moved from status to status.

Owns which status may follow which, and the limits of a key. A status changes in one statement that names the statuses
it may change from, so of two who change it at once one is refused. Does not own events (`events`), what a job asks for
(`request`), nor who does the work (`supervisor`).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.serve.errors import ApiError, bad_request, no_such
from tunesmith.serve.tuning import webhooks
from tunesmith.serve.tuning.events import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from tunesmith.core.store import Store

Status = Literal["validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"]

ACTIVE: tuple[Status, ...] = ("validating_files", "queued", "running")
"""What a job is in while somebody is to work on it."""

UNFINISHED: tuple[Status, ...] = (*ACTIVE, "paused")

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_id(prefix: str, letters: int = 24) -> str:
    """Return a name that nobody has: the prefix and random letters and digits."""
    return prefix + "".join(secrets.choice(LETTERS) for _ in range(letters))


@dataclass(frozen=True, slots=True)
class Job:
    """A job; the fields are the columns of `tables.tuning_jobs`.

    ``taken_in_bytes`` of what its worker wrote are in the store, ``deaths`` is how often the worker died since it last
    got further.
    """

    id: str
    at: datetime
    key_id: str | None
    status: Status
    validated: bool
    model: str
    method: str
    hyperparameters: dict[str, Any]
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    finished: datetime | None = None
    estimated_finish: datetime | None = None
    trained_tokens: int | None = None
    fine_tuned_model: str | None = None
    result_file: str | None = None
    error: dict[str, Any] | None = None
    taken_in_bytes: int = 0
    deaths: int = 0

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object of it."""
        shared = {name: value for name, value in self.hyperparameters.items() if name != "beta"}
        return {
            "id": self.id, "object": "fine_tuning.job", "created_at": int(self.at.timestamp()),
            "finished_at": _seconds(self.finished), "status": self.status, "model": self.model,
            "fine_tuned_model": self.fine_tuned_model, "organization_id": "tunesmith",
            "training_file": self.training_file, "validation_file": self.validation_file,
            "result_files": [self.result_file] if self.result_file else [], "trained_tokens": self.trained_tokens,
            "seed": self.seed, "estimated_finish": _seconds(self.estimated_finish), "integrations": [],
            "hyperparameters": shared,
            "method": {"type": self.method, self.method: {"hyperparameters": self.hyperparameters}},
            "metadata": self.metadata, "error": self.error, "user_provided_suffix": self.suffix,
        }  # fmt: skip


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


class Jobs:
    """The jobs of a store; with ``announces`` their ends are kept to be told by webhook."""

    def __init__(self, store: Store, *, announces: bool = False) -> None:
        self.store, self.announces = store, announces

    def add(self, job: Job, most_of_key: int) -> Job:
        """Take a job in, unless its key has too many that are not finished.

        Raises:
            ApiError: 429 if it has.
        """
        table = tables.tuning_jobs
        own = sa.select(sa.func.count()).where(table.c.key_id.is_not_distinct_from(job.key_id))
        with self.store.writing_alone("tuning jobs of a key") as connection:
            unfinished = connection.execute(own.where(table.c.status.in_(UNFINISHED))).scalar_one()
            if unfinished >= most_of_key:
                raise _too_many(unfinished)
            connection.execute(sa.insert(table).values(**_columns(job)))
            tell(connection, job.id, f"Created fine-tuning job: {job.id}")
            tell(connection, job.id, f"Validating training file: {job.training_file}")
            if job.validation_file:
                tell(connection, job.id, f"Validating validation file: {job.validation_file}")
        return job

    def get(self, job_id: str, param: str = "fine_tuning_job_id") -> Job:
        """Return a job.

        Raises:
            ApiError: 404 if it is not here.
        """
        with self.store.reading() as connection:
            row = connection.execute(_jobs().where(tables.tuning_jobs.c.id == job_id)).one_or_none()
        if row is None:
            raise no_such("FineTuningJob", job_id, param)
        return Job(*row)

    def page(
        self, after: str | None, limit: int, metadata: dict[str, str] | None = None, *, without_metadata: bool = False
    ) -> tuple[list[Job], bool]:
        """Return jobs, newest first, behind one of them, and whether there are more.

        Args:
            after: id of the last one seen.
            limit: most jobs.
            metadata: what theirs must have.
            without_metadata: only those that have none.

        Raises:
            ApiError: 404 if the one to go on from is not here.
        """
        table, query = tables.tuning_jobs.c, _jobs()
        for key, value in (metadata or {}).items():
            query = query.where(table.metadata[key].as_string() == value)
        if without_metadata:
            query = query.where(table.metadata.is_(None))
        if after is not None:
            last = self.get(after, "after")
            here = sa.tuple_(sa.literal(last.at, table.at.type), sa.literal(last.id))
            query = query.where(sa.tuple_(table.at, table.id) < here)
        with self.store.reading() as connection:
            rows = connection.execute(query.order_by(table.at.desc(), table.id.desc()).limit(limit + 1)).all()
        return [Job(*row) for row in rows[:limit]], len(rows) > limit

    def ids(self) -> set[str]:
        """Return the ids of all jobs."""
        with self.store.reading() as connection:
            return set(connection.execute(sa.select(tables.tuning_jobs.c.id)).scalars())

    def with_status(self, *statuses: Status) -> list[Job]:
        """Return all jobs of some statuses, oldest first."""
        table = tables.tuning_jobs.c
        with self.store.reading() as connection:
            rows = connection.execute(_jobs().where(table.status.in_(statuses)).order_by(table.at, table.id)).all()
        return [Job(*row) for row in rows]

    def cancel(self, job_id: str) -> Job:
        """Give a job up; what checkpoints it has stay.

        Raises:
            ApiError: 404 if it is not here, 400 if it is finished.
        """
        message = "Fine-tuning job cancelled"
        return self._ask(job_id, "cancelled", UNFINISHED, message, finished=now_utc(), estimated_finish=None)

    def pause(self, job_id: str) -> Job:
        """Stop the work on a job and keep what is done.

        Raises:
            ApiError: 404 if it is not here, 400 if nobody works on it.
        """
        return self._ask(job_id, "paused", ACTIVE, "Fine-tuning job paused", estimated_finish=None)

    def resume(self, job_id: str) -> Job:
        """Go on with a paused job.

        Raises:
            ApiError: 404 if it is not here, 400 if it is not paused.
        """
        status: Status = "queued" if self.get(job_id).validated else "validating_files"
        return self._ask(job_id, status, ("paused",), "Fine-tuning job resumed", deaths=0)

    def _ask(self, job_id: str, status: Status, from_: Sequence[Status], message: str, **changes: Any) -> Job:
        def also(connection: Connection) -> None:
            tell(connection, job_id, message)

        if not self.move(job_id, status, from_, also, **changes):
            is_ = self.get(job_id).status
            raise bad_request(
                f"The job {job_id} is {is_}; only one that is {' or '.join(from_)} becomes {status}.",
                "fine_tuning_job_id",
                "invalid_status",
            )
        return self.get(job_id)

    def move(
        self,
        job_id: str,
        status: Status,
        from_: Sequence[Status],
        also: Callable[[Connection], None] = lambda _: None,
        **changes: Any,
    ) -> bool:
        """Give a job another status, and change what comes with it, if its status is one of some; tell whether.

        ``also`` is called in the same transaction.
        """
        table = tables.tuning_jobs
        with self.store.writing() as connection:
            change = sa.update(table).where(table.c.id == job_id, table.c.status.in_(from_))
            moved = connection.execute(change.values(status=status, **changes)).rowcount == 1
            if moved:
                also(connection)
                self.announce(connection, job_id, status)
        return moved

    def announce(self, connection: Connection, job_id: str, status: Status) -> None:
        """Note, in the transaction of a connection, that a job has a status, if anybody is to be told of this one."""
        if self.announces and status not in UNFINISHED:
            webhooks.announce(connection, f"fine_tuning.job.{status}", job_id)


def _jobs() -> sa.Select[Any]:
    return sa.select(*(getattr(tables.tuning_jobs.c, name) for name in Job.__slots__))


def _columns(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in Job.__slots__}


def _too_many(unfinished: int) -> ApiError:
    message = (
        f"{unfinished} of your jobs are not finished, and this server takes no more of one key. Wait until one is, or "
        "cancel one."
    )
    return ApiError(429, message, code="job_limit_exceeded", param=None)
