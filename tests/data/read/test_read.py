"""Files to records: every container, every packing, and every bad record with its line and rule."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.data.read.files import Table, read
from tunesmith.data.read.sources import Source

CELLS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | CELLS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3)
)
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def table_of(folder: Path, name: str, content: str | bytes) -> Table:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return read(Source(name, path))


def kept(table: Table) -> list[tuple[int, dict[str, Any]]]:
    return [(row.line, row.fields) for row in table.rows]


def bad(table: Table) -> list[tuple[int, str]]:
    return [(row.line, row.rule) for row in table.bad]


# --- CSV and TSV ----------------------------------------------------------------------------------------------------


@many
@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_the_csv_module_writes_reads_back(tmp_path, rows, delimiter, end, mark):
    """Bug: a quote, delimiter, line break or blank in a cell changes it or shifts the columns."""
    if end == "\n":  # with this end the csv module leaves a lone \r unquoted, and cannot read it back itself
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([("a", "b", "c"), *rows])
    table = table_of(tmp_path, "x.csv", ("\ufeff" if mark else "") + text.getvalue())
    assert not table.bad
    assert [tuple(row.fields.values()) for row in table.rows] == rows


@many
@given(st.lists(st.sampled_from(['"', '"', ",", "\n", "a", "b,", 'x"y', '""', " ", "\r\n", "é"]), max_size=40))
def test_broken_quotes_lose_no_line(tmp_path, pieces):
    """Bug: a stray quote swallows the lines below it, which are then neither kept nor removed."""
    text = "text,label\nq,r\n" + "".join(pieces)
    table = table_of(tmp_path, "x.csv", text)
    told = "\n".join([*(" ".join(row.fields.values()) for row in table.rows), *(row.text for row in table.bad)])
    letters = lambda text: sorted(letter for letter in text if letter in "abxyé")  # noqa: E731
    assert letters(told) == letters(text.removeprefix("text,label\n"))
    lines = [row.line for row in (*table.rows, *table.bad)]
    assert len(set(lines)) == len(lines) and max(lines) <= text.count("\n") + 1


def test_line_is_that_of_the_record_s_first_line_in_the_file(tmp_path):
    """Bug: lines are counted as records, so that an editor shows another row."""
    text = 'text,label\n"two\nlines",a\n\n"three\r\n\r\nlines",b\nlast,c\n'
    assert kept(table_of(tmp_path, "x.csv", text)) == [
        (2, {"text": "two\nlines", "label": "a"}),
        (5, {"text": "three\r\n\r\nlines", "label": "b"}),
        (8, {"text": "last", "label": "c"}),
    ]


def test_rows_with_too_few_or_too_many_cells_are_bad_rows_not_padded(tmp_path):
    """Bug: cells shift into the wrong column, silently."""
    table = table_of(tmp_path, "x.csv", "text,label\none\ntwo,a,b\nthree,c\nfour,\n")
    assert kept(table) == [(4, {"text": "three", "label": "c"}), (5, {"text": "four", "label": ""})]
    assert bad(table) == [(2, "ragged_row"), (3, "ragged_row")]
    assert table.bad[1].evidence == {"cells": 3, "columns": 2} and table.bad[1].text == "two,a,b"


def test_stray_quote_costs_its_own_line_only(tmp_path):
    """Bug: all rows up to the next quote vanish with it."""
    text = 'text,label\n"never closed,a\nfine,b\n"also fine",c\n'
    table = table_of(tmp_path, "x.csv", text)
    assert bad(table) == [(2, "invalid_csv")]
    assert [row.line for row in table.rows] == [3, 4]


def test_quote_open_to_the_end_costs_its_own_line_only(tmp_path):
    """Bug: the rest of the file is one cell."""
    table = table_of(tmp_path, "x.csv", 'text,label\nfine,a\n"open,b\nfine too,c\n')
    assert bad(table) == [(3, "invalid_csv")] and table.bad[0].text == '"open,b'
    assert [row.line for row in table.rows] == [2, 4]


def test_pieces_of_a_wrongly_quoted_record_are_not_taken_for_records(tmp_path):
    """Bug: reading goes on inside a broken record and makes a row of its second half."""
    text = 'text,label\n"he said\n"hello" there",a\nfine,b\n'
    table = table_of(tmp_path, "x.csv", text)
    assert bad(table) == [(2, "invalid_csv"), (3, "invalid_csv")]
    assert kept(table) == [(4, {"text": "fine", "label": "b"})]


def test_many_stray_quotes_do_not_take_long(tmp_path):
    """Bug: reading goes on below each stray quote by copying the rest of the file: hours on a large one."""
    table = table_of(tmp_path, "x.csv", "text,label\nq,r\n" + '"stray,a\n' * 50_000)
    assert len(table.rows) + len(table.bad) == 50_001


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
def test_delimiter_is_taken_from_the_header(tmp_path, delimiter):
    """Bug: commas in the text outvote the delimiter of the file."""
    text = f"text{delimiter}label\nyes, well, no, a, b{delimiter}x\n".replace(
        "yes, well, no, a, b", '"yes, well, no, a, b"' if delimiter == "," else "yes, well, no, a, b"
    )
    assert kept(table_of(tmp_path, "x.csv", text)) == [(2, {"text": "yes, well, no, a, b", "label": "x"})]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_line_excel_begins_with_names_the_delimiter(tmp_path, delimiter):
    """Bug: 'sep=;' is taken for the header, and the file has one column called sep=."""
    lines = [f"SEP={delimiter}", "", delimiter.join(["text", "label"]), delimiter.join(["hi", "a"])]
    table = table_of(tmp_path, "a.csv", "\ufeff" + "\r\n".join(lines) + "\r\n")
    assert kept(table) == [(4, {"text": "hi", "label": "a"})]


def test_columns_instead_of_rows_are_told_apart(tmp_path):
    """Bug: a table written column by column is told to keep only one of its arrays."""
    with pytest.raises(DataError, match='orient="records"'):
        table_of(tmp_path, "a.json", '{"text": ["a", "b"], "label": ["x", "y"]}')


def test_tsv_is_separated_by_tabs_whatever_else_it_holds(tmp_path):
    """Bug: a TSV whose header has a comma is cut at the comma."""
    assert kept(table_of(tmp_path, "x.tsv", "a, b\tc\n1, 2\t3\n")) == [(2, {"a, b": "1, 2", "c": "3"})]


def test_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    """Bug: Excel's CSV has a column '\\ufefftext' that no recipe finds."""
    assert table_of(tmp_path, "x.csv", "\ufefftext,label\nhi,a\n").columns == ["text", "label"]


