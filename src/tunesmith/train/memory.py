"""How much memory training takes, from what a few tokens are seen to keep, and so how many fit in one forward pass.

Owns the sum; the activations are measured on the real model, not guessed from its shape. Does not own time (`plan`).
"""

from __future__ import annotations

import contextlib
import math
import os
import weakref
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from tunesmith.core.allocator import free_machine_bytes, give_back
from tunesmith.core.errors import RecipeError
from tunesmith.models.activation_checkpointing import checkpoint_activations, checkpointed, keeping
from tunesmith.models.dropout import train_from
from tunesmith.models.head import CHUNK_LOGITS
from tunesmith.models.layers import decoder_layers
from tunesmith.models.new_tokens import embedding_layers
from tunesmith.models.precision import compute_in
from tunesmith.models.quantised import largest_bytes, saved_bytes, weight_bytes, whole_bytes
from tunesmith.train.batches import micro_batches
from tunesmith.train.loop import steps_from
from tunesmith.train.loss import PLAIN, Terms, supervised_loss
from tunesmith.train.optimizer import trainable

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel

    from tunesmith.models.load import LoadedModel
    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.recipe import Train
    from tunesmith.train.batches import Batch, TokenSet
    from tunesmith.train.loop import Run

ROW_TOKENS = {"cpu": (2048, 2048), "cuda": (512, 32768)}
"""Least and most tokens of one forward pass. On a CPU more is no faster (measured); a GPU takes what fits."""

MEASURED_TOKENS = 1024
"""Tokens of the forward pass in which activations are counted."""

TRIED_PASSES, LOOKED_AT_STEPS = 3, 20
"""Passes after which a process grows no more; steps among which the largest pass is looked for."""

GROWN_FROM = 2**26
"""Bytes from which on a process's growth in one pass is that pass's, and not that of the libraries."""

HEADROOM = 0.85
"""Share of a GPU's memory that is planned with; the rest is the allocator's and the libraries'."""


def state_bytes(model: torch.nn.Module) -> int:
    """Return bytes of weights, and of gradients and AdamW's two moments of those that learn."""
    return weight_bytes(model) + 3 * _learning_bytes(model)


def activation_bytes_per_token(
    loaded: LoadedModel, tokens: TokenSet, shortcuts: Shortcuts, precision: str, terms: Terms = PLAIN
) -> float:
    """Return the bytes that a loss keeps for its backward pass, per token, counted on the longest examples."""
    batches = micro_batches(tokens, _longest(tokens, MEASURED_TOKENS), shortcuts, MEASURED_TOKENS)
    batch = max(batches, key=lambda one: one.row.ids_BT.numel())
    loaded.model.train()
    device = loaded.model.device
    with compute_in(precision, device):
        kept = _held_bytes(loaded.model, lambda: supervised_loss(loaded.model, batch.to(device), shortcuts, terms))
    return kept / batch.row.ids_BT.numel()


def _held_bytes(model: torch.nn.Module, forward: Callable[[], torch.Tensor]) -> int:
    """Return the bytes that are kept of a forward pass when most are: with the layer that is just computed again."""
    kept = _kept_bytes(model, forward)
    if not (again := checkpointed(model)):
        return kept
    with keeping(model):
        return kept + (_kept_bytes(model, forward) - kept) // again


def _kept_bytes(model: torch.nn.Module, forward: Callable[[], torch.Tensor]) -> int:
    """Return the bytes that autograd keeps of a forward pass, weights left out. Here they are counted and not kept."""
    weights = [one.untyped_storage() for one in model.parameters()]
    counted = {one.data_ptr(): weakref.ref(one) for one in weights}
    kept = 0

    def count(tensor: torch.Tensor) -> None:
        nonlocal kept
        storage = tensor.untyped_storage()
        known = counted.get(storage.data_ptr())
        if known is None or known() is None:  # a place may be given to another when what lay there has gone
            counted[storage.data_ptr()] = weakref.ref(storage)
            kept += storage.nbytes()

    def never(_nothing: None) -> torch.Tensor:
        raise AssertionError("what is only counted has no backward pass")

    with torch.autograd.graph.saved_tensors_hooks(count, never):
        forward()
    return kept


class PassBytes(NamedTuple):
    """Bytes that the largest pass of a run takes beside weights and gradients: the first one, and some in a row."""

    first: int
    in_a_row: int


