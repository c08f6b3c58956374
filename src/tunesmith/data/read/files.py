"""A file to records: CSV, TSV, JSON lines, JSON, Parquet, plain or packed; every bad record kept with its line.

Owns the containers. Does not own encodings (`decode`) nor what a record means (`formats`). A file is read in pieces of
`PIECE_ROWS` records, fewer if they are long; only JSON arrays and text that is not UTF-8 lie in memory whole. A file
that holds no record at all, or only bad ones, is an error; one bad record among good ones is a `BadRow`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import orjson

from tunesmith.core.errors import DataError
from tunesmith.core.ids import digest_bytes
from tunesmith.core.progress import say
from tunesmith.data.read.decode import decoded, ending_of, refuse_binary, text_lines, unpacked
from tunesmith.data.read.delimited import delimited
from tunesmith.data.read.sources import KINDS
from tunesmith.data.rows import BadRow, RawRow, compact_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    import polars as pl

    from tunesmith.data.read.sources import Source

T = TypeVar("T")
PIECE_ROWS = 10_000
"""Records of a piece: what is in memory at a time, and the unit of work of a process."""

PIECE_CHARS = 1 << 23
"""Characters after which a piece ends with fewer records. Not counted in JSON arrays, which lie in memory anyway."""

SAMPLE_ROWS = 100


@dataclass(slots=True)
class Records:
    """Records as they were parsed: those that are good and those that are not."""

    rows: list[RawRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def records(self) -> Records:
        """Return itself."""
        return self

    @property
    def digest(self) -> str:
        """Hash of the records and their lines."""
        return digest_bytes(repr((self.rows, self.bad)).encode())


@dataclass(slots=True)
class JsonLines:
    """Lines of JSON, numbered from 1, not parsed yet: whoever works on the piece does that."""

    lines: list[tuple[int, str]]

    def records(self) -> Records:
        """Parse the lines; one that is no object is bad."""
        parsed = Records()
        for number, line in self.lines:
            try:
                value = _value(line)
            except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
                parsed.bad.append(BadRow(number, "invalid_json", {"error": str(error)}, line))
                continue
            if isinstance(value, dict):
                parsed.rows.append(RawRow(number, value))
            else:
                parsed.bad.append(BadRow(number, "not_an_object", {"found": type(value).__name__}, line))
        return parsed

    @property
    def digest(self) -> str:
        """Hash of the lines and their numbers."""
        numbers = ",".join([str(number) for number, _ in self.lines])
        text = "\n".join([numbers, *(line for _, line in self.lines)])
        return digest_bytes(text.encode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class Rows:
    """Rows of a table, numbered from ``first``."""

    first: int
    frame: pl.DataFrame

    def records(self) -> Records:
        """Return the rows as records."""
        rows = [RawRow(number, row) for number, row in enumerate(self.frame.iter_rows(named=True), self.first)]
        return Records(rows)

    @property
    def digest(self) -> str:
        """Hash of the rows, their types and the number of the first."""
        return digest_bytes(b"%d " % self.first + self.frame.write_ipc(None).getvalue())


Piece = Records | JsonLines | Rows


@dataclass(slots=True)
class Table:
    """The beginning of a file, or all of it: good records, bad records, and columns in order of first appearance."""

    label: str
    rows: list[RawRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def add(self, piece: Piece) -> None:
        """Take in another piece."""
        records = piece.records()
        self.rows += records.rows
        self.bad += records.bad
        self.columns = list(dict.fromkeys([*self.columns, *(name for row in records.rows for name in row.fields)]))


def read(source: Source) -> Table:
    """Read a whole file.

    Raises:
        DataError: naming the file, if it is empty, of another kind than its name says, or has no good record.
        MissingExtraError: if it needs a library that is not installed.
    """
    table, _, following = begin(source)
    for piece in following:
        table.add(piece)
    return table


def begin(source: Source) -> tuple[Table, list[Piece], Generator[Piece, None, None]]:
    """Return the beginning of a file, up to its first piece with a good record, its pieces, and those that follow.

    Raises:
        DataError: as `read`.
        MissingExtraError: as `read`.
    """
    table, following, first = Table(source.label), pieces(source), []
    for piece in following:
        first.append(piece)
        table.add(piece)
        if table.rows:
            return table, first, following
    _refuse_without_rows(table)


def pieces(source: Source) -> Generator[Piece, None, None]:
    """Yield a file's records in pieces of at most `PIECE_ROWS`; where a piece ends depends on the file alone.

    Raises:
        DataError: as `read`, but a file with no good record is none.
        MissingExtraError: as `read`.
    """
    if source.hub:
        yield from _from_hub(source)
        return
    readers: dict[str, Callable[[Source], Iterator[Piece]]] = {
        ".csv": lambda source: _delimited(source, None),
        ".tsv": lambda source: _delimited(source, "\t"),
        ".jsonl": _json_lines,
        ".ndjson": _json_lines,
        ".json": _json,
        ".parquet": _parquet,
    }
    ending = ending_of(source)
    if ending not in readers:
        refuse_binary(unpacked(source), source.label)
        what = f"files ending in {ending!r}" if ending else "a file without ending"
        raise DataError(
            f"{source.label}: {what} cannot be read",
            expected="a name ending in " + ", ".join(sorted(KINDS)) + ", plain or with .gz, .bz2, .xz, .zst",
            hint="rename it so that its ending says what it holds",
        )
    yield from readers[ending](source)


def _batches(records: Iterable[T], chars_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield records in their order, as many at a time as make a piece; later records never move its border."""
    batch, chars = list[T](), 0
    for record in records:
        batch.append(record)
        chars += chars_of(record)
        if len(batch) >= PIECE_ROWS or chars >= PIECE_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _cell_chars(record: RawRow | BadRow) -> int:
    return sum(map(len, record.fields.values())) if isinstance(record, RawRow) else len(record.text)


