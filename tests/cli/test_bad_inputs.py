"""The user's mistakes: exit 2, one message that names the place and the way out, no traceback, nothing left behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bad_data import BAD_DATA, csv_text, recipe
from bad_recipes import BAD_RECIPES
from tunesmith.cli.main import main

pytestmark = pytest.mark.slow


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: str, code: int = 2) -> str:
    """Run a command that must fail; return its one message."""
    monkeypatch.setattr("sys.argv", ["tunesmith", *args])
    with pytest.raises(SystemExit) as exit_:
        main()
    captured = capsys.readouterr()
    assert exit_.value.code == code, captured.err
    assert captured.out == "" and "Traceback" not in captured.err
    starts = [match.start() for match in re.finditer(r"^[Ee]rror:", captured.err, re.MULTILINE)]
    assert len(starts) == 1, captured.err
    return captured.err[starts[0] :]


KEPT = {".tunesmith", ".tunesmith/index"}
"""Rows that were judged before a later rule stopped the work are kept for the next try."""


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_bad_recipe(name, tmp_path, monkeypatch, capsys):
    """Bug: a recipe's mistake ends in a traceback, a wrong exit code, or an empty workspace lying about."""
    text, fragments = BAD_RECIPES[name]
    (tmp_path / "recipe.yaml").write_text(text)
    message = refused(monkeypatch, capsys, "run", str(tmp_path / "recipe.yaml"))
    assert all(fragment in message for fragment in fragments), message
    assert tree(tmp_path) == {"recipe.yaml"}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data(name, tmp_path, monkeypatch, capsys):
    """Bug: a file of examples that is none is half read, guessed at, or refused without a word where and why."""
    make, text, fragments = BAD_DATA[name]
    make(tmp_path)
    (tmp_path / "recipe.yaml").write_text(text)
    before = tree(tmp_path)
    message = refused(monkeypatch, capsys, "prepare", str(tmp_path / "recipe.yaml"))
    assert all(fragment in message for fragment in fragments), message
    assert "expected:" in message or "try:" in message, f"no way out: {message}"
    assert {path for path in tree(tmp_path) if not path.startswith(".tunesmith/index/")} <= before | KEPT


def test_the_bar_of_sixty_kinds():
    assert len(BAD_RECIPES) + len(BAD_DATA) >= 60


BAD_TRAINING = {
    # name: (lines of the recipe, what the message must contain)
    "no such base": ("base: ./nowhere\n", ["nowhere"]),
    "a base that is no model": ("base: .\n", ["config.json"]),
    "targets no module has": (
        "train: {method: lora, lora: {targets: [nothing_proj]}}\n",
        ["nothing_proj", "all-linear"],
    ),
    "every row too long": ("train: {max_tokens: 8}\n", ["too_long", "at most 8 tokens", "train.max_tokens"]),
    "preference": ("task: preference\n", ["hold no rejected answers", "chosen"]),
}


@pytest.mark.parametrize("name", BAD_TRAINING)
def test_bad_training(name, tiny, tmp_path, monkeypatch, capsys):
    """Bug: what only training can find out leaves a half model or a checkpoint behind."""
    lines, fragments = BAD_TRAINING[name]
    (tmp_path / "a.csv").write_text(csv_text())
    text = recipe("a.csv", rest=lines if "base:" in lines else f"base: {tiny}\n{lines}")
    if "task:" in lines:
        text = text.replace("task: classify\n", "")
    (tmp_path / "recipe.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    message = refused(monkeypatch, capsys, "train", str(tmp_path / "recipe.yaml"))
    assert all(fragment in message for fragment in fragments), message
    work = tmp_path / ".tunesmith" / "work"
    assert not work.exists() or not list(work.iterdir())


def test_bad_commands(tmp_path, monkeypatch, capsys):
    """Bug: a slip on the command line is a traceback, or is told without the nearest right word."""
    monkeypatch.chdir(tmp_path)
    assert "'prepare'" in refused(monkeypatch, capsys, "prepair", "recipe.yaml")
    assert "no recipe at" in refused(monkeypatch, capsys, "run", "recipe.yaml")
    assert "--task" in refused(monkeypatch, capsys, "init", "--data", "a.csv")
    assert "a.csv" in refused(monkeypatch, capsys, "init", "--task", "classify", "--data", "a.csv")
    assert "no artifact" in refused(monkeypatch, capsys, "why", "nothing-000000000000")
    assert tree(tmp_path) == set()


def test_init_does_not_overwrite(tmp_path, monkeypatch, capsys):
    """Bug: a second init throws the user's own recipe away."""
    (tmp_path / "a.csv").write_text(csv_text())
    (tmp_path / "recipe.yaml").write_text("mine")
    message = refused(
        monkeypatch, capsys, "init", str(tmp_path), "--task", "classify", "--data", str(tmp_path / "a.csv")
    )
    assert "exists already" in message and (tmp_path / "recipe.yaml").read_text() == "mine"
