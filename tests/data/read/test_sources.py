"""What the recipe names to files: files, folders, globs, datasets of the hub; labels that hold no place."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import datasets
import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError, MissingExtraError, RecipeError
from tunesmith.data.prepare import prepare
from tunesmith.data.read.files import read
from tunesmith.data.read.sources import distinct_labels, expand
from tunesmith.recipe import Recipe


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name in (
        "a.csv",
        "deep/b.jsonl",
        "deep/c.json.gz",
        "deep/d.PARQUET",
        "notes.md",
        ".hidden/e.csv",
        "deep/.f.csv",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text,label\nhi,a\n")
    return folder


def labels(entries: list[str], folder: Path) -> list[str]:
    return [source.label for source in expand(entries, folder, "data.train")]


def test_a_folder_gives_its_files_sorted_whatever_the_system_s_order(files, capsys):
    """Bug: ids change with the file system; hidden files are learnt; other kinds vanish without a word."""
    assert labels(["."], files) == ["a.csv", "deep/b.jsonl", "deep/c.json.gz", "deep/d.PARQUET"]
    assert "1 file(s) of other kinds not read: notes.md" in capsys.readouterr().err


def test_globs_and_lists_keep_order_and_name_a_file_once(files):
    """Bug: a file matched twice is read twice, so all of its rows are duplicates."""
    assert labels(["deep/*.json*", "a.csv", "deep", "**/*.csv"], files) == [
        "deep/b.jsonl",
        "deep/c.json.gz",
        "a.csv",
        "deep/d.PARQUET",
    ]


def test_a_link_to_a_file_is_that_file_and_reading_once_is_said(files, capsys):
    """Bug: a file and a link to it are read as two, and all rows are duplicates of each other."""
    (files / "link.csv").symlink_to("a.csv")
    os.link(files / "a.csv", files / "same.csv")
    assert labels(["*.csv", "./a.csv"], files) == ["a.csv"]
    assert "data.train: named more than once and read once: a.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ({"train": ["*.csv"], "test": ["b.csv"]}, ("data.train", "data.test")),
        ({"train": ["a.csv"], "valid": ["b.csv"], "test": ["./b.csv"]}, ("data.valid", "data.test")),
        ({"train": ["a.csv"], "test": ["linked.csv"]}, ("data.train", "data.test")),
        ({"train": ["*.csv"], "decontaminate": ["b.csv"]}, ("data.train", "data.decontaminate")),
    ],
)
def test_a_file_that_is_learnt_and_tested_on_is_refused(tmp_path, data, keys):
    """Bug: `train: data/*.csv` beside `test: data/test.csv` reads the test twice, with every id twice."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + "".join(f"hi {n},{'xy'[n % 2]}\n" for n in range(30)))
    (tmp_path / "linked.csv").symlink_to("a.csv")
    recipe = Recipe(name="t", task="classify", base="openai:none", data=data)
    with pytest.raises(RecipeError) as caught:
        prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    assert all(key in str(caught.value) for key in keys) and ".csv" in str(caught.value)


def test_a_file_whose_name_has_brackets_is_found(files):
    """Bug: 'data[1].csv' is taken for a glob that matches nothing."""
    (files / "data[1].csv").write_text("text,label\nhi,a\n")
    assert labels(["data[1].csv"], files) == ["data[1].csv"]


def test_labels_do_not_depend_on_where_the_project_lies(files, tmp_path):
    """Bug: the same recipe has another id on another machine, and artifacts show a user's name."""
    outside = tmp_path / "elsewhere" / "x.csv"
    outside.parent.mkdir()
    outside.write_text("text,label\nhi,a\n")
    assert labels([str(files / "a.csv"), str(outside), "../elsewhere/x.csv"], files) == ["a.csv", "x.csv"]


def test_home_is_expanded(files, monkeypatch):
    """Bug: '~/data.csv' is looked for in the recipe's folder."""
    monkeypatch.setenv("HOME", str(files))
    assert labels(["~/a.csv"], files / "deep") == ["a.csv"]


