"""The shortcuts one by one, and the models on which each is held to plain `transformers`."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from families import family_config
from tunesmith.models.shortcuts import ALL, Shortcuts, exact_shortcuts

TRACING = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor:UserWarning",
    "ignore:.*torch.jit.script_method:DeprecationWarning",
    "ignore:TensorFloat32 tensor cores:UserWarning",
)
"""Torch's own warnings while it compiles."""

VOCABULARY = 256
SWITCHES = {
    "none": Shortcuts(),
    "packed": Shortcuts(packed=True),
    "shared": Shortcuts(packed=True, shared=True),
    "last_layer": Shortcuts(head=True, last_layer=True),
    "head": Shortcuts(head=True),
    "all": ALL,
}

FOUND = {
    "gemma2": Shortcuts(),
    "granite": Shortcuts(packed=True, shared=True),
    "bloom": Shortcuts(head=True),
    "falcon-h1": Shortcuts(head=True, last_layer=True),
}


@cache
def models_of(family: str, layers: int = 2) -> tuple[Any, Any]:
    """Return a family's tiny model twice: as `transformers` makes it, and set to attend within packed rows."""
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(family_config(family, layers)).eval()  # gpt2 has dropout
    packed = deepcopy(plain)
    assert exact_shortcuts(packed, "float32") == FOUND.get(family, ALL)
    return plain, packed
