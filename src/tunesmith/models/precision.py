"""Where and how arithmetic is done: the device, the type of the products, whether it gives the same bits every time.

Weights that train are always float32.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import torch


def choose_device(wanted: str) -> torch.device:
    """Return the device of that name, or for ``auto`` the GPU if there is one (`CUDA_VISIBLE_DEVICES` says which)."""
    import torch

    device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted)
    if device.type == "cuda":  # read by torch at its first matrix product; without it cuBLAS may sum in another order
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return device


def choose_precision(wanted: str, device: torch.device) -> str:
    """Return ``bfloat16`` or ``float32``: what was asked for, or for ``auto`` bfloat16 where hardware has it."""
    import torch

    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "float32"


def arithmetic(device: torch.device, weights: str, precision: str) -> str:
    """Return in words how answers are computed: the device, the weights' type, the products' type."""
    return f"{device.type}, weights in {weights}, products in {choose_precision(precision, device)}"


def made_here(precision: str) -> str:
    """Return `arithmetic` of a model as it is loaded on this machine."""
    return arithmetic(choose_device("auto"), "float32", precision)


def compute_in(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which to run a forward pass at a precision."""
    import torch

    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def product_type(x: torch.Tensor) -> torch.dtype:
    """Return the type in which autocast, if it is on, wants products of a tensor."""
    import torch

    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


def halve_frozen(model: torch.nn.Module, precision: str) -> None:
    """Keep the matrices that do not learn in the type they are multiplied in: the same products, half the memory.

    The other weights get memory of their own, so that the file they lie in, and with it the whole matrices, can go.
    """
    import torch

    if precision != "bfloat16":
        return
    frozen = [one.weight for one in model.modules() if type(one) is torch.nn.Linear and not one.weight.requires_grad]
    for weight in frozen:
        weight.data = weight.data.to(torch.bfloat16)
    if frozen:
        for weight in model.parameters():
            weight.data = weight.data if weight.dtype == torch.bfloat16 else weight.data.clone()


def restore_halved(model: torch.nn.Module, load_again: Callable[[], torch.nn.Module]) -> None:
    """Give what `halve_frozen` rounded its bits back, for whole weights to be written; loads only if something was."""
    import torch

    halved = {name: weight for name, weight in model.named_parameters() if weight.dtype == torch.bfloat16}
    if not halved:
        return
    exact = {_plain(name): weight for name, weight in load_again().named_parameters()}
    for name, weight in halved.items():
        weight.data = exact[_plain(name)].data


def _plain(name: str) -> str:
    """Return a weight's name without what PEFT adds to it."""
    for wrapping in (".token_adapter", ".base_layer"):
        name = name.replace(wrapping, "")
    return name.removeprefix("base_model.model.")


@contextlib.contextmanager
def exact_arithmetic(wanted: bool = True) -> Iterator[None]:
    """Within this context torch uses only algorithms that give the same bits every time; not ``wanted``: any.

    On a GPU attention leaves out cuDNN's kernel, whose backward pass sums in whatever order it comes.

    Raises:
        RuntimeError: by torch, at an operation that has no such algorithm.
    """
    import torch

    if not wanted:
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    flags: Any = torch.utils.deterministic
    attention: Any = torch.backends.cuda
    filled, cudnn = flags.fill_uninitialized_memory, attention.cudnn_sdp_enabled()
    torch.use_deterministic_algorithms(True)
    flags.fill_uninitialized_memory = False
    attention.enable_cudnn_sdp(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        flags.fill_uninitialized_memory = filled
        attention.enable_cudnn_sdp(cudnn)
