"""Numbers that say how sure they are: estimates, paired differences and tests.

Owns every interval and p-value in Tunesmith, but for those of two groups of different cases (`two_groups`) and of
proportions in clusters (`clustered`). Does not own which metric is computed (`evaluate.metrics`).
All resampling is seeded, so the same verdicts come out of the same answers.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.student import t_chance, t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.clusters import Clusters

CONFIDENCE = 0.95
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, the number of cases behind it, and how the interval was made.

    ``clusters`` is how many clusters the cases form; None if each stands for itself.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    clusters: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict of the fields; ``clusters`` only if there are some."""
        return _known(asdict(self))

    def __str__(self) -> str:
        grouped = "" if self.clusters is None else f" in {self.clusters} groups"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n}{grouped})"


@dataclass(frozen=True, slots=True)
class Delta:
    """A paired difference (ours minus theirs) with its 95 % interval and two-sided p-value."""

    value: float
    low: float
    high: float
    p: float
    n: int
    method: str
    clusters: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict of the fields; ``clusters`` only if there are some."""
        return _known(asdict(self))


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def chance_of(found: Estimate | Delta, value: float) -> float:
    """Return the two-sided p-value that the truth is ``value``, read off the 95 % interval: 0.05 at its ends.

    Beyond the ends it falls as Student's t does for so many cases, or clusters. An interval of no width, which is that
    of cases all alike, gives what the sign test does: half for each case on one side, doubled.

    Source: Altman and Bland, "How to obtain the P value from a confidence interval", 2011; by the side that ``value``
    lies on, as the interval may be lopsided.
    """
    away = value - found.value
    half = found.high - found.value if away > 0 else found.value - found.low
    count = found.clusters or found.n
    if away == 0 or not math.isfinite(away):
        return 1.0
    if half <= 0:
        return min(1.0, 2 * 0.5**count)
    freedom = max(count - 1, 1)
    return t_chance(abs(away) / half * t_quantile(CONFIDENCE, freedom), freedom)


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
    return Estimate(successes / n, *wilson_bounds(successes / n, n, z), n, "wilson")


def wilson_bounds(p: float, n: float, z: float) -> tuple[float, float]:
    """Return the interval of a share ``p`` of ``n`` cases, which may be a fraction, at ``z`` standard errors."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return 0.0 if p == 0 else max(0.0, centre - half), 1.0 if p == 1 else min(1.0, centre + half)


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float], n: int, *, seed: int = 0, resamples: int = RESAMPLES,
    clusters: Clusters | None = None, expanded: bool = False,
) -> Estimate:  # fmt: skip
    """Estimate any statistic of ``n`` cases by the percentile bootstrap.

    Args:
        statistic: takes an array of case indices (with repetition) and returns the value on them.
        n: number of cases; 0 gives NaN with an interval of minus to plus infinity.
        seed: fixes the resampling.
        resamples: number of bootstrap samples.
        clusters: cases that are drawn together; None: each alone.
        expanded: widen the interval for few cases (or clusters) as Student's t does; see `_percentiles`.

    Source: Efron 1979, "Bootstrap methods: another look at the jackknife".
    """
    if n == 0:
        return Estimate(math.nan, -math.inf, math.inf, 0, "bootstrap")
    value, draws = float(statistic(np.arange(n))), _draws(statistic, n, seed, resamples, clusters)
    count = clusters.count if clusters else n
    low, high = _percentiles(draws, count if expanded else None)
    return Estimate(value, low, high, n, _called("bootstrap", clusters), clusters.count if clusters else None)


