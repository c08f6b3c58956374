"""What is done about answers of a closed set that are probably wrong: flagged, removed, or replaced.

Owns that only rows of the train split are touched, so that the model of the labels never changes what it is measured
on, and what a replaced answer takes with it. Does not own who is wrong (`label_errors`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.data.asked import asked
from tunesmith.data.closed_sets import ClosedSet, closed_sets
from tunesmith.data.label_errors import (
    FEWEST_EACH,
    FEWEST_ROWS,
    FOLDS,
    Doubt,
    doubtful,
    out_of_fold,
    sure,
    tellable,
    too_few,
)
from tunesmith.data.rows import compact_json, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.rowwise import Measure
    from tunesmith.recipe import Recipe

RULE = "label_error"

TOLD_FRAC = 0.02
"""Share of the rows of which it is told in a note that nobody can tell whether their labels are wrong."""


@dataclass
class Fixed:
    """What was done: ``facts`` (labels in doubt, replaced, and doubts that nobody can tell), and ``notes`` why."""

    facts: dict[str, int] = field(default_factory=lambda: {"doubtful_labels": 0, "relabelled": 0, "untold_labels": 0})
    notes: list[str] = field(default_factory=list)


def fix_labels(fates: Fates, gathered: Gathered, train: list[int], recipe: Recipe, measure: Measure | None) -> Fixed:
    """Flag, remove or replace answers of ``train`` that are probably wrong; tell where that cannot be said.

    Raises:
        MissingExtraError: without scikit-learn, if there is a closed set to judge.
    """
    fix, rows, fixed = recipe.data.labels.fix, np.array(train, np.int64), Fixed()
    replaced = dict[int, str]()
    if fix == "off" or len(rows) < FOLDS * FOLDS:
        rows = rows[:0]
    for closed in closed_sets(recipe.task, gathered, rows) if len(rows) else ():
        for doubt, certain in _judged(fates, gathered, closed, fix, fixed):
            fixed.facts["doubtful_labels"] += 1
            row, evidence = int(closed.rows[doubt.row]), _evidence(closed, doubt)
            if certain and fates.mend(row, RULE, doubt.given, doubt.likely, evidence):
                replaced[row] = doubt.likely
            elif fix == "remove":
                fates.remove(row, RULE, evidence)
            else:
                fates.flag(row, RULE, evidence)
    if replaced:
        gathered.amend(_with_answers(gathered, replaced, recipe, measure))
        fates.frame = gathered.frame
        fixed.facts["relabelled"] = len(replaced)
    if fix == "flag" and fixed.facts["doubtful_labels"] > TOLD_FRAC * len(rows):
        fixed.notes.append(_left_in_doubt(fixed.facts["doubtful_labels"], recipe.task))
    return fixed


def _left_in_doubt(doubtful: int, task: str) -> str:
    relabel = "" if task == "extract" else "relabel (the surest are replaced) or "
    return (
        f"{doubtful:,} labels in doubt stay as they are, and the report says which seem right: read some, then choose "
        f"data.labels.fix: {relabel}remove"
    )


def _judged(
    fates: Fates, gathered: Gathered, closed: ClosedSet, fix: str, fixed: Fixed
) -> Iterator[tuple[Doubt, bool]]:
    """Yield the doubts about the answers of a closed set that can be told from the probe's own mistakes, and whether
    the likely answer may replace the given one; note in ``fixed`` how many cannot.

    Rows are dealt out to the folds by what they say, so that another order of the files gives the same doubts.
    """
    messages = gathered.texts(closed.rows)["messages"].to_list()
    order = np.searchsorted(closed.rows, fates.by_content(closed.rows)).tolist()
    texts, values = [asked(from_json(messages[at])) for at in order], [closed.values[at] for at in order]
    chances, names = out_of_fold(texts, values)
    relabel = fix == "relabel" and closed.field is None
    certain = sure(chances, names, values) if relabel else np.zeros(len(texts), np.bool_)
    told, doubts = tellable(chances, names, values), doubtful(chances, names, values)
    untold = sum(not told[doubt.row] for doubt in doubts)
    fixed.facts["untold_labels"] += untold
    if untold > TOLD_FRAC * len(values):
        known = np.mean([names[best] == value for best, value in zip(chances.argmax(axis=1), values, strict=True)])
        fixed.notes.append(_cannot_tell(closed, untold, len(names), float(known)))
    for doubt in doubts:
        if told[doubt.row]:
            may_replace = bool(certain[doubt.row]) and doubt.p_likely >= chances[doubt.row].max()
            yield replace(doubt, row=order[doubt.row]), may_replace


def _cannot_tell(closed: ClosedSet, untold: int, labels: int, known: float) -> str:
    """Return the sentence that doubts cannot be told from the probe's mistakes, why, and what would help."""
    rows = len(closed.values)
    of = "" if closed.field is None else f" of {closed.field!r}"
    why = f"most such doubts are mistakes of the probe, which knows {known:.0%} of the labels from other rows"
    if too_few(rows, labels):
        why = f"that takes {FEWEST_ROWS} rows, and {FEWEST_EACH} a label on average"
    have = f"{rows:,} rows have {labels:,} labels, more of each would help"
    return f"cannot tell whether {untold:,} labels{of} in doubt are wrong, so they stay: {why}; {have}"


def _evidence(closed: ClosedSet, doubt: Doubt) -> dict[str, Any]:
    evidence = {
        "label": doubt.given,
        "likely": doubt.likely,
        "p_label": round(doubt.p_given, 3),
        "p_likely": round(doubt.p_likely, 3),
    }
    return evidence if closed.field is None else {"field": closed.field, **evidence}


def _with_answers(
    gathered: Gathered, replaced: dict[int, str], recipe: Recipe, measure: Measure | None
) -> pl.DataFrame:
    """Return the rows whose answer is replaced: their index, and the columns that change with it."""
    rows = np.array(sorted(replaced), np.int64)
    texts = gathered.texts(rows, ("messages", "tools"))
    conversations = [json.loads(messages) for messages in texts["messages"].to_list()]
    for conversation, row in zip(conversations, rows.tolist(), strict=True):
        conversation[-1]["content"] = replaced[row]
    texts_now = list(map(compact_json, conversations))
    columns: dict[str, Any] = {"row": rows, "messages": texts_now, "repaired": [True] * len(rows)}
    if recipe.task == "classify":
        columns["label"] = [replaced[row] for row in rows.tolist()]
    if measure is not None:
        tools = [json.loads(one) if one else None for one in texts["tools"].to_list()]
        columns |= _lengths(recipe, measure, list(zip(conversations, tools, strict=True)))
    return pl.DataFrame(columns).with_columns(pl.col("row").cast(pl.UInt32))


def _lengths(recipe: Recipe, measure: Measure, conversations: list[Any]) -> dict[str, pl.Series]:
    from tunesmith.data.rowwise import length_of

    found = length_of(recipe, measure)(conversations)
    both = [(None, None) if isinstance(one, DataError) else one for one in found]
    return {
        name: pl.Series([one[at] for one in both], dtype=pl.Int32)
        for at, name in enumerate(("tokens", "target_tokens"))
    }
