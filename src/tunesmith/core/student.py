"""Student's t by the normal distribution, for intervals from few cases.

Owns the quantile and the p-value. Wallace's approximation: the quantile at 95 % is within 1 % from 4 degrees of
freedom on, within 0.01 % from 20.

Source: Wallace, "Bounds on normal approximations to Student's and the chi-square distributions", 1959.
"""

from __future__ import annotations

import math
from statistics import NormalDist


def t_quantile(confidence: float, freedom: float) -> float:
    """Return how many standard errors an interval reaches to either side."""
    z = NormalDist().inv_cdf((1 + confidence) / 2) / _scale(freedom)
    return math.sqrt(freedom * math.expm1(z**2 / freedom))


def t_chance(t: float, freedom: float) -> float:
    """Return the two-sided p-value of a difference of ``t`` standard errors."""
    z = _scale(freedom) * math.sqrt(freedom * math.log1p(t**2 / freedom))
    return math.erfc(z / math.sqrt(2))


def _scale(freedom: float) -> float:
    return (8 * freedom + 1) / (8 * freedom + 3)
