"""Which examples make up which step. Order is a pure function of (seed, epoch), so resuming is a seek.

A step is a random draw of examples with about `batch_tokens` *target* tokens, so that the learning rate carries over
between data sets with long and short prompts. Inside a step the examples are grouped by length into micro-batches,
which saves padding and changes nothing: the loss is a sum over the step's targets. Does not own the loss (`loss`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from tunesmith.models.score import pad_right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.text.chat import Rendered

MICRO_BATCH_TOKENS = 4096
"""Most padded tokens of one forward pass while training; bounds memory, changes no result beyond rounding."""

SHORTEST_SHARE = 0.75
"""Within a micro-batch no row is shorter than this share of the longest, unless the batch would be tiny."""

TINY_BATCH_TOKENS = 512
"""Below this many padded tokens another forward pass costs more than the padding it saves (measured on 2 cores)."""


@dataclass(frozen=True)
class TokenSet:
    """Tokenised examples: ids, targets and the weight of each example in the loss."""

    rendered: Sequence[Rendered]
    weights: Sequence[float]

    def __len__(self) -> int:
        return len(self.rendered)

    @property
    def num_targets(self) -> list[int]:
        """Target tokens of each example."""
        return [one.num_targets for one in self.rendered]


@dataclass(frozen=True)
class Batch:
    """One micro-batch: ids (B, T), targets (B, T), and each target's weight in row order (N)."""

    ids_BT: torch.Tensor
    targets_BT: torch.Tensor
    weights_N: torch.Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(self.ids_BT.to(device), self.targets_BT.to(device), self.weights_N.to(device))


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


def micro_batches(tokens: TokenSet, step: Sequence[int]) -> list[Batch]:
    """Return a step's examples as micro-batches of similar lengths, longest first."""
    lengths = [len(tokens.rendered[i].ids) for i in step]
    order = sorted(range(len(step)), key=lambda i: (-lengths[i], i))
    groups: list[list[int]] = []
    for i in order:
        if groups and _fits(lengths[groups[-1][0]], lengths[i], len(groups[-1])):
            groups[-1].append(i)
        else:
            groups.append([i])
    return [_to_batch(tokens, [step[i] for i in group]) for group in groups]


def _fits(longest: int, length: int, rows: int) -> bool:
    if longest * (rows + 1) > MICRO_BATCH_TOKENS:
        return False
    return length >= SHORTEST_SHARE * longest or longest * rows < TINY_BATCH_TOKENS


def _to_batch(tokens: TokenSet, rows: list[int]) -> Batch:
    ids_BT = pad_right([tokens.rendered[i].ids for i in rows], 0, torch.long)
    targets_BT = pad_right([tokens.rendered[i].targets for i in rows], False, torch.bool)
    targets_BT[:, 0] = False  # nothing predicts the first token
    weights_B = torch.tensor([tokens.weights[i] for i in rows], dtype=torch.float32)
    return Batch(ids_BT, targets_BT, weights_B.repeat_interleave(targets_BT.sum(1)))
