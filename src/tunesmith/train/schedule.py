"""The learning rate as a pure function of the step, and of the validations for one shape.

Owns the shapes, the length of the warm-up and the default peak; keeps no state, so a resumed run has the same rates.
Does not own factors of single weights (`optimizer`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.recipe import Schedule

LONGER_RUN = "a longer run (train.epochs, train.max_steps)"
"""The way out of a setting that the run is too short for."""

PREFERENCE_FACTOR = 0.1
"""Default peak of objectives on preferences over that of plain fine-tuning: the model can answer already."""

LORA_FACTOR = 3.0
"""LoRA's default peak over full fine-tuning's: its updates pass through a product of small matrices."""

_ROUNDING = 1e-9
"""Two places closer than this, in steps, are the same place."""


def multiplier(
    schedule: Schedule, step: int, total_steps: int, *, batch_tokens: int = 1, validations: Sequence[float] = ()
) -> float:
    """Return the factor (0 to 1) on the peak learning rate for a step.

    Args:
        schedule: the shape and its settings.
        step: 0-based.
        total_steps: planned steps; at least 1.
        batch_tokens: target tokens of a step, to turn a warm-up in tokens into steps.
        validations: validation losses seen before this step, in order; only ``plateau`` looks at them.

    Warm-up rises linearly and never gives 0, so the first step already learns. Shapes that fall give the floor to the
    last step.
    """
    warmup = warmup_steps(schedule, total_steps, batch_tokens)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return _SHAPES[schedule.shape](
        schedule, _Place(step - warmup, max(1, total_steps - 1 - warmup), warmup, validations)
    )


def warmup_steps(schedule: Schedule, total_steps: int, batch_tokens: int) -> int:
    """Return how many steps ramp up; 0 for a shape that rises by itself.

    A share is of all steps; tokens are counted in steps of ``batch_tokens`` target tokens, rounded up.
    """
    warmup = schedule.warmup
    if not schedule.uses("warmup"):
        return 0
    if isinstance(warmup, str):
        return -(-schedule.warmup_tokens // batch_tokens)
    return warmup if isinstance(warmup, int) else round(warmup * total_steps)


def drawn_together(schedule: Schedule, total_steps: int, fewer_steps: int, batch_tokens: int) -> Schedule:
    """Return the schedule that has this one's curve over fewer steps: what is counted in steps becomes less."""
    warmup = warmup_steps(schedule, total_steps, batch_tokens) / total_steps
    return schedule.model_copy(update={"warmup": warmup, "gamma": schedule.gamma ** (total_steps / fewer_steps)})


def check_schedule(schedule: Schedule, total_steps: int, batch_tokens: int, *, validated: bool) -> None:
    """Refuse what the run is too short for, or what it cannot know.

    Raises:
        RecipeError: if the warm-up is not over before the last step, or ``plateau`` has no validation to look at.
    """
    warmup = warmup_steps(schedule, total_steps, batch_tokens)
    if warmup >= max(2, total_steps):
        raise RecipeError(
            f"train.schedule.warmup: {schedule.warmup} is {warmup:,} of the run's {total_steps:,} steps",
            hint=f"a shorter warm-up, or {LONGER_RUN}",
        )
    if schedule.shape == "plateau" and not validated:
        raise RecipeError(
            "train.schedule.shape: plateau follows the validation loss, and there are no validation examples",
            hint="data.split.valid: 0.1, or another shape",
        )


@dataclass(frozen=True)
class _Place:
    """Where a step lies after the warm-up: ``done`` of ``steps`` (at least 1); the last step has done == steps."""

    done: int
    steps: int
    warmup: int
    validations: Sequence[float]

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.steps)


def _above_floor(schedule: Schedule, height: float) -> float:
    return schedule.floor + (1 - schedule.floor) * height


def _half_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _constant(_schedule: Schedule, _place: _Place) -> float:
    return 1.0


def _linear(schedule: Schedule, place: _Place) -> float:
    return _above_floor(schedule, 1 - place.share)


def _cosine(schedule: Schedule, place: _Place) -> float:
    """Source: Loshchilov & Hutter 2017, "SGDR", equation 5, with one cycle."""
    return _above_floor(schedule, _half_cosine(place.share))


def _polynomial(schedule: Schedule, place: _Place) -> float:
    return _above_floor(schedule, (1 - place.share) ** schedule.power)


def _restarts(schedule: Schedule, place: _Place) -> float:
    """Fill the run with cycles, each ``growth`` times as long and ``shrink`` times as high as the one before.

    Source: Loshchilov & Hutter 2017, "SGDR", equation 5 and section 3 (their T_mult is ``growth``).
    """
    lengths = [schedule.growth**cycle for cycle in range(schedule.cycles)]
    unit, start = place.steps / sum(lengths), 0.0
    for cycle, length in enumerate(lengths):
        end = start + length * unit
        if place.done < end - _ROUNDING:
            return _above_floor(schedule, schedule.shrink**cycle * _half_cosine((place.done - start) / (end - start)))
        start = end
    return schedule.floor


