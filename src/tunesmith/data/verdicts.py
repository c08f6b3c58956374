"""What to think of a Dataset: relevance, cleanliness, balance, size, each in a word and a sentence.

Owns the thresholds. Words: ``good``, ``look`` (a person should), ``poor``, ``not checked``.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.core.estimates import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.data.rows import Removed, Row
    from tunesmith.recipe import Recipe

Verdict = dict[str, str]

LOOK_REMOVED_FRAC = 0.1
POOR_REMOVED_FRAC = 0.5
LOOK_IMBALANCE = 10.0
"""Largest label over smallest from which the rare ones are worth a look."""

FEW_PER_LABEL = 20
FEW_ROWS = 200


def verdicts(
    recipe: Recipe, parts: dict[str, list[Row]], read: int, removed: Sequence[Removed], conflicts: int
) -> dict[str, Verdict]:
    """Return the verdict and its reason for each of the four questions."""
    return {
        "relevance": {"verdict": "not checked", "why": "data.relevance comes in a later version"},
        "cleanliness": _cleanliness(read, removed, conflicts),
        "balance": _balance(recipe, parts["train"]),
        "size": _size(recipe, parts),
    }


def _cleanliness(read: int, removed: Sequence[Removed], conflicts: int) -> Verdict:
    frac = len(removed) / max(read, 1)
    word = "poor" if frac > POOR_REMOVED_FRAC else "look" if frac > LOOK_REMOVED_FRAC or conflicts else "good"
    why = f"{frac:.1%} of the rows were removed"
    if conflicts:
        why += f", {conflicts:,} prompt(s) have different answers (data.dedup.conflicts: remove drops them)"
    return {"verdict": word, "why": why}


def _balance(recipe: Recipe, train: Sequence[Row]) -> Verdict:
    if recipe.task != "classify":
        return {"verdict": "not checked", "why": "only labels are counted in this version"}
    counts = Counter(row.label or "" for row in train)
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    total = sum(counts.values())
    effective = math.exp(-sum(count / total * math.log(count / total) for count in counts.values()))
    word = "look" if high / low > LOOK_IMBALANCE else "good"
    why = f"{len(counts)} labels, as if {effective:.1f} equal ones; {most} has {high:,} rows, {least} {low:,}"
    return {"verdict": word, "why": why}


def _size(recipe: Recipe, parts: dict[str, list[Row]]) -> Verdict:
    train, test = len(parts["train"]), len(parts["test"])
    if recipe.task == "classify":
        labels = len({row.label for row in parts["train"]})
        per_label = train / max(labels, 1)
        enough, told = (
            per_label >= FEW_PER_LABEL,
            f"{train:,} rows to learn {labels} labels from ({per_label:.0f} each)",
        )
    else:
        enough, told = train >= FEW_ROWS, f"{train:,} rows to learn from"
    if not test:
        return {"verdict": "poor", "why": f"{told}, none to test on"}
    half = wilson(round(0.8 * test), test)
    return {
        "verdict": "good" if enough else "look",
        "why": f"{told}, {test:,} to test on (±{50 * (half.high - half.low):.1f} points at 80 %)",
    }
