"""Traffic written straight into a store, as `serve` leaves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.store import Store


class Traffic:
    """Adds requests and feedback, each a second after the one before."""

    def __init__(self, store: Store, name: str = "tickets", begin: datetime | None = None) -> None:
        self.store, self.name = store, name
        self.at = begin or now_utc() - timedelta(hours=1)
        self.count = 0

    def _next(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at

    def ask(self, text: str, answer: str | None = "refund", **changes: Any) -> str:
        """Add a request and return its id."""
        self.count += 1
        row = {
            "id": f"req-{self.name}-{self.count:06d}",
            "at": self._next(),
            "name": self.name,
            "alias": "production",
            "model_id": f"{self.name}-000000000000",
            "messages": [{"role": "user", "content": text}],
            "answer": answer,
            "label": answer,
            "probability": 0.9,
            "prompt_tokens": 10,
            "completion_tokens": 2,
            "latency_ms": float(self.count),
            "status": 200,
            "finish_reason": "stop",
            "key_id": None,
            **changes,
        }
        with self.store.writing() as connection:
            connection.execute(sa.insert(tables.requests).values(**row))
        return str(row["id"])

    def say(self, request_id: str, **opinion: Any) -> None:
        """Add feedback on a request."""
        with self.store.writing() as connection:
            connection.execute(sa.insert(tables.feedback).values(request_id=request_id, at=self._next(), **opinion))

    def correct(self, text: str, right: str, answer: str = "refund", **changes: Any) -> str:
        """Add a request that a user corrected."""
        request_id = self.ask(text, answer, **changes)
        self.say(request_id, correction=right)
        return request_id
