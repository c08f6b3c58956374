"""How arithmetic is done: the type of the matrix products, and whether it gives the same bits every time.

Weights that train are always float32.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextlib.contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Within this context torch uses only algorithms that give the same bits every time (it warns on a GPU)."""
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    flags: Any = torch.utils.deterministic
    filled = flags.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    flags.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        flags.fill_uninitialized_memory = filled
