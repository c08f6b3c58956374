"""How far two raters of the same cases agree, and how far beyond chance.

Owns agreement, Cohen's kappa and their intervals.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.clustered import clustered_proportion
from tunesmith.core.estimates import Estimate, bootstrap, never_certain, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunesmith.core.clusters import Clusters


def agreement(one: NDArray[np.intp], other: NDArray[np.intp], clusters: Clusters | None = None) -> Estimate:
    """Estimate the share of cases on which two raters say the same."""
    same = one == other
    return clustered_proportion(same.tolist(), clusters) if clusters else wilson(int(same.sum()), len(same))


def cohen_kappa(one: NDArray[np.intp], other: NDArray[np.intp], *, ordered: bool = False) -> float:
    """Return Cohen's kappa of two raters' categories, numbered from 0: 1 is agreement, 0 what chance gives.

    Args:
        one: one rater's categories.
        other: the other's, of the same cases.
        ordered: categories are marks, and a miss counts by the square of its distance.

    Where both say the same single category of all cases, or there are none, it has no value: NaN.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales"; Cohen 1968, "Weighted kappa".
    """
    if not len(one):
        return math.nan
    kinds = int(max(one.max(), other.max())) + 1
    seen = np.bincount(one * kinds + other, minlength=kinds * kinds).reshape(kinds, kinds) / len(one)
    apart = np.subtract.outer(np.arange(kinds), np.arange(kinds)).astype(np.float64)
    cost = apart**2 if ordered else (apart != 0).astype(np.float64)
    by_chance = float((cost * np.outer(seen.sum(1), seen.sum(0))).sum())
    return 1.0 - float((cost * seen).sum()) / by_chance if by_chance else math.nan


def kappa(
    one: NDArray[np.intp], other: NDArray[np.intp], *, ordered: bool = False, seed: int = 0,
    clusters: Clusters | None = None,
) -> Estimate:  # fmt: skip
    """Estimate Cohen's kappa by the bootstrap over cases; 0 from -1 to 1 where it has no value.

    Agreement on all n cases leaves room for about z^2/n misses, as Wilson's interval says of a share. Raters without
    skill are taken for skilled (an interval above 0) about once in 40 at most; where one category is rare, the
    interval around a true kappa is too narrow.
    """
    found = bootstrap(
        lambda index: cohen_kappa(one[index], other[index], ordered=ordered), len(one), seed=seed,
        clusters=clusters, expanded=True,
    )  # fmt: skip
    if math.isnan(found.value):
        return replace(found, value=0.0, low=-1.0, high=1.0)
    shares = np.bincount(one) / len(one)
    return never_certain(found, -1.0, 1.0, 1 / (1 - float((shares**2).sum())))
