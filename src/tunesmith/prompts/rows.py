"""Which validation rows choose a prompt and which ones report on it: never the same, and never rows of the test split.

Owns the two halves. Rows of one group stay together, so the reporting ones are of people and places that chose nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.recipe.prompts import LEAST_ROWS
from tunesmith.text.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example

FEWEST = LEAST_ROWS // 2
"""Fewest rows of a half."""


@dataclass(frozen=True)
class Halves:
    """Validation rows in seeded order."""

    choosing: list[Example]
    reporting: list[Example]


def check_validation(recipe: Recipe) -> None:
    """Refuse a recipe that holds no validation rows out.

    Raises:
        RecipeError: if it does not.
    """
    if recipe.data.split.valid == 0 and not recipe.data.valid:
        raise RecipeError(
            "data.split.valid is 0 and there is no data.valid: nothing to compare prompts by",
            expected=f"{LEAST_ROWS} validation rows or more", hint="data.split.valid: 0.1",
        )  # fmt: skip


def halves_of(recipe: Recipe, dataset: Artifact) -> Halves:
    """Return the rows that choose and those that report.

    Raises:
        DataError: if there are too few to do both.
    """
    found = halved(read_examples(dataset.path / "valid.parquet"), recipe.prompts.rows, recipe.seed)
    fewest, what = min((len(found.choosing), "choose"), (len(found.reporting), "report"))
    if fewest < FEWEST:
        raise DataError(
            f"{dataset.id}: {len(found.choosing) + len(found.reporting)} validation rows, of which {fewest} would "
            f"{what}: too few to tell prompts apart",
            expected=f"{FEWEST} rows to choose by, and {FEWEST} others to report on, of other groups",
            hint="a larger data.split.valid, or data.valid with files of its own",
        )
    return found


def halved(rows: Sequence[Example], most: int, seed: int) -> Halves:
    """Return at most so many rows in two halves, in seeded order; no group is in both, nor has more than a half."""
    groups: dict[object, list[Example]] = {}
    for place, one in enumerate(rows):
        groups.setdefault(("row", place) if one.group is None else one.group, []).append(one)
    names = list(groups)
    random.Random(seed).shuffle(names)
    halves: tuple[list[Example], list[Example]] = [], []
    wanted = min(most, len(rows))
    for name in names:
        choosing, reporting = halves
        smaller = reporting if len(reporting) < len(choosing) else choosing
        share = (wanted + (smaller is choosing)) // 2
        smaller += groups[name][: share - len(smaller)]
    for half in halves:
        random.Random(seed).shuffle(half)  # else the first rows asked would all be of one group
    return Halves(*halves)
