"""Keeping traffic: requests and answers, redacted, written by a thread of its own.

Owns the bounded queue before the store, so that a slow or dead store never slows an answer: what does not fit is
shed and counted. Text is redacted before it is written; what cannot be redacted is not written. Does not own what is
personal data (`text.redact`).
"""

from __future__ import annotations

import queue
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import monotonic_s, now_utc
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from datetime import datetime

    from tunesmith.core.store import Store
    from tunesmith.text.examples import Message
    from tunesmith.text.redact import Placeholders

QUEUE = 1000
BATCH = 100
CLOSE_S = 10.0
"""How long closing waits for the store to take what is queued."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered, as it came: not redacted yet."""

    id: str
    at: datetime
    name: str
    alias: str | None
    model_id: str
    messages: list[Message]
    answer: str | None
    label: str | None
    probability: float | None
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    status: int
    finish_reason: str | None
    key_id: str | None


class Capture:
    """Writes exchanges to the store in the background.

    Args:
        store: where to.
        enabled: False keeps nothing.
        size: exchanges that may wait.
    """

    def __init__(self, store: Store, *, enabled: bool = True, size: int = QUEUE) -> None:
        self._store = store
        self._enabled = enabled
        self._queue: queue.Queue[Exchange | None] = queue.Queue(size)
        self._counts = {"written": 0, "shed": 0, "failed": 0}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="tunesmith-capture", daemon=True)
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Take an exchange without waiting; a full queue sheds it and counts that."""
        if not self._enabled:
            return
        try:
            self._queue.put_nowait(exchange)
        except queue.Full:
            self._count("shed")

    def status(self) -> dict[str, Any]:
        """Return counts for ``/healthz``."""
        with self._lock:
            return {"enabled": self._enabled, "waiting": self._queue.qsize(), **self._counts}

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put so far is written or given up; tell whether that was in time."""
        deadline_s = monotonic_s() + timeout_s
        with self._queue.all_tasks_done:
            while self._queue.unfinished_tasks:
                left_s = deadline_s - monotonic_s()
                if left_s <= 0 or not self._queue.all_tasks_done.wait(left_s):
                    return False
        return True

    def close(self) -> None:
        """Write what is queued and stop; gives up, saying so, when the store does not take it in time."""
        in_time = self.flush(CLOSE_S)
        counts = self.status()
        lost = counts["shed"] + counts["failed"] + (0 if in_time else counts["waiting"])
        if lost:
            say(f"{lost} requests were answered but not captured: the store was slow, gone, or refused them")
        if not in_time:
            return  # the thread is a daemon: it ends with the process
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            batch = self._next_batch()
            exchanges = [one for one in batch if one is not None]
            if exchanges:
                self._write(exchanges)
            for _ in batch:
                self._queue.task_done()
            if None in batch:
                return

    def _next_batch(self) -> list[Exchange | None]:
        batch = [self._queue.get()]
        while len(batch) < BATCH and batch[-1] is not None:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _write(self, exchanges: list[Exchange]) -> None:
        """Write them together; if the store refuses one, write each alone, so that only that one is lost."""
        try:
            self._insert(exchanges)
        except Exception as error:  # a dead sink is counted; it must not stop the answers
            if len(exchanges) > 1 and not isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
                for one in exchanges:
                    self._write([one])
                return
            self._count("failed", len(exchanges))
            say(f"{len(exchanges)} requests were not captured: {type(error).__name__}: {str(error).splitlines()[0]}")
        else:
            self._count("written", len(exchanges))

    def _insert(self, exchanges: list[Exchange]) -> None:
        rows = [_redacted(one) for one in exchanges]
        with self._store.writing() as connection:
            connection.execute(sa.insert(tables.requests), rows)

    def _count(self, what: str, count: int = 1) -> None:
        with self._lock:
            self._counts[what] += count


def redacted_text(text: str | None, placeholders: Placeholders | None = None) -> str | None:
    """Return text without personal data, and without the NUL that PostgreSQL cannot keep; None stays None.

    ``placeholders`` keep the names of what other texts of the conversation hold too.
    """
    from tunesmith.text.redact import redact

    return None if text is None else redact(text, placeholders=placeholders)[0].replace("\0", "\ufffd")


def _redacted(exchange: Exchange) -> dict[str, Any]:
    from tunesmith.text.redact import Placeholders

    row = asdict(exchange)
    texts = [text for message in exchange.messages for text in message.values() if text is not None]
    names = Placeholders([*texts, exchange.answer or ""])
    row["messages"] = [
        {key: redacted_text(text, names) for key, text in message.items()} for message in exchange.messages
    ]
    row["answer"] = redacted_text(exchange.answer, names)
    return row


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody thought of an answer."""

    request_id: str
    rating: int | None
    correction: str | None
    comment: str | None


def is_captured(store: Store, request_id: str) -> bool:
    """Tell whether a request with this id is in the store."""
    table = tables.requests
    with store.reading() as connection:
        return connection.execute(sa.select(table.c.id).where(table.c.id == request_id)).first() is not None


def write_feedback(store: Store, opinion: Opinion) -> None:
    """Keep an opinion, redacted."""
    row = asdict(opinion)
    row["correction"], row["comment"] = redacted_text(opinion.correction), redacted_text(opinion.comment)
    with store.writing() as connection:
        connection.execute(sa.insert(tables.feedback).values(**row, at=now_utc()))
