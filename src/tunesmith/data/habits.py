"""What speaks against a row only if the data have a habit: decided once all rows are read.

Owns whether a hint counts, and what is done then; and the habit of answering "N/A": it is no answer, unless a good
share of a file's rows say so, or the file's answers are a closed set in which it is one. Does not own the hints
(`noise`) nor the habits that are counted row by row (`noise.corpus`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from tunesmith.data.closed_sets import CLOSED_FRAC, FEWEST_PER_VALUE, MOST_VALUES
from tunesmith.data.noise.corpus import ANSWERED
from tunesmith.data.noise.nonanswers import bare_answer
from tunesmith.data.rows import from_json

if TYPE_CHECKING:
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered

ANSWERED_FRAC = 0.05
"""Share of a file's rows from which an answer such as 'N/A' is meant. Exports leave it in a few rows of a hundred at
most; questions without an answer are put into data in tens of a hundred (SQuAD 2.0 has 33)."""


def settle_hints(fates: Fates, gathered: Gathered) -> list[str]:
    """Remove or flag the rows whose hint means something in these data; return what people should know."""
    hints = gathered.hints()
    if not hints.height:
        return []
    at = fates.frame.select("row_id", "source", "answer_key").with_row_index("row")
    hints = hints.join(at, on="row_id", how="inner", maintain_order="left")
    meant, notes = _answered(hints.filter(pl.col("habit") == ANSWERED), at)
    for row, field, rule, evidence, habit, removes in hints.select(
        "row", "field", "rule", "evidence", "habit", "removes"
    ).iter_rows():
        if habit == ANSWERED and row in meant:
            continue
        why = from_json(evidence)
        if not (removes and fates.remove(row, rule, {"field": field, **why})):
            fates.flag(row, rule, why, field)
    return notes


def _answered(hints: pl.DataFrame, rows: pl.DataFrame) -> tuple[set[int], list[str]]:
    """Return the rows whose "N/A" is an answer, and a sentence for each file that has such rows."""
    said = pl.col("evidence").str.json_path_match("$.answer").map_elements(_said, pl.String)
    hints = hints.with_columns(said=said)
    meant, notes = set[int](), list[str]()
    for (source, answer), own in hints.group_by("source", "said", maintain_order=True):
        of_file = rows.filter(pl.col("source") == source)
        often = own.height >= ANSWERED_FRAC * of_file.height
        if own.height >= FEWEST_PER_VALUE and (often or _closed(of_file["answer_key"])):
            meant |= set(own["row"].to_list())
            notes.append(f"{source}: {answer!r} in {own.height:,} of {of_file.height:,} rows is taken for an answer")
    return meant, notes


def _said(answer: str) -> str:
    return bare_answer(answer).replace("n a", "na")


def _closed(answers: pl.Series) -> bool:
    """Tell whether nearly all of a file's answers are one of a few."""
    counts = answers.value_counts(sort=True)["count"]
    common = counts.head(MOST_VALUES).filter(counts.head(MOST_VALUES) >= FEWEST_PER_VALUE)
    return len(common) > 1 and int(common.sum()) >= CLOSED_FRAC * len(answers)
