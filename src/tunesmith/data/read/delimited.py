"""Lines of CSV or TSV to records: which delimiter, which columns, and every line that is no record kept as a fault.

Owns quotes that are never closed, rows with too many or too few cells, and Excel's ``sep=`` line. Does not own files.
"""

from __future__ import annotations

import contextlib
import csv
import re
from typing import TYPE_CHECKING

import orjson

from tunesmith.core.errors import DataError
from tunesmith.core.progress import say
from tunesmith.data.rows import BadRow, RawRow

if TYPE_CHECKING:
    from collections.abc import Iterator

DELIMITERS = ",;\t|"
LARGEST_FIELD_CHARS = 1 << 28
KEPT_LINES = 10_000
"""Lines that are held to be read again before those that are done with are let go of."""


def delimited(stream: Iterator[str], delimiter: str | None, label: str) -> Iterator[RawRow | BadRow]:
    """Yield the records below the header; ``delimiter`` None means the one that the header speaks for.

    Raises:
        DataError: if there is no header, or nothing below it.
    """
    csv.field_size_limit(LARGEST_FIELD_CHARS)
    lines = _Lines(stream)
    start, header = next((one for one in enumerate(lines.following(0)) if one[1].strip()), (0, ""))
    _refuse_json(header, start + 1, label)
    if said := re.fullmatch(r"sep=(.)\s*", header, re.IGNORECASE):  # as Excel writes and reads it
        delimiter, start = said[1], start + 1
    yield from _rows(lines, start, delimiter or _delimiter(header, label), label)


class _Lines:
    """Lines of a stream by number from 0, which can be read again as long as they are not let go of."""

    def __init__(self, stream: Iterator[str]) -> None:
        self._stream = stream
        self._kept: list[str] = []
        self._first = 0

    def following(self, number: int) -> Iterator[str]:
        """Yield the lines from ``number`` on."""
        while self.has(number):
            yield self._kept[number - self._first]
            number += 1

    def has(self, number: int) -> bool:
        """Tell whether there is a line of that number."""
        while number - self._first >= len(self._kept):
            line = next(self._stream, None)
            if line is None:
                return False
            self._kept.append(line)
        return True

    def text(self, first: int, end: int) -> str:
        """Return the lines from ``first`` to before ``end``, joined."""
        return "".join(self._kept[first - self._first : end - self._first])

    def let_go(self, end: int) -> None:
        """Forget the lines before ``end``."""
        if end - self._first > KEPT_LINES:
            del self._kept[: end - self._first]
            self._first = end


def _delimiter(header: str, label: str) -> str:
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    if counts[best] == counts[","]:
        return ","
    say(f"  {label}: columns are separated by {best!r}")
    return best


def _refuse_json(header: str, line: int, label: str) -> None:
    if not header.lstrip().startswith("{"):
        return
    with contextlib.suppress(orjson.JSONDecodeError, UnicodeEncodeError):
        orjson.loads(header)
        raise DataError(
            f"{label}:{line}: this is JSON, not a header",
            expected="column names, separated",
            hint="rename it so that it ends in .jsonl: one object a line",
        )


def _rows(lines: _Lines, start: int, delimiter: str, label: str) -> Iterator[RawRow | BadRow]:
    columns: list[str] = []
    any_row = False
    for line, cells, fault, text in _records(lines, start, delimiter):
        if not columns:
            columns = _header(line, cells, fault, label)
            continue
        any_row = True
        if fault:
            yield BadRow(line, "invalid_csv", {"error": fault}, text.rstrip("\r\n"))
        elif len(cells) != len(columns):
            evidence = {"cells": len(cells), "columns": len(columns)}
            yield BadRow(line, "ragged_row", evidence, delimiter.join(cells))
        else:
            yield RawRow(line, dict(zip(columns, cells, strict=True)))
    if not any_row:
        raise DataError(
            f"{label}: holds only a header ({', '.join(columns)[:200]})", expected="at least one row of examples"
        )


def _records(lines: _Lines, start: int, delimiter: str) -> Iterator[tuple[int, list[str], str, str]]:
    """Yield ``(first physical line, cells, fault, text of a faulty line)`` from a line on; blank lines are no records.

    A stray quote swallows lines until another quote, or the end, shows that it was none of the writer's: its line is a
    fault, and reading goes on below it. Of the lines it had swallowed, those with an odd number of quotes are faults
    too: they are pieces of a record.
    """
    swallowed = 0
    while lines.has(start):
        reader = csv.reader(lines.following(start), delimiter=delimiter, strict=True)
        first = start
        while True:
            lines.let_go(first)
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last, unclosed = start + reader.line_num, "unexpected end" in str(error)
                fault = "a quote is opened here and never closed" if unclosed else str(error)
                yield first + 1, [], fault, lines.text(first, first + 1)
                if last > first + 1:
                    swallowed = swallowed if unclosed else max(swallowed, last)
                    break
            else:
                last = start + reader.line_num
                if first < swallowed and lines.text(first, last).count('"') % 2:
                    fault = "an odd number of quotes, below a quote that is never closed"
                    yield first + 1, [], fault, lines.text(first, first + 1)
                elif cells:
                    yield first + 1, cells, "", ""
            first = last
        start = first + 1


def _header(line: int, cells: list[str], fault: str, label: str) -> list[str]:
    if fault:
        raise DataError(f"{label}:{line}: the header cannot be read: {fault}", expected="column names, separated")
    names = [cell.strip() or f"column_{number}" for number, cell in enumerate(cells, 1)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{label}:{line}: the header names {', '.join(map(repr, twice))} more than once",
            expected="one name a column",
            hint="rename one of them in the file",
        )
    return names
