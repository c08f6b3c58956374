"""Rows of the embeddings for tokens added to a model: room for them, where they start, training them alone.

The rows lie in PEFT's format (``trainable_token_indices``): an adapter holds the new rows and nothing of the base.
Tied heads stay tied: the output then uses the same rows as the input. Does not own the tokenizer nor which tokens are
added (`train.tokens`).
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.trainable_tokens import TrainableTokensLayer
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedModel


def make_room(model: PreTrainedModel, rows: int) -> None:
    """Give the embeddings at least this many rows; old ones keep their bits, spare ones are used up first."""
    if rows > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def start_rows(model: PreTrainedModel, ids: Sequence[int], sources: Sequence[Sequence[int]]) -> None:
    """Set the row of each id to the mean of its source tokens' rows, in the input and, when untied, in the output.

    Source: Hewitt 2021, "Initializing new word embeddings for pretrained language models" (the mean keeps the new
    token from taking probability from all others); the mean over a description is its natural narrowing.
    """
    with torch.no_grad():
        for layer in embedding_layers(model).values():
            for values in (layer.weight, getattr(layer, "bias", None)):
                if values is not None:
                    means = [values[list(source)].float().mean(0) for source in sources]
                    values[list(ids)] = torch.stack(means).to(values.dtype)


def embedding_layers(model: PreTrainedModel) -> dict[str, Any]:
    """Return the layers that hold a row for each token, by module name: the input, and the output unless it is tied."""
    layers = [model.get_input_embeddings()]
    head = model.get_output_embeddings()
    if head is not None and head.weight is not layers[0].weight:
        layers.append(head)
    names = {module: name for name, module in model.named_modules()}
    return {names[layer]: layer for layer in layers}


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


@contextlib.contextmanager
def ties_are_kept() -> Iterator[None]:
    """Within this context PEFT does not warn that rows of a tied head need care: they are tied, saved or merged."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        yield


def learnt_rows(layer: nn.Module) -> tuple[nn.Module, torch.Tensor | None, torch.Tensor | None]:
    """Return an embedding or head as the base has it, and the ids (K) and values (K, D) of rows learnt beside it."""
    rows = getattr(layer, "token_adapter", layer)
    if not isinstance(rows, TrainableTokensLayer) or rows.merged:
        return layer, None, None
    [adapter] = rows.active_adapters
    values_KD = rows.trainable_tokens_delta[adapter]
    return rows.base_layer, torch.tensor(rows.token_indices[adapter], device=values_KD.device), values_KD


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
