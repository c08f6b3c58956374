"""Rows of the embeddings for tokens added to a model: room for them, where they start, which were learnt.

Does not own how rows are learnt alone (`token_rows`), the tokenizer, nor which tokens are added (`train.tokens`).
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedModel

_ROWS = ".trainable_tokens_delta."
"""What is in the name of rows learnt beside an embedding, in PEFT's format."""


def is_new(name: str) -> bool:
    """Tell by its name whether a weight is rows of new tokens and nothing of the base."""
    return _ROWS in name


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


@contextlib.contextmanager
def ties_are_kept() -> Iterator[None]:
    """Within this context PEFT does not warn that rows of a tied head need care: they are tied, saved or merged."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        yield


def learnt_rows(layer: nn.Module) -> tuple[nn.Module, torch.Tensor | None, torch.Tensor | None]:
    """Return an embedding or head as the base has it, and the ids (K) and values (K, D) of rows learnt beside it."""
    rows: Any = getattr(layer, "token_adapter", layer)
    if not hasattr(rows, "trainable_tokens_delta") or rows.merged:
        return layer, None, None
    [adapter] = rows.active_adapters
    values_KD = rows.trainable_tokens_delta[adapter]
    return rows.base_layer, torch.tensor(rows.token_indices[adapter], device=values_KD.device), values_KD
