"""How far a run is: what the loop counts, watchers are handed, and a checkpoint holds.

Knows nothing of torch, so that a run at a service, whose machine need not have it, tells of its steps in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tunesmith.train.stop import BestSoFar


@dataclass
class Progress:
    """How far a run is: ``step`` steps are done, ``stopped_by`` is empty while it goes on.

    ``anchor`` is the look at the validation rows that the next gain is measured from, ``lowest`` that of the lowest
    validation loss, ``overfitting`` what `overfit` found of it, ``backed_off`` the share of the planned rate that
    `guard` left. ``read_tokens`` counts a beginning that sequences share once, and padding. ``timed`` has for each step
    its number, the tokens of its sequences, those that were read, and the seconds it took.
    """

    step: int = 0
    stopped_by: str = ""
    best: BestSoFar = field(default_factory=BestSoFar)
    tokens: int = 0
    read_tokens: int = 0
    target_tokens: int = 0
    seconds: float = 0.0
    validations: list[float] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    anchor: dict[str, list[Any]] = field(default_factory=dict)
    lowest: dict[str, Any] = field(default_factory=dict)
    overfitting: dict[str, float] = field(default_factory=dict)
    backed_off: float = 1.0
    timed: list[list[float]] = field(default_factory=list)

    @property
    def taken(self) -> list[int]:
        """The steps, from 0, that moved the weights: all but those that `guard` left out."""
        return [row["step"] - 1 for row in self.metrics if "skipped" not in row]