def test_header_twice_the_same_name_is_refused(tmp_path):
    """Bug: one of the two columns is lost without a word."""
    with pytest.raises(DataError, match=r"x\.csv:1: the header names 'text' more than once"):
        table_of(tmp_path, "x.csv", "text,text\na,b\n")


def test_unnamed_columns_get_names(tmp_path):
    """Bug: pandas' unnamed index column makes the file unreadable."""
    assert table_of(tmp_path, "x.csv", ",text\n0,hi\n").columns == ["column_1", "text"]


# --- JSON -----------------------------------------------------------------------------------------------------------


@many
@given(st.lists(st.dictionaries(CELLS, VALUES, max_size=4), min_size=1, max_size=5), st.booleans())
def test_what_the_json_module_writes_reads_back(tmp_path, records, ascii_only):
    """Bug: letters, escapes or nesting change on the way."""
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    by_line = table_of(tmp_path, "x.jsonl", "\n".join(lines))
    assert kept(by_line) == list(enumerate(records, 1)) and not by_line.bad
    assert kept(table_of(tmp_path, "x.json", json.dumps(records, indent=1))) == list(enumerate(records, 1))
    assert kept(table_of(tmp_path, "y.json", json.dumps({"version": 1, "data": records}))) == list(
        enumerate(records, 1)
    )


@many
@given(st.lists(st.binary(max_size=30) | st.just(b'{"a": 1}') | st.just(b"[1]"), max_size=12))
def test_every_line_of_garbage_is_kept_or_bad_or_the_file_is_refused(tmp_path, lines):
    """Bug: a line that is no JSON vanishes, or crashes the run."""
    data = b"\n".join([b'{"a": 0}', *lines])
    try:
        table = table_of(tmp_path, "x.jsonl", data)
    except DataError as error:
        assert "x.jsonl" in error.message
        return
    numbers = sorted(row.line for row in (*table.rows, *table.bad))
    assert len(set(numbers)) == len(numbers)
    if data.isascii():
        assert numbers == [number for number, line in enumerate(data.decode().split("\n"), 1) if line.strip()]


