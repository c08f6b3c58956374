"""Columns that go along with their rows: ``data.keep``."""

import json

import polars as pl
import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe
from tunesmith.text.examples import read_examples

WORDS = ("red", "blue", "green", "grey", "pink")


def rows(count, **more):
    """Yield chats about things that differ."""
    for n in range(count):
        text = f"Is thing {n} {WORDS[n % 5]} or is it {WORDS[(n + 1) % 5]}, tell me about number {n}?"
        yield {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": f"It is {WORDS[n % 5]}, that one, {n}."}], "n": n, **more}  # fmt: skip


def made(folder, keep, **files):
    for name, records in files.items():
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in records))
    data = {"train": "train.jsonl", "keep": keep, **({"test": "test.jsonl"} if "test" in files else {})}
    return prepare(Recipe(name="t", task="chat", data=data), Workspace(folder / "home"), recipe_dir=folder)


def test_a_row_keeps_its_own_columns_whatever_they_hold(tmp_path):
    """Bug: columns of one row end up beside another, when rows are removed, shuffled and split."""
    dataset = made(tmp_path, ["n", "args"], train=rows(60, args=[{"k": None}, {"ü": 1.5}]))
    for split in ("train", "valid", "test"):
        for one in read_examples(dataset.path / f"{split}.parquet"):
            assert f"thing {one.kept['n']} " in one.input_text and one.kept["args"] == [{"k": None}, {"ü": 1.5}]


def test_rows_of_files_without_the_column_keep_nothing(tmp_path):
    """Bug: tests that only the test file has make its train file unreadable."""
    dataset = made(tmp_path, ["check"], train=rows(30), test=[{**one, "check": "x"} for one in list(rows(50))[30:]])
    assert {tuple(one.kept) for one in read_examples(dataset.path / "train.parquet")} == {()}
    assert {one.kept["check"] for one in read_examples(dataset.path / "test.parquet")} == {"x"}
    assert pl.read_parquet(dataset.path / "train.parquet")["kept"].null_count() == len(
        read_examples(dataset.path / "train.parquet")
    )


def test_a_column_that_no_file_has_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(DataError, match=r"no column 'm' \(recipe: data\.keep\)") as refused:
        made(tmp_path, ["m"], train=rows(30))
    assert "messages" in refused.value.message