def _in_pieces(
    records: Iterable[RawRow | BadRow], chars_of: Callable[[RawRow | BadRow], int] = lambda _: 0
) -> Iterator[Records]:
    for batch in _batches(records, chars_of):
        rows = [record for record in batch if isinstance(record, RawRow)]
        yield Records(rows, [record for record in batch if isinstance(record, BadRow)])


def _refuse_without_rows(table: Table) -> NoReturn:
    if table.bad:
        first = table.bad[0]
        raise DataError(
            f"{table.label}:{first.line}: none of {len(table.bad)} rows can be read; the first: {first.rule} "
            f"({_told(first.evidence)})",
            expected="one JSON object on each line" if first.rule == "invalid_json" else "records as the ending says",
            hint=f"jq -c . {table.label} writes each object on a line of its own"
            if first.rule == "invalid_json"
            else f"look at it with: head -n 3 {table.label}",
        )
    raise DataError(f"{table.label}: holds no records", expected="at least one row of examples")


def _told(evidence: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in evidence.items())


def _from_hub(source: Source) -> Iterator[Piece]:
    from tunesmith.data.read.hub import records

    yield from _in_pieces(RawRow(number, record) for number, record in enumerate(records(source.hub or ""), 1))


def _delimited(source: Source, delimiter: str | None) -> Iterator[Piece]:
    with text_lines(source, "") as stream:
        yield from _in_pieces(delimited(stream, delimiter, source.label), _cell_chars)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _json_lines(source: Source) -> Iterator[Piece]:
    with text_lines(source, "\n") as stream:
        lines = ((number, text) for number, line in enumerate(stream, 1) if (text := line.strip()))
        first = next(lines, None)
        if first is not None and first[1].startswith(("[", "{")) and not _is_json(first[1]):
            text = decoded(unpacked(source), source.label)
            if _is_json(text):
                say(f"  {source.label}: one JSON value over several lines; read as JSON")
                yield from _json(source)
                return
        following = itertools.chain([first] if first else [], lines)
        for batch in _batches(following, lambda line: len(line[1])):
            yield JsonLines(batch)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def _json(source: Source) -> Iterator[Piece]:
    text, label = decoded(unpacked(source), source.label), source.label
    try:
        value = _parsed(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        first = text.lstrip().split("\n", 1)
        if len(first) > 1 and first[0].startswith("{") and _is_json(first[0]):
            say(f"  {label}: one JSON object a line; read as JSON lines")
            yield from _json_lines(source)
            return
        line = getattr(error, "lineno", 1)
        raise DataError(
            f"{label}:{line}: not valid JSON: {error}",
            expected="an array of objects, or an object with one array of objects",
            hint=f"python -m json.tool {label} shows where; one object a line belongs into a .jsonl file",
        ) from error
    items, done = _array_in(value, label), 0
    for piece in _in_pieces(_record(number, item) for number, item in enumerate(items, 1)):
        done += len(piece.rows) + len(piece.bad)
        source.place.reach(done, len(items))
        yield piece


def _parsed(text: str) -> Any:
    """Return the value of JSON. Half a character ("\\ud83d" alone) is let through: it spoils a record, not the file."""
    try:
        return _value(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        try:
            return _lenient(text)
        except (ValueError, RecursionError):
            raise error from None


def _value(text: str) -> Any:
    """Return the value of JSON; NaN is null, and whole numbers beyond 64 bits, which the fast parser rounds, are exact.

    Raises:
        JSONDecodeError: if it is none, as the fast parser says it.
    """
    if "NaN" in text or (_DIGITS_APART.search(text[::DIGITS_APART]) and _LONG_NUMBER.search(text)):
        with contextlib.suppress(ValueError, RecursionError):
            value = _lenient(text)
            compact_json(value).encode()  # half a character is as wrong here
            return value
    return orjson.loads(text)


_LONG_NUMBER = re.compile(r"(?<![0-9.])[0-9]{19}")
_DIGITS_APART = re.compile(r"[0-9]{2}")
DIGITS_APART = 9
"""19 digits in a row are two in every ninth character, which costs a twentieth of looking at all."""
LONGEST_NUMBER_DIGITS = 4000
"""Of a number that is one; Python makes none of more than 4,300, and a longer one stays text."""


def _lenient(text: str) -> Any:
    return json.loads(text, parse_int=_whole, parse_constant=_nothing)


def _whole(digits: str) -> Any:
    return int(digits) if len(digits) <= LONGEST_NUMBER_DIGITS else digits


def _nothing(name: str) -> None:
    """Take NaN, which Python's json module writes for what is missing, for null.

    Raises:
        ValueError: for infinity.
    """
    if name != "NaN":
        raise ValueError(name)


def _record(number: int, item: Any) -> RawRow | BadRow:
    text = compact_json(item)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return BadRow(number, "invalid_json", {"error": str(error)}, json.dumps(item))
    if isinstance(item, dict):
        return RawRow(number, item)
    return BadRow(number, "not_an_object", {"found": type(item).__name__}, text)


def _array_in(value: Any, label: str) -> list[Any]:
    if isinstance(value, list):
        return value
    hint = "keep only the array of examples in the file"
    if isinstance(value, dict):
        arrays = {key: item for key, item in value.items() if isinstance(item, list)}
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        found = f"an object with {len(arrays)} arrays" + (f" ({', '.join(arrays)[:200]})" if arrays else "")
        if arrays and len(set(map(len, arrays.values()))) == 1:
            hint = 'write rows, not columns: pandas.DataFrame.to_json(path, orient="records")'
    else:
        found = f"a {type(value).__name__}"
    raise DataError(
        f"{label}: the JSON is {found}",
        expected="an array of objects, or an object with one array of objects",
        hint=hint,
    )


# --- Parquet --------------------------------------------------------------------------------------------------------


def _parquet(source: Source) -> Iterator[Piece]:
    import io

    import polars as pl

    packed = source.path.suffix.lower() != ".parquet"
    try:
        whole = pl.scan_parquet(io.BytesIO(unpacked(source)) if packed else source.path)
        height = whole.select(pl.len()).collect().item()
        beginning = whole.head(SAMPLE_ROWS).collect()
        usual_bytes = max(int(beginning.estimated_size()) // max(beginning.height, 1), 1)
        step = max(1, min(PIECE_ROWS, PIECE_CHARS // usual_bytes))
        for first in range(0, height, step):
            source.place.reach(first + step, height)
            yield Rows(first + 1, whole.slice(first, step).collect())
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{source.label}: not a readable Parquet file: {reason}",
            expected="a complete Parquet file",
            hint="write or download it again",
        ) from error
