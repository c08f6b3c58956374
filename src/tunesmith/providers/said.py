"""Numbers and days as services say them, and what is said where one does not tune any more."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, date, datetime
from typing import Any

WAY_OUT = (
    "the same recipe with an open model as its base, such as base: Qwen/Qwen3-0.6B, or nano, tunes on this machine"
)  # fmt: skip


def number_of(said: Any) -> float | None:
    """Return a finite number that a service says, as one or as text; None if it says none."""
    try:
        number = float(said)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def day_of(said: Any) -> date | None:
    """Return a day that a service says as a time, in ISO 8601 or in seconds since 1970; None if it says none."""
    if isinstance(said, datetime):
        return said.date()
    with contextlib.suppress(ValueError):
        return date.fromisoformat(str(said)[:10])
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        return datetime.fromtimestamp(float(said), UTC).date() if said else None
    return None
