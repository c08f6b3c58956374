"""LoRA's layer in PEFT's format: the same weights under the same names, the same result but for less rounding.

Imports PEFT, which takes a second: only for models that have an adapter. Does not own which maps have one
(`train.adapters`).

Source: Hu et al. 2022, "LoRA: Low-rank adaptation of large language models", equation 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora import Linear
from torch import nn

from tunesmith.models.precision import product_type

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_direct(model: nn.Module) -> None:
    """Make the plain low-rank maps of a PEFT model direct; those of DoRA, or with a bias of their own, stay PEFT's."""
    for layer in _plain_layers(model):
        layer.__class__ = _LowRank


def _plain_layers(model: nn.Module) -> Iterator[Any]:
    layers: list[Any] = [one for one in model.modules() if type(one) is Linear]
    return (one for one in layers if not one.lora_variant and not any(one.lora_bias.values()))


class _LowRank(Linear):  # type: ignore[misc]
    """PEFT's layer without its copies and with one rounding.

    PEFT widens the input to float32 for the small matrices, which autocast narrows again, and rounds the product, the
    product scaled and the sum.
    """

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the map of inputs (..., I): outputs (..., O), in the type that autocast says."""
        if args or kwargs or self.disable_adapters or self.merged or not self._is_direct(x):
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        [name] = self.active_adapters
        x = x.to(product_type(x))
        base: torch.Tensor = self.base_layer(x)
        small = nn.functional.linear(self.lora_dropout[name](x), self.lora_A[name].weight).flatten(0, -2)
        up_RO = self.lora_B[name].weight.t()
        return torch.addmm(base.flatten(0, -2), small, up_RO, alpha=self.scaling[name]).view_as(base)

    def _is_direct(self, x: torch.Tensor) -> bool:
        """Tell whether one adapter of this layer acts, in the type of the input."""
        [name, *others] = self.active_adapters
        if others or name not in self.lora_A:
            return False
        return torch.is_autocast_enabled(x.device.type) or x.dtype == self.lora_A[name].weight.dtype
