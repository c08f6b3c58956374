"""What commands print and write when they are not run in the recipe's folder."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from bad_data import ROWS, csv_text
from tunesmith.cli.main import main
from tunesmith.cli.summaries import home_words


def run(*words: str) -> int:
    """Run a command line in this process; returns its exit code."""
    import sys

    before, sys.argv = sys.argv, ["tunesmith", *words]
    try:
        main()
    except SystemExit as ending:
        return int(ending.code or 0)
    finally:
        sys.argv = before
    return 0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my project"
    folder.mkdir()
    (folder / "a.csv").write_text(csv_text([*ROWS, ROWS[0]]))
    (folder / "recipe.yaml").write_text("name: t\ntask: classify\ndata: {train: a.csv}\n")
    monkeypatch.chdir(tmp_path)
    return folder


def test_restore_from_another_folder_is_heeded(project, capsys):
    """Bug: the note is written where nobody looks, and the next prepare removes the row again."""
    assert run("prepare", str(project / "recipe.yaml"), "--json") == 0
    first = json.loads(capsys.readouterr().out)
    twin = pl.read_parquet(Path(first["path"]) / "removed.parquet")["row_id"][0]
    assert run("restore", first["dataset"], twin, "--home", str(project / ".tunesmith")) == 0
    assert run("prepare", str(project / "recipe.yaml"), "--json") == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["rows"]["removed"], second["rows"]["removed"]) == (1, 0)


def test_restore_by_rule(project, capsys):
    """Bug: only single rows can come back."""
    run("prepare", str(project / "recipe.yaml"), "--json")
    first = json.loads(capsys.readouterr().out)
    assert run("restore", first["dataset"], "--rule", "duplicate", "--home", str(project / ".tunesmith")) == 0
    assert run("restore", first["dataset"], "--rule", "leak", "--home", str(project / ".tunesmith")) == 2
    run("prepare", str(project / "recipe.yaml"), "--json")
    assert json.loads(capsys.readouterr().out)["removed_by"] == {}


def test_restore_without_a_recipe_in_sight_is_refused(project, tmp_path, capsys):
    """Bug: restore.yaml lands in a folder without a recipe, silently."""
    run("prepare", str(project / "recipe.yaml"), "--json", "--home", "elsewhere")
    first = json.loads(capsys.readouterr().out)
    assert run("restore", first["dataset"], "--rule", "duplicate", "--home", "elsewhere") == 2
    assert "beside the recipe" in capsys.readouterr().err and not (tmp_path / "restore.yaml").exists()


def test_advice_works_from_where_it_is_printed(project, monkeypatch):
    """Bug: 'tunesmith chat t' is advised in a folder from where it finds nothing."""
    assert home_words(project / ".tunesmith") == " --home 'my project/.tunesmith'"
    monkeypatch.chdir(project)
    assert home_words(project / ".tunesmith") == ""


def test_the_schema_is_to_be_had(capsys):
    """Bug: editors cannot check a recipe because nothing prints its schema."""
    assert run("init", "--schema") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/") and "data" in schema["properties"]


def test_curve_and_audit_print_one_object(project, capsys):
    """Bug: the new commands print tables on stdout, or nothing."""
    rows = [(f"{text} number {number}", label) for number in range(30) for text, label in ROWS[:8]]
    (project / "a.csv").write_text(csv_text(rows))
    (project / "recipe.yaml").write_text(
        "name: t\ntask: classify\ndata: {train: a.csv, split: {valid: 0.25}, dedup: {near: null}}\n"
    )
    assert run("curve", str(project / "recipe.yaml"), "--json") == 0
    assert "twice as many would add" in json.loads(capsys.readouterr().out)["sentence"]
    assert run("prepare", str(project / "recipe.yaml"), "--audit", "--json") in (0, 2)
