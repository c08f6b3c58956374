"""AdamW with weight decay only where it belongs. Owns parameter groups; does not own the rate (`schedule`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

BETAS = (0.9, 0.95)
"""Source: Brown et al. 2020 (GPT-3), table D.1; the shorter second memory suits short runs."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that learn, by name; tied weights once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW over what learns: matrices decay, vectors (norms, biases) do not.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """
    parameters = trainable(model).values()
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0, betas=BETAS, fused=True)
