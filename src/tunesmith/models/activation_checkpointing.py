"""Activation checkpointing: of a layer only its input is kept, and the rest computed again when gradients are made.

A third more work for a fraction of the memory; the gradients are the same to the last bit, for dropout falls as it did.
The last layer is kept whole: its gradients are made first, and its work is pruned by hooks. Does not own when it is
needed (`train.memory`).

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from tunesmith.models.forward import causal_lm
from tunesmith.models.layers import decoder_layers
from tunesmith.models.packed import as_now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from torch import nn


def checkpoint_activations(model: nn.Module, first: int = 0) -> int:
    """Let a decoder's layers from the first on, but the last, compute again what they would keep; return how many."""
    layers = _able(model)[first:-1] if len(_able(model)) == len(decoder_layers(causal_lm(model))) else []
    for layer in layers:
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False, context_fn=_contexts)
        layer.gradient_checkpointing = True
    return len(layers)


def checkpointed(model: nn.Module) -> int:
    """Return how many layers compute again what they would keep."""
    return sum(layer.gradient_checkpointing for layer in _able(model))


@contextlib.contextmanager
def keeping(model: nn.Module) -> Iterator[None]:
    """Within this context all layers keep what they compute."""
    layers = [layer for layer in _able(model) if layer.gradient_checkpointing]
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True


def _able(model: nn.Module) -> list[Any]:
    return [one for one in decoder_layers(causal_lm(model)) if isinstance(one, GradientCheckpointingLayer)]


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Return the contexts of a layer's two passes: the second comes when the row's own context has ended."""
    return contextlib.nullcontext(), as_now()