def test_bad_lines_carry_line_rule_and_text(tmp_path):
    """Bug: 'invalid JSON' without saying where."""
    table = table_of(tmp_path, "x.jsonl", '{"a": 1}\n\n{"a": 2\n[3]\n"four"\n{"a": Infinity}\n{"a": 5}\n')
    assert [row.line for row in table.rows] == [1, 7]
    rules = [(3, "invalid_json"), (4, "not_an_object"), (5, "not_an_object"), (6, "invalid_json")]
    assert bad(table) == rules
    assert table.bad[0].text == '{"a": 2' and table.bad[1].evidence == {"found": "list"}


def test_array_with_other_things_than_objects(tmp_path):
    """Bug: row numbers skip the bad ones."""
    table = table_of(tmp_path, "x.json", '[{"a": 1}, 2, null, {"a": 4}]')
    assert [row.line for row in table.rows] == [1, 4]
    assert bad(table) == [(2, "not_an_object"), (3, "not_an_object")]


def test_half_a_character_spoils_its_record_alone(tmp_path):
    """Bug: one lone surrogate, which other programs write, and a whole array of good records is refused."""
    good = [{"a": number, "large": 2**70} for number in range(3)]
    table = table_of(tmp_path, "x.json", json.dumps([*good, {"a": "\ud83d"}, "\ud83d"]))
    assert [row.fields for row in table.rows] == [{"a": number, "large": 2**70} for number in range(3)]
    assert bad(table) == [(4, "invalid_json"), (5, "invalid_json")]
    lines = table_of(tmp_path, "x.jsonl", "".join(json.dumps(one) + "\n" for one in [*good, {"a": "\ud83d"}]))
    assert bad(lines) == [(4, "invalid_json")] and [row.fields for row in lines.rows] == [
        row.fields for row in table.rows
    ]


@pytest.mark.parametrize("text", ['[{"a": Infinity}]', '[{"a": NaN]', '[{"a": 1}, {"a": "\\ud83d"]', "[" * 5000])
def test_what_is_no_json_is_still_refused(tmp_path, text):
    """Bug: the second, lenient look takes what the first rightly refused, or ends in a traceback."""
    with pytest.raises(DataError, match="not valid JSON"):
        table_of(tmp_path, "x.json", text)


def test_what_python_writes_for_nothing_is_nothing(tmp_path):
    """Bug: one NaN, which Python's json module writes, costs its row, or a whole array of good records."""
    records = [{"a": "x", "label": 1}, {"a": "NaN", "label": float("nan")}]
    wanted = [(1, records[0]), (2, {"a": "NaN", "label": None})]
    assert kept(table_of(tmp_path, "x.json", json.dumps(records))) == wanted
    assert kept(table_of(tmp_path, "x.jsonl", "\n".join(map(json.dumps, records)))) == wanted
    half = table_of(tmp_path, "y.jsonl", '{"a": NaN}\n{"a": NaN, "b": "\\ud83d"}\n')
    assert bad(half) == [(2, "invalid_json")]


@many
@given(st.lists(st.integers(-(10**30), 10**30).map(str) | st.just("1" * 5000), min_size=1, max_size=5))
def test_whole_numbers_of_any_size_stay_what_they_are(tmp_path, texts):
    """Bug: numbers beyond 64 bits are rounded, and two labels or customers become one."""
    lines = [f'{{"n": {text}, "x": 0.12345678901234567890}}' for text in texts]
    for name, data in (("x.jsonl", "\n".join(lines)), ("x.json", f"[{', '.join(lines)}]")):
        table = table_of(tmp_path, name, data)
        assert [str(row.fields["n"]) for row in table.rows] == texts and not table.bad


def test_json_and_json_lines_under_each_other_s_name_are_read_and_said(tmp_path, capsys):
    """Bug: a pretty-printed array named .jsonl is 'none of 9 rows can be read'."""
    records = [{"a": 1}, {"a": 2}]
    assert kept(table_of(tmp_path, "x.jsonl", json.dumps(records, indent=2))) == [(1, {"a": 1}), (2, {"a": 2})]
    assert kept(table_of(tmp_path, "x.json", '{"a": 1}\n{"a": 2}\n')) == [(1, {"a": 1}), (2, {"a": 2})]
    said = capsys.readouterr().err
    assert "read as JSON\n" in said and "read as JSON lines" in said


# --- Parquet --------------------------------------------------------------------------------------------------------


def parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    pl.DataFrame(rows).write_parquet(file)
    return file.getvalue()


