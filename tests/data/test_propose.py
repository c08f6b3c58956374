"""Columns of unknown names: `init` proposes by what is in them, or says how to name them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bad_data import ROWS
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.init import write_recipe
from tunesmith.data.prepare import prepare
from tunesmith.recipe import load_recipe


def table(file: Path, header: list[str], rows: list[list[object]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([header, *rows])
    return file


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (["Anfrage", "Kategorie"], lambda n, text, label: [text, label]),
        (["col2", "col1"], lambda n, text, label: [label, text]),
        (["Nr", "Übung", "Datum", "Art"], lambda n, text, label: [n, text, f"2024-01-{n % 3 + 1:02}", label]),
        (["a", "yes"], lambda n, text, label: [text, n % 2 + 1]),
    ],
)
def test_text_and_label_are_told_by_what_is_in_them(tmp_path, header, cells):
    """Bug: columns named in German, or not at all, are the end of the way; or a date or a number is the label."""
    file = table(tmp_path / "a.csv", header, [cells(n, *row) for n, row in enumerate(ROWS)])
    recipe = write_recipe(tmp_path, "classify", file)
    columns = load_recipe(recipe).data.columns
    text, label = ("Übung", "Art") if "Nr" in header else ("col1", "col2") if "col1" in header else header
    assert columns is not None and (columns.input, columns.target) == ([text], label)
    assert prepare(load_recipe(recipe), Workspace(tmp_path / "home"), recipe_dir=tmp_path).result["rows"]["kept"] > 5


def test_of_two_texts_the_one_that_asks_is_the_question(tmp_path):
    """Bug: answers are asked and questions learnt where the answer's column is the first."""
    rows = [[f"The hall {n} is behind the tower.", f"Where is hall number {n}?"] for n in range(30)]
    recipe = load_recipe(write_recipe(tmp_path, "chat", table(tmp_path / "a.csv", ["x1", "x2"], rows)))
    assert recipe.data.columns is not None and (recipe.data.columns.input, recipe.data.columns.target) == (["x2"], "x1")


def test_json_is_what_is_extracted(tmp_path):
    """Bug: the object to extract is taken for the text, since it is longer."""
    rows = [[json.dumps({"hall": f"hall {n}", "side": "left side"}), f"Take me to hall {n} please"] for n in range(30)]
    recipe = load_recipe(write_recipe(tmp_path, "extract", table(tmp_path / "a.csv", ["x1", "x2"], rows)))
    assert recipe.data.columns is not None and (recipe.data.columns.input, recipe.data.columns.target) == (["x2"], "x1")


def test_where_several_columns_would_do_the_error_says_how_to_name_them(tmp_path):
    """Bug: one of two label columns is taken by chance."""
    rows = [[text, label, "web" if n % 2 else "mail"] for n, (text, label) in enumerate(ROWS)]
    file = table(tmp_path / "a.csv", ["a", "b", "c"], rows)
    with pytest.raises(DataError, match=r"b \(2 values") as caught:
        write_recipe(tmp_path, "classify", file)
    assert "--input COLUMN --target COLUMN" in str(caught.value) and not (tmp_path / "recipe.yaml").exists()
    with pytest.raises(DataError, match=r"no column 'bb' \(--target\)"):
        write_recipe(tmp_path, "classify", file, (("a",), "bb"))
    columns = load_recipe(write_recipe(tmp_path, "classify", file, (("a", "c"), "b"))).data.columns
    assert columns is not None and (columns.input, columns.target) == (["a", "c"], "b")


def test_a_first_line_that_is_a_row_is_not_lost_as_a_header(tmp_path):
    """Bug: of a file without a header the first row names the columns, and is learnt by nobody."""
    file = table(tmp_path / "a.csv", list(ROWS[0]), [list(row) for row in ROWS[1:]])
    with pytest.raises(DataError, match=r"a\.csv:1: the first line seems to be a row") as caught:
        write_recipe(tmp_path, "classify", file)
    assert "names the columns" in str(caught.value) and not (tmp_path / "recipe.yaml").exists()
    pairs = [[f"Where is hall number {n}?", f"The hall {n} is behind the old tower."] for n in range(30)]
    with pytest.raises(DataError, match="seems to be a row"):
        write_recipe(tmp_path, "chat", table(tmp_path / "b.csv", pairs[0], pairs[1:]))
    names = (tuple(ROWS[0][:1]), ROWS[0][1])
    assert load_recipe(write_recipe(tmp_path, "classify", file, names)).data.columns is not None
