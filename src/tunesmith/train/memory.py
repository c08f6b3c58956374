"""How much memory training takes, from what a few tokens are seen to keep, and so how many fit in one forward pass.

Owns the sum; the activations are measured on the real model, not guessed from its shape. Does not own time (`plan`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.head import CHUNK_LOGITS
from tunesmith.models.precision import compute_in
from tunesmith.train.batches import micro_batches
from tunesmith.train.loss import supervised_loss
from tunesmith.train.optimizer import trainable

if TYPE_CHECKING:
    from tunesmith.models.load import LoadedModel
    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.train.batches import TokenSet

ROW_TOKENS = {"cpu": (2048, 2048), "cuda": (512, 32768)}
"""Least and most tokens of one forward pass. On a CPU more is no faster (measured); a GPU takes what fits."""

MEASURED_TOKENS = 1024
"""Tokens of the forward pass in which activations are counted."""

HEADROOM = 0.85
"""Share of a GPU's memory that is planned with; the rest is the allocator's and the libraries'."""


def state_bytes(model: torch.nn.Module) -> int:
    """Return bytes of weights, and of gradients and AdamW's two moments of those that learn."""
    weights = sum(one.numel() * one.element_size() for one in model.parameters())
    return weights + sum(3 * one.numel() * one.element_size() for one in trainable(model).values())


def activation_bytes_per_token(loaded: LoadedModel, tokens: TokenSet, shortcuts: Shortcuts, precision: str) -> float:
    """Return the bytes that a forward pass keeps for its backward pass, per token, counted on the first examples."""
    batch = micro_batches(tokens, _first(tokens, MEASURED_TOKENS), shortcuts, MEASURED_TOKENS)[0]
    device = loaded.model.device
    seen: dict[int, int] = {one.untyped_storage().data_ptr(): 0 for one in loaded.model.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor

    loaded.model.train()
    with torch.autograd.graph.saved_tensors_hooks(note, _same), compute_in(precision, device):
        loss = supervised_loss(loaded.model, batch.to(device), shortcuts)
    del loss
    return sum(seen.values()) / batch.row.ids_BT.numel()


def row_tokens(loaded: LoadedModel, tokens: TokenSet, shortcuts: Shortcuts, precision: str) -> int:
    """Return how many tokens one forward pass takes: a function of model, data and the machine's size alone."""
    device = loaded.model.device
    least, most = ROW_TOKENS.get(device.type, ROW_TOKENS["cpu"])
    if device.type != "cuda":
        return most
    whole = HEADROOM * torch.cuda.get_device_properties(device).total_memory
    left = whole - state_bytes(loaded.model) - _head_bytes(device)
    fits = left / activation_bytes_per_token(loaded, tokens, shortcuts, precision)
    return int(min(most, max(least, fits // 256 * 256)))


def needed_bytes(loaded: LoadedModel, tokens: TokenSet, shortcuts: Shortcuts, precision: str, row: int) -> int:
    """Return the bytes that training takes at its peak, passes of ``row`` tokens included."""
    longest = max(row, max(len(one.ids) for one in tokens.rendered))
    taken = min(longest, sum(len(one.ids) for one in tokens.rendered))
    activations = taken * activation_bytes_per_token(loaded, tokens, shortcuts, precision)
    return int(state_bytes(loaded.model) + activations + _head_bytes(loaded.model.device))


def _head_bytes(device: torch.device) -> int:
    """Return the bytes of the chunk of logits in hand: as float32, as its gradient, and as what is multiplied."""
    return 3 * 4 * CHUNK_LOGITS.get(device.type, CHUNK_LOGITS["cuda"])


def _first(tokens: TokenSet, enough: int) -> list[int]:
    chosen: list[int] = []
    for index, one in enumerate(tokens.rendered):
        chosen.append(index)
        enough -= len(one.ids)
        if enough <= 0:
            break
    return chosen


def _same(tensor: Any) -> Any:
    return tensor