def _cyclic(schedule: Schedule, place: _Place) -> float:
    """Rise from the floor and fall back to it, ``cycles`` times.

    Source: Smith 2017, "Cyclical learning rates for training neural networks", section 3.
    """
    turns = place.done * schedule.cycles / place.steps
    cycle = math.floor(turns + _ROUNDING)
    triangle = 1 - abs(2 * (turns - cycle) - 1)
    heights = {"triangular": 1.0, "triangular2": 0.5**cycle, "exp_range": schedule.gamma**place.done}
    return _above_floor(schedule, max(0.0, triangle) * heights[schedule.mode])


def _one_cycle(schedule: Schedule, place: _Place) -> float:
    """Rise from ``start`` over a share ``rise`` of the steps, then fall to the floor, both along a cosine.

    Source: Smith & Topin 2018, "Super-convergence"; the cosine is fast.ai's.
    """
    top = schedule.rise * (place.steps + 1) - 1
    if top > 0 and place.done <= top:
        return 1 + (schedule.start - 1) * _half_cosine(place.done / top)
    return _above_floor(schedule, _half_cosine((place.done - top) / (place.steps - top)))


def _wsd(schedule: Schedule, place: _Place) -> float:
    """Stay at the peak, then fall over the last share ``decay`` of the steps, steeply first.

    Source: Hägele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations", eq. 1-sqrt.
    """
    falling = min(place.steps, max(1, round(schedule.decay * (place.steps + 1 + place.warmup))))
    share = max(0, place.done - (place.steps - falling)) / falling
    return _above_floor(schedule, 1 - math.sqrt(min(1.0, share)))


def _inverse_sqrt(schedule: Schedule, place: _Place) -> float:
    """Source: Vaswani et al. 2017, "Attention is all you need", equation 3, scaled to 1 where the warm-up ends."""
    scale = place.warmup + 1
    return max(schedule.floor, math.sqrt(scale / (place.done + scale)))


def _plateau(schedule: Schedule, place: _Place) -> float:
    """Multiply by ``factor`` each time the validation loss has not fallen for more than ``patience`` validations."""
    best, stale, height = math.inf, 0, 1.0
    for value in place.validations:
        if value < best:
            best, stale = value, 0
        else:
            stale += 1
        if stale > schedule.patience:
            height, stale = height * schedule.factor, 0
    return max(schedule.floor, height)


_SHAPES: dict[str, Callable[[Schedule, _Place], float]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "restarts": _restarts,
    "cyclic": _cyclic,
    "one_cycle": _one_cycle,
    "wsd": _wsd,
    "inverse_sqrt": _inverse_sqrt,
    "polynomial": _polynomial,
    "plateau": _plateau,
}


def default_peak(method: str, hidden_size: int, objective: str = "sft") -> float:
    """Return the learning rate used when the recipe names none: narrower models bear more.

    Full: 5e-5 at width 1024, falling with the width; LoRA: `LORA_FACTOR` times that. Never above 3e-3. Objectives on
    preferences get `PREFERENCE_FACTOR` of it.

    Source: the fall with the width is a heuristic between the exponent 0.78 that Tinker's cookbook fits on Llama and
    the 2 that our sweep on nano (width 256) asks for; docs/log.md has the runs.
    """
    full = 5e-5 * (1024 / hidden_size) ** 2
    peak = min(3e-3, full * (LORA_FACTOR if method == "lora" else 1.0))
    return peak if objective == "sft" else PREFERENCE_FACTOR * peak


def told(schedule: Schedule, total_steps: int, batch_tokens: int) -> str:
    """Return a schedule in words, such as ``cosine after 18 steps of warm-up, down to 0.1 of the peak``."""
    words = _WORDS.get(schedule.shape, "{shape}").format(**dict(schedule))
    if warmup := warmup_steps(schedule, total_steps, batch_tokens):
        words += f" after {warmup:,} steps of warm-up"
    return words + (f", never below {schedule.floor:g} of the peak" if schedule.uses("floor") else "")


_WORDS = {
    "restarts": "{cycles} cosine cycles",
    "cyclic": "{cycles} {mode} cycles",
    "one_cycle": "one cycle, rising for {rise:.0%} of the steps from {start:g} of the peak",
    "wsd": "stable, falling for the last {decay:.0%} of the steps",
    "inverse_sqrt": "inverse square root of the steps",
    "polynomial": "polynomial of power {power:g}",
    "plateau": "constant, times {factor:g} when the validation loss has not fallen in over {patience} validations",
}
