"""Proportions and their paired differences where rows come in clusters.

Owns the intervals that count clustered rows for less, and the exact test that swaps whole clusters. Does not own what a
cluster is (`clusters`) nor the plain forms of the same intervals (`estimates`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.estimates import CONFIDENCE, Delta, Estimate, tango_bounds, wilson_bounds
from tunesmith.core.student import t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.clusters import Clusters


def clustered_proportion(right: Sequence[bool], clusters: Clusters) -> Estimate:
    """Estimate a proportion: Wilson's interval at the effective number of rows, with Student's quantile.

    Source: Korn and Graubard 1998 (the effective number); Dean and Pagano, "Evaluating confidence interval methods for
    binomial proportions in clustered surveys", 2015 (Wilson's form).
    """
    values = np.asarray(right, dtype=np.float64)
    n = len(values)
    effective = n / clusters.design_effect(values)
    low, high = wilson_bounds(float(values.mean()), effective, t_quantile(CONFIDENCE, clusters.count - 1))
    return Estimate(float(values.mean()), low, high, n, "wilson, clustered", clusters.count)


def clustered_paired_proportions(ours: Sequence[bool], theirs: Sequence[bool], clusters: Clusters) -> Delta:
    """Estimate the difference of two proportions over the same rows: Tango's interval at the effective number of rows.

    The p-value is that of `sign_flip`.
    """
    won, lost = np.asarray(ours, dtype=bool), np.asarray(theirs, dtype=bool)
    values = won.astype(np.float64) - lost
    n, effect = len(values), clusters.design_effect(values)
    more, less = float((values > 0).sum()) / effect, float((values < 0).sum()) / effect
    low, high = tango_bounds(more, less, n / effect, t_quantile(CONFIDENCE, clusters.count - 1))
    p = sign_flip(clusters.sums(values).astype(np.int64).tolist())
    return Delta(float(values.mean()), low, high, p, n, "tango, sign flip, clustered", clusters.count)


def sign_flip(sums: Sequence[int]) -> float:
    """Return the exact two-sided p-value that neither system is better, from ours minus theirs in each cluster.

    Were neither better, each cluster's sum would be as likely with the other sign; all 2^clusters signs are counted, by
    convolution. Of clusters of one row this is McNemar's exact test.

    Source: Fisher 1935, "The design of experiments", section 21; McNemar 1947.
    """
    total, reach = abs(sum(sums)), sum(abs(one) for one in sums)
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1.0
    for one in sums:
        if one:
            step = abs(one)
            shifted = np.zeros_like(chances)
            shifted[step:] += chances[:-step] / 2
            shifted[:-step] += chances[step:] / 2
            chances = shifted
    far = np.abs(np.arange(-reach, reach + 1)) >= total
    return min(1.0, float(chances[far].sum()))
