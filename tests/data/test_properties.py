"""What prepare promises of any data: nothing lost, nothing more to do, no matter the order or the processes.

Small data of plain rows, twins, near twins, conflicts and dirty rows, through the real prepare.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.data.read import files
from tunesmith.recipe import Recipe
from tunesmith.text.examples import Example, read_examples

SPLITS = ("train", "valid", "test")
WORDS = [f"{a}{b}" for a in ("par", "lam", "tor", "mes", "kil") for b in ("cel", "per", "tin", "ron", "dal", "vus")]
Row = tuple[str, str]
"""A question and its answer; both empty for a row that cannot be read."""


def question(number: int) -> str:
    """Return the text of a number: every third has five words, the others twenty."""
    chance = random.Random(number)
    return " ".join(["when", *chance.choices(WORDS, k=5 if number % 3 == 0 else 20), f"number {number}?"])


def reworded(text: str, word: str) -> str:
    words = text.split()
    return " ".join([*words[:2], word, *words[3:]])


FORMS = {
    "plain": lambda text: text,
    "shouted": str.upper,
    "spaced": lambda text: text.replace(" ", "  ") + " ",
    "marked": lambda text: text.replace("?", "!"),
    "one word off": lambda text: reworded(text, "please"),
    "another word off": lambda text: reworded(text, "kindly"),
    "in tags": lambda text: f"<p>{text}</p>",
    "in the wrong encoding": lambda text: f"{text} CafÃ© Ã¼ber",
    "with an address": lambda text: f"{text} jane.roe@example.org",
    "without a text": lambda text: "",
    "without an answer": lambda text: text,
    "unreadable": lambda text: "",
}
CELLS = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from(list(FORMS)), st.integers(0, 2)), min_size=4, max_size=40
)


def rows_of(cells: Sequence[tuple[int, str, int]], task: str) -> list[Row]:
    """Return 24 plain rows, so that there is something to learn and to hold out, and the rows the cells say."""
    answers = ["delivery", "refund", "other"] if task == "classify" else []
    cells = [*((100 + number, "plain", number % 3) for number in range(24)), *cells]
    rows = []
    for number, form, answer in cells:
        told = answers[answer] if answers else f"It is {question(1000 + number * 3 + answer)[5:-1]} as you say."
        told = "" if form in ("without an answer", "unreadable") else told
        rows.append((FORMS[form](question(number)), told))
    return rows


def as_file(rows: Sequence[Row], task: str) -> str:
    if task == "classify":
        out = io.StringIO()
        csv.writer(out).writerows([("text", "intent"), *(row if any(row) else ("only one cell",) for row in rows)])
        return out.getvalue()
    lines = (
        json.dumps({"prompt": asked, "completion": told}) if asked or told else '{"prompt":' for asked, told in rows
    )
    return "".join(f"{line}\n" for line in lines)


def made(task: str, parts: dict[str, Sequence[Row]], home: Path, **data: Any) -> Artifact:
    """Prepare rows written as one file for each part."""
    ending = "csv" if task == "classify" else "jsonl"
    for part, rows in parts.items():
        (home / f"{part}.{ending}").write_text(as_file(rows, task), encoding="utf-8", newline="")
    lists = {part: [f"{part}.{ending}"] for part in parts}
    recipe = Recipe(name="t", task=task, data={**lists, "dedup": {"max_cluster_frac": 1.0}, "processes": 1, **data})
    return prepare(recipe, Workspace(home / "home"), recipe_dir=home)


def examples(dataset: Artifact) -> dict[str, list[Example]]:
    return {part: read_examples(dataset.path / f"{part}.parquet") for part in SPLITS}


def removed(dataset: Artifact) -> pl.DataFrame:
    return pl.read_parquet(dataset.path / "removed.parquet")


def quick(count: int) -> settings:
    """Return settings for so many examples; a failing one is not made smaller, which takes a prepare for each try."""
    phases = [Phase.explicit, Phase.generate]
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, phases=phases)


TASKS = st.sampled_from(["classify", "chat"])


@quick(12)
@given(TASKS, CELLS)
def test_every_row_is_in_exactly_one_state(task, cells):
    """Bug: a row is lost, is in two splits, or is removed and kept."""
    rows = rows_of(cells, task)
    with tempfile.TemporaryDirectory() as folder:
        dataset = made(task, {"train": rows}, Path(folder))
        result, parts, gone = dataset.result, examples(dataset), removed(dataset)
    kept = [(one.row_id, one.meta["line"]) for part in SPLITS for one in parts[part]]
    all_ = [*kept, *gone.select("row_id", "line").iter_rows()]
    assert result["rows"] == {"read": len(rows), "kept": len(kept), "removed": gone.height}
    assert sum(result["states"].values()) == len(rows) and sum(result["removed_by"].values()) == gone.height
    assert len({row_id for row_id, _ in all_}) == len(rows)
    assert len({line for _, line in all_}) == len(rows) and gone["rule"].null_count() == 0


@quick(10)
@given(TASKS, CELLS)
def test_what_is_prepared_needs_no_preparing(task, cells):
    """Bug: a repair makes something a rule removes, or two rows that are kept are twins for the second run."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first = examples(made(task, {"train": rows_of(cells, task)}, Path(one)))
        parts = {part: [(row.input_text, row.target_text) for row in own] for part, own in first.items()}
        again = made(task, parts, Path(two))
        assert removed(again).to_dicts() == []
        assert {
            part: [(row.input_text, row.target_text) for row in own] for part, own in examples(again).items()
        } == parts


def same(row: Example) -> tuple[str, str]:
    return words_of(row.input_text), words_of(row.target_text)


def words_of(text: str) -> str:
    """Return text up to what makes equal twins: case, punctuation and whitespace."""
    return " ".join(re.findall(r"\w+", text.casefold()))


@quick(12)
@given(TASKS, CELLS, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(task, cells, chance):
    """Bug: which rows stay, or which are held out, hangs on where they stand in the file."""
    rows = rows_of(cells, task)
    shuffled = chance.sample(rows, len(rows))
    outcomes = []
    for own in (rows, shuffled):
        with tempfile.TemporaryDirectory() as folder:
            dataset = made(task, {"train": own}, Path(folder))
            parts = {part: sorted(map(same, some)) for part, some in examples(dataset).items()}
            gone = removed(dataset).select("rule", "text").iter_rows()
            outcomes.append((parts, Counter((rule, words_of(text)) for rule, text in gone)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(("task", "processes"), [("classify", 2), ("chat", 3)])
def test_processes_change_no_byte(task, processes, tmp_path, monkeypatch):
    """Bug: pieces are joined as they come, or a process sees something of another's pieces."""
    monkeypatch.setattr(files, "PIECE_ROWS", 16)
    chance = random.Random(3)
    cells = [(chance.randrange(15), chance.choice(list(FORMS)), chance.randrange(3)) for _ in range(60)]
    one, other = (
        made(task, {"train": rows_of(cells, task)}, folder(tmp_path, count), processes=count)
        for count in (1, processes)
    )
    assert one.id == other.id and one.manifest["files"] == other.manifest["files"]
    assert {"train.parquet", "removed.parquet", "repairs.parquet", "report.html"} <= set(one.manifest["files"])


def folder(parent: Path, number: int) -> Path:
    (parent / str(number)).mkdir()
    return parent / str(number)
