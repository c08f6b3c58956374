"""How much memory training takes, from what a few tokens are seen to keep, and so how many fit in one forward pass.

Owns the sum; the activations are measured on the real model, not guessed from its shape. Does not own time (`plan`).
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.core.allocator import give_back
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

MEASURED_TOKENS = {"cpu": 2048, "cuda": 1024}
"""Tokens of the forward pass in which activations are counted."""

GROWN_FROM = 2**26
"""Bytes from which on a process's growth in one pass is that pass's, and not that of the libraries."""

HEADROOM = 0.85
"""Share of a GPU's memory that is planned with; the rest is the allocator's and the libraries'."""


def state_bytes(model: torch.nn.Module) -> int:
    """Return bytes of weights, and of gradients and AdamW's two moments of those that learn."""
    weights = sum(one.numel() * one.element_size() for one in model.parameters())
    return weights + sum(3 * one.numel() * one.element_size() for one in trainable(model).values())


def activation_bytes_per_token(loaded: LoadedModel, tokens: TokenSet, shortcuts: Shortcuts, precision: str) -> float:
    """Return the bytes that a forward pass keeps for its backward pass, per token, counted on the longest examples.

    On a CPU at least the bytes that the process grows by: what its allocator leaves lying between blocks is taken too.
    """
    device = loaded.model.device
    enough = MEASURED_TOKENS.get(device.type, MEASURED_TOKENS["cpu"])
    batches = micro_batches(tokens, _longest(tokens, enough), shortcuts, enough)
    batch = max(batches, key=lambda one: one.row.ids_BT.numel())
    seen: dict[int, int] = {one.untyped_storage().data_ptr(): 0 for one in loaded.model.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        seen.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        return tensor.detach()  # the tensor itself would hold its own graph, in a circle that is never freed

    loaded.model.train()
    give_back()
    before = _resident_bytes()
    with torch.autograd.graph.saved_tensors_hooks(note, _same), compute_in(precision, device):
        loss = supervised_loss(loaded.model, batch.to(device), shortcuts)
    grown = _resident_bytes() - before if device.type == "cpu" else 0
    grown = grown if grown > GROWN_FROM else 0
    del loss
    give_back()
    return max(grown, sum(seen.values())) / batch.row.ids_BT.numel()


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
    activations = _pass_tokens(run) * _bytes_per_token(run)
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
    ways = [f"train.method: lora, which takes about {_gib(adapters)}", "train.freeze"]
    ways = ways if run.settings.method == "full" and adapters < free else []
    if shorter := _tokens_that_fit(run, needed, free):
        ways.append(f"train.max_tokens: {shorter}")
    hint = "; ".join([*ways, "a smaller base, or shorter examples"])
    raise RecipeError(
        f"training {run.settings.method} needs about {_gib(needed)} of memory on {model.device.type}, "
        f"and {_gib(free)} are free: {_gib(state_bytes(model))} for weights, gradients and optimiser, "
        f"the rest for passes of {run.row_tokens:,} tokens",
        hint=hint,
    )


def _pass_tokens(run: Run) -> int:
    """Return the tokens of the largest forward pass."""
    lengths = [len(one.ids) for one in run.train.rendered]
    return min(sum(lengths), max(run.row_tokens, *lengths))


def _bytes_per_token(run: Run) -> float:
    seen = activation_bytes_per_token(run.loaded, run.train, run.shortcuts, run.precision)
    return 2 * seen if run.settings.regularise.r_drop else seen


def _tokens_that_fit(run: Run, needed: int, free: int) -> int:
    """Return how long examples may be for the run to fit, where a long example is why it does not; else 0."""
    longest = _pass_tokens(run)
    if longest <= run.row_tokens:
        return 0
    return max(0, longest - math.ceil((needed - free) / _bytes_per_token(run))) // 8 * 8


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


def _resident_bytes() -> int:
    """Return the bytes of this process that are in memory; 0 where the system does not say."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _gib(size: float) -> str:
    return f"{size / 2**30:,.2f} GiB"


def _head_bytes(device: torch.device) -> int:
    """Return the bytes of the chunk of logits in hand: as float32, as its gradient, and as what is multiplied."""
    return 3 * 4 * CHUNK_LOGITS.get(device.type, CHUNK_LOGITS["cuda"])


def _longest(tokens: TokenSet, enough: int) -> list[int]:
    """Return the sequences of the longest examples that together have enough tokens; attention takes most there."""
    lengths = [len(one.ids) for one in tokens.rendered]
    sizes = [sum(lengths[at] for at in tokens.sequences_of([one])) for one in range(tokens.num_examples)]
    chosen: list[int] = []
    for example in sorted(range(len(sizes)), key=lambda one: (-sizes[one], one)):
        if enough <= 0:
            break
        chosen += tokens.sequences_of([example])
        enough -= sizes[example]
    return chosen


def _same(tensor: Any) -> Any:
    return tensor
