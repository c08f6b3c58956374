"""What to think of a Dataset: relevance, cleanliness, balance, size, each in a word and a sentence.

Owns the thresholds. Words: ``good``, ``look`` (a person should), ``poor``, ``not checked``.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.core.estimates import wilson

if TYPE_CHECKING:
    import polars as pl

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Recipe

Verdict = dict[str, str]

LOOK_REMOVED_FRAC = 0.1
POOR_REMOVED_FRAC = 0.5
LOOK_IMBALANCE = 10.0
"""Largest label over smallest from which the rare ones are worth a look."""

FEW_PER_LABEL = 20
FEW_ROWS = 200


def verdicts(recipe: Recipe, gathered: Gathered, decided: Decided, removed: pl.DataFrame) -> dict[str, Verdict]:
    """Return the verdict and its reason for each of the four questions."""
    train = gathered.frame[decided.parts["train"]]
    return {
        "relevance": {"verdict": "not checked", "why": "data.relevance names no target"},
        "cleanliness": _cleanliness(gathered.read, removed.height, decided.conflicts),
        "balance": _balance(recipe, train),
        "size": _size(recipe, train, len(decided.parts["test"])),
    }


def _cleanliness(read: int, removed: int, conflicts: int) -> Verdict:
    frac = removed / max(read, 1)
    word = "poor" if frac > POOR_REMOVED_FRAC else "look" if frac > LOOK_REMOVED_FRAC or conflicts else "good"
    why = f"{frac:.1%} of the rows were removed"
    if conflicts:
        why += f", {conflicts:,} prompt(s) have different answers (data.dedup.conflicts says what to do)"
    return {"verdict": word, "why": why}


def _balance(recipe: Recipe, train: pl.DataFrame) -> Verdict:
    if recipe.task != "classify":
        return {"verdict": "not checked", "why": "only labels are counted in this version"}
    counts = Counter(train["label"].to_list())
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    total = sum(counts.values())
    effective = math.exp(-sum(count / total * math.log(count / total) for count in counts.values()))
    word = "look" if high / low > LOOK_IMBALANCE else "good"
    why = f"{len(counts)} labels, as if {effective:.1f} equal ones; {most} has {high:,} rows, {least} {low:,}"
    return {"verdict": word, "why": why}


def _size(recipe: Recipe, train: pl.DataFrame, test: int) -> Verdict:
    rows = train.height
    if recipe.task == "classify":
        labels = train["label"].n_unique()
        per_label = rows / max(labels, 1)
        enough = per_label >= FEW_PER_LABEL
        told = f"{rows:,} rows to learn {labels} labels from ({per_label:.0f} each)"
    else:
        enough, told = rows >= FEW_ROWS, f"{rows:,} rows to learn from"
    if not test:
        return {"verdict": "poor", "why": f"{told}, none to test on"}
    half = wilson(round(0.8 * test), test)
    return {
        "verdict": "good" if enough else "look",
        "why": f"{told}, {test:,} to test on (±{50 * (half.high - half.low):.1f} points at 80 %)",
    }
