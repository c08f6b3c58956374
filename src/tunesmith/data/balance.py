"""Evening out train: weights in the loss, or a cap on rows, by label, topic, language, source, length or a group.

Owns the groups, their weights and the cap. Validation and test are never touched, and no row is written twice: an
example of a rare group counts for more, it does not occur more often. Does not own what a
topic or a language is (`topics`), nor the verdict on balance (`verdicts`).

Source: Lample and Conneau, "Cross-lingual Language Model Pretraining", 2019, section 3.1 (shares raised to a power).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.data.topics import languages_of, topics_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Balance, Recipe

MOST_WEIGHT = 10.0
"""No example counts for more than this many: a handful of rows would else drown the others."""


def groups_of(gathered: Gathered, train: list[int], recipe: Recipe) -> dict[int, str]:
    """Return the group of each row of train (ascending).

    Raises:
        MissingExtraError: by topic, without the ``train`` extra, which reads the base's tokenizer.
    """
    assert recipe.data.balance is not None
    by = recipe.data.balance.by
    if by == "topic":
        return topics_of(gathered, train, recipe).of_rows()
    if by == "language":
        return languages_of(gathered, train, recipe)
    return dict(zip(train, _groups(gathered.frame[train], by), strict=True))


def cap_groups(fates: Fates, train: list[int], groups: dict[int, str], cap: int | None) -> list[int]:
    """Return the rows of train that stay when no group may have more than ``cap``; None: all.

    Rule: ``balance_cap``. Which rows go is a matter of what they say, not of their order.
    """
    return train if cap is None else _capped(fates, train, groups, cap)


def weigh(train: list[int], groups: dict[int, str], settings: Balance) -> tuple[dict[int, float], dict[str, Any]]:
    """Return the weight of each row of train whose weight is not 1, and the facts of each group."""
    counts = Counter(groups[row] for row in train)
    weights = group_weights(counts, settings.temperature)
    own = {row: round(weights[groups[row]], 6) for row in train}
    facts = {
        "by": settings.by,
        "groups": {name: {"rows": count, "weight": round(weights[name], 3)} for name, count in counts.most_common(50)},
    }
    return {row: weight for row, weight in own.items() if weight != 1.0}, facts


def group_weights(counts: Counter[str], temperature: float) -> dict[str, float]:
    """Return each group's weight: its share becomes that of its count to the power of ``temperature``.

    1 leaves the shares as they are, 0 makes all groups alike; the mean weight of a row is 1 unless a weight is cut off
    at `MOST_WEIGHT`. No groups give no weights.
    """
    total = sum(counts.values())
    powers = {name: count**temperature for name, count in counts.items()}
    all_powers = sum(powers.values())
    return {name: min(MOST_WEIGHT, powers[name] / all_powers * total / counts[name]) for name in counts}


def _groups(frame: pl.DataFrame, by: str) -> Sequence[str]:
    if by == "target":
        return [label or "" for label in frame["label"].to_list()]
    if by == "source":
        return list(frame["source"].to_list())
    if by == "length":
        bits = np.log2(np.maximum(frame["chars"].to_numpy(), 1)).astype(int)
        return [f"{2**bit}-{2 ** (bit + 1) - 1} characters" for bit in bits.tolist()]
    return [group or "" for group in frame["group"].to_list()]


def _capped(fates: Fates, train: list[int], groups: dict[int, str], cap: int) -> list[int]:
    seen: Counter[str] = Counter()
    gone = set()
    for row in fates.by_content(np.asarray(train, np.int64)).tolist():
        seen[groups[row]] += 1
        if seen[groups[row]] > cap and fates.remove(row, "balance_cap", {"group": groups[row], "cap": cap}):
            gone.add(row)
    return [row for row in train if row not in gone]
