"""One forward pass over a row of sequences, as far as the input of the head, with only the work that is needed.

Owns how a model is called when its input is packed. Does not own the head's loss (`head`) nor which shortcuts an
architecture allows (`shortcuts`). Legend: B rows, T positions, N wanted positions, M distinct ones, D width.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.last_layer import last_layer_at
from tunesmith.models.packed import attending_within
from tunesmith.models.transfer import sent

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from transformers import PreTrainedModel

    from tunesmith.models.frozen_layers import Entry
    from tunesmith.models.packed import Packing

SMALLEST_SAVING = 0.1
"""If fewer than this share of positions can be left out of the last layer, selecting costs more than it saves."""


@dataclass(frozen=True)
class Row:
    """Input of one forward pass: one packed row (B is 1) or several padded on the right.

    Args:
        ids_BT: token ids.
        wanted_N: positions in the flattened input (B·T) whose output is read; may repeat.
        packing: how the packed row is made up; None for padded rows.
        lengths: tokens of each padded row; empty for a packed one.
        entry: states with which the pass begins above frozen layers; None to begin with the embeddings.
    """

    ids_BT: torch.Tensor
    wanted_N: torch.Tensor
    packing: Packing | None = None
    lengths: tuple[int, ...] = ()
    entry: Entry | None = None

    def lengths_BT(self) -> torch.Tensor:
        """Return how long the sequence of each position is; a shared beginning is in the mean of its sequences."""
        if self.packing is not None:
            return self.packing.sequence_lengths()[None]
        return torch.tensor(self.lengths, dtype=torch.float32)[:, None].expand(self.ids_BT.shape)

    def to(self, device: torch.device) -> Row:
        """Return the row on a device; the wanted places stay where they are, for they shape the work."""
        entry = None if self.entry is None else self.entry.to(device)
        return replace(self, ids_BT=sent(self.ids_BT, device), entry=entry)

    def distinct(self) -> torch.Tensor | None:
        """Return the distinct wanted positions (M); None if they are nearly all."""
        wanted_M = torch.unique(self.wanted_N)
        return wanted_M if len(wanted_M) <= (1 - SMALLEST_SAVING) * self.ids_BT.numel() else None


def causal_lm(model: Any) -> Any:
    """Return the model of `transformers` inside a PEFT wrapper, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def hidden_at(model: PreTrainedModel, row: Row, *, prune_last_layer: bool) -> torch.Tensor:
    """Return what the head reads at the wanted positions (N, D)."""
    decoder: Any = causal_lm(model).get_decoder()
    device = row.ids_BT.device
    with _last_layer(model, row, device) if prune_last_layer else contextlib.nullcontext():
        output = call_on(decoder, row)
    hidden_ND: torch.Tensor = output.last_hidden_state.flatten(0, 1).index_select(0, sent(row.wanted_N, device))
    return hidden_ND


def call_on(model: Any, row: Row) -> Any:
    """Call a model, or its decoder, on a row."""
    with entering(row.entry):
        if row.packing is None:
            return model(input_ids=row.ids_BT, use_cache=False)
        device = row.ids_BT.device
        positions_1T = sent(row.packing.positions()[None], device)
        with attending_within(row.packing, device) as segments:
            return model(input_ids=row.ids_BT, position_ids=positions_1T, use_cache=False, **segments)


def entering(entry: Entry | None) -> AbstractContextManager[None]:
    """Return the context in which a pass begins with an entry's states, or as usual without one."""
    return contextlib.nullcontext() if entry is None else entry.layers.left_out(entry.states_BTD)


def _last_layer(model: PreTrainedModel, row: Row, device: torch.device) -> AbstractContextManager[None]:
    wanted_M = row.distinct()
    return contextlib.nullcontext() if wanted_M is None else last_layer_at(causal_lm(model), sent(wanted_M, device))
