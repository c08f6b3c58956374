"""How much memory training takes, from what a few tokens are seen to keep, and so how many fit in one forward pass.

Owns the sum; the activations are measured on the real model, not guessed from its shape. Does not own time (`plan`).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.core.errors import RecipeError
from tunesmith.models.head import CHUNK_LOGITS
from tunesmith.models.precision import compute_in
from tunesmith.train.batches import micro_batches
from tunesmith.train.loss import supervised_loss
from tunesmith.train.optimizer import trainable

if TYPE_CHECKING:
    from tunesmith.models.load import LoadedModel
    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.loop import Run

_CONTAINER = Path("/sys/fs/cgroup")

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
        return tensor.detach()  # the tensor itself would hold its own graph, in a circle that is never freed

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


def needed_bytes(run: Run) -> int:
    """Return the bytes that a run takes at its peak, the model included."""
    model, regularise = run.loaded.model, run.settings.regularise
    longest = max(run.row_tokens, max(len(one.ids) for one in run.train.rendered))
    taken = min(longest, sum(len(one.ids) for one in run.train.rendered))
    activations = taken * activation_bytes_per_token(run.loaded, run.train, run.shortcuts, run.precision)
    if regularise.r_drop:
        activations *= 2
    copies = bool(regularise.ema or regularise.average) + bool(regularise.l2sp)
    learning = sum(one.numel() * one.element_size() for one in trainable(model).values())
    return int(state_bytes(model) + copies * learning + activations + _head_bytes(model.device))


def refuse_unfit(run: Run) -> None:
    """Refuse a run that does not fit into the memory that is free.

    Raises:
        RecipeError: with what it takes, what is free, and what would fit.
    """
    model = run.loaded.model
    weights = sum(one.numel() * one.element_size() for one in model.parameters())
    needed, free = needed_bytes(run), free_bytes(model.device) + weights  # the weights are there already
    if needed <= free:
        return
    learning = sum(one.numel() * one.element_size() for one in trainable(model).values())
    adapters = needed - 3 * learning
    hint = "a smaller base, or shorter examples"
    if run.settings.method == "full" and adapters < free:
        hint = f"train.method: lora, which takes about {_gib(adapters)}; train.freeze; or {hint}"
    raise RecipeError(
        f"training {run.settings.method} needs about {_gib(needed)} of memory on {model.device.type}, "
        f"and {_gib(free)} are free: {_gib(state_bytes(model))} for weights, gradients and optimiser, "
        f"the rest for passes of {run.row_tokens:,} tokens",
        hint=hint,
    )


def free_bytes(device: torch.device) -> int:
    """Return the bytes a process may still take on a device; of a CPU the machine's, or its container's if less."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")))
    with contextlib.suppress(OSError, ValueError):
        most, used = (int((_CONTAINER / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        free.append(most - used)
    return min(free)


def _gib(size: float) -> str:
    return f"{size / 2**30:,.2f} GiB"


def _head_bytes(device: torch.device) -> int:
    """Return the bytes of the chunk of logits in hand: as float32, as its gradient, and as what is multiplied."""
    return 3 * 4 * CHUNK_LOGITS.get(device.type, CHUNK_LOGITS["cuda"])


def _first(tokens: TokenSet, enough: int) -> list[int]:
    """Return the sequences of the first examples that have enough tokens."""
    chosen: list[int] = []
    for example in range(tokens.num_examples):
        own = tokens.sequences_of([example])
        chosen += own
        enough -= sum(len(tokens.rendered[one].ids) for one in own)
        if enough <= 0:
            break
    return chosen


def _same(tensor: Any) -> Any:
    return tensor
