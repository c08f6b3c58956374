"""How probable the starting weights find every answer: what training on preferences measures itself by.

Computed once, before the first step, and kept in the run's folder, so that a run which is killed goes on with the same
numbers. The model that is handed in has its starting weights: checkpoints are loaded later (`loop.fit`). For KTO also
the answers to other questions, which tell how far the model has moved at large. Does not own the losses (`objectives`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.disk import fsync
from tunesmith.core.ids import digest, digest_bytes
from tunesmith.core.progress import steps
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet
from tunesmith.train.likelihood import logps_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.core.progress import Bar
    from tunesmith.train.frozen_cache import States
    from tunesmith.train.loop import Run

Logps = dict[int, "NDArray[np.float64]"]
"""Index of an example to the log-probabilities of its sequences."""

_AT_ONCE = 1024
"""Examples between two moves of the progress bar."""


@dataclass(frozen=True)
class Elsewhere:
    """Answers to other questions: tokens, and log-probabilities by the starting weights.

    ``of_pair`` says for each pair which of them is its own; a pair has none where it would be too long.
    """

    tokens: TokenSet
    logps: Logps
    of_pair: dict[int, int]


@dataclass(frozen=True)
class Reference:
    """The starting weights' log-probabilities of a set's pairs, and for KTO of answers to other questions."""

    logps: Logps
    elsewhere: Elsewhere | None = None


def reference_of(
    run: Run, tokens: TokenSet, examples: Sequence[int], *, elsewhere: bool, states: States | None = None
) -> Reference:
    """Return the reference for some examples of a set; what an earlier run left whole is read.

    Raises:
        OSError: if the disk refuses to take it.
    """
    logps = _kept(run, tokens, examples, states)
    if not elsewhere:
        return Reference(logps)
    apart, of_pair = mismatched(tokens, run.seed, run.loaded.context_tokens)
    wanted = [of_pair[one] for one in examples if one in of_pair]
    return Reference(logps, Elsewhere(apart, _kept(run, apart, wanted, None), of_pair))


def mismatched(tokens: TokenSet, seed: int, most_tokens: int) -> tuple[TokenSet, dict[int, int]]:
    """Return each pair's question with an answer to the next question of a seeded round, and which is whose.

    Chosen and rejected answers take turns. A single pair has none.
    """
    order = np.random.default_rng([seed, len(tokens)]).permutation(tokens.num_examples).tolist()
    rendered: list[Rendered] = []
    of_pair: dict[int, int] = {}
    for place, (pair, other) in enumerate(zip(order, order[1:] + order[:1], strict=True)):
        own, others = tokens.rendered[2 * pair], tokens.rendered[2 * other + place % 2]
        begin, answer = own.targets.index(True), others.targets.index(True)
        one = Rendered([*own.ids[:begin], *others.ids[answer:]], [*own.targets[:begin], *others.targets[answer:]], 1, 0)
        if pair != other and len(one.ids) <= most_tokens:
            of_pair[pair] = len(rendered)
            rendered.append(one)
    return TokenSet(rendered, [1.0] * len(rendered)), of_pair


def _kept(run: Run, tokens: TokenSet, examples: Sequence[int], states: States | None) -> Logps:
    file = run.folder / f"reference-{_digest(run, tokens, examples)}.json"
    if file.exists():
        numbers = json.loads(file.read_text(encoding="utf-8"))
        return {one: np.array(its) for one, its in zip(examples, numbers, strict=True)}
    found: Logps = {}
    with steps("asking the starting weights", len(examples)) as bar:
        for first in range(0, len(examples), _AT_ONCE):
            found |= _some(run, tokens, examples[first : first + _AT_ONCE], states, bar)
    part = file.with_suffix(".part")
    part.write_text(json.dumps([found[one].tolist() for one in examples]), encoding="utf-8")
    fsync(part)
    part.rename(file)
    return found


def _some(run: Run, tokens: TokenSet, examples: Sequence[int], states: States | None, bar: Bar) -> Logps:
    found = logps_of(run, tokens, examples, states)
    bar.advance(len(examples))
    return found


def _digest(run: Run, tokens: TokenSet, examples: Sequence[int]) -> str:
    """Return what tells files apart: another machine may compute in another type."""
    sequences = (tokens.rendered[one] for one in tokens.sequences_of(examples))
    pieces = [digest_bytes(np.array([one.ids, one.targets], dtype=np.int64).tobytes()) for one in sequences]
    return digest([run.precision, str(run.shortcuts), *pieces])
