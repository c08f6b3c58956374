"""Files beside the data, which name no rows to prepare: evaluations to keep out, examples of what a model is for.

Owns what of a record of such a file counts. Does not own what it is compared for (`decontaminate`, `relevance`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.data.read.columns import INPUT_NAMES, find
from tunesmith.data.read.files import read
from tunesmith.data.read.formats import FORMATS
from tunesmith.data.read.recognise import recognised
from tunesmith.data.rows import RowFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.data.read.sources import Source
    from tunesmith.data.rows import Row


def records_of(source: Source, setting: str, mapped: Sequence[str] = ()) -> Iterator[tuple[int, Row | str]]:
    """Yield each record's line, and its conversation or, of plain columns, the text of those that bear the input.

    Those are the ``mapped`` ones if the file has them all; else its only one, or one of a familiar name. Records that
    their format refuses are left out.

    Raises:
        DataError: if the file cannot be read, or no column can be told; it names the recipe's ``setting``.
    """
    table = read(source)
    name = recognised(table)
    columns = [] if name else text_columns(table.columns, table.label, setting, mapped)
    for row in table.rows:
        try:
            text = "\n".join(str(row.fields.get(column) or "") for column in columns)
            yield row.line, FORMATS[name](row.fields) if name else text
        except RowFault:
            continue


def text_columns(columns: Sequence[str], label: str, setting: str, mapped: Sequence[str]) -> list[str]:
    """Return the columns of plain text: the ``mapped`` ones if all are there; else the only one, or a familiar name.

    Raises:
        DataError: if there is none; it names the recipe's ``setting``.
    """
    if mapped and set(mapped) <= set(columns):
        return list(mapped)
    if len(columns) == 1:
        return list(columns)
    if (column := find(columns, INPUT_NAMES)) is not None:
        return [column]
    raise DataError(
        f"{label}: none of its columns ({', '.join(columns)[:300]}) can be taken for the text",
        expected=f"a column such as {', '.join(INPUT_NAMES[:8])}, or a message format ({setting})",
        hint="rename the column in a copy of the file",
    )
