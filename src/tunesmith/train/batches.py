"""Which examples make up which step, with which words. Both are pure functions of (seed, epoch), so resuming is a seek.

A step is a random draw of examples with about `batch_tokens` *target* tokens, so that the learning rate carries over
between data sets with long and short prompts. Inside a step the examples are laid end to end in rows without padding,
those that begin alike together so that their beginning is read once; an architecture that cannot read such rows gets
padded ones of similar lengths. An example of several sequences, such as two answers to one question, is never parted.
None of it changes the result: the loss is a sum over the step's examples. Does not own the loss (`loss`, `preference`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

import numpy as np
import torch

from tunesmith.models.forward import Row
from tunesmith.models.packed import Packing
from tunesmith.models.score import SHARED_TOKENS, pad_right
from tunesmith.models.transfer import sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.recipe import Train
    from tunesmith.text.chat import Rendered

Item = TypeVar("Item")

SHORTEST_SHARE = 0.75
"""Within a padded micro-batch no row is shorter than this share of the longest, unless the batch would be tiny."""

TINY_BATCH_TOKENS = 512
"""Below this many padded tokens another forward pass costs more than the padding it saves (measured on 2 cores)."""


STEPS_AN_EPOCH = 50
"""Steps that ``batch_tokens: auto`` makes of an epoch where its bounds allow: enough for a schedule to act."""

AUTO_EXAMPLES = 8
"""Examples of mean length that a step of ``auto`` has at least: the gradient of one is mostly noise."""

AUTO_MOST = 8192
"""Most target tokens of a step that ``auto`` chooses."""


@dataclass(frozen=True)
class TokenSet:
    """Tokenised examples, sequence by sequence: ids, targets, weight in the loss, and where it was read (file:line).

    ``per_example`` sequences, one after the other, make an example. All examples are there ``variants`` times, with
    other words around them: first all with the prompt of the task, then all with the next. The length is that in
    sequences.
    """

    rendered: Sequence[Rendered]
    weights: Sequence[float]
    names: Sequence[str] = ()
    per_example: int = 1
    variants: int = 1

    def __len__(self) -> int:
        return len(self.rendered)

    @property
    def num_examples(self) -> int:
        """How many examples there are."""
        return len(self.rendered) // (self.per_example * self.variants)

    @property
    def num_targets(self) -> list[int]:
        """Target tokens of each example, all of its sequences together, with the prompt of the task."""
        counts = [one.num_targets for one in self.rendered[: self.num_examples * self.per_example]]
        return [sum(counts[first : first + self.per_example]) for first in range(0, len(counts), self.per_example)]

    def sequences_of(self, examples: Iterable[int], drawn: Sequence[int] | None = None) -> list[int]:
        """Return the indices of the sequences of some examples, in order.

        ``drawn`` is the variant of each example of the set; None: the prompt of the task.
        """
        count = self.num_examples
        first = (one if drawn is None else one + count * drawn[one] for one in examples)
        return [self.per_example * one + own for one in first for own in range(self.per_example)]

    def variant_of(self, sequence: int) -> int:
        """Return with which variant's words a sequence is."""
        return sequence // (self.per_example * self.num_examples)

    def without_words(self, sequence: int) -> int:
        """Return the index of a sequence among those of one variant."""
        return sequence % (self.per_example * self.num_examples)

    def part(self, first: int, count: int) -> TokenSet:
        """Return the examples with some of the variants alone."""
        size = self.per_example * self.num_examples
        of = slice(first * size, (first + count) * size)
        return replace(self, rendered=self.rendered[of], weights=self.weights[of], names=self.names[of], variants=count)


@dataclass(frozen=True)
class Batch:
    """One micro-batch: its input, and each counted token and its weight (N), in the order of the input's wanted places.

    What counts are the targets, and prompts where they have a weight. ``counts_S`` are the counted tokens of each
    sequence. ``places`` says for each sequence, by its index and in this order,
    where in the flattened input each of its tokens lies.
    """

    row: Row
    labels_N: torch.Tensor
    weights_N: torch.Tensor
    counts_S: torch.Tensor
    places: Mapping[int, NDArray[np.int64]]

    def share(self, whole: float) -> Batch:
        """Return the batch with its weights as shares of the step's."""
        return replace(self, weights_N=self.weights_N / whole)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        labels_N, weights_N = (sent(one, device) for one in (self.labels_N, self.weights_N))
        return replace(self, row=self.row.to(device), labels_N=labels_N, weights_N=weights_N)


def step_sizes(settings: Train, num_targets: Sequence[int]) -> tuple[Sequence[int], int]:
    """Return what each example counts for in a step, and what a step is full with: target tokens, or examples."""
    if settings.batch_examples is not None:
        return [1] * len(num_targets), settings.batch_examples
    return num_targets, step_tokens(settings.batch_tokens, num_targets)


