"""A Python function of the user's as a metric."""

import pytest

from graded import columns_of, examples_of, metric_of, recipe_of
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.evaluate.metrics import chosen_metrics

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass

def polite(answer, example):
    return "please" in answer

def share(answer, example):
    return len(answer) / example["most"]

def bad(answer, example):
    return {"a": 2, "b": float("nan"), "c": "text", "d": None}[answer]

def leave(answer, example):
    raise SystemExit

@dataclass
class Score:
    # has the types of its fields as texts

    value: float

number = 3
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my.py").write_text(SOURCE)
    return tmp_path


def asked(name, folder):
    recipe = recipe_of("chat", functions={"mine": f"./my.py:{name}"})
    return next(one for one in chosen_metrics(recipe, folder) if one.name == "mine")


def test_it_is_called_with_the_answer_and_the_row(folder):
    metric = asked("share", folder)
    columns = columns_of(metric, "chat", ["x"] * 2, ["ab", "abcd"], examples_of(["x"] * 2, kept={"most": 4}))
    assert metric.estimate(columns, 0).value == 0.75
    metric = asked("polite", folder)
    assert columns_of(metric, "chat", ["x"] * 2, ["please", "now"])["own mine"].tolist() == [1, 0]


@pytest.mark.parametrize("answer", ["a", "b", "c", "d", "e"])
def test_what_is_no_number_from_0_to_1_is_told_with_its_row(folder, answer):
    with pytest.raises(DataError, match=r"evaluate\.functions\.mine: row r0: "):
        columns_of(asked("bad", folder), "chat", ["x"], [answer])


def test_a_function_that_leaves_python_is_told_with_its_row(folder):
    """Bug: sys.exit() in it ended the evaluation as if all had gone well."""
    with pytest.raises(DataError, match="row r0: SystemExit"):
        columns_of(asked("leave", folder), "chat", ["x"], ["x"])


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("my.py", "names no function"),
        ("my.py:", "names no function"),
        ("none.py:polite", "no file"),
        ("my.py:polit", "has no function 'polit'"),
        ("my.py:number", "has no function 'number'"),
        ("broken.py:f", "cannot be run: SyntaxError"),
        ("leaving.py:f", "cannot be run: SystemExit"),
    ],
)
def test_a_function_that_is_not_there_is_refused_before_anything_runs(folder, place, words):
    (folder / "broken.py").write_text("def")
    (folder / "leaving.py").write_text("import sys; sys.exit(0)")
    with pytest.raises(RecipeError, match=words):
        chosen_metrics(recipe_of("chat", functions={"mine": place}), folder)


def test_another_content_of_the_file_is_another_scorecard(folder, arena):
    """Otherwise a mended function would be answered with the old numbers."""
    from tunesmith.evaluate import stage

    ring = arena("chat")
    recipe = ring.recipe(functions={"mine": "my.py:polite"}, baselines=[], gate={"against": []})
    first = stage.evaluate(recipe, ring.dataset, ring.model, ring.workspace, recipe_dir=folder)
    assert first.result["metrics"]["mine"]["value"] == 0
    (folder / "my.py").write_text("def polite(answer, example):\n    return True\n")
    second = stage.evaluate(recipe, ring.dataset, ring.model, ring.workspace, recipe_dir=folder)
    assert second.id != first.id and second.result["metrics"]["mine"]["value"] == 1


def test_training_cannot_stop_by_it(folder):
    """What runs in training is known before: a function would be looked for in another folder by each rank."""
    from tunesmith.evaluate.metrics import stopping_metric
    from tunesmith.recipe import Recipe

    recipe = Recipe(name="x", task="chat", data={"train": "x"}, evaluate={"functions": {"mine": "my.py:polite"}}, train={"regularise": {"early_stopping": {"metric": "mine"}}})  # fmt: skip
    with pytest.raises(RecipeError, match="chat has no metric 'mine'"):
        stopping_metric(recipe)
    assert metric_of(recipe_of("chat", "token_f1"), "token_f1")