def pass_bytes(run: Run, *, tried: bool) -> PassBytes:
    """Return what the largest pass of a run takes: counted by what autograd keeps.

    On a CPU, if ``tried``, at least what the process grows by: its allocator leaves room between blocks, in a row by
    half as much again. The model is as before afterwards.
    """
    model, device = run.loaded.model, run.loaded.model.device
    passes = _largest_passes(run)
    train_from(model, run.learning.all_at_once().lowest(0))

    def forward(number: int) -> torch.Tensor:
        batch = passes[number % len(passes)]
        with compute_in(run.precision, device):
            return run.objective.of_step(run, list(batch.places), [batch])(batch)

    kept = _held_bytes(model, lambda: forward(0)) + largest_bytes(model)
    if device.type != "cpu" or not tried:
        return PassBytes(kept, kept)
    first, in_a_row = _grown_bytes(forward)
    in_a_row -= _learning_bytes(model)  # the gradients
    model.zero_grad(set_to_none=True)
    give_back()
    return PassBytes(*(max(kept, grown if grown > GROWN_FROM else 0) for grown in (first, in_a_row)))


def _grown_bytes(forward: Callable[[int], torch.Tensor]) -> tuple[int, int]:
    """Return how much the process grows in one pass forward, and in a few forward and backward."""
    give_back()
    before = resident_bytes()
    seen: list[int] = []
    for number in range(TRIED_PASSES):
        loss = forward(number)
        seen.append(resident_bytes() - before)
        torch.autograd.backward(loss)
        seen.append(resident_bytes() - before)
    return seen[0], max(seen)


def _learning_bytes(model: torch.nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in trainable(model).values())


def _copies(settings: Train) -> int:
    """Return how many copies of what learns a run keeps: a mean, the base's values, the start of a search."""
    regularise = settings.regularise
    return bool(regularise.ema or regularise.average) + bool(regularise.l2sp) + (settings.schedule.peak == "auto")


def _held_rows_bytes(model: PreTrainedModel, settings: Train) -> int:
    """Return what the values of rows that stay take at most: as much as the embeddings."""
    if not (settings.freeze and settings.freeze.rows):
        return 0
    ends = (one for layer in embedding_layers(model).values() for one in layer.parameters())
    return sum(one.numel() * one.element_size() for one in ends)


def _largest_passes(run: Run) -> list[Batch]:
    """Return the passes with most tokens, the largest first, of some steps and of the longest examples.

    No pass has more tokens than the largest step of the first epoch.
    """
    epoch = [rows for _, rows in islice(steps_from(run, 0), run.epoch_steps[0])]
    most = max(sum(len(run.train.rendered[row].ids) for row in rows) for rows in epoch)
    steps = [_longest(run.train, min(run.row_tokens, most)), *epoch[:LOOKED_AT_STEPS]]
    batches = [batch for rows in steps for batch in micro_batches(run.train, rows, run.shortcuts, run.row_tokens)]
    return sorted(batches, key=lambda one: -one.row.ids_BT.numel())[:TRIED_PASSES]


