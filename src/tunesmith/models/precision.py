"""What the matrix products are computed in. Owns the choice; weights that train are always float32."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return ``bfloat16`` or ``float32``: what was asked for, or for ``auto`` bfloat16 where hardware has it."""
    import torch

    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "float32"


def compute_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which to run a forward pass at a precision."""
    import torch

    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