def _draws(
    statistic: Callable[[NDArray[np.intp]], float], n: int, seed: int, resamples: int, clusters: Clusters | None
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    draw = clusters.resampler() if clusters else lambda source: source.integers(0, n, n)
    return np.array([statistic(draw(generator)) for _ in range(resamples)])


def _percentiles(draws: NDArray[np.float64], count: int | None) -> tuple[float, float]:
    """Return the ends of the interval: the percentiles of the draws, for ``count`` cases farther out.

    Resampling few cases spreads too little, by the root of (n - 1) / n, and as if their spread were known; the share
    left out on either side is chosen so that of a mean of normal values the interval is Student's.

    Source: Hesterberg, "What teachers should know about the bootstrap", 2015, section 5.3: the expanded percentile.
    """
    outside = (1 - CONFIDENCE) / 2
    if count is not None:
        outside = NormalDist().cdf(-_farther(count) * t_quantile(CONFIDENCE, count - 1)) if count > 1 else 0.0
    low, high = np.quantile(draws, [outside, 1 - outside])
    return float(low), float(high)


def _farther(count: int) -> float:
    return math.sqrt(count / (count - 1))


def _called(method: str, clusters: Clusters | None) -> str:
    return f"{method}, clustered" if clusters else method


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
    difference: Callable[[NDArray[np.intp]], float], n: int, *, seed: int = 0, resamples: int = RESAMPLES,
    clusters: Clusters | None = None, expanded: bool = False,
) -> Delta:  # fmt: skip
    """Estimate the difference of any statistic of two systems over the same ``n`` cases.

    Args:
        difference: takes an array of case indices (with repetition) and returns ours minus theirs on them.
        n: number of cases; 0 gives NaN with an interval of minus to plus infinity.
        seed: fixes the resampling.
        resamples: number of bootstrap samples.
        clusters: cases that are drawn together; None: each alone.
        expanded: widen interval and p-value for few cases (or clusters), as of `bootstrap`.
    """
    if n == 0:
        return Delta(math.nan, -math.inf, math.inf, 1.0, 0, "paired bootstrap")
    value, draws = float(difference(np.arange(n))), _draws(difference, n, seed, resamples, clusters)
    count = clusters.count if clusters else n
    low, high = _percentiles(draws, count if expanded else None)
    tail = max(min(float((draws <= 0).mean()), float((draws >= 0).mean())), 0.5 / resamples)
    p = _widened(2 * tail, count) if expanded else 2 * tail
    method = _called("paired bootstrap", clusters)
    return Delta(value, low, high, min(1.0, p), n, method, clusters.count if clusters else None)


def _widened(p: float, count: int) -> float:
    """Return the p-value that goes with the expanded percentiles: 0.05 where the interval ends at zero."""
    if p >= 1 or count < 2:
        return 1.0
    return t_chance(NormalDist().inv_cdf(1 - p / 2) / _farther(count), count - 1)


def paired_proportions(ours: Sequence[bool], theirs: Sequence[bool], confidence: float = CONFIDENCE) -> Delta:
    """Estimate the difference of two proportions over the same cases, with the exact McNemar p-value.

    The interval is Tango's score interval: unlike a bootstrap it stays honest when the two hardly ever, or never,
    differ (0 of n discordant gives about +-z^2/n, not +-0). No cases give -1 to 1.

    Raises:
        ValueError: if the two do not cover the same number of cases.

    Source: Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design".
    """
    (won, lost), n = _discordant(ours, theirs), len(ours)
    if n == 0:
        return Delta(0.0, -1.0, 1.0, 1.0, 0, "tango, mcnemar")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return Delta((won - lost) / n, *tango_bounds(won, lost, n, z), mcnemar(ours, theirs), n, "tango, mcnemar")


def tango_bounds(won: float, lost: float, n: float, z: float) -> tuple[float, float]:
    """Return the interval of (won - lost) / n, of numbers that may be fractions, at ``z`` standard errors."""
    return -_where_score_is(-z, lost, won, n), _where_score_is(-z, won, lost, n)


def _where_score_is(z: float, won: float, lost: float, n: float) -> float:
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
    won, lost = _discordant(ours, theirs)
    n = won + lost
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return float(min(1.0, 2 * tail))


def _discordant(ours: Sequence[bool], theirs: Sequence[bool]) -> tuple[int, int]:
    """Return in how many cases ours alone is right, and in how many theirs alone."""
    pairs = [(bool(one), bool(other)) for one, other in zip(ours, theirs, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))
