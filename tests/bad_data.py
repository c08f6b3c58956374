"""Files of examples that must be refused: how to make each, the recipe's lines, and what the message must contain."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXTS = ["where is my parcel", "I want my money back", "the cup is broken", "change my address please"]
ROWS = [(f"{text} {number}", "delivery" if number % 2 else "refund") for number in range(6) for text in TEXTS]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


def csv_text(rows: list[tuple[str, str]] = ROWS, header: str = "text,intent") -> str:
    return "\n".join([header, *(f"{text},{label}" for text, label in rows)]) + "\n"


def jsonl(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def chat(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": f"some {role} text"} for role in roles]}


def written(name: str, content: str | bytes) -> Callable[[Path], None]:
    """Return what writes one file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def _folder(name: str, **files: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_text(content)

    return make


def _two(first: tuple[str, str], second: tuple[str, str]) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name, content in (first, second):
            (folder / name).write_text(content)

    return make


def recipe(train: str, task: str = "classify", data: str = "", rest: str = "") -> str:
    return f"name: bad\ntask: {task}\ndata:\n  train: [{json.dumps(train)}]\n{data}{rest}"


FEW = "text,intent\nhello there,greet\nhi there,greet\nbye now,leave\nsee you,leave\n"
ONE_GROUP = csv_text([(f"{text},{'one'}", label) for text, label in ROWS], "text,customer,intent")

BAD_DATA: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    # name: (make the files, the recipe, what the one message must contain)
    "a name too long": (lambda folder: None, recipe("x" * 300 + ".csv"), ["data.train", "too long"]),
    "no such user": (lambda folder: None, recipe("~nosuchuserhere/x.csv"), ["data.train", "nosuchuserhere"]),
    "the test is the training file": (
        written("a.csv", csv_text()), recipe("a.csv", data="  test: [a.csv]\n"), ["a.csv is in both", "recipe.yaml:4: data.train and", "recipe.yaml:5: data.test"],
    ),
    "the test is a copy of the training file": (
        lambda folder: [(folder / name).write_text(csv_text()) for name in ("a.csv", "b.csv")],
        recipe("a.csv", data="  test: [b.csv]\n"), ["every row was removed", "leak", "data.test"],
    ),
    "no such file": (lambda folder: None, recipe("tickets.csv"), ["tickets.csv", "data.train"]),
    "no such file, near one": (written("tickets.csv", csv_text()), recipe("tickts.csv"), ["'tickets.csv'"]),
    "empty path": (lambda folder: None, recipe(" "), ["data.train", "no path"]),
    "glob without match": (lambda folder: None, recipe("data/*.jsonl"), ["nothing matches"]),
    "empty file": (written("a.csv", ""), recipe("a.csv"), ["a.csv", "empty"]),
    "only blank lines": (written("a.csv", "\n\n  \n"), recipe("a.csv"), ["a.csv"]),
    "only a header": (written("a.csv", "text,intent\n"), recipe("a.csv"), ["a.csv", "only a header"]),
    "a folder without examples": (_folder("d", **{"a.txt": "x"}), recipe("d"), ["'d'", "no file of examples"]),
    "an empty folder": (_folder("d"), recipe("d"), ["'d'", "no file of examples"]),
    "a device": (lambda folder: None, recipe("/dev/null"), ["neither a file nor a folder"]),
    "a picture": (written("a.csv", PNG), recipe("a.csv"), ["a.csv", "image"]),
    "an office file": (written("a.xlsx", b"PK\x03\x04" + bytes(100)), recipe("a.xlsx"), ["a.xlsx"]),
    "a zip called csv": (written("a.csv", b"PK\x03\x04" + bytes(200)), recipe("a.csv"), ["a.csv"]),
    "a text file": (written("a.txt", "hello\n"), recipe("a.txt"), ["'.txt'", ".jsonl"]),
    "no ending": (written("a", csv_text()), recipe("a"), ["without ending"]),
    "zero bytes inside": (written("a.csv", "text,intent\nhel\0lo,greet\n"), recipe("a.csv"), ["a.csv"]),
    "broken UTF-16": (written("a.csv", b"\xff\xfe" + csv_text().encode("utf-16-le") + b"\x00"), recipe("a.csv"), ["a.csv"]),
    "not gzip": (written("a.csv.gz", csv_text()), recipe("a.csv.gz"), ["a.csv.gz"]),
    "cut gzip": (written("a.csv.gz", gzip.compress(csv_text().encode())[:-20]), recipe("a.csv.gz"), ["a.csv.gz"]),
    "no parquet": (written("a.parquet", "PAR1 not really"), recipe("a.parquet"), ["a.parquet", "Parquet"]),
    "broken JSON": (written("a.json", '[{"text": "a",]'), recipe("a.json"), ["a.json"]),
    "JSON of one number": (written("a.json", "42"), recipe("a.json"), ["a.json"]),
    "JSON lines all broken": (written("a.jsonl", "{a}\n{b}\n"), recipe("a.jsonl"), ["a.jsonl:1", "none of 2 rows"]),
    "JSON lines of numbers": (written("a.jsonl", "1\n2\n"), recipe("a.jsonl"), ["a.jsonl:1"]),
    "JSON lines named CSV": (
        written("a.csv", '{"text": "a", "intent": "b"}\n' * 9), recipe("a.csv"), ["a.csv:1", "this is JSON", ".jsonl"],
    ),
    "header twice the same": (written("a.csv", csv_text(header="text,text")), recipe("a.csv"), ["a.csv", "'text'"]),
    "columns nobody knows": (written("a.csv", csv_text(header="foo,bar")), recipe("a.csv"), ["foo, bar", "columns"]),
    "mapped column missing": (
        written("a.csv", csv_text()), recipe("a.csv", data="  columns: {input: txt, target: intent}\n"),
        ["recipe.yaml:5: data.columns.input: txt", "a.csv", "'txt'", "'text'"],
    ),
    "group column missing": (
        written("a.csv", csv_text()), recipe("a.csv", data="  split: {group_by: customer}\n"),
        ["data.split.group_by", "'customer'"],
    ),
    "test file without the column": (
        _two(("a.csv", csv_text()), ("b.csv", csv_text(header="text,category"))),
        recipe("a.csv", data="  test: b.csv\n  columns: {input: text, target: intent}\n"), ["b.csv", "'intent'"],
    ),
    "no answer anywhere": (
        written("a.csv", csv_text([(text, "") for text, _ in ROWS])), recipe("a.csv"), ["a.csv", "empty_answer"],
    ),
    "no question anywhere": (
        written("a.csv", csv_text([("", label) for _, label in ROWS])), recipe("a.csv"), ["a.csv", "empty_input"],
    ),
    "one label": (written("a.csv", csv_text([(text, "same") for text, _ in ROWS])), recipe("a.csv"), ["same label", "'same'"]),
    "a label seen once": (
        written("a.csv", csv_text([*ROWS, ("my card is gone", "refnud")])), recipe("a.csv"),
        ["a.csv:26", "'refnud'", "only once", "'refund'"],
    ),
    "a label for every row": (
        written("a.csv", csv_text([(text, f"id{number}") for number, (text, _) in enumerate(ROWS * 2)])), recipe("a.csv"),
        ["no label"],
    ),
    "labels not in the list": (
        written("a.csv", csv_text()), recipe("a.csv", data="  labels: {names: [a, b]}\n"), ["unknown_label"],
    ),
    "answers that are no JSON": (
        written("a.csv", csv_text(header="text,slots")), recipe("a.csv", task="extract"), ["a.csv", "not_json"],
    ),
    "chats without an answer": (
        written("a.jsonl", jsonl([chat("user", "system", "user")] * 3)), recipe("a.jsonl", task="chat"), ["roles"],
    ),
    "chats of unknown roles": (
        written("a.jsonl", jsonl([chat("martian", "assistant")] * 3)), recipe("a.jsonl", task="chat"), ["martian"],
    ),
    "preference from plain columns": (
        written("a.csv", csv_text()), recipe("a.csv", task="preference"), ["no rejected answers"],
    ),
    "another format than said": (
        written("a.jsonl", jsonl([chat("user", "assistant")] * 3)),
        recipe("a.jsonl", task="chat", data="  format: sharegpt\n"), ["sharegpt", "data.format: openai"],
    ),
    "too few rows to hold any out": (written("a.csv", FEW), recipe("a.csv"), ["too few", "4 usable rows"]),
    "too few rows after what was removed": (
        written("a.csv", FEW + FEW.partition("\n")[2] + ",refund\nwhat now,\nwho,\n"), recipe("a.csv"),
        ["4 usable rows are too few", "(7 of 11 rows were removed: duplicate 4, empty_answer 2, empty_input 1)"],
    ),
    "one label after what was removed": (
        written("a.csv", csv_text([*((text, "same") for text, _ in ROWS), ("what now", "")])), recipe("a.csv"),
        ["same label, 'same' (1 of 25 rows were removed: empty_answer 1)"],
    ),
    "one group holds all": (
        written("a.csv", ONE_GROUP), recipe("a.csv", data="  columns: {input: text, target: intent, group: customer}\n"),
        ["group 'one'"],
    ),
    "a broken restore.yaml": (
        _two(("a.csv", csv_text()), ("restore.yaml", "- just a list\n")), recipe("a.csv"), ["restore.yaml"],
    ),
    "a Hugging Face folder of texts alone": (
        _folder("d", **{"a.txt": "x"}), recipe("hf:d"), ["hf:d", "cannot tell the question", "columns text"],
    ),
    "weights that are no numbers": (
        written("a.csv", csv_text([(f"{text},heavy", label) for text, label in ROWS], "text,w,intent")),
        recipe("a.csv", data="  columns: {input: text, target: intent, weight: w}\n"), ["bad_weight"],
    ),
}  # fmt: skip
