"""Changed questions keep their right answer, and a model that only knows questions word for word is found out."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made import split_frame
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import ahead
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Questions
from tunesmith.evaluate.criteria import criteria_of
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.suites import robustness
from tunesmith.evaluate.suites.changes import CHANGES, case, framing, typos
from tunesmith.evaluate.suites.material import Material
from tunesmith.recipe import Recipe
from tunesmith.text.examples import read_examples

TEXT = "Where is the parcel with my new Blue lamp, number 4711, that I ordered from Lisbon last Tuesday?"


@given(st.text(max_size=80), st.text(max_size=20), st.text(max_size=8))
def test_any_text_is_changed_the_same_way_each_time(text, right, seed):
    for change in CHANGES.values():
        assert change(text, right, seed) == change(text, right, seed)


@given(st.integers())
def test_typos_are_few_and_leave_what_the_answer_needs(seed):
    """Bug: the number or name to be extracted is misspelt, and the right answer is no longer right."""
    changed = typos(TEXT, "Blue lamp, 4711, Lisbon", str(seed))
    pairs = list(zip(TEXT.split(), changed.split(), strict=True))
    assert 1 <= sum(a != b for a, b in pairs) <= 3
    assert all(word in changed for word in ("Blue", "lamp", "4711", "Lisbon"))
    assert all(abs(len(a) - len(b)) <= 1 and a[0] == b[0] for a, b in pairs)


@given(st.integers())
def test_case_changes_all_words_but_those_of_the_answer(seed):
    changed = case(TEXT, "Lisbon", str(seed))
    assert changed.lower() == TEXT.lower() and "Lisbon" in changed
    rest = changed.replace("Lisbon", "")
    assert rest in (rest.upper(), rest.lower()) and changed != TEXT


def test_a_text_in_small_letters_is_changed_too():
    assert {case("where is it", "", str(n)) for n in range(20)} == {"WHERE IS IT"}
    assert typos("is it ok?", "", "1") == "is it ok?", "nothing long enough"


@given(st.integers())
def test_a_frame_holds_the_question_as_it_is(seed):
    changed = framing("Is {it} here?", "", str(seed))
    assert "Is {it} here?" in changed and len(changed) > 15


def test_frames_differ_between_rows():
    assert len({re.sub("Q", "", framing("Q", "", str(n))) for n in range(60)}) == 8


def material(tmp_path, count=120, task="classify", **more):
    pairs = [(f"please tell me where parcel {n} could be", ("here", "there")[n % 2]) for n in range(count)]
    split_frame(pairs, "test", classify=True).write_parquet(tmp_path / "test.parquet")
    examples = read_examples(tmp_path / "test.parquet")
    questions = Questions(task, [right for _, right in pairs], [None] * count, 0, examples)
    return Material(0, questions, METRICS[task][0], list(range(count)), **more)


def told(texts):
    rows = len(texts)
    return vars(Answers(list(texts), [0.9] * rows, [0.1] * rows, [1] * rows))


@pytest.mark.parametrize("lost", [0, 40])
def test_what_changed_questions_cost_is_measured_against_the_same_questions(tmp_path, lost):
    sample = material(tmp_path)
    right = list(sample.questions.expected)
    wrong = ["nowhere"] * lost + right[lost:]
    record = {"typos": told(wrong), "case": told(right), "framing": told(right), "unchanged": told(right)}
    found = robustness.look({"tuned": record}, sample)
    delta = found.deltas["unchanged"]["robust_typos"]
    assert delta.value == pytest.approx(-lost / 120) and delta.n == 120
    assert (delta.high < 0) == bool(lost) and found.deltas["unchanged"]["robust_case"].value == 0
    assert bool(found.details) == bool(lost) and found.rows == 360 == found.passes
    if lost:
        assert "10 of 40" in found.details[0].title and "nowhere" in found.details[0].rows[0]


def test_rows_that_a_change_cannot_touch_do_not_count(tmp_path):
    """Bug: unchanged rows dilute the loss."""
    sample = material(tmp_path, count=30)
    short = [replace(one, messages=[{"role": "user", "content": "hi?"}, one.messages[-1]]) for one in sample.test[:10]]
    sample = replace(sample, questions=replace(sample.questions, examples=[*short, *sample.test[10:]]))
    assert [place for place, _ in robustness.changed(sample, "typos")] == list(range(10, 30))
    right = list(sample.questions.expected)
    record = {"typos": told(right[10:]), "case": told(right), "framing": told(right), "unchanged": told(right)}
    found = robustness.look({"tuned": record}, sample)
    assert found.estimates["tuned"]["robust_typos"].n == 20 and found.estimates["tuned"]["robust_case"].n == 30


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"robust_typos": {"not_worse_by": 0.1, "not_worse_than": "linear"}}, "does not ask linear"),
        ({"accuracy": {"not_worse_by": 0.1, "not_worse_than": "unchanged"}}, "measured on unchanged questions"),
        ({"general_skills": {"not_worse_by": 0.1, "not_worse_than": "unchanged"}}, "suite retention"),
    ],
)
def test_rivals_are_those_that_are_asked(gate, words):
    evaluate = {"suites": ["robustness"], "gate": {"metrics": gate}}
    with pytest.raises(RecipeError, match=words):
        ahead.check(Recipe(name="x", task="classify", data={"train": "x"}, evaluate=evaluate))


def test_pairs_have_no_answers_to_compare():
    evaluate = {"suites": "robustness"}
    with pytest.raises(RecipeError, match=r"evaluate\.suites: robustness"):
        ahead.check(Recipe(name="x", task="preference", data={"train": "x"}, evaluate=evaluate))


def test_the_gate_can_ask_how_much_typos_may_cost():
    rule = {"robust_typos": {"not_worse_by": 0.05, "not_worse_than": "unchanged"}}
    evaluate = {"suites": "robustness", "gate": {"against": [], "metrics": rule}}
    asked = criteria_of(Recipe(name="x", task="classify", data={"train": "x"}, evaluate=evaluate))
    assert [(one.metric.name, one.kind, one.least, one.who) for one in asked] == [
        ("robust_typos", "not_worse", -0.05, "unchanged")
    ]


@pytest.mark.parametrize("task", ["classify", "extract", "chat"])
def test_the_suite_reaches_the_scorecard(arena, task):
    rule = {"robust_framing": {"not_worse_by": 0.9, "not_worse_than": "unchanged"}}
    card = arena(task).evaluate(suites="robustness", baselines=[], gate={"against": [], "metrics": rule})
    suite = card.result["suites"]["robustness"]
    known = ["robust_typos", "robust_case", "robust_framing"]
    assert list(suite["metrics"]) == (known[1:] if task == "extract" else known), "the one long word is the answer"
    assert any("typos could change" in note for note in suite["notes"]) == (task == "extract")
    assert set(suite["deltas"]) == {"base", "unchanged"}
    assert any("robust_framing minus unchanged's is" in reason for reason in card.result["reasons"])
    assert "Suite: robustness" in (card.path / "scorecard.html").read_text()
    json.dumps(card.result, allow_nan=False)
