"""Numbers that say how sure they are: estimates, paired differences and tests.

Owns every interval and p-value in Tunesmith, but for those of two groups of different cases (`two_groups`). Does not
own which metric is computed (`evaluate.metrics`).
All resampling is seeded, so the same verdicts come out of the same answers.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, the number of cases behind it, and how the interval was made."""

    value: float
    low: float
    high: float
    n: int
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict of the fields."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


@dataclass(frozen=True, slots=True)
class Delta:
    """A paired difference (ours minus theirs) with its 95 % interval and two-sided p-value."""

    value: float
    low: float
    high: float
    p: float
    n: int
    method: str

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict of the fields."""
        return asdict(self)


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate a proportion; honest at 0 and at 1, and for small n. An empty sample gives 0 to 1.

    Raises:
        ValueError: if not 0 <= successes <= n.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Estimate(0.0, 0.0, 1.0, 0, "wilson")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Estimate(p, low, high, n, "wilson")


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float], n: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """Estimate any statistic of ``n`` cases by the percentile bootstrap.

    Args:
        statistic: takes an array of case indices (with repetition) and returns the value on them.
        n: number of cases; 0 gives NaN with an interval of minus to plus infinity.
        seed: fixes the resampling.
        resamples: number of bootstrap samples.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    if n == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0, "bootstrap")
    generator = np.random.default_rng(seed)
    value = float(statistic(np.arange(n)))
    draws = np.array([statistic(generator.integers(0, n, n)) for _ in range(resamples)])
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(value, float(low), float(high), n, "bootstrap")


def bootstrap_mean(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Estimate a mean by the percentile bootstrap."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap(lambda index: float(array[index].mean()), len(array), seed=seed, resamples=resamples)


def paired_bootstrap(
    ours: Sequence[float], theirs: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Delta:
    """Estimate mean(ours - theirs) over the same cases.

    The p-value is the share of resamples on the far side of zero, doubled, never below 1 / resamples.

    Raises:
        ValueError: if the two do not cover the same number of cases.
    """
    if len(ours) != len(theirs):
        raise ValueError(f"paired samples of {len(ours)} and {len(theirs)} cases")
    differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    return paired_statistic(
        lambda index: float(differences[index].mean()), len(differences), seed=seed, resamples=resamples
    )


def paired_statistic(
    difference: Callable[[NDArray[np.intp]], float], n: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> Delta:
    """Estimate the difference of any statistic of two systems over the same ``n`` cases.

    Args:
        difference: takes an array of case indices (with repetition) and returns ours minus theirs on them.
        n: number of cases; 0 gives NaN with an interval of minus to plus infinity.
        seed: fixes the resampling.
        resamples: number of bootstrap samples.
    """
    if n == 0:
        return Delta(math.nan, -math.inf, math.inf, 1.0, 0, "paired bootstrap")
    generator = np.random.default_rng(seed)
    value = float(difference(np.arange(n)))
    draws = np.array([difference(generator.integers(0, n, n)) for _ in range(resamples)])
    low, high = np.quantile(draws, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    tail = min(float((draws <= 0).mean()), float((draws >= 0).mean()))
    return Delta(value, float(low), float(high), min(1.0, max(2 * tail, 1 / resamples)), n, "paired bootstrap")


def paired_proportions(ours: Sequence[bool], theirs: Sequence[bool], confidence: float = CONFIDENCE) -> Delta:
    """Estimate the difference of two proportions over the same cases, with the exact McNemar p-value.

    The interval is Tango's score interval: unlike a bootstrap it stays honest when the two hardly ever, or never,
    differ (0 of n discordant gives about +-z^2/n, not +-0). No cases give -1 to 1.

    Raises:
        ValueError: if the two do not cover the same number of cases.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design".
    """
    p = mcnemar(ours, theirs)
    n = len(ours)
    if n == 0:
        return Delta(0.0, -1.0, 1.0, 1.0, 0, "tango, mcnemar")
    won = sum(bool(a) and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(bool(b) and not a for a, b in zip(ours, theirs, strict=True))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    value = (won - lost) / n
    high = _where_score_is(-z, won, lost, n)
    low = -_where_score_is(-z, lost, won, n)
    return Delta(value, low, high, p, n, "tango, mcnemar")


def _where_score_is(z: float, won: int, lost: int, n: int) -> float:
    """Return the difference at which Tango's score, which falls as the difference grows, is ``z``."""

    def score(delta: float) -> float:
        b = (2 * n - won + lost) * delta - won - lost
        c = -lost * delta * (1 - delta)
        q = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * q + delta * (1 - delta))
        return (won - lost - n * delta) / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, -delta)

    low, high = (won - lost) / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if score(middle) > z else (low, middle)
    return (low + high) / 2


def mcnemar(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Return the exact two-sided p-value that both are right equally often on the same cases.

    Raises:
        ValueError: if the two do not cover the same number of cases.

    Source: McNemar 1947; the exact binomial form over the discordant pairs.
    """
    won = sum(bool(a) and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(bool(b) and not a for a, b in zip(ours, theirs, strict=True))
    n = won + lost
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return float(min(1.0, 2 * tail))
