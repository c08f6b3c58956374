"""Several answers of the judge about each row: their mean, and how much of an interval is the judge's own noise.

A row's value is the mean of the judge's k answers about it, so the spread of rows holds both: the variance of a mean
over n rows is (between + within / k) / n, and resampling rows sees all of it. Nothing is added to it: to resample the
answers as well would count the second part twice. Owns the split into the two parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def row_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of each row's known values; NaN for a row without."""
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def noise_share(*parts: NDArray[np.float64]) -> float | None:
    """Return which share of the variance of a mean over rows is the judge's noise, 0 to 1; None if it cannot be told.

    Args:
        parts: what was asked about each row in one way (such as one order of a pair), one row per case and one column
            per answer, NaN where there is none. A row's value is the mean of its parts' means. Rows that lack a part
            are left out.

    Source: analysis of variance with one random factor, method of moments (Searle, Casella and McCulloch, "Variance
    components", 1992, chapter 3).
    """
    whole = np.all([~np.isnan(row_means(part)) for part in parts], axis=0)
    values = np.mean([row_means(part)[whole] for part in parts], axis=0)
    if len(values) < 2:
        return None
    noise = 0.0
    for part in parts:
        counts = (~np.isnan(part[whole])).sum(axis=1)
        freedom = np.maximum(counts - 1, 0)
        if not freedom.any():
            return None
        apart = np.nan_to_num(part[whole] - row_means(part[whole])[:, None])
        within = float((apart**2).sum() / freedom.sum())
        noise += within * float((1 / counts).mean()) / len(parts) ** 2
    spread = float(np.var(values, ddof=1))
    return min(1.0, noise / spread) if spread > 0 else 0.0
