"""Which weights learn, and from which step on: a pure function of the recipe, the model's layers and the step.

Owns the recipe's ``freeze``: ranges of layers, patterns, unfreezing. Does not own rates (`optimizer`), nor the states
of a frozen beginning that are kept on disk (`frozen_cache`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.errors import RecipeError
from tunesmith.models.layers import EMBEDDINGS, decoder_layers, depths, matching
from tunesmith.models.new_tokens import embedding_layers, is_new
from tunesmith.train.held_rows import NONE_HELD, HeldRows
from tunesmith.train.optimizer import trainable
from tunesmith.train.schedule import LONGER_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn
    from transformers import PreTrainedModel

    from tunesmith.recipe import Freeze

ALL_LEARN_FROM = 0.5
"""Share of a run after which gradual unfreezing without a pace is done: the other half is for all weights together."""

GRADUAL_LAYERS = ":-1"
"""Source: Howard & Ruder 2018, "ULMFiT", section 3.3: at first only the last layer learns."""


@dataclass(frozen=True)
class Learning:
    """What learns in a run.

    Args:
        weights: everything that learns at some step, by name.
        first_steps: from which step on each of them learns.
        depth: where each of them lies, as in `models.layers.depths`.
        num_layers: of the decoder.
        held: rows of them that stay while the others learn.
    """

    weights: Mapping[str, nn.Parameter]
    first_steps: Mapping[str, int]
    depth: Mapping[str, int]
    num_layers: int
    held: HeldRows = NONE_HELD

    @classmethod
    def of(cls, model: PreTrainedModel, starts: Mapping[int, int], rows: Sequence[int] = ()) -> Learning:
        """Read what learns from a model on which `freeze` has been called; ``starts`` is of `first_steps`.

        Rows of new tokens, which know nothing yet, learn from the start whatever is frozen. ``rows`` of the embeddings
        stay; see `rows_to_hold`.

        Raises:
            RecipeError: if nothing learns in the first step, or rows are held of embeddings that do not learn.
        """
        weights, depth = trainable(model), depths(model)
        first = {name: 0 if is_new(name) else starts.get(depth[name], 0) for name in weights}
        if not first or min(first.values()) > 0:
            raise RecipeError(
                "train.freeze: nothing is left to learn" + (" in the first step" if first else ""),
                hint="freeze fewer layers; a head that is tied to frozen embeddings is frozen with them",
            )
        ends = {id(one) for layer in embedding_layers(model).values() for one in layer.parameters()} if rows else set()
        held = {name: weight for name, weight in weights.items() if id(weight) in ends}
        if rows and not held:
            raise RecipeError(
                "train.freeze.rows says which rows of the embeddings learn, and the embeddings are frozen",
                hint="leave rows out, or freeze neither layer 0 nor a pattern that names the embeddings",
            )
        return cls(
            weights, first, {name: depth[name] for name in weights}, len(decoder_layers(model)), HeldRows(held, rows)
        )

    def all_at_once(self) -> Learning:
        """Return the same with everything learning from the first step on: the most a step can take."""
        return replace(self, first_steps=dict.fromkeys(self.first_steps, 0))

    def begin(self, step: int) -> None:
        """Let gradients be made for what learns at a step and for nothing else."""
        for name, weight in self.weights.items():
            weight.requires_grad_(self.first_steps[name] <= step)

    def lowest(self, step: int) -> int:
        """Return the depth of the lowest weight that learns at a step: nothing below it needs a backward pass."""
        return min(self.depth[name] for name, first in self.first_steps.items() if first <= step)

    @property
    def frozen_layers(self) -> int:
        """How many of the lowest layers never learn, with everything below them; 0 if the embeddings learn."""
        return max(0, min(self.depth.values()))

    def count(self, step: int) -> int:
        """Return how many numbers learn at a step."""
        learning = [name for name, first in self.first_steps.items() if first <= step]
        return sum(self.weights[name].numel() - self.held.numel(name) for name in learning)

    def told(self) -> str:
        """Return in words when what was frozen at first begins to learn; empty if nothing does."""
        begins: dict[int, list[int]] = {}
        for name, first in self.first_steps.items():
            begins.setdefault(first, []).append(self.depth[name])
        return ", ".join(
            f"{_named(set(places))} from step {first:,}" for first, places in sorted(begins.items()) if first > 0
        )


def freeze(model: PreTrainedModel, settings: Freeze | None, starts: Mapping[int, int]) -> None:
    """Mark what never learns by ``requires_grad``; to be called before adapters are put in, which go beside the rest.

    Raises:
        RecipeError: if a pattern matches nothing.
    """
    weights = dict(model.named_parameters(remove_duplicate=False))
    depth = depths(model)
    patterns = settings.patterns if settings else []
    stay = {name for one in patterns for name in matching(one, list(weights), "train.freeze.patterns")}
    stay |= {name for name, place in depth.items() if place not in starts}
    for name in stay:
        weights[name].requires_grad_(False)


def rows_to_hold(written: str, known: int, count: int, new: Sequence[int]) -> list[int]:
    """Return which of the embeddings' ``count`` rows stay.

    Those that ``written`` (``freeze.rows``) takes of the base's ``known`` tokens, and rows of no token; not new ones'.

    Raises:
        RecipeError: for a range of tokens that the base does not have, and for one that leaves no row to learn.
    """
    places = _sliced(written, known)
    if not places or (len(places) == known and not new):
        what = "leaves none to learn" if places else "is no range of them"
        raise RecipeError(
            f"train.freeze.rows: {written!r} of the base's {known:,} tokens {what}",
            expected="a slice of token numbers, which leaves some",
            hint=f"train.freeze.rows: ':{known // 2}', or a pattern that names the embeddings and freezes them whole",
        )
    return sorted({*places, *range(known, count)} - {*new})


def frozen_modules(model: PreTrainedModel) -> list[str]:
    """Return the names of the modules whose own weights all stay, for adapters to leave out."""
    own = {name: list(module.parameters(recurse=False)) for name, module in model.named_modules()}
    return [name for name, weights in own.items() if weights and not any(one.requires_grad for one in weights)]


def first_steps(settings: Freeze | None, num_layers: int, epoch_steps: Sequence[int]) -> dict[int, int]:
    """Return from which step on each depth learns (see `models.layers.depths`); one that never does is missing.

    Raises:
        RecipeError: for a range that the model does not have, or that thaws what is not frozen.
    """
    starts = dict.fromkeys(range(EMBEDDINGS, num_layers + 1), 0)
    if settings is None:
        return starts
    frozen = _places(_frozen_range(settings), num_layers, "layers")
    thawed = _thawed(settings, frozen, num_layers, epoch_steps)
    total = sum(epoch_steps)
    if settings.unfreeze == "gradual" and min(thawed.values()) >= total:
        raise RecipeError(
            f"train.freeze.unfreeze: the first frozen layer would begin to learn after step {min(thawed.values()):,}, "
            f"and the run has {total:,}",
            hint=f"a shorter train.freeze.pace, {LONGER_RUN}, or unfreeze: never",
        )
    return {
        place: thawed.get(place, total) if place in frozen else 0
        for place in starts
        if place not in frozen or thawed.get(place, total) < total
    }


def refuse_thaw_at_once(settings: Freeze | None, epoch_steps: Sequence[int]) -> None:
    """Refuse what a run has too few steps for: layers that would learn from its first step on, or never.

    Raises:
        RecipeError: for a pace of less than a step, and for a share of the run that is none of its steps.
    """
    total = sum(epoch_steps)
    if settings and settings.pace is not None and (steps := _passed(settings.pace, 1, epoch_steps)) < 1:
        raise RecipeError(
            f"train.freeze.pace: {settings.pace} is {steps:.2g} of a step in a run of {total:,}, so layers do not "
            "begin to learn one by one",
            hint="train.freeze.pace: 1, which is a step, or leave it out: all learn from the middle of the run on",
        )
    for share, written in settings.unfreeze.items() if settings and isinstance(settings.unfreeze, dict) else ():
        if not 0 < round(share * total) < total:
            when = "never learn" if round(share * total) else "learn from the first step on"
            raise RecipeError(
                f"train.freeze.unfreeze: layers {written!r} at {share:g} of {total:,} steps {when}",
                hint=(f"train.freeze.unfreeze: {{0.5: {written!r}}}, or " if total > 1 else "leave unfreeze out, or ")
                + LONGER_RUN,
            )


def _frozen_range(settings: Freeze) -> str | None:
    return settings.layers or (GRADUAL_LAYERS if settings.unfreeze == "gradual" else None)


def _places(written: str | None, num_layers: int, where: str) -> list[int]:
    """Return the depths of a range of layers, from the top down; with layer 0 go the embeddings."""
    if written is None:
        return []
    places = _sliced(written, num_layers)
    if not places:
        raise RecipeError(
            f"train.freeze.{where}: {written!r} is no range of layers of this model, which has {num_layers}",
            expected="a slice of its layers",
            hint=f"train.freeze.{where}: '0:{num_layers // 2}', or ':-1' for all but the top one",
        )
    return [*reversed(places), *([EMBEDDINGS] if places[0] == 0 else [])]


def _sliced(written: str, count: int) -> list[int]:
    """Return the numbers below ``count`` in a slice; none if a bound lies beyond them."""
    bounds = [int(bound) if bound else None for bound in written.split(":")]
    beyond = any(bound is not None and abs(bound) > count for bound in bounds)
    return [] if beyond else list(range(count)[slice(*bounds)])


def _thawed(settings: Freeze, frozen: Sequence[int], num_layers: int, epoch_steps: Sequence[int]) -> dict[int, int]:
    """Return from which step on each frozen depth learns, if it ever does."""
    total = sum(epoch_steps)
    if settings.unfreeze == "gradual":
        pace = ALL_LEARN_FROM / len(frozen) if settings.pace is None else settings.pace
        return {place: round(_passed(pace, number + 1, epoch_steps)) for number, place in enumerate(frozen)}
    steps: dict[int, int] = {}
    for share, written in sorted(settings.unfreeze.items()) if isinstance(settings.unfreeze, dict) else []:
        for place in _places(written, num_layers, "unfreeze"):
            if place not in frozen or place in steps:
                why = "is not frozen" if place not in frozen else "is unfrozen twice"
                raise RecipeError(
                    f"train.freeze.unfreeze: {written!r} at {share:g}: {_named([place])} {why}",
                    expected=f"layers within {settings.layers!r}, each once",
                    hint="leave the second one out"
                    if place in frozen
                    else f"freeze it: train.freeze.layers: {written!r}",
                )
            steps[place] = round(share * total)
    return steps


def _passed(pace: float | str, times: int, epoch_steps: Sequence[int]) -> float:
    """Return the steps in which a pace is gone a number of times; past the last step it may be any there."""
    if isinstance(pace, str):
        ends = np.concatenate([[0], np.cumsum(epoch_steps)])
        return float(np.interp(times * float(pace.split()[0]), np.arange(len(ends)), ends))
    return times * pace if isinstance(pace, int) else times * pace * sum(epoch_steps)


def _named(places: Iterable[int]) -> str:
    """Return depths in words: ``layers 3 to 5``, ``layer 0 and the embeddings``."""
    layers = sorted(place for place in places if place != EMBEDDINGS)
    words = [f"layer {layers[0]}" if len(layers) == 1 else f"layers {layers[0]} to {layers[-1]}"] if layers else []
    return " and ".join([*words, *(["the embeddings"] if EMBEDDINGS in places else [])])
