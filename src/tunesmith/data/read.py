"""A file to records: CSV, TSV, JSON lines, JSON, Parquet, plain or packed; every bad record kept with its line.

Owns the containers. Does not own encodings (`decode`) nor what a record means (`formats`). A file that holds no record
at all, or only bad ones, is an error; one bad record among good ones is a `BadRow`.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.core.errors import DataError
from tunesmith.core.progress import say
from tunesmith.data.decode import decoded, refuse_binary, unpacked
from tunesmith.data.rows import BadRow, RawRow
from tunesmith.data.sources import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tunesmith.data.sources import Source

DELIMITERS = ",;\t|"
LARGEST_FIELD_CHARS = 1 << 28


@dataclass(slots=True)
class Table:
    """What a file holds: good records, bad records, and its columns in order of first appearance."""

    label: str
    rows: list[RawRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


def read(source: Source) -> Table:
    """Read one file.

    Raises:
        DataError: naming the file, if it is empty, of another kind than its name says, or has no good record.
        MissingExtraError: if it needs a library that is not installed.
    """
    table = _from_hub(source) if source.hub else _from_file(source)
    if not table.rows:
        _refuse_without_rows(table)
    return table


def _from_file(source: Source) -> Table:
    data, ending = unpacked(source)
    readers: dict[str, Callable[[bytes, str], Table]] = {
        ".csv": _csv,
        ".tsv": _tsv,
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json,
        ".parquet": _parquet,
    }
    if ending not in readers:
        refuse_binary(data, source.label)
        what = f"files ending in {ending!r}" if ending else "a file without ending"
        raise DataError(
            f"{source.label}: {what} cannot be read",
            expected="a name ending in " + ", ".join(sorted(KINDS)) + ", plain or with .gz, .bz2, .xz, .zst",
            hint="rename it so that its ending says what it holds",
        )
    return readers[ending](data, source.label)


def _refuse_without_rows(table: Table) -> None:
    if table.bad:
        first = table.bad[0]
        raise DataError(
            f"{table.label}:{first.line}: none of {len(table.bad)} rows can be read; the first: {first.rule} "
            f"({_told(first.evidence)})",
            expected="records as the file's ending says",
            hint=f"look at it with: head -n 3 {table.label}",
        )
    what = f"only a header ({', '.join(table.columns)[:200]})" if table.columns else "no records"
    raise DataError(f"{table.label}: holds {what}", expected="at least one row of examples")


def _told(evidence: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in evidence.items())


def _from_hub(source: Source) -> Table:
    from tunesmith.data.hub import records

    rows = [RawRow(number, record) for number, record in enumerate(records(source.hub or ""), 1)]
    return Table(source.label, rows, columns=_columns(rows))


def _columns(rows: list[RawRow]) -> list[str]:
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row.fields))
    return list(seen)


# --- CSV and TSV ----------------------------------------------------------------------------------------------------


def _csv(data: bytes, label: str) -> Table:
    lines = _lines(decoded(data, label))
    delimiter = _delimiter(lines, label)
    return _delimited(lines, delimiter, label)


def _tsv(data: bytes, label: str) -> Table:
    return _delimited(_lines(decoded(data, label)), "\t", label)


def _lines(text: str) -> list[str]:
    """Return physical lines with their ends; ``\\n``, ``\\r`` and ``\\r\\n`` end a line."""
    return list(io.StringIO(text, newline=""))


def _delimiter(lines: list[str], label: str) -> str:
    header = next((line for line in lines if line.strip()), "")
    counts = {delimiter: len(next(csv.reader([header], delimiter=delimiter), [])) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    if counts[best] == counts[","]:
        return ","
    say(f"  {label}: columns are separated by {best!r}")
    return best


def _delimited(lines: list[str], delimiter: str, label: str) -> Table:
    table = Table(label)
    for line, cells, fault in _records(lines, delimiter):
        if not table.columns:
            table.columns = _header(line, cells, fault, label)
        elif fault:
            table.bad.append(BadRow(line, "invalid_csv", {"error": fault}, lines[line - 1].rstrip("\r\n")))
        elif len(cells) != len(table.columns):
            evidence = {"cells": len(cells), "columns": len(table.columns)}
            table.bad.append(BadRow(line, "ragged_row", evidence, delimiter.join(cells)))
        else:
            table.rows.append(RawRow(line, dict(zip(table.columns, cells, strict=True))))
    return table


def _records(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """Yield ``(first physical line, cells, fault)``; blank lines are no records.

    A stray quote swallows lines until another quote, or the end, shows that it was none of the writer's: its line is a
    fault, and reading goes on below it. Of the lines it had swallowed, those with an odd number of quotes are faults
    too: they are pieces of a record.
    """
    csv.field_size_limit(LARGEST_FIELD_CHARS)
    start = swallowed = 0
    while start < len(lines):
        reader = csv.reader((lines[at] for at in range(start, len(lines))), delimiter=delimiter, strict=True)
        first = start
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                last, unclosed = start + reader.line_num, "unexpected end" in str(error)
                yield first + 1, [], "a quote is opened here and never closed" if unclosed else str(error)
                if last > first + 1:
                    swallowed = swallowed if unclosed else max(swallowed, last)
                    break
            else:
                last = start + reader.line_num
                if first < swallowed and "".join(lines[first:last]).count('"') % 2:
                    yield first + 1, [], "an odd number of quotes, below a quote that is never closed"
                elif cells:
                    yield first + 1, cells, ""
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


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json_lines(data: bytes, label: str) -> Table:
    table = Table(label)
    text = decoded(data, label)
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            _add_json(table, number, line.strip())
    if not table.rows and len(table.bad) > 1 and text.lstrip().startswith(("[", "{")) and _is_json(text):
        say(f"  {label}: one JSON value over several lines; read as JSON")
        return _json(data, label)
    table.columns = _columns(table.rows)
    return table


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _add_json(table: Table, number: int, line: str) -> None:
    try:
        value = orjson.loads(line)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        table.bad.append(BadRow(number, "invalid_json", {"error": str(error)}, line))
        return
    if isinstance(value, dict):
        table.rows.append(RawRow(number, value))
    else:
        table.bad.append(BadRow(number, "not_an_object", {"found": type(value).__name__}, line))


def _json(data: bytes, label: str) -> Table:
    text = decoded(data, label)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        first = text.lstrip().split("\n", 1)
        if len(first) > 1 and first[0].startswith("{") and _is_json(first[0]):
            say(f"  {label}: one JSON object a line; read as JSON lines")
            return _json_lines(data, label)
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{label}:{line}: not valid JSON: {error}",
            expected="an array of objects, or an object with one array of objects",
            hint=f"python -m json.tool {label} shows where; one object a line belongs into a .jsonl file",
        ) from error
    table = Table(label)
    for number, item in enumerate(_records_in(value, label), 1):
        if isinstance(item, dict):
            table.rows.append(RawRow(number, item))
        else:
            text = orjson.dumps(item).decode()
            table.bad.append(BadRow(number, "not_an_object", {"found": type(item).__name__}, text))
    table.columns = _columns(table.rows)
    return table


def _records_in(value: Any, label: str) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        arrays = {key: item for key, item in value.items() if isinstance(item, list)}
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        found = f"an object with {len(arrays)} arrays" + (f" ({', '.join(arrays)[:200]})" if arrays else "")
    else:
        found = f"a {type(value).__name__}"
    raise DataError(
        f"{label}: the JSON is {found}",
        expected="an array of objects, or an object with one array of objects",
        hint="keep only the array of examples in the file",
    )


# --- Parquet --------------------------------------------------------------------------------------------------------


def _parquet(data: bytes, label: str) -> Table:
    import polars as pl

    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{label}: not a readable Parquet file: {reason}",
            expected="a complete Parquet file",
            hint="write or download it again",
        ) from error
    rows = [RawRow(number, row) for number, row in enumerate(frame.iter_rows(named=True), 1)]
    return Table(label, rows, columns=frame.columns)
