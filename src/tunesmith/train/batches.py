"""Which examples make up which step. Order is a pure function of (seed, epoch), so resuming is a seek.

A step is a random draw of examples with about `batch_tokens` *target* tokens, so that the learning rate carries over
between data sets with long and short prompts. Inside a step the examples are laid end to end in rows without padding,
those that begin alike together so that their beginning is read once; an architecture that cannot read such rows gets
padded ones of similar lengths. None of it changes the result: the loss is a sum over the step's targets. Does not own
the loss (`loss`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from tunesmith.models.forward import Row
from tunesmith.models.packed import Packing
from tunesmith.models.score import SHARED_TOKENS, pad_right

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.text.chat import Rendered

SHORTEST_SHARE = 0.75
"""Within a padded micro-batch no row is shorter than this share of the longest, unless the batch would be tiny."""

TINY_BATCH_TOKENS = 512
"""Below this many padded tokens another forward pass costs more than the padding it saves (measured on 2 cores)."""


@dataclass(frozen=True)
class TokenSet:
    """Tokenised examples: ids, targets, the weight of each example in the loss, and where it was read (file:line)."""

    rendered: Sequence[Rendered]
    weights: Sequence[float]
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.rendered)

    @property
    def num_targets(self) -> list[int]:
        """Target tokens of each example."""
        return [one.num_targets for one in self.rendered]


@dataclass(frozen=True)
class Batch:
    """One micro-batch: its input, and each target's token and weight (N), in the order of the input's wanted places.

    ``places`` says for each example, by its index, where in the flattened input each of its tokens lies.
    """

    row: Row
    labels_N: torch.Tensor
    weights_N: torch.Tensor
    places: Mapping[int, NDArray[np.int64]]

    def share(self, whole: float) -> Batch:
        """Return the batch with its weights as shares of the step's."""
        return replace(self, weights_N=self.weights_N / whole)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        labels_N, weights_N = (one.to(device, non_blocking=True) for one in (self.labels_N, self.weights_N))
        return replace(self, row=self.row.to(device), labels_N=labels_N, weights_N=weights_N)


def steps_of_epoch(num_targets: Sequence[int], batch_tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the epoch's steps, each a list of example indices; every example occurs exactly once.

    A step closes with the example that brings it to ``batch_tokens``; a last step under half of that is joined to
    the one before.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(num_targets))
    before = np.concatenate([[0], np.cumsum(np.asarray(num_targets)[order])[:-1]])
    numbers = before // batch_tokens
    steps = [part.tolist() for part in np.split(order, np.flatnonzero(np.diff(numbers)) + 1)]
    if len(steps) > 1 and sum(num_targets[i] for i in steps[-1]) < batch_tokens / 2:
        steps[-2:] = [steps[-2] + steps[-1]]
    return steps


def plan_steps(
    num_targets: Sequence[int], batch_tokens: int, seed: int, epochs: float, max_steps: int | None
) -> list[int]:
    """Return the number of steps of each epoch; a fraction of an epoch is its first steps."""
    counts = [len(steps_of_epoch(num_targets, batch_tokens, seed, epoch)) for epoch in range(math.ceil(epochs))]
    if (part := epochs % 1) > 0:
        counts[-1] = max(1, round(counts[-1] * part))
    if max_steps is not None:
        done = np.minimum(np.cumsum(counts), max_steps)
        counts = [int(n) for n in np.diff(np.concatenate([[0], done])) if n > 0]
    return counts


def micro_batches(tokens: TokenSet, step: Sequence[int], shortcuts: Shortcuts, row_tokens: int) -> list[Batch]:
    """Return a step's examples as micro-batches, each one forward pass over about ``row_tokens`` tokens at most."""
    sequences = [_Sequence.of(tokens, i) for i in step]
    if not shortcuts.packed:
        return [_padded(group) for group in _by_length(sequences, row_tokens)]
    return [_packed(group, shared) for group, shared in _in_rows(sequences, row_tokens, share=shortcuts.shared)]


@dataclass(frozen=True)
class _Sequence:
    """One example's index, tokens (T), the places of its targets (N) and its weight."""

    index: int
    ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    weight: float

    @classmethod
    def of(cls, tokens: TokenSet, index: int) -> _Sequence:
        one = tokens.rendered[index]
        targets = np.flatnonzero(np.asarray(one.targets, dtype=bool)[1:]) + 1  # nothing predicts the first token
        return cls(index, np.asarray(one.ids, dtype=np.int64), targets, tokens.weights[index])


