"""Rows of every format, in every kind of file, spoilt at random: no traceback, and every row is kept or removed."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

CHAT = [
    {"role": "user", "content": "Where is my parcel @@?"},
    {"role": "assistant", "content": "It is on its way."},
]
TOOL = {
    "type": "function",
    "function": {"name": "find", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"n": 3}'}}
RECORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai": ("chat", {"messages": [{"role": "system", "content": "Be kind."}, *CHAT]}),
    "openai tools": ("chat", {"messages": [CHAT[0], {"role": "assistant", "content": None, "tool_calls": [CALL]}], "tools": [TOOL]}),
    "openai_preference": ("preference", {"input": {"messages": CHAT[:1]}, "preferred_output": CHAT[1:],
                                         "non_preferred_output": [{"role": "assistant", "content": "No."}]}),
    "chosen_rejected": ("preference", {"prompt": CHAT[0]["content"], "chosen": CHAT[1]["content"], "rejected": "No."}),
    "sharegpt": ("chat", {"conversations": [{"from": "human", "value": "Hi, how are you @@?"}, {"from": "gpt", "value": "Well, thanks."}]}),
    "alpaca": ("chat", {"instruction": "Translate to English.", "input": "Hallo @@", "output": "Hello"}),
    "prompt_completion": ("chat", {"prompt": "Say hello to world @@", "completion": "Hello, world."}),
    "bedrock_claude": ("chat", {"system": "Be kind.", "messages": CHAT}),
    "bedrock_converse": ("chat", {"schemaVersion": "bedrock-conversation-2024", "messages": [
        {"role": one["role"], "content": [{"text": one["content"]}]} for one in CHAT]}),
    "columns": ("classify", {"text": "where is my card @@?", "intent": "@label@"}),
    "extract": ("extract", {"text": "a table for two @@", "slots": {"people": 2}}),
}  # fmt: skip
ODD: list[Any] = [
    None, "", " ", 0, -1, 1e308, True, [], {}, [None], {"a": 1}, "\u0000", "\ud800", "é" * 300, "x" * 5000, "<b>", "{{", "```",
    "123-45-6789", "a@b.co", "\u200b\u202e", "N/A", "```python\nprint(1)", [[[]]], {"role": "user"}, "user", "assistant", 10**30,
    "the the the " * 40, "4111 1111 1111 1111 " * 3, "(((((((" * 50, "1." * 300, "\\u00e9\\n", "٣٤ ﷽ 你好 🧵" * 5,
]  # fmt: skip


def spoilt(record: dict[str, Any], chance: random.Random) -> Any:
    """Change a record in up to four random places, or give something that is no record."""
    if chance.random() < 0.02:
        return chance.choice(ODD)
    record = copy.deepcopy(record)
    for _ in range(chance.randrange(5)):
        inside: Any = record
        while True:
            keys = list(inside) if isinstance(inside, dict) else range(len(inside))
            if not keys:
                break
            key = chance.choice(list(keys))
            if isinstance(inside[key], dict | list) and inside[key] and chance.random() < 0.7:
                inside = inside[key]
                continue
            match chance.randrange(4):
                case 0:
                    del inside[key]
                case 1 if isinstance(inside[key], str):
                    text = inside[key]
                    inside[key] = text[: chance.randrange(len(text) + 1)] + str(chance.choice(ODD)) + text
                case 2 if isinstance(inside, list):
                    inside.insert(key, copy.deepcopy(inside[chance.randrange(len(inside))]))
                case _:
                    inside[key] = copy.deepcopy(chance.choice(ODD))
            break
    return record


def records_of(name: str, rows: int, chance: random.Random) -> list[Any]:
    """Return records of which the first forty are whole, so that there is something to learn."""
    record = RECORDS[name][1]
    spoilt_or_not = [*([record] * 40), *(spoilt(record, chance) for _ in range(40, rows))]
    return [json.loads(_filled_in(json.dumps(one), number)) for number, one in enumerate(spoilt_or_not)]


def _filled_in(text: str, number: int) -> str:
    return text.replace("@@", str(number)).replace("@label@", LABELS[number % 2])


def json_lines(records: list[Any], chance: random.Random) -> bytes:
    """Write a record a line, one line in a hundred cut short."""
    lines = [json.dumps(record) for record in records]
    for number in range(40, len(lines)):
        if chance.random() < 0.01:
            lines[number] = lines[number][: chance.randrange(1, max(2, len(lines[number])))]
    return "".join(f"{line}\n" for line in lines).encode()


def json_array(records: list[Any], chance: random.Random) -> bytes:
    return json.dumps(records).encode()


def cells_of(record: Any) -> list[str]:
    """Return a record's values as cells, too many or too few of them where it is spoilt."""
    values = record.values() if isinstance(record, dict) else [record]
    cells = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return [cell.replace("\0", "").encode("utf-8", "replace").decode() for cell in cells] or ["nothing"]


