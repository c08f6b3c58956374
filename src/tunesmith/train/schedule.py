"""The learning rate as a pure function of the step. Owns shapes and the default peak; no state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.recipe import Schedule

LORA_FACTOR = 3.0
"""LoRA's default peak over full fine-tuning's: its updates pass through a product of small matrices."""


def multiplier(schedule: Schedule, step: int, total_steps: int) -> float:
    """Return the factor (0 to 1) on the peak learning rate for a step.

    Args:
        schedule: shape, warm-up share and floor.
        step: 0-based.
        total_steps: planned steps; at least 1.

    Warm-up rises linearly and never gives 0, so the first step already learns. The last step gets the floor.

    Source: cosine without restarts, Loshchilov & Hutter 2017, "SGDR", equation 5.
    """
    warmup_steps = round(schedule.warmup * total_steps)
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule.shape == "constant":
        return 1.0
    progress = (step - warmup_steps) / max(1, total_steps - 1 - warmup_steps)
    fall = 0.5 * (1 + math.cos(math.pi * progress)) if schedule.shape == "cosine" else 1 - progress
    return schedule.floor + (1 - schedule.floor) * max(0.0, fall)


def default_peak(method: str, hidden_size: int) -> float:
    """Return the learning rate used when the recipe names none: narrower models bear more.

    Full: 5e-5 at width 1024, falling with the width; LoRA: `LORA_FACTOR` times that. Never above 3e-3.

    Source: the fall with the width is a heuristic between the exponent 0.78 that Tinker's cookbook fits on Llama and
    the 2 that our sweep on nano (width 256) asks for; docs/log.md has the runs.
    """
    full = 5e-5 * (1024 / hidden_size) ** 2
    return min(3e-3, full * (LORA_FACTOR if method == "lora" else 1.0))