def _by_length(sequences: Sequence[_Sequence], row_tokens: int) -> list[list[_Sequence]]:
    """Group sequences of similar lengths, longest first."""
    groups: list[list[_Sequence]] = []
    for sequence in sorted(sequences, key=lambda one: -len(one.ids)):
        if groups and _fits(len(groups[-1][0].ids), len(sequence.ids), len(groups[-1]), row_tokens):
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


def _fits(longest: int, length: int, rows: int, row_tokens: int) -> bool:
    if longest * (rows + 1) > row_tokens:
        return False
    return length >= SHORTEST_SHARE * longest or longest * rows < TINY_BATCH_TOKENS


def _padded(group: Sequence[_Sequence]) -> Batch:
    width = max(len(one.ids) for one in group)
    places = [row * width + np.arange(len(one.ids)) for row, one in enumerate(group)]
    ids_BT = pad_right([one.ids.tolist() for one in group], 0, torch.long)
    return _batch(ids_BT, places, group, None)


def _in_rows(sequences: Sequence[_Sequence], row_tokens: int, *, share: bool) -> list[tuple[list[_Sequence], int]]:
    """Fill rows with sequences that begin alike, each row with the length of the beginning all of it shares (0: none).

    Sequences that share nothing lie together in order.
    """
    rows: list[tuple[list[_Sequence], int]] = []
    for group, shared in _alike(sequences) if share else [(list(sequences), 0)]:
        sizes = [len(one.ids) - shared for one in group]
        count = max(1, math.ceil(sum(sizes) / max(1, row_tokens - shared)))
        numbers = (np.cumsum(sizes) - np.asarray(sizes) / 2) * count // sum(sizes)  # rows of about the same size
        for number in np.unique(numbers):
            rows.append(([one for one, its in zip(group, numbers, strict=True) if its == number], shared))
    return rows


def _alike(sequences: Sequence[_Sequence]) -> list[tuple[list[_Sequence], int]]:
    """Group sequences by their beginning; return each group with the length of what all of it shares."""
    groups: dict[bytes, list[_Sequence]] = {}
    for one in sequences:
        groups.setdefault(one.ids[:SHARED_TOKENS].tobytes(), []).append(one)
    alone = [one for group in groups.values() if len(group) == 1 for one in group]
    together = [(group, _common(group)) for group in groups.values() if len(group) > 1]
    alone += [one for group, shared in together if shared < SHARED_TOKENS for one in group]
    shared_groups = [(group, shared) for group, shared in together if shared >= SHARED_TOKENS]
    return [*shared_groups, *([(alone, 0)] if alone else [])]


def _common(group: Sequence[_Sequence]) -> int:
    """Return how many first tokens all sequences share; at least one token of each is left to itself."""
    shortest = min(len(one.ids) for one in group) - 1
    same = np.ones(shortest, dtype=bool)
    for one in group[1:]:
        same &= one.ids[:shortest] == group[0].ids[:shortest]
    return shortest if same.all() else int(same.argmin())


def _packed(group: Sequence[_Sequence], shared: int) -> Batch:
    lengths = [len(one.ids) - shared for one in group]
    packing = (
        Packing((shared, *lengths), (-1, *[0] * len(lengths)))
        if shared
        else Packing(tuple(lengths), (-1,) * len(lengths))
    )
    starts = packing.starts[1:] if shared else packing.starts
    parts = [one.ids[shared:] for one in group]
    ids = np.concatenate([group[0].ids[:shared], *parts])
    beginning = np.arange(shared)
    places = [
        np.concatenate([beginning, start + np.arange(n)]) for start, n in zip(starts, lengths, strict=True)
    ]  # fmt: skip
    return _batch(torch.from_numpy(ids)[None], places, group, packing)


def _batch(
    ids_BT: torch.Tensor, places: list[NDArray[np.int64]], group: Sequence[_Sequence], packing: Packing | None
) -> Batch:
    predicts = [its[one.targets - 1] for its, one in zip(places, group, strict=True)]
    labels_N = torch.from_numpy(np.concatenate([one.ids[one.targets] for one in group]))
    counts = torch.tensor([len(one.targets) for one in group])
    weights_N = torch.tensor([one.weight for one in group], dtype=torch.float32).repeat_interleave(counts)
    lengths = () if packing else tuple(len(one.ids) for one in group)
    row = Row(ids_BT, torch.from_numpy(np.concatenate(predicts)), packing, lengths)
    return Batch(row, labels_N, weights_N, {one.index: its for its, one in zip(places, group, strict=True)})
