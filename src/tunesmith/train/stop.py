"""When to stop, and which step was best. Pure state: what it saw decides what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.recipe import EarlyStopping


@dataclass
class BestSoFar:
    """Keeps the best validation value; lower is better, so of a metric where more is better it is the negative.

    ``anchor`` is the value the next one must beat by the least gain to reset the patience; the best is kept by plain
    comparison, so a small real gain is never thrown away.
    """

    step: int = -1
    value: float = float("inf")
    anchor: float = float("inf")
    without_gain: int = 0

    def see(self, step: int, cost: float, least_gain: float) -> bool:
        """Take in a validation; return whether it is the best so far. NaN is never the best."""
        if cost < self.anchor - least_gain:
            self.anchor, self.without_gain = cost, 0
        else:
            self.without_gain += 1
        if cost < self.value:
            self.step, self.value = step, cost
            return True
        return False

    def should_stop(self, settings: EarlyStopping | None) -> bool:
        """Tell whether the patience has run out."""
        return settings is not None and self.without_gain >= settings.patience
