"""What comes out of a model's frozen lowest layers, computed once and read in every epoch.

Owns whether that pays, the files it lies in, and which of their rows an example's tokens have. The files are whole or
absent: a run that was killed while it wrote them writes them again, to the same bytes. Does not own how a model is
run without its lowest layers (`models.frozen_layers`) nor which layers are frozen (`freeze`).
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from tunesmith.core.disk import disk_size, fsync
from tunesmith.core.ids import digest, digest_bytes
from tunesmith.core.progress import say, steps
from tunesmith.models.forward import causal_lm
from tunesmith.models.frozen_layers import STORED, Entry, FrozenLayers
from tunesmith.models.precision import compute_in
from tunesmith.train.batches import Batch, micro_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tunesmith.train.batches import TokenSet
    from tunesmith.train.loop import Run

BACKWARD = 2.0
"""A layer's backward pass over its forward pass, in work. Source: Kaplan et al. 2020, "Scaling laws", section 2.1."""

PAYS_FROM = 0.05
"""Share of the layers' work from which on keeping states is worth the disk and the reading."""

DISK_LEFT = 0.5
"""Share of the free disk that is left free."""


@dataclass(frozen=True)
class Choice:
    """Whether states are kept, the bytes they take, the share of the layers' work that saves, and why, in words."""

    kept: bool
    bytes: int = 0
    saved: float = 0.0
    told: str = ""


def choose(run: Run) -> Choice:
    """Return whether a run keeps the states of its frozen lowest layers; says nothing if none are frozen."""
    count = run.learning.frozen_layers
    layers = f"the {count} lowest of {run.learning.num_layers} layers, which are frozen,"
    if not count:
        return Choice(False)
    if not run.settings.shortcuts.frozen_cache:
        return Choice(False, told=f"{layers} run in every epoch (train.shortcuts.frozen_cache: false)")
    if run.ranks.count > 1:
        return Choice(False, told=f"{layers} run in every epoch: what comes out of them is kept for one process alone")
    if run.settings.regularise.neftune:
        return Choice(False, told=f"{layers} run in every epoch: neftune changes what they read")
    if not run.shortcuts.frozen_cache:
        return Choice(False, told=f"{layers} run in every epoch: this architecture cannot begin above them")
    saved = _saved(run)
    if saved < PAYS_FROM:
        return Choice(False, 0, saved, f"{layers} run in every epoch: running them once would save {saved:.0%}")
    size, room = _bytes(run), shutil.disk_usage(run.folder).free
    if size > DISK_LEFT * room:
        why = f"what comes out of them takes {disk_size(size)}, and {disk_size(room)} of disk are free"
        return Choice(False, size, saved, f"{layers} run in every epoch: {why}")
    return Choice(True, size, saved, f"{layers} run once: {disk_size(size)} on disk save {saved:.0%} of the work")


def _bytes(run: Run) -> int:
    """Return the bytes of all states; a beginning that examples of a row share counts once."""
    width = int(causal_lm(run.loaded.model).config.get_text_config().hidden_size)
    read = [its for tokens in (run.train, run.valid) for its in _Layout.of(run, tokens, range(len(tokens))).read]
    return sum(map(len, read)) * width * STORED[run.precision].itemsize


def _saved(run: Run) -> float:
    """Return the share of the layers' work that is saved, the passes in which states are made counted."""
    below, above = run.learning.frozen_layers, run.learning.num_layers - run.learning.frozen_layers
    validations = run.total_steps / run.eval_every
    epochs = run.total_steps / run.epoch_steps[0] / run.train.variants  # in an epoch one variant of each is read
    once = [(_tokens(run.train), epochs), (_tokens(run.valid), validations)]
    read = sum(tokens * times for tokens, times in once)
    avoided = sum(tokens * max(0.0, times - 1) for tokens, times in once)
    trained = once[0][0] * once[0][1]
    return avoided * below / (read * (below + above) + trained * BACKWARD * above)


def _tokens(tokens: TokenSet) -> int:
    return sum(len(one.ids) for one in tokens.rendered)


@dataclass(frozen=True)
class _Layout:
    """In which passes examples are read, which places of a pass are kept, and the kept rows that an example's tokens
    have.
    """

    batches: list[Batch]
    read: list[NDArray[np.int64]]
    rows: dict[int, NDArray[np.int64]]

    @classmethod
    def of(cls, run: Run, tokens: TokenSet, examples: Sequence[int]) -> _Layout:
        batches = micro_batches(tokens, examples, run.shortcuts, run.row_tokens) if len(examples) else []
        read = [np.unique(np.concatenate(list(batch.places.values()))) for batch in batches]
        rows: dict[int, NDArray[np.int64]] = {}
        first = 0
        for batch, its in zip(batches, read, strict=True):
            rows |= {example: first + np.searchsorted(its, places) for example, places in batch.places.items()}
            first += len(its)
        return cls(batches, read, rows)

    def digest(self, layers: FrozenLayers) -> str:
        """Return what tells files apart: another machine may pack other rows, or keep another type."""
        pieces = [np.asarray(batch.row.ids_BT).tobytes() for batch in self.batches]
        return digest([str(layers.stored), *(digest_bytes(one) for one in pieces)])


