"""The set of labels of a classification: what must hold of it, and what people should know.

Owns these checks. Does not own single labels (`check`) nor labels that are probably wrong (`label_errors`).
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError, did_you_mean
from tunesmith.data.rows import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl

    from tunesmith.recipe import Recipe

LONGEST = 60
"""Characters of a label that a message shows."""


def check_labels(rows: pl.DataFrame, recipe: Recipe, taken: Callable[[], str] = lambda: "") -> list[str]:
    """Return sentences about the labels (columns ``label``, ``source``, ``line``) that people should know.

    ``taken`` tells what took the other rows, for the error that only one label is left.

    Raises:
        DataError: if there is only one label, nearly every row has one of its own, or one occurs once without being
            named in the recipe.
    """
    counts = Counter(rows["label"].to_list())
    where = ", ".join(recipe.data.train)
    if len(counts) < 2:
        raise DataError(
            f"{where}: every usable row has the same label, {_told(next(iter(counts), ''))}{taken()}",
            expected="at least two labels to tell apart",
            hint="correct data.labels.names: rows whose label it lacks are removed"
            if recipe.data.labels.names
            else "check data.columns.target in the recipe",
        )
    if len(counts) > 20 and len(counts) > 0.9 * rows.height:
        raise DataError(
            f"{where}: {len(counts):,} different labels in {rows.height:,} rows: this column is no label",
            expected="labels that repeat",
            hint="check data.columns.target, or use task: chat for free answers",
        )
    if recipe.data.labels.names is None:
        _refuse_single(rows, counts)
    return _notes(counts, recipe.data.labels.names)


def _refuse_single(rows: pl.DataFrame, counts: Counter[str]) -> None:
    """Refuse labels that occur once, unless the recipe names them: most are typing errors."""
    once = [label for label in rows["label"].to_list() if counts[label] == 1]
    if not once:
        return
    label = once[0]
    row = rows.filter(rows["label"] == label).row(0, named=True)
    others = [other for other in counts if counts[other] > 1]
    more = f" ({len(once)} labels occur once: {_listed(once)})" if len(once) > 1 else ""
    raise DataError(
        f"{row['source']}:{row['line']}: the label {_told(label)} occurs only once{more}",
        expected="at least two examples of a label: one to learn from, one to test on",
        hint=f"{did_you_mean(label, others)[:300]}; correct or remove it, or list all labels in data.labels.names",
    )


def _notes(counts: Counter[str], names: Sequence[str] | None) -> list[str]:
    notes = []
    once = sorted(label for label, count in counts.items() if count < 2)
    if once:
        notes.append(
            f"{len(once)} label(s) occur once and cannot be both learnt and tested: kept in train: {_listed(once)}"
        )
    folded = Counter(label.casefold() for label in counts)
    twins = sorted(label for label in counts if folded[label.casefold()] > 1)
    if twins:
        notes.append(f"labels that differ only in case are taken as different: {_listed(twins)}")
    numbers = Counter(map(_number, counts))
    same = sorted(label for label in counts if (value := _number(label)) is not None and numbers[value] > 1)
    if same:
        notes.append(f"labels that are the same number are taken as different: {_listed(same)}")
    unused = sorted(set(names or ()) - set(counts))
    if unused:
        notes.append(f"{len(unused)} of data.labels.names have no example: {_listed(unused)}")
    return notes


def _number(label: str) -> Decimal | None:
    """Return the number that a label is, exactly; None if it is none."""
    return Decimal(label) if _DIGITS.fullmatch(label) else None


_DIGITS = re.compile(r"[-+]?[0-9]{1,40}(?:\.[0-9]{1,40})?")


def _listed(items: Sequence[str], limit: int = 8) -> str:
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shortened(item, LONGEST) for item in items[:limit]) + more


def _told(label: str) -> str:
    return repr(shortened(label, LONGEST))
