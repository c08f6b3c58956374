"""Rows of the embeddings that learn alone, or lie in memory with the base's.

The rows are in PEFT's format (``trainable_token_indices``): an adapter holds the new rows and nothing of the base. Tied
heads stay tied: the output then uses the same rows as the input. Imports PEFT, which takes a second: only for models
that have an adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator


def learn_rows_only(model: nn.Module) -> None:
    """Make a PEFT model's token rows cheap to train: gradients are computed for these rows, never for the matrix."""
    for layer in _row_layers(model):
        layer.__class__ = _Rows
        for rows in layer.trainable_tokens_delta.values():
            rows.data = rows.data.float()


def put_rows_in(model: nn.Module) -> None:
    """Write a loaded adapter's rows into the base's embeddings in memory, so that a forward pass copies no matrix."""
    for layer in _row_layers(model):
        if not layer.merged:
            layer.merge()


def take_rows_out(model: nn.Module) -> None:
    """Undo `put_rows_in`, before rows are trained on or merged by PEFT."""
    for layer in _row_layers(model):
        if layer.merged:
            layer.unmerge()


def _row_layers(model: nn.Module) -> Iterator[Any]:
    return (module for module in model.modules() if isinstance(module, TrainableTokensLayer))


class _Rows(TrainableTokensLayer):  # type: ignore[misc]
    """PEFT's layer with the same weights and the same result, which touches only the rows of its tokens.

    PEFT writes the rows into a copy of the whole matrix at every pass, and its head computes that matrix's gradient.
    """

    def forward_adapters(self, x: torch.Tensor, active_adapters: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Return the layer's output: embeddings of ids (B, T), or logits (..., V) of hidden states (..., D)."""
        if self.disable_adapters or self.merged or not active_adapters:
            return super().forward_adapters(x, active_adapters, *args, **kwargs)  # type: ignore[no-any-return]
        [adapter] = active_adapters
        rows_ND = self.trainable_tokens_delta[adapter]
        ids_N = torch.tensor(self.token_indices[adapter], device=x.device)
        if isinstance(self.base_layer, nn.Embedding):
            return self._embed(x, ids_N, rows_ND)
        logits = self.base_layer(x)
        bias = None if self.base_layer.bias is None else self.base_layer.bias[ids_N]
        return logits.index_copy_(-1, ids_N, nn.functional.linear(x, rows_ND.to(x.dtype), bias).to(logits.dtype))  # type: ignore[no-any-return]

    def _embed(self, ids_BT: torch.Tensor, ids_N: torch.Tensor, rows_ND: torch.Tensor) -> torch.Tensor:
        hits_BTN = ids_BT[..., None] == ids_N
        scale = self._get_embed_scale()  # Gemma's embedding multiplies
        new_BTD = nn.functional.embedding(hits_BTN.to(torch.uint8).argmax(-1), rows_ND)
        base_BTD: torch.Tensor = self.base_layer(ids_BT)
        new_BTD = new_BTD.to(base_BTD.dtype)
        if scale is not None:
            new_BTD = new_BTD * scale.to(base_BTD.dtype)
        return torch.where(hits_BTN.any(-1, keepdim=True), new_BTD, base_BTD)
