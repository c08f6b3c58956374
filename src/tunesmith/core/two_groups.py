"""Two groups of different cases compared, and many such comparisons at once.

Owns differences of means and of proportions that are not paired, and the correction for asking often. Does not own
single estimates and paired comparisons (`estimates`). Nothing is resampled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.estimates import CONFIDENCE, Delta, wilson
from tunesmith.core.student import t_chance, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def means_differ(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Delta:
    """Estimate mean(ours) - mean(theirs), whose spreads may differ. Needs two cases of each.

    Source: Welch 1947.
    """
    value = float(ours.mean() - theirs.mean())
    one, other = float(ours.var(ddof=1)) / len(ours), float(theirs.var(ddof=1)) / len(theirs)
    error = math.sqrt(one + other)
    if not error:
        return Delta(value, value, value, float(value == 0), len(ours) + len(theirs), "welch")
    freedom = (one + other) ** 2 / (one**2 / (len(ours) - 1) + other**2 / (len(theirs) - 1))
    half = error * t_quantile(CONFIDENCE, freedom)
    n = len(ours) + len(theirs)
    return Delta(value, value - half, value + half, t_chance(value / error, freedom), n, "welch")


def proportions_differ(ours: tuple[int, int], theirs: tuple[int, int]) -> Delta:
    """Estimate the difference of two proportions, each as successes and cases.

    Raises:
        ValueError: if there are more successes than cases.

    Source: Newcombe, "Interval estimation for the difference between independent proportions", 1998, method 10; the
    p-value is Fisher's exact one.
    """
    one, other = wilson(*ours), wilson(*theirs)
    value = one.value - other.value
    low = value - math.hypot(one.value - one.low, other.high - other.value)
    high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Delta(value, low, high, fisher(ours, theirs), one.n + other.n, "newcombe, fisher")


def fisher(ours: tuple[int, int], theirs: tuple[int, int]) -> float:
    """Return the exact two-sided p-value that two groups have the same proportion (successes and cases of each).

    Source: Fisher 1935; two-sided as the sum of all tables no likelier than the one seen.
    """
    (a, n), (b, m) = ours, theirs
    logs = np.concatenate([np.zeros(1), np.cumsum(np.log(np.arange(1, n + m + 1)))])  # of factorials
    hits = np.arange(max(0, a + b - m), min(a + b, n) + 1)
    rest = a + b - hits
    chance = -(logs[hits] + logs[n - hits] + logs[rest] + logs[m - rest])
    chance = np.exp(chance - chance.max())
    seen = chance[a - int(hits[0])]
    return min(1.0, float(chance[chance <= seen * (1 + 1e-7)].sum() / chance.sum()))


def adjusted(chances: Sequence[float]) -> list[float]:
    """Return p-values raised for how many there are: those up to q hold at most a share q of false alarms.

    Source: Benjamini and Hochberg, "Controlling the false discovery rate", 1995.
    """
    values = np.asarray(chances, np.float64)
    order = np.argsort(values, kind="stable")[::-1]
    ranks = np.arange(len(values), 0, -1)
    raised = np.empty_like(values)
    raised[order] = np.minimum(np.minimum.accumulate(values[order] * len(values) / ranks), 1.0)
    return [float(one) for one in raised]


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values raised for how many there are: if those up to q are believed, one false alarm has chance q.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    raised, so_far = [0.0] * len(chances), 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        so_far = max(so_far, min(1.0, (len(chances) - rank) * chances[place]))
        raised[place] = so_far
    return raised