def delimited(delimiter: str) -> Callable[[list[Any], random.Random], bytes]:
    def write(records: list[Any], chance: random.Random) -> bytes:
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter).writerows([list(records[0]), *map(cells_of, records)])
        return out.getvalue().encode()

    return write


def parquet(records: list[Any], chance: random.Random) -> bytes:
    """Write what fits into the columns of the first record; a record that does not is a row of nulls."""
    schema = pl.DataFrame(records[:1]).schema
    out = io.BytesIO()
    pl.concat(row_of(record, schema) for record in records).write_parquet(out)
    return out.getvalue()


def row_of(record: Any, schema: pl.Schema) -> pl.DataFrame:
    known = {name: record.get(name) for name in schema} if isinstance(record, dict) else dict.fromkeys(schema)
    try:
        return pl.DataFrame([known], schema, strict=False)
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return pl.DataFrame([dict.fromkeys(schema)], schema)


LABELS = ["card", "loan"]
WRITERS = {
    "jsonl": json_lines, "json": json_array, "parquet": parquet, "csv": delimited(","), "tsv": delimited("\t"),
}  # fmt: skip
NESTED = ("openai_preference",)
"""Formats with objects in objects, which no cell of a CSV holds."""
COLUMNS = {"columns": {"input": "text", "target": "intent"}, "extract": {"input": "text", "target": "slots"}}
FILES = [(name, ending) for name in RECORDS for ending in WRITERS if name not in NESTED or ending not in ("csv", "tsv")]


def accounted(folder: Path, name: str, ending: str, rows: int, seed: int) -> dict[str, Any]:
    """Prepare a spoilt file and check that every record is in one place; return how many were kept and removed.

    Of a file that is refused, or of which nearly nothing is kept, nothing was tried: that fails, too.
    """
    chance = random.Random(seed)
    (folder / f"a.{ending}").write_bytes(WRITERS[ending](records_of(name, rows, chance), chance))
    data: dict[str, Any] = {"train": f"a.{ending}", "columns": COLUMNS.get(name), "dedup": {"max_cluster_frac": 1.0}}
    data |= {"split": {"valid": 0.05, "test": 0.05}, "processes": 1}
    if name == "columns":
        data["labels"] = {"names": LABELS}
    recipe = Recipe(name="t", task=RECORDS[name][0], data=data)
    result = prepare(recipe, Workspace(folder / "home"), recipe_dir=folder).result
    assert result["rows"]["read"] == rows == result["rows"]["kept"] + result["rows"]["removed"]
    [dataset] = Workspace(folder / "home").list()
    kept = pl.concat([pl.read_parquet(dataset.path / f"{part}.parquet") for part in ("train", "valid", "test")])
    removed = pl.read_parquet(dataset.path / "removed.parquet")
    assert kept.height + removed.height == rows
    lines = {*kept["line"], *removed["line"]}
    assert len(lines) == len({*kept["row_id"], *removed["row_id"]}) == rows
    assert lines == set(range(1, rows + 1)) or ending in ("csv", "tsv")  # whose rows take several lines
    assert result["rows"]["kept"] >= rows / 10 and len(result["removed_by"]) > 2, "nothing is tried"
    return result["rows"]


@pytest.mark.parametrize(("name", "ending"), FILES)
def test_spoilt_rows_are_all_accounted_for(tmp_path, name, ending):
    """Bug: some odd value in some place of some format ends prepare with a traceback, or its row vanishes."""
    accounted(tmp_path, name, ending, 200, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize(("name", "ending"), FILES)
def test_ten_thousand_spoilt_rows(tmp_path, name, ending):
    """Bug: as above, in one of ten thousand rows."""
    accounted(tmp_path, name, ending, 10_000, seed=2)