class States:
    """States of a set's examples in a file, a row of width D for each token that was read."""

    def __init__(self, layers: FrozenLayers, file: Path, rows: Mapping[int, NDArray[np.int64]]) -> None:
        self.file, self._layers, self._rows = file, layers, rows
        numbers = np.memmap(file, dtype=np.uint16 if layers.stored.itemsize == 2 else np.float32, mode="r")
        self._states_RD = numbers.reshape(1 + max(int(its.max()) for its in rows.values()), -1)

    def entered(self, batch: Batch) -> Batch:
        """Return a batch of the set's examples with a row that begins above the frozen layers."""
        entry = self._entry(batch.places.items(), tuple(batch.row.ids_BT.shape))
        return replace(batch, row=replace(batch.row, entry=entry))

    def padded(self, examples: Sequence[int], width: int) -> Entry:
        """Return the entry of examples that lie in rows padded to a width."""
        places = ((one, row * width + np.arange(len(self._rows[one]))) for row, one in enumerate(examples))
        return self._entry(places, (len(examples), width))

    def _entry(self, places: Iterable[tuple[int, NDArray[np.int64]]], shape: tuple[int, ...]) -> Entry:
        """Return the entry of examples whose tokens lie at places of a row's flattened input; padding has any state."""
        wanted = np.zeros(math.prod(shape), dtype=np.int64)
        for example, its in places:
            wanted[its] = self._rows[example]
        states = torch.from_numpy(np.asarray(self._states_RD[wanted])).view(self._layers.stored)
        return Entry(self._layers, states.view(*shape, -1))


@dataclass(frozen=True)
class Kept:
    """States of the training examples, and of the validation examples if there are any."""

    train: States
    valid: States | None

    def delete(self) -> None:
        """Delete the files."""
        for states in (self.train, self.valid):
            if states:
                states.file.unlink(missing_ok=True)


def with_states(run: Run) -> Run:
    """Return the run with the states of its frozen lowest layers at hand, if keeping them pays; says what it does.

    Raises:
        OSError: if the disk refuses to take them.
    """
    choice = choose(run)
    if choice.told:
        say(f"  {choice.told}")
    return replace(run, states=keep(run, range(len(run.train)), range(len(run.valid)))) if choice.kept else run


def keep(run: Run, train: Sequence[int], valid: Sequence[int]) -> Kept:
    """Run the frozen layers over examples and return what came out; files that an earlier run left whole are taken.

    Raises:
        OSError: if the disk refuses to take them.
    """
    layers = FrozenLayers(run.loaded.model, run.learning.frozen_layers, run.precision)
    layout = _Layout.of(run, run.train, train)
    of_train = _states(run, layers, layout)
    if not layers.seen:  # an earlier run left the file
        _come_out(run, layers, layout.batches[0])
    of_valid = _states(run, layers, _Layout.of(run, run.valid, valid)) if len(valid) else None
    return Kept(of_train, of_valid)


def _states(run: Run, layers: FrozenLayers, layout: _Layout) -> States:
    file = run.folder / f"frozen-{layout.digest(layers)}.states"
    if not file.exists():
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            for states in _computed(run, layers, layout):
                stream.write(states.numpy().tobytes())
        fsync(part)
        part.rename(file)
    return States(layers, file, layout.rows)


def _computed(run: Run, layers: FrozenLayers, layout: _Layout) -> Iterator[torch.Tensor]:
    """Yield the kept states of each pass, as numbers that numpy knows: of bfloat16 the bits."""
    with steps(f"running {layers.count} frozen layers once", len(layout.batches)) as bar:
        for batch, read in zip(layout.batches, layout.read, strict=True):
            states_BTD = _come_out(run, layers, batch)
            kept = states_BTD.flatten(0, 1)[torch.from_numpy(read).to(states_BTD.device)].cpu()
            yield kept.view(torch.uint16) if kept.dtype == torch.bfloat16 else kept
            bar.advance(1)


def _come_out(run: Run, layers: FrozenLayers, batch: Batch) -> torch.Tensor:
    """Return what comes out of the frozen layers for a pass (B, T, D)."""
    model = run.loaded.model.eval()
    with compute_in(run.precision, model.device):
        return layers.states(causal_lm(model).get_decoder(), batch.row.to(model.device))
