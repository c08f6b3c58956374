"""Weights averaged over the steps, which are validated, kept and saved in place of the last ones.

Owns which steps count and how much. Does not own which weights learn (`freeze`) nor where they are kept (`checkpoint`).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from tunesmith.train.parts import as_lies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import nn

    from tunesmith.recipe import Regularise


class Average:
    """A second set of the weights that learn, in float32: an exponential mean, or the plain mean of the last steps.

    Args:
        weights: what learns, by name.
        first: the first step that counts.
        decay: what the mean keeps of itself in a step; 0 for a plain mean.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], first: int, decay: float) -> None:
        self._weights, self._first, self._decay, self._seen = weights, first, decay, 0
        self.tensors = {name: weight.detach().clone() for name, weight in weights.items()}

    @classmethod
    def of(cls, settings: Regularise, weights: Mapping[str, nn.Parameter], total_steps: int) -> Average | None:
        """Return the mean that a recipe asks for, if it asks for one."""
        if settings.ema:
            return cls(weights, 0, settings.ema)
        if settings.average:
            return cls(weights, total_steps - max(1, round(settings.average * total_steps)), 0.0)
        return None

    @torch.no_grad()
    def see(self, step: int) -> None:
        """Take in the weights after a step that moved them; steps must come in order.

        Source: Polyak & Juditsky 1992 (plain mean); Izmailov et al. 2018, "SWA" (of the end of a run); for the warm-up
        of the exponential mean, min(decay, (1 + n) / (10 + n)), TensorFlow's ExponentialMovingAverage.
        """
        if step < self._first:
            return
        seen = self._seen
        keep = min(self._decay, (1 + seen) / (10 + seen)) if self._decay else seen / (seen + 1)
        for name, weight in self._weights.items():
            self.tensors[name].lerp_(weight.detach(), 1 - keep)
        self._seen += 1

    def load(self, tensors: Mapping[str, torch.Tensor], steps: Iterable[int]) -> None:
        """Go on from what was kept after these steps moved the weights."""
        for name, value in tensors.items():
            self.tensors[name].copy_(as_lies(value, self.tensors[name]))
        self._seen = sum(step >= self._first for step in steps)

    def settle(self) -> None:
        """Make the mean the model's weights, if it has begun."""
        if self._seen:
            self._swap()

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Within this context the model's weights are the mean, if it has begun."""
        self.settle()
        try:
            yield
        finally:
            self.settle()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, weight in self._weights.items():
            kept = weight.detach().clone()
            weight.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)
