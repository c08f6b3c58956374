"""Noise on the input embeddings while a model trains (NEFTune). Does not own dropout of embeddings (`dropout`)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PreTrainedModel


@contextlib.contextmanager
def noisy_embeddings(model: PreTrainedModel, alpha: float, lengths_BT: torch.Tensor) -> Iterator[None]:
    """Within this context every embedding gets uniform noise of ±alpha / √(tokens of its sequence · width).

    Args:
        model: a causal language model.
        alpha: 5 to 15 are usual; 0 adds nothing.
        lengths_BT: tokens of the sequence that each position belongs to.

    Source: Jain et al. 2023, "NEFTune: noisy embeddings improve instruction finetuning", algorithm 1.
    """

    def add(_module: Any, _inputs: Any, output_BTD: torch.Tensor) -> torch.Tensor:
        most_BT1 = alpha / (lengths_BT.to(output_BTD.device).float()[..., None] * output_BTD.shape[-1]).sqrt()
        return output_BTD + (2 * torch.rand_like(output_BTD) - 1) * most_BT1.to(output_BTD.dtype)

    if not alpha:
        yield
        return
    handle = model.get_input_embeddings().register_forward_hook(add)
    try:
        yield
    finally:
        handle.remove()
