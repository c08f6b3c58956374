"""Rows of every format spoilt at random: none makes a traceback, and every one is kept or removed."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import TunesmithError
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

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
    "sharegpt": ("chat", {"conversations": [{"from": "human", "value": "Hi, how are you @@?"}, {"from": "gpt", "value": "Well, thanks."}]}),
    "alpaca": ("chat", {"instruction": "Translate to English.", "input": "Hallo @@", "output": "Hello"}),
    "prompt_completion": ("chat", {"prompt": "Say hello to world @@", "completion": "Hello, world."}),
    "bedrock_claude": ("chat", {"system": "Be kind.", "messages": CHAT}),
    "bedrock_converse": ("chat", {"schemaVersion": "bedrock-conversation-2024", "messages": [
        {"role": one["role"], "content": [{"text": one["content"]}]} for one in CHAT]}),
    "columns": ("classify", {"text": "where is my card @@?", "intent": "card"}),
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


def accounted(folder: Path, name: str, rows: int, seed: int) -> None:
    task, record = RECORDS[name]
    chance = random.Random(seed)
    lines = [json.dumps(record).replace("@@", str(number)) for number in range(40)]
    for number in range(40, rows):
        line = json.dumps(spoilt(record, chance)).replace("@@", str(number))
        lines.append(line[: chance.randrange(len(line))] if chance.random() < 0.01 and len(line) > 1 else line)
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    columns = {"columns": {"input": "text", "target": "intent"}, "extract": {"input": "text", "target": "slots"}}.get(
        name
    )
    data: dict[str, Any] = {"train": "a.jsonl", "columns": columns, "dedup": {"max_cluster_frac": 1.0}, "processes": 1}
    data |= {"split": {"valid": 0.05, "test": 0.05}} | (
        {"labels": {"names": ["card", "loan"]}} if name == "columns" else {}
    )
    recipe = Recipe(name="t", task=task, data=data)
    try:
        result = prepare(recipe, Workspace(folder / "home"), recipe_dir=folder).result
    except TunesmithError as error:
        assert name == "columns" and "the same label" in str(error), error
        return
    read = sum(1 for line in lines if line.strip())
    assert result["rows"]["read"] == read == result["rows"]["kept"] + result["rows"]["removed"]
    [dataset] = Workspace(folder / "home").list()
    kept = pl.concat([pl.read_parquet(dataset.path / f"{part}.parquet") for part in ("train", "valid", "test")])
    removed = pl.read_parquet(dataset.path / "removed.parquet")
    assert kept.height + removed.height == read
    assert len({*kept["line"], *removed["line"]}) == read


@pytest.mark.parametrize("name", RECORDS)
def test_spoilt_rows_are_all_accounted_for(tmp_path, name):
    """Bug: some odd value in some place of some format ends prepare with a traceback, or its row vanishes."""
    accounted(tmp_path, name, 400, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("name", RECORDS)
def test_ten_thousand_spoilt_rows(tmp_path, name):
    """Bug: as above, in one of ten thousand rows."""
    accounted(tmp_path, name, 10_000, seed=2)
