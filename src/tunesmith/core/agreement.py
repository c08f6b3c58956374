"""How far two raters of the same cases agree, and how far beyond chance.

Owns agreement, Cohen's kappa and their intervals.
"""

from __future__ import annotations

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

    Where both say the same single category of all cases nothing beyond chance can be seen: 0.

    Source: Cohen 1960, "A coefficient of agreement for nominal scales"; Cohen 1968, "Weighted kappa".
    """
    if not len(one):
        return 0.0
    kinds = int(max(one.max(), other.max())) + 1
    seen = np.bincount(one * kinds + other, minlength=kinds * kinds).reshape(kinds, kinds) / len(one)
    apart = np.subtract.outer(np.arange(kinds), np.arange(kinds)).astype(np.float64)
    cost = apart**2 if ordered else (apart != 0).astype(np.float64)
    by_chance = float((cost * np.outer(seen.sum(1), seen.sum(0))).sum())
    return 1.0 - float((cost * seen).sum()) / by_chance if by_chance else 0.0


def kappa(
    one: NDArray[np.intp], other: NDArray[np.intp], *, ordered: bool = False, seed: int = 0,
    clusters: Clusters | None = None,
) -> Estimate:  # fmt: skip
    """Estimate Cohen's kappa by the bootstrap over cases; no cases give NaN and no bounds.

    Agreement on all n cases leaves room for about z^2/n misses, as Wilson's interval says of a share.
    """
    found = bootstrap(
        lambda index: cohen_kappa(one[index], other[index], ordered=ordered), len(one), seed=seed,
        clusters=clusters, expanded=True,
    )  # fmt: skip
    if found.n == 0 or found.value == 0:  # nothing beyond chance was seen
        return found
    shares = np.bincount(one) / len(one)
    return never_certain(found, -1.0, 1.0, 1 / (1 - float((shares**2).sum())))
