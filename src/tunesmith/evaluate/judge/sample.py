"""Which test rows are asked about: those of the slow baselines, and of them those that a judge sees."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.recipe import Recipe


def sampled_rows(recipe: Recipe, count: int) -> list[int]:
    """Return the test rows, of ``count``, on which the slow baselines are measured, in order."""
    most = min(recipe.evaluate.baseline_rows, count)
    return sorted(random.Random(recipe.seed).sample(range(count), most))


def judged_rows(recipe: Recipe, count: int) -> list[int]:
    """Return the test rows that are judged: some of those that all systems answer, so that all are judged on them."""
    rows = sampled_rows(recipe, count)
    most = recipe.evaluate.judge.rows if recipe.evaluate.judge else 0
    return sorted(random.Random(recipe.seed).sample(rows, min(most, len(rows))))
