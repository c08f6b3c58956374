"""The gate tells right answers from answers to other rows, or says that it cannot."""

import pytest

from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Questions, contend, measure
from tunesmith.evaluate.controls import Controls, control
from tunesmith.evaluate.criteria import criteria_of
from tunesmith.evaluate.gate import Verdict
from tunesmith.evaluate.limits import no_skill
from tunesmith.evaluate.metrics import METRICS
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

WORDS = ["red", "green", "blue", "white", "black", "brown"]


def questions(task="chat", rows=60):
    answers = {
        "classify": [WORDS[row % 3] for row in range(rows)],
        "chat": [f"the {WORDS[row % 6]} one of {row}" for row in range(rows)],
        "preference": ["yes"] * rows,
    }
    return Questions(task, answers[task], [None] * rows, 0)


def answers(texts, lead=1.0):
    rows = len(texts)
    return Answers(texts, [0.9] * rows, [0.5] * rows, [1] * rows, leads=[lead] * rows, margins=[lead] * rows)


def found(test, base, **gate):
    """Return what the controls say of a gate against a base that answers so."""
    recipe = Recipe(name="x", task=test.task, data={"train": "x"}, evaluate={"gate": gate})
    metrics = [metric for metric in METRICS[test.task] if metric.columns is None]
    ours = measure(test, answers(test.expected), metrics)
    rivals = {"base": contend(ours, "base", list(range(len(test.expected))), base, test, metrics)}
    levels = no_skill(test, ours.answers, metrics)
    return control(criteria_of(recipe), ours, rivals, test, levels), levels


@pytest.mark.parametrize("task", ["classify", "chat"])
def test_right_answers_pass_and_answers_to_other_rows_do_not(task):
    test = questions(task)
    controls, _ = found(test, answers(["red"] * 60), against=["base"])
    assert controls.right == "pass" and controls.shuffled != "pass" and controls.reasons == []


def test_a_base_worse_than_no_skill_does_not_let_shuffled_answers_pass():
    """The base answers in another language: any English would beat it."""
    test = questions("chat")
    controls, levels = found(test, answers(["nichts"] * 60), against=["base"])
    assert 0.3 < levels["token_f1"] < 1 and controls.shuffled == "undecided" and controls.right == "pass"


def test_no_model_can_beat_a_base_that_is_always_right():
    test = questions("classify")
    controls, _ = found(test, answers(test.expected), against=["base"])
    assert controls.right == "undecided" and "no model can" in controls.reasons[0]


def test_a_gate_that_shuffled_answers_pass_says_nothing():
    """A third of three labels is right by chance, so a minimum of 0.1 holds for anything."""
    controls, _ = found(questions("classify"), answers(["red"] * 60), against=[], minimum={"accuracy": 0.1})
    assert controls.shuffled == "pass" and "passing it says nothing" in controls.reasons[0]
    passed = Verdict("pass", [])
    assert controls.over(passed).answer == "undecided"
    assert Controls("pass", "fail").over(passed) == passed
    assert controls.over(Verdict("fail", [])).answer == "fail"


def test_what_does_not_depend_on_the_question_is_no_control():
    """Answers to other rows are JSON as well: a gate on that alone would never pass."""
    test = Questions("extract", [f'{{"a": {row}}}' for row in range(40)], [None] * 40, 0)
    controls, levels = found(test, answers(["no"] * 40), against=["base"], metric="valid_json")
    assert "valid_json" not in levels and controls.shuffled is None and controls.right == "pass"
    assert levels["exact_match"] == 1 / 40 and levels["slot_f1"] < 0.2


def test_of_preferences_no_skill_is_a_coin():
    controls, levels = found(questions("preference"), answers([""] * 60, -1.0), against=["base"])
    assert levels["preference_accuracy"] == 0.5 and controls.right == "pass" and controls.shuffled != "pass"


def test_a_gate_that_asks_for_nothing_has_no_controls():
    assert found(questions(), answers([""] * 60), against=[])[0] is None
    assert found(questions(), answers([""] * 60), against=["production"])[0] is None
