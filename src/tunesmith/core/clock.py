"""The two clocks: what time it is, and how long something took. Tests replace them here and nowhere else."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now_utc() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def monotonic_s() -> float:
    """Return seconds on a clock that never goes back; only differences mean anything."""
    return time.monotonic()