def test_parquet_keeps_nested_values(tmp_path):
    """Bug: lists of messages come back as anything but lists of dicts."""
    rows = [{"messages": [{"role": "user", "content": "hi"}], "n": 1}, {"messages": [], "n": None}]
    table = table_of(tmp_path, "x.parquet", parquet(rows))
    assert kept(table) == list(enumerate(rows, 1)) and table.columns == ["messages", "n"]


@many
@given(st.data())
def test_damaged_parquet_is_the_user_s_error(tmp_path, data):
    """Bug: a panic of the reader ends the program with a traceback."""
    whole = parquet([{"text": f"row {n}", "label": "a"} for n in range(20)])
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DataError, match=r"x\.parquet"):
        table_of(tmp_path, "x.parquet", whole[:cut])


# --- packing and names ----------------------------------------------------------------------------------------------

PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_packed_files_read_as_plain_ones(tmp_path, ending, kind):
    """Bug: one of the packings is not unpacked, or only its first frame."""
    plain = {"csv": b"text,label\nhi,a\n", "jsonl": b'{"text": "hi", "label": "a"}\n', "parquet": b""}[kind]
    plain = plain or parquet([{"text": "hi", "label": "a"}])
    table = table_of(tmp_path, f"x.{kind}.{ending}", PACKERS[ending](plain))
    assert [row.fields for row in table.rows] == [{"text": "hi", "label": "a"}]


@pytest.mark.parametrize("ending", PACKERS)
def test_several_frames_are_all_read(tmp_path, ending):
    """Bug: `cat a.gz b.gz > c.gz` loses b."""
    data = PACKERS[ending](b'{"a": 1}\n') + PACKERS[ending](b'{"a": 2}\n')
    assert len(table_of(tmp_path, f"x.jsonl.{ending}", data).rows) == 2


@pytest.mark.parametrize("ending", PACKERS)
def test_cut_and_false_packings_are_refused(tmp_path, ending):
    """Bug: a half-downloaded file is half read."""
    whole = PACKERS[ending](b"".join(b'{"a": %d}\n' % number for number in range(5000)))
    for data in (whole[: len(whole) // 2], b"text,label\nhi,a\n"):
        with pytest.raises(DataError, match=rf"x\.jsonl\.{ending}: damaged or not really \.{ending}"):
            table_of(tmp_path, f"x.jsonl.{ending}", data)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", r"x\.csv: the file is empty"),
        ("x.csv", b" \n\t\r\n", r"x\.csv: the file is empty"),
        ("x.jsonl.gz", gzip.compress(b"", mtime=0), r"x\.jsonl\.gz: the file is empty"),
        ("x.csv", b"text,label\n", r"only a header \(text, label\)"),
        ("x.json", b"[]", r"x\.json: holds no records"),
        ("x.json", b"3", r"x\.json: the JSON is a int"),
        ("x.json", b'{"a": 1}', r"x\.json: the JSON is an object with 0 arrays"),
        ("x.json", b'{"a": [], "b": []}', r"an object with 2 arrays \(a, b\)"),
        ("x.json", b'[{"a": 1},\n{"a": ]', r"x\.json:2: not valid JSON"),
        ("x.jsonl", b"text,label\nhi,a\n", r"x\.jsonl:1: none of 2 rows can be read; the first: invalid_json"),
        ("x.parquet", b"text,label\nhi,a\n", r"x\.parquet: not a readable Parquet file"),
        ("x.txt", b"hello", r"x\.txt: files ending in '\.txt' cannot be read"),
        ("examples", b"hello", r"examples: a file without ending cannot be read"),
        ("x.xlsx", b"PK\x03\x04rest", r"x\.xlsx: this is a zip archive or an Excel workbook"),
        ("x.csv", b"PK\x03\x04rest", r"x\.csv: this is a zip archive or an Excel workbook"),
        ("x.jsonl", gzip.compress(b"{}", mtime=0), r"x\.jsonl: this is gzip-packed data"),
    ],
)
def test_files_of_the_wrong_kind_are_refused_by_name_and_place(tmp_path, name, content, message):
    """Bug: a wrong file ends in a traceback, or in an empty dataset."""
    with pytest.raises(DataError, match=message):
        table_of(tmp_path, name, content)


def test_upper_case_endings_are_read(tmp_path):
    """Bug: DATA.CSV from a Windows machine cannot be read."""
    assert len(table_of(tmp_path, "X.CSV", "text,label\nhi,a\n").rows) == 1