def row_tokens(
    loaded: LoadedModel,
    tokens: TokenSet,
    shortcuts: Shortcuts,
    settings: Train,
    precision: str,
    parts: int = 1,
    checkpoint: Callable[[], int] | None = None,
) -> int:
    """Return how many tokens one forward pass takes: a function of model, data, recipe and the machine's size alone.

    ``parts`` is among how many ranks weights and optimiser are parted; ``checkpoint`` lets the model compute
    activations again, and is called if the longest example does not fit into a GPU otherwise.
    """
    device = loaded.model.device
    least, most = ROW_TOKENS.get(device.type, ROW_TOKENS["cpu"])
    if least == most:
        return most
    left = HEADROOM * torch.cuda.get_device_properties(device).total_memory - _kept_throughout(loaded, settings, parts)
    measured = partial(activation_bytes_per_token, loaded, tokens, shortcuts, precision, Terms.of(settings.regularise))
    fits = left / measured()
    longest = max(len(one.ids) for one in tokens.rendered)
    if checkpoint and may_checkpoint(settings) and fits < max(least, longest) and checkpoint():
        fits = left / measured()
    return int(min(most, max(least, fits // 256 * 256)))


def _kept_throughout(loaded: LoadedModel, settings: Train, parts: int) -> float:
    """Return the bytes that lie beside every pass: state, copies of what learns, the chunk of logits in hand."""
    model = loaded.model
    state = state_bytes(model) + _copies(settings) * _learning_bytes(model) + _held_rows_bytes(model, settings)
    return state / parts + (_fetched_bytes(model) if parts > 1 else 0) + _head_bytes(model.device)


def peak_bytes(run: Run) -> int:
    """Return the bytes that a run takes at its peak: in training, or while a base that is then quantised is loaded."""
    model = run.loaded.model
    loading = whole_bytes(model) + weight_bytes(model) if run.settings.method == "qlora" else 0
    return max(needed_bytes(run), loading if model.device.type == "cpu" else 0)


def needed_bytes(run: Run, *, tried: bool = True) -> int:
    """Return the bytes that training takes at its peak, the model included; ``tried`` as in `pass_bytes`."""
    model = run.loaded.model
    whole, parts = weight_bytes(model), run.ranks.count if run.sharded else 1
    learning, fetched = _learning_bytes(model) / parts, _fetched_bytes(model) if run.sharded else 0
    copies = 1 + _copies(run.settings)  # and gradients
    taken = pass_bytes(run, tried=tried)
    moments = 2 * learning  # made after the first step's passes, in the room that these left
    most = max(moments + taken.first, taken.in_a_row)
    kept = whole / parts + fetched + copies * learning + _held_rows_bytes(model, run.settings)
    in_training = kept + most + _head_bytes(model.device)
    return int(max(whole, in_training))  # it is loaded whole


def _fetched_bytes(model: PreTrainedModel) -> int:
    """Return the bytes that lie whole while a model in parts is read: two layers, and what belongs to none."""
    layers = [weight_bytes(layer) for layer in decoder_layers(model)]
    return weight_bytes(model) - sum(layers) + 2 * max(layers)


def refuse_unfit(run: Run) -> None:
    """Refuse a run that does not fit into the memory that is free; let it compute activations again if it fits so.

    Raises:
        RecipeError: with what it takes, what is free, and what would fit.
    """
    model = run.loaded.model
    free = free_bytes(model.device) + weight_bytes(model)  # the weights are there already
    alike = run.ranks.on_this_machine if model.device.type == "cpu" else 1
    needed = alike * needed_bytes(run, tried=False)
    if 2 * needed <= free or (needed <= free and (needed := alike * needed_bytes(run)) <= free):
        return
    may = may_checkpoint(run.settings) and model.device.type == "cpu"  # for a GPU `row_tokens` has decided
    again = not checkpointed(model) and checkpoint_activations(model, run.learning.frozen_layers)
    less = alike * needed_bytes(run, tried=False) if again else needed
    less = alike * needed_bytes(run) if again and less <= free else less
    if may and less <= free:
        return
    ways = [] if may or less > free else ["train.activation_checkpointing: always, without train.compile: always"]
    with contextlib.nullcontext() if may else keeping(model):
        ways += _ways_to_fit(run, less if may else needed, free)
    hint = "; ".join([*ways, "a smaller base, or shorter examples"])
    raise RecipeError(
        f"training {run.settings.method} needs about {_gib(less if may else needed)} of memory on {model.device.type}, "
        f"and {_gib(free)} are free: {_gib(state_bytes(model))} for weights, gradients and optimiser, "
        f"the rest for passes of {run.row_tokens:,} tokens",
        hint=hint,
    )


def _ways_to_fit(run: Run, needed: int, free: int) -> list[str]:
    """Return the settings with which a run would fit."""
    adapters = needed - (3 * _learning_bytes(run.loaded.model) if run.settings.method == "full" else 0)
    ways = [f"train.method: lora, which takes about {_gib(adapters)}", "train.freeze"]
    ways = ways if run.settings.method == "full" and adapters < free else []
    if run.settings.method in ("full", "lora") and adapters > free >= (
        quantised := adapters - saved_bytes(run.loaded.model)
    ):
        ways.append(f"train.method: qlora, which takes about {_gib(quantised)}")
    if shorter := _tokens_that_fit(run, needed, free):
        ways.append(f"train.max_tokens: {shorter}")
    return ways


def may_checkpoint(settings: Train) -> bool:
    """Tell whether layers may be computed again where memory is scarce; those that must be compiled are not."""
    return settings.activation_checkpointing == "auto" and settings.compile != "always"


def _tokens_that_fit(run: Run, needed: int, free: int) -> int:
    """Return how long examples may be for the run to fit, where a long example is why it does not; else 0."""
    longest = max(len(one.ids) for one in run.train.rendered)
    if longest <= run.row_tokens:
        return 0
    per_token = pass_bytes(run, tried=False).first / longest
    return max(0, longest - math.ceil((needed - free) / per_token)) // 8 * 8


def free_bytes(device: torch.device) -> int:
    """Return the bytes a process may still take on a device."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_machine_bytes()


def resident_bytes() -> int:
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
    lengths, each = [len(one.ids) for one in tokens.rendered], tokens.per_example
    sizes = [sum(lengths[first : first + each]) for first in range(0, len(lengths), each)]
    chosen: list[int] = []
    for example in sorted(range(len(sizes)), key=lambda one: (-sizes[one], one)):
        if enough <= 0:
            break
        chosen += range(each * example, each * (example + 1))
        enough -= sizes[example]
    return chosen
