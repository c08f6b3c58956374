"""What moves weights in a step besides the gradient and its decay: a pull to where they started, noise.

Does not own weight decay (`optimizer`) nor noise on activations (`models.dropout`, `models.embedding_noise`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from tunesmith.train.parts import rows_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

NOISE_FALLS = 0.55
"""Source: Neelakantan et al. 2015, "Adding gradient noise improves learning for very deep networks", equation 1."""


class Start:
    """Where the weights that learn began: the base's values, kept in memory beside them.

    Args:
        weights: what learns.
        new: for some of them rows that the base does not have, which nothing pulls.
    """

    def __init__(self, weights: Iterable[nn.Parameter], new: Mapping[nn.Parameter, Sequence[int]]) -> None:
        self._start = {id(weight): weight.detach().clone() for weight in weights}
        self._new = {id(weight): rows for weight, rows in new.items()}

    @torch.no_grad()
    def pull(self, optimizer: torch.optim.Optimizer, strength: float) -> None:
        """Move every weight ``rate · strength`` of its way back to the start, beside the gradient and not through it.

        Source: Li et al. 2018, "Explicit inductive bias for transfer learning with convolutional networks" (L2-SP),
        decoupled from Adam's scaling as Loshchilov & Hutter 2019 decouple weight decay.
        """
        for group in optimizer.param_groups:
            for weight in group["params"]:
                here, new = rows_here(weight, self._new.get(id(weight), ()))
                free = here[new] if new else here
                weight.lerp_(self._start[id(weight)], group["lr"] * strength)
                if new:
                    here[new] = free


@torch.no_grad()
def add_noise(weights: Iterable[nn.Parameter], share: float, step: int, seed: int, held: int = 0) -> None:
    """Add Gaussian noise to the gradients, whose norm is a share of theirs at step 0 and falls with the steps.

    ``held`` numbers among them have no gradient and stay whatever they get, so they share nothing of the norm.

    The source fixes the variance whatever the gradient; as a share of its norm it means the same in every model.

    Source: Neelakantan et al. 2015; the fall of the variance is (1 + step) ^ -`NOISE_FALLS`.
    """
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    count = sum(gradient.numel() for gradient in gradients) - held
    if count <= 0:
        return
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients]))
    size = norm * (share * (1 + step) ** (-NOISE_FALLS / 2) / math.sqrt(count))
    generator = torch.Generator(gradients[0].device).manual_seed(seed * 1_000_003 + step)
    for gradient in gradients:
        gradient.add_(torch.empty_like(gradient).normal_(generator=generator) * size)