def step_tokens(wanted: int | Literal["auto"], num_targets: Sequence[int]) -> int:
    """Return the target tokens of a step: as wanted, or for ``auto`` a power of two by the training examples alone.

    Never by the machine: how many tokens a forward pass takes is another matter (`memory.row_tokens`), and the same
    recipe and Dataset must make the same Model everywhere, and again after a kill.
    """
    if wanted != "auto":
        return wanted
    whole = sum(num_targets)
    examples = AUTO_EXAMPLES * whole / max(1, len(num_targets))
    tokens = min(AUTO_MOST, max(examples, whole / STEPS_AN_EPOCH, 1))
    return int(2 ** math.floor(math.log2(tokens)))


def steps_of_epoch(sizes: Sequence[int], step_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Return the epoch's steps, each a list of example indices; every example occurs exactly once.

    A step closes with the example that brings it to ``step_size`` (see `step_sizes`); a last step under half of that
    is joined to the one before.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(sizes))
    before = np.concatenate([[0], np.cumsum(np.asarray(sizes)[order])[:-1]])
    numbers = before // step_size
    steps = [part.tolist() for part in np.split(order, np.flatnonzero(np.diff(numbers)) + 1)]
    if len(steps) > 1 and sum(sizes[i] for i in steps[-1]) < step_size / 2:
        steps[-2:] = [steps[-2] + steps[-1]]
    return steps


def variants_of_epoch(tokens: TokenSet, seed: int, epoch: int) -> list[int]:
    """Return with which variant's words each example is read in an epoch."""
    if tokens.variants == 1:
        return [0] * tokens.num_examples
    random = np.random.default_rng([seed, epoch, tokens.variants])  # steps_of_epoch has [seed, epoch]
    drawn: list[int] = random.integers(tokens.variants, size=tokens.num_examples).tolist()
    return drawn


def plan_steps(sizes: Sequence[int], step_size: int, seed: int, epochs: float, max_steps: int | None) -> list[int]:
    """Return the number of steps of each epoch; a fraction of an epoch is its first steps."""
    counts = [len(steps_of_epoch(sizes, step_size, seed, epoch)) for epoch in range(math.ceil(epochs))]
    if (part := epochs % 1) > 0:
        counts[-1] = max(1, round(counts[-1] * part))
    if max_steps is not None:
        done = np.minimum(np.cumsum(counts), max_steps)
        counts = [int(n) for n in np.diff(np.concatenate([[0], done])) if n > 0]
    return counts


def micro_batches(tokens: TokenSet, step: Sequence[int], shortcuts: Shortcuts, row_tokens: int) -> list[Batch]:
    """Return a step's examples as micro-batches, each one forward pass over about ``row_tokens`` tokens at most.

    ``step`` are indices of sequences, those of an example one after the other.
    """
    sequences = [_Sequence.of(tokens, i) for i in step]
    examples = [sequences[first : first + tokens.per_example] for first in range(0, len(step), tokens.per_example)]
    if not shortcuts.packed:
        return [_padded([one for example in group for one in example]) for group in _by_length(examples, row_tokens)]
    if tokens.per_example > 1:
        return [_packed(row) for row in _in_rows_whole(examples, row_tokens, share=shortcuts.shared)]
    return [_packed([family]) for family in _in_rows(sequences, row_tokens, share=shortcuts.shared)]


class _Family(NamedTuple):
    """Sequences and how many first tokens all of them share, which are read once (0: none are)."""

    members: list[_Sequence]
    shared: int

    @property
    def size(self) -> int:
        """Tokens that are read."""
        return self.shared + sum(len(one.ids) - self.shared for one in self.members)


@dataclass(frozen=True)
class _Sequence:
    """One sequence's index, tokens (T), and the places and weights of those that count in the loss (N)."""

    index: int
    ids: NDArray[np.int64]
    counted: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, tokens: TokenSet, index: int) -> _Sequence:
        one = tokens.rendered[index]
        weights = np.asarray(one.weights or one.targets, dtype=np.float64)
        counted = np.flatnonzero(weights[1:]) + 1  # nothing predicts the first token
        return cls(index, np.asarray(one.ids, dtype=np.int64), counted, weights[counted] * tokens.weights[index])


def _by_length(examples: Sequence[list[_Sequence]], row_tokens: int) -> list[list[list[_Sequence]]]:
    """Group examples of similar lengths, longest first."""
    groups: list[list[list[_Sequence]]] = []
    for example in sorted(examples, key=lambda one: -_longest(one)):
        rows = sum(map(len, groups[-1])) if groups else 0
        if groups and _fits(_longest(groups[-1][0]), _longest(example), rows, len(example), row_tokens):
            groups[-1].append(example)
        else:
            groups.append([example])
    return groups


def _longest(example: Sequence[_Sequence]) -> int:
    return max(len(one.ids) for one in example)


def _fits(longest: int, length: int, rows: int, more: int, row_tokens: int) -> bool:
    if longest * (rows + more) > row_tokens:
        return False
    return length >= SHORTEST_SHARE * longest or longest * rows < TINY_BATCH_TOKENS


def _padded(group: Sequence[_Sequence]) -> Batch:
    width = max(len(one.ids) for one in group)
    places = [row * width + np.arange(len(one.ids)) for row, one in enumerate(group)]
    ids_BT = pad_right([one.ids.tolist() for one in group], 0, torch.long)
    return _batch(ids_BT, places, group, None)


