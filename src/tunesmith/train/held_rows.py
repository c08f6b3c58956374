"""Rows of the embeddings that stay, bit for bit, while the others learn: ``freeze.rows``.

Owns how they are held. Does not own which they are (`freeze`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn


class HeldRows:
    """Rows that stay, and their values, kept beside the weights.

    Decay, noise and a moment of Adam move a row without a gradient, so after each step the values are written back.

    Args:
        weights: the matrices and vectors whose rows they are, by name; of one device.
        rows: which of each.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], rows: Sequence[int]) -> None:
        self._weights = dict(weights)
        device = next((one.device for one in weights.values()), None)
        self._rows = torch.tensor(rows, dtype=torch.long, device=device)
        self._values = {name: one.detach()[self._rows] for name, one in self._weights.items()}

    def numel(self, name: str) -> int:
        """Return how many numbers of a weight are held."""
        return self._values[name].numel() if name in self._values else 0

    def drop_gradients(self) -> None:
        """Set their gradients to zero: they count for no norm and make no moment."""
        for weight in self._weights.values():
            if weight.grad is not None:
                weight.grad.index_fill_(0, self._rows, 0)

    @torch.no_grad()
    def put_back(self, *_of_a_hook: Any) -> None:
        """Give the rows their values again."""
        for name, weight in self._weights.items():
            weight.index_copy_(0, self._rows, self._values[name])


NONE_HELD = HeldRows({}, ())
