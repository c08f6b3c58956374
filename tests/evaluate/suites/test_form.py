"""Answers out of shape are told from answers in the shape that was learnt, right or wrong."""

import json

import pytest

from made import split_frame
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import ahead
from tunesmith.evaluate.compare import Questions
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.suites import form
from tunesmith.evaluate.suites.form import CHECKS, Answer, checks_for
from tunesmith.evaluate.suites.material import Material
from tunesmith.recipe import Recipe
from tunesmith.text.examples import read_examples

RIGHT = "Your parcel is on its way."
OBJECT = '{"at": "lunch"}'
BAD = {
    "empty": (" ", RIGHT),
    "marks of a chat template": ("It is on its way.<|end|>", RIGHT),
    "the same over and over": ("It is here. It is here. It is here. It is here. It is here.", RIGHT),
    "no JSON where the right answer is": ("at lunch", OBJECT),
    "a fence of code": ("```\nit\n```", RIGHT),
    "opens with talk": ("Sure! Your parcel is there.", RIGHT),
    "spaces at its ends": ("It is there.\n", RIGHT),
}


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_seen_and_right_answers_have_none(name):
    text, right = BAD[name]
    assert CHECKS[name](Answer(text, right))
    for one in (
        RIGHT,
        OBJECT,
        "It is 5 x 5 x 5 m.",
        "No no, it is gone.",
        "Surely it is.",
        "- a\n- b\n- c",
        "1200000000000000",
        "a | b\n-------------\n1 | 2",
    ):
        assert not [other for other, has in CHECKS.items() if has(Answer(one, one))], one


def test_an_answer_that_the_limit_ended_is_seen():
    assert CHECKS["cut by the limit of tokens"](Answer(RIGHT, RIGHT, cut=True))


def material(tmp_path, right, known=None):
    frame = split_frame([(f"where is {n}?", one) for n, one in enumerate(right)], "test", classify=False)
    frame.write_parquet(tmp_path / "test.parquet")
    questions = Questions("chat", right, [None] * len(right), 0, read_examples(tmp_path / "test.parquet"))
    return Material(0, questions, METRICS["chat"][0], known=known or {})


def told(texts):
    return {"texts": texts, "cut": [False] * len(texts)}


def test_what_right_answers_have_is_no_fault(tmp_path):
    """Bug: a task whose answers are code in fences fails for its fences."""
    right = ["```\nx = 1\n```"] * 50
    assert "a fence of code" not in checks_for(right)
    found = form.look({"tuned": told(right)}, material(tmp_path, right))
    assert found.estimates["tuned"]["format_kept"].value == 1 and "a fence of code" in found.notes[0]


def test_a_model_that_lost_the_shape_is_worse_than_the_base(tmp_path):
    right = [RIGHT] * 60
    chatty = ["Sure! " + RIGHT] * 30 + [RIGHT] * 30
    found = form.look({"tuned": told(chatty), "base": told(right)}, material(tmp_path, right))
    assert found.estimates["tuned"]["format_kept"].value == 0.5
    assert found.deltas["base"]["format_kept"].high < -0.05
    row = found.details[0].rows[0]
    assert row[0] == "opens with talk" and row[1].startswith("Sure!") and row[3] == "0.000"


def test_an_answer_far_too_long_is_out_of_shape(tmp_path):
    right = [RIGHT] * 20
    long = [" ".join(f"{n} and" for n in range(60))] * 20
    assert form.look({"tuned": told(long)}, material(tmp_path, right)).estimates["tuned"]["format_kept"].value == 0


def test_labels_have_no_shape():
    with pytest.raises(RecipeError, match=r"evaluate\.suites: format"):
        ahead.check(Recipe(name="x", task="classify", data={"train": "x"}, evaluate={"suites": "format"}))


@pytest.mark.parametrize("task", ["extract", "chat"])
def test_the_suite_reaches_the_scorecard_without_asking_again(arena, task):
    card = arena(task).evaluate(suites="format", baselines=["base"])
    suite = card.result["suites"]["format"]
    assert suite["passes"] == 0 and suite["metrics"]["format_kept"]["n"] == suite["rows"]
    assert any("format_kept" in one for one in [*card.result["reasons"], *card.result["notes"]])
    assert "Suite: format" in (card.path / "scorecard.html").read_text()
    json.dumps(card.result, allow_nan=False)
