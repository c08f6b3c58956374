"""Decoder layers as compiled code: one graph for all layers and lengths, made once a run.

Owns when it pays: what it saves per step must outweigh a minute of compiling, which it does on a GPU. There attention
is part of the graph, which is handed where segments end; on a CPU it stays outside. The last layer always does: its
work is pruned by hooks.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

import torch

from tunesmith.models.forward import causal_lm
from tunesmith.models.head import compile_head
from tunesmith.models.layers import decoder_layers

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAYS_FROM_STEPS = 100


def pays(device: torch.device, total_steps: int) -> bool:
    """Tell whether compiling is worth it."""
    return device.type == "cuda" and total_steps >= PAYS_FROM_STEPS


def cannot(device: torch.device) -> str:
    """Return why layers cannot be compiled on this machine; empty if they can."""
    wanted = os.environ.get("CXX") or "g++"
    if device.type == "cpu" and not shutil.which(wanted):
        return f"there is no C++ compiler ({wanted}) on this machine"
    return ""


def compile_layers(model: PreTrainedModel, backend: str = "inductor", first: int = 0) -> None:
    """Compile every decoder layer from the first on but the last, in place; names of weights stay.

    On a GPU also the head's softmax; on a CPU its chunks lie in the cache, and a pass more costs little.
    """
    inner = causal_lm(model)
    for layer in decoder_layers(inner)[first:-1]:
        layer.compile(dynamic=True, backend=backend)
    with contextlib.suppress(TypeError):
        if inner.device.type == "cuda":
            compile_head(inner.get_output_embeddings(), backend)
