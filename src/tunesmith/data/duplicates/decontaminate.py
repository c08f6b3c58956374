"""Training rows that contain an item of an evaluation file: removed, with the item and the span shown.

Owns what of an evaluation file is looked for (its questions) and in which rows. Does not own the search
(`contamination`). Validation and test rows are left alone: they are not learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data.duplicates.contamination import Items
from tunesmith.data.read.columns import INPUT_NAMES, find
from tunesmith.data.read.files import PIECE_ROWS, read
from tunesmith.data.read.formats import FORMATS, recognised
from tunesmith.data.read.sources import expand
from tunesmith.data.rows import RowFault, from_json, shortened
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.core.spans import I64
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.read.files import Table
    from tunesmith.data.read.sources import Source

SHOWN_CHARS = 300


@dataclass(frozen=True)
class Item:
    """A question of an evaluation file and where it stands."""

    text: str
    at: str


def decontaminate(fates: Fates, gathered: Gathered, sources: Sequence[Source]) -> int:
    """Remove the living rows of train that contain an item (rule ``contaminated``); return how many items there are.

    Raises:
        DataError: if a file cannot be read, or nothing in it can be taken for a question.
    """
    items = [item for source in sources for item in items_of(source)]
    rows = fates.living("train")
    if not items or not len(rows):
        return len(items)
    index = Items([item.text for item in items])
    scans = (
        index.scan(_texts(gathered, rows[start : start + PIECE_ROWS])) for start in range(0, len(rows), PIECE_ROWS)
    )
    matches = index.matches(scans, lambda some: _texts(gathered, rows[some]))
    texts = _texts(gathered, rows[np.array([match.row for match in matches], np.int64)])
    for match, text in zip(matches, texts, strict=True):
        item = items[match.item]
        evidence = {
            "item": item.at,
            "score": round(match.score, 3),
            "span": shortened(text[match.start : match.end], SHOWN_CHARS),
            "item_text": shortened(item.text, SHOWN_CHARS),
        }
        fates.remove(int(rows[match.row]), "contaminated", evidence)
    return len(items)


def evaluation_files(entries: Sequence[str], recipe_dir: Path) -> list[Source]:
    """Return the files that ``data.decontaminate`` names.

    Raises:
        DataError: if one is not there.
    """
    return expand(entries, recipe_dir, "data.decontaminate")


def items_of(source: Source) -> list[Item]:
    """Return the questions of an evaluation file: user turns of a message format, or the column that bears the input.

    Raises:
        DataError: if it cannot be read, or no column can be told for the question.
    """
    table = read(source)
    name = recognised(table)
    column = "" if name else _question_column(table)
    items = []
    for row in table.rows:
        try:
            text = FORMATS[name](row.fields).input_text if name else str(row.fields.get(column) or "")
        except RowFault:
            continue
        if text.strip():
            items.append(Item(text, f"{source.label}:{row.line}"))
    return items


def _question_column(table: Table) -> str:
    column = find(table.columns, INPUT_NAMES)
    if column is None:
        raise DataError(
            f"{table.label}: none of its columns ({', '.join(table.columns)[:300]}) can be taken for the question",
            expected=f"a column such as {', '.join(INPUT_NAMES[:8])}, or a message format (data.decontaminate)",
            hint="rename the column in a copy of the file",
        )
    return column


def _texts(gathered: Gathered, rows: I64) -> list[str]:
    order = np.argsort(rows, kind="stable")
    messages = gathered.texts(rows[order])["messages"].to_list()
    texts = [""] * len(rows)
    for place, one in zip(order.tolist(), messages, strict=True):
        parsed: list[dict[str, Any]] = from_json(one)
        texts[place] = "\n".join(text_of(message) for message in parsed if message["role"] != "system")
    return texts