def test_equal_names_from_different_folders_stay_apart(tmp_path):
    """Bug: a removed row's source names two files."""
    for folder in ("one", "two", "three"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").write_text(folder)
    found = expand(["../one/train.csv", "../two/train.csv"], tmp_path / "three", "data.train")
    test = expand(["../three/train.csv", "../one/train.csv"], tmp_path / "four", "data.test")
    named = distinct_labels({"train": found, "test": test})
    assert [source.label for source in named["train"]] == ["train.csv", "train.csv#2"]
    assert [source.label for source in named["test"]] == ["train.csv#3", "train.csv"]


def test_the_digest_is_that_of_the_content(files):
    """Bug: a touched file makes a new dataset, or a changed one does not."""
    (before,) = expand(["a.csv"], files, "data.train")
    first = before.digest
    os.utime(files / "a.csv", (1, 1))
    assert before.digest == first
    (files / "a.csv").write_text("text,label\nhi,b\n")
    assert before.digest != first


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        ("", RecipeError, "data.train: '' is no path"),
        ("a\0.csv", RecipeError, "is no path"),
        ("b.csv", DataError, "data.train: no file 'b.csv'"),
        ("gone/*.csv", DataError, "data.train: nothing matches 'gone/"),
        ("empty", DataError, r"the folder 'empty' holds no file of examples \(1 other files\)"),
        ("pipe", DataError, "'pipe' is neither a file nor a folder"),
    ],
)
def test_what_is_not_there_is_named_with_its_key(files, entry, error, message):
    """Bug: FileNotFoundError, or an empty dataset."""
    (files / "empty").mkdir()
    (files / "empty" / "notes.md").write_text("x")
    os.mkfifo(files / "pipe")
    with pytest.raises(error, match=message):
        expand([entry], files, "data.train")


def test_a_near_name_is_offered(files):
    """Bug: a typing error costs a search through folders."""
    with pytest.raises(DataError) as error:
        expand(["a.cvs"], files, "data.train")
    assert error.value.hint == "did you mean 'a.csv'?"


# --- the hub --------------------------------------------------------------------------------------------------------


def test_a_dataset_saved_to_disk_is_read_split_by_split(tmp_path):
    """Bug: 'hf:folder@test' is looked for on the network; every split is read as train."""
    parts = {
        name: datasets.Dataset.from_list([{"text": f"{name} {n}", "label": "a"} for n in range(3)])
        for name in ("train", "test")
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    for entry, wanted in (("hf:saved", "train"), ("hf:saved@test", "test")):
        (source,) = expand([entry], tmp_path, "data.train")
        table = read(source)
        assert table.label == entry and table.columns == ["text", "label"]
        assert [row.fields["text"] for row in table.rows] == [f"{wanted} {n}" for n in range(3)]
        assert source.digest == expand([entry], tmp_path, "data.train")[0].digest
    (source,) = expand(["hf:saved@dev"], tmp_path, "data.train")
    with pytest.raises(DataError, match="there is no split 'dev'") as error:
        read(source)
    assert error.value.expected == "one of test, train"


def test_without_the_datasets_library_its_extra_is_named(tmp_path, monkeypatch):
    """Bug: ModuleNotFoundError."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    (source,) = expand(["hf:org/name"], tmp_path, "data.train")
    with pytest.raises(MissingExtraError, match="datasets"):
        read(source)


def test_a_missing_file_is_told_with_the_nearest_beside_the_recipe(tmp_path):
    """Bug: the hint lists the workspace, or files that hold no examples; or a file in a folder below is not found."""
    (tmp_path / "data").mkdir()
    for name in ("tickets.csv", "recipe.yaml", "data/tickets.jsonl", "notes.txt"):
        (tmp_path / name).write_text("x")
    for hidden in (".tunesmith/index", "runs/artifacts", "runs/index"):
        (tmp_path / hidden).mkdir(parents=True)
        (tmp_path / hidden / "ticket.csv").write_text("x")
    told = {}
    for entry in ("tikets.csv", "input/tickets.csv", "tickets.jsonl", "zzz.csv"):
        with pytest.raises(DataError) as caught:
            expand([entry], tmp_path, "data.train")
        told[entry] = caught.value.hint
    assert told["tikets.csv"].startswith("did you mean 'tickets.csv'")
    assert told["input/tickets.csv"].startswith("did you mean 'tickets.csv'")
    assert told["tickets.jsonl"].startswith("did you mean 'data/tickets.jsonl'")
    assert told["zzz.csv"] == f"paths are relative to {tmp_path}; there are data/tickets.jsonl, tickets.csv"
    assert not any(word in hint for hint in told.values() for word in ("runs", ".tunesmith", "notes", "recipe.yaml"))
