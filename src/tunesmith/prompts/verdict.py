"""The winner beside the recipe's own prompt, on validation rows that chose nothing.

Owns the comparison and the sentence. There is one comparison, so nothing is corrected for several.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.compare import lead, show_rows, smallest_visible
from tunesmith.prompts.candidates import OWN

if TYPE_CHECKING:
    from tunesmith.core.estimates import Delta, Estimate
    from tunesmith.evaluate.metric import Metric

BETTER, WORSE, EVEN, SAME = "better", "worse", "not told apart", "yours"
"""What the comparison can say; `SAME`: the recipe's own prompt is the winner."""


@dataclass(frozen=True)
class Comparison:
    """Two prompts on the rows that report; ``delta`` is winner minus own, None if they are one."""

    metric: Metric
    name: str
    own: Estimate
    winner: Estimate
    delta: Delta | None

    @property
    def verdict(self) -> str:
        """`BETTER`, `WORSE`, `EVEN` or `SAME`."""
        if self.delta is None:
            return SAME
        _, low, high = lead(self.metric, self.delta)
        return BETTER if low > 0 else WORSE if high < 0 else EVEN

    @property
    def detectable(self) -> float | None:
        """The smallest true difference that these rows would show four times in five."""
        return None if self.delta is None else smallest_visible(self.delta)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts."""
        delta = self.delta and {**self.delta.as_dict(), "detectable": self.detectable}
        return {"own": self.own.as_dict(), "winner": self.winner.as_dict(), "delta": delta}

    def sentence(self) -> str:
        """Return what the search brought."""
        rows = show_rows(self.own.n, self.own.clusters)
        if self.delta is None:
            return (
                f"No prompt does better than yours on the rows that chose: keep it; "
                f"{self.metric.name} {told(self.own)} on {rows} that chose nothing"
            )
        value, low, high = lead(self.metric, self.delta)
        by = f"{abs(value):.3f}"
        interval = f"[{low:.3f}, {high:.3f}]" if value >= 0 else f"[{-high:.3f}, {-low:.3f}]"
        facts = f"{self.metric.name} {told(self.winner)} beside {told(self.own)} of {OWN}, on {rows} that chose nothing"
        if self.verdict == BETTER:
            return f"{self.name} is better by {by} {interval}: {facts}"
        if self.verdict == WORSE:
            return f"{self.name}, the best where it was chosen, is worse by {by} {interval}: keep yours; {facts}"
        side = "better" if value >= 0 else "worse"
        return (
            f"{self.name} and {OWN} are not told apart ({side} by {by} {interval}): keep yours; {facts}; "
            f"a difference of {self.detectable:.3f} would show four times in five"
        )


def told(estimate: Estimate) -> str:
    """Return a value with its interval for people."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
