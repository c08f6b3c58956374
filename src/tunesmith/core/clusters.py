"""Rows that belong together: questions about one document, turns of one customer.

Owns which rows form a cluster, how clusters are resampled, and how much less such rows say than as many of their own.
Does not own intervals and tests (`estimates`, `clustered`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of every row, numbered from 0 without a gap."""

    of: NDArray[np.intp]

    @classmethod
    def named(cls, names: Sequence[str | None]) -> Clusters | None:
        """Return the clusters of rows by name, a row without one on its own; None if none holds two rows, or one all.

        From a single cluster nothing can be learnt about another one.
        """
        places: dict[object, int] = {}
        keys = [("row", row) if name is None else name for row, name in enumerate(names)]
        of = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.intp)
        return cls(of) if 1 < len(places) < len(names) else None

    @property
    def count(self) -> int:
        """How many clusters there are."""
        return int(self.of.max()) + 1

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of some values, one per row, in each cluster."""
        return np.bincount(self.of, weights=values, minlength=self.count).astype(np.float64)

    def design_effect(self, values: NDArray[np.float64]) -> float:
        """Return how many times larger the variance of a mean is than were all rows of their own; at least 1.

        At most what it is if all rows of a cluster agree, which is also the answer where all rows do: nothing is known
        of how they differ then.

        Source: Kish, "Survey sampling", 1965, chapter 5; the variance as in Cameron and Miller, "A practitioner's guide
        to cluster-robust inference", 2015, with their factor G / (G - 1).
        """
        sizes = np.bincount(self.of).astype(np.float64)
        n, most = len(values), float((sizes**2).sum() / len(values))
        centred = values - values.mean()
        plain = float((centred**2).sum()) / n**2
        if plain == 0:
            return most
        robust = self.count / (self.count - 1) * float((self.sums(centred) ** 2).sum()) / n**2
        return min(max(robust / plain, 1.0), most)

    def resampler(self) -> Callable[[np.random.Generator], NDArray[np.intp]]:
        """Return what draws as many clusters as there are, with repetition, and gives their rows."""
        order = np.argsort(self.of, kind="stable")
        sizes = np.bincount(self.of)
        starts = np.cumsum(sizes) - sizes

        def draw(generator: np.random.Generator) -> NDArray[np.intp]:
            chosen = generator.integers(0, len(sizes), len(sizes))
            lengths = sizes[chosen]
            within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            rows: NDArray[np.intp] = order[np.repeat(starts[chosen], lengths) + within]
            return rows

        return draw
