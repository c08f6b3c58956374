"""Some of many rows, the same ones every time: for what need not look at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tunesmith.core.spans import I64

SAMPLE_ROWS = 10_000


def spread(rows: I64, most: int = SAMPLE_ROWS) -> I64:
    """Return at most ``most`` rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