def _in_rows(sequences: Sequence[_Sequence], row_tokens: int, *, share: bool) -> list[_Family]:
    """Fill rows with sequences that begin alike, one family a row.

    Sequences that share nothing lie together in order.
    """
    rows: list[_Family] = []
    for group, shared in _alike(sequences) if share else [_Family(list(sequences), 0)]:
        sizes = [len(one.ids) - shared for one in group]
        rows += [_Family(some, shared) for some in _evenly(group, sizes, max(1, row_tokens - shared))]
    return rows


def _in_rows_whole(
    examples: Sequence[list[_Sequence]], row_tokens: int, *, share: bool
) -> list[list[_Family]]:  # fmt: skip
    """Fill rows with whole examples, each of which shares its own beginning if that is long enough."""
    families = []
    for example in examples:
        shared = _common(example) if share else 0
        families.append(_Family(example, shared if shared >= SHARED_TOKENS else 0))
    return _evenly(families, [family.size for family in families], row_tokens)


def _evenly(items: Sequence[Item], sizes: Sequence[int], capacity: int) -> list[list[Item]]:
    """Part items, in order, into rows of about the same size, as few as hold them."""
    count = max(1, math.ceil(sum(sizes) / capacity))
    numbers = (np.cumsum(sizes) - np.asarray(sizes) / 2) * count // sum(sizes)
    return [[one for one, its in zip(items, numbers, strict=True) if its == number] for number in np.unique(numbers)]


def _alike(sequences: Sequence[_Sequence]) -> list[_Family]:
    """Group sequences by their beginning; those that share none are the last group."""
    groups: dict[bytes, list[_Sequence]] = {}
    for one in sequences:
        groups.setdefault(one.ids[:SHARED_TOKENS].tobytes(), []).append(one)
    alone = [one for group in groups.values() if len(group) == 1 for one in group]
    sharing: list[_Family] = []
    for rest in groups.values():
        while len(rest) > 1:
            family = _largest_family(rest)
            if family.shared < SHARED_TOKENS:
                alone += rest
                break
            sharing.append(family)
            taken = {one.index for one in family.members}
            rest = [one for one in rest if one.index not in taken]
            alone += rest if len(rest) == 1 else []
    return [*sharing, *([_Family(alone, 0)] if alone else [])]


def _largest_family(group: Sequence[_Sequence]) -> _Family:
    """Return the sequences that save most by reading once what they share: all, unless parting saves a pass's worth.

    They are those most like the middle one in order of their tokens, which is one of the majority if there is any.
    """
    middle = sorted(group, key=lambda one: one.ids.tobytes())[len(group) // 2]
    alike = np.array([_common([middle, one]) for one in group])
    falling = np.sort(alike)[::-1]
    saved = np.arange(len(group)) * falling  # of the first, the first two, ...
    saved[-1] += TINY_BATCH_TOKENS
    shared = int(falling[saved.argmax()])
    return _Family([one for one, its in zip(group, alike, strict=True) if its >= shared], shared)


def _common(group: Sequence[_Sequence]) -> int:
    """Return how many first tokens all sequences share; at least one token of each is left to itself."""
    shortest = min(len(one.ids) for one in group) - 1
    same = np.ones(shortest, dtype=bool)
    for one in group[1:]:
        same &= one.ids[:shortest] == group[0].ids[:shortest]
    return shortest if same.all() else int(same.argmin())


def _packed(families: Sequence[_Family]) -> Batch:
    pieces: list[NDArray[np.int64]] = []
    parents: list[int] = []
    own: list[tuple[int, int]] = []  # of each sequence, the segment of its beginning (-1: none) and its own
    for members, shared in families:
        beginning = len(pieces) if shared else -1
        if shared:
            pieces.append(members[0].ids[:shared])
            parents.append(-1)
        for one in members:
            own.append((beginning, len(pieces)))
            pieces.append(one.ids[shared:])
            parents.append(beginning)
    packing = Packing(tuple(map(len, pieces)), tuple(parents))
    at = [start + np.arange(len(piece)) for start, piece in zip(packing.starts, pieces, strict=True)]
    places = [np.concatenate([at[first], at[rest]]) if first >= 0 else at[rest] for first, rest in own]
    group = [one for members, _ in families for one in members]
    return _batch(torch.from_numpy(np.concatenate(pieces))[None], places, group, packing)


def _batch(
    ids_BT: torch.Tensor, places: list[NDArray[np.int64]], group: Sequence[_Sequence], packing: Packing | None
) -> Batch:
    predicts = [its[one.counted - 1] for its, one in zip(places, group, strict=True)]
    labels_N = torch.from_numpy(np.concatenate([one.ids[one.counted] for one in group]))
    counts_S = torch.tensor([len(one.counted) for one in group])
    weights_N = torch.from_numpy(np.concatenate([one.weights for one in group])).float()
    lengths = () if packing else tuple(len(one.ids) for one in group)
    row = Row(ids_BT, torch.from_numpy(np.concatenate(predicts)), packing, lengths)
    return Batch(row, labels_N, weights_N, counts_S, {one.index: its for its, one in zip(places, group, strict=True)})
