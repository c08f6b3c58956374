"""How sure a metric is: its interval on some rows, and the paired difference of two systems.

Owns which method a metric gets. Does not own the methods (`core.estimates`, `core.clustered`) nor metrics (`metrics`).
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, TypeVar

from tunesmith.core.clustered import clustered_paired_proportions, clustered_proportion
from tunesmith.core.estimates import (
    CONFIDENCE,
    Delta,
    Estimate,
    bootstrap,
    paired_proportions,
    paired_statistic,
    wilson,
)
from tunesmith.evaluate.metrics import rows_in, take

if TYPE_CHECKING:
    from tunesmith.core.clusters import Clusters
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metrics import Metric

Found = TypeVar("Found", Estimate, Delta)

_Z2 = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) ** 2


def estimate(metric: Metric, columns: Columns, clusters: Clusters | None, seed: int) -> Estimate:
    """Return a metric with its interval: Wilson's for proportions, else the seeded bootstrap over rows.

    ``clusters`` are those of the rows; None if each row stands for itself.
    """
    if metric.share_of is not None:
        right = columns[metric.share_of]
        return clustered_proportion(right.tolist(), clusters) if clusters else wilson(int(right.sum()), len(right))
    found = bootstrap(
        lambda index: metric.value(take(columns, index)),
        rows_in(columns), seed=seed, clusters=clusters, expanded=True,
    )  # fmt: skip
    return _never_certain(found, 0.0) if metric.is_share else found


def difference(metric: Metric, ours: Columns, theirs: Columns, clusters: Clusters | None, seed: int) -> Delta:
    """Return ours minus theirs over the same rows in the same order."""
    if metric.share_of is not None:
        one, other = ours[metric.share_of].tolist(), theirs[metric.share_of].tolist()
        return clustered_paired_proportions(one, other, clusters) if clusters else paired_proportions(one, other)
    found = paired_statistic(
        lambda index: metric.value(take(ours, index)) - metric.value(take(theirs, index)),
        rows_in(ours), seed=seed, clusters=clusters, expanded=True,
    )  # fmt: skip
    return _never_certain(found, -1.0) if metric.is_share else found


def _never_certain(found: Found, least: float) -> Found:
    """Widen an interval of no width, which resampling gives when all rows are alike, as far as n cases allow.

    Cases that show no exception out of n leave room for about z^2/n of them, as Wilson's and Tango's intervals say.
    """
    if found.low < found.high:
        return found
    room = _Z2 / ((found.clusters or found.n) + _Z2)
    return replace(found, low=max(least, found.low - room), high=min(1.0, found.high + room))
