"""Metrics against numbers worked out by hand and against scikit-learn."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.answers import LEAST_PROBABILITY, Answers, label_answers
from tunesmith.evaluate.grading import grade, label_names, parse_json, slots, word_f1
from tunesmith.evaluate.labels import confusion, labels_dict
from tunesmith.evaluate.metrics import METRICS, chosen_metrics
from tunesmith.recipe import Recipe


def metric(task, name):
    return next(one for one in METRICS[task] if one.name == name)


def graded(task, expected, texts, confidences=None, nats=None, tokens=None):
    n = len(texts)
    answers = Answers(list(texts), confidences or [0.5] * n, nats or [1.0] * n, tokens or [1] * n)
    return grade(task, expected, answers)


def value(task, name, *args, **kwargs):
    return metric(task, name).value(graded(task, *args, **kwargs))


def recipe(task="classify", **evaluate):
    return Recipe(name="x", task=task, data={"train": "x"}, evaluate=evaluate)


def test_labels_are_scored_as_scikit_learn_does():
    """Also when a label is only answered, or only expected: both lower the mean, neither is left out."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        expected = generator.choice(["a", "b", "c", "only expected"], 30).tolist()
        texts = generator.choice(["a", "b", "c", "only answered"], 30).tolist()
        assert value("classify", "macro_f1", expected, texts) == pytest.approx(
            f1_score(expected, texts, average="macro")
        )
        assert value("classify", "accuracy", expected, texts) == accuracy_score(expected, texts)
        assert value("classify", "weighted_f1", expected, texts) == pytest.approx(
            f1_score(expected, texts, average="weighted")
        )
        assert value("classify", "micro_f1", expected, texts) == pytest.approx(
            f1_score(expected, texts, average="micro")
        )


def test_each_label_and_each_mistake_are_counted_as_scikit_learn_does():
    """A label that is only answered, or only expected, must not shift the others' numbers."""
    generator = np.random.default_rng(1)
    expected = generator.choice(["a", "b", "c", "only expected"], 40).tolist()
    texts = generator.choice(["a", "b", "c", "only answered"], 40).tolist()
    names, columns = label_names(expected, texts), graded("classify", expected, texts)
    found = labels_dict(names, columns)
    by_name = {one["label"]: one for one in found["labels"]}
    precision, recall, f1, rows = precision_recall_fscore_support(expected, texts, labels=names, zero_division=0)
    for number, name in enumerate(names):
        one = by_name[name]
        assert (one["rows"], one["f1"]) == (rows[number], pytest.approx(f1[number]))
        assert (one["precision"] or 0, one["recall"] or 0) == pytest.approx((precision[number], recall[number]))
    assert by_name["only answered"]["recall"] is None and by_name["only expected"]["precision"] is None
    assert np.array_equal(confusion(names, columns), confusion_matrix(expected, texts, labels=names))
    assert sum(times for _, _, times in found["mistakes"]) == sum(a != b for a, b in zip(expected, texts, strict=True))


def test_macro_f1_by_hand():
    # a: 1 of 2 found, 1 claimed: 2/3; b: found, 2 claimed: 2/3; c: 1
    assert value("classify", "macro_f1", ["a", "a", "b", "c"], ["a", "b", "b", "c"]) == pytest.approx(7 / 9)


def test_perplexity_weighs_tokens_not_rows():
    found = value("chat", "perplexity", ["x", "y"], ["x", "y"], nats=[2.0, 4.0], tokens=[1, 5])
    assert found == pytest.approx(math.exp(6.0 / 6))


def test_rows_that_could_not_be_scored_do_not_look_certain():
    """A row too long for the model has no likelihood; counted as 0 nats it would make a broken model look good."""
    found = value("classify", "perplexity", ["a", "b"], ["a", ""], nats=[1.0, 0.0], tokens=[1, 0])
    assert found == pytest.approx(math.e)


def test_calibration_error_by_hand():
    # two at 0.95, one right: gap 0.45; two at 0.55, both right: gap 0.45
    found = value("classify", "ece", list("abcd"), list("axcd"), confidences=[0.95, 0.95, 0.55, 0.55])
    assert found == pytest.approx(0.45)
    assert value("classify", "ece", ["a"], ["a"], confidences=[1.0]) == 0


def test_slots_are_counted_over_all_rows():
    expected = ['{"a": 1, "b": "x"}', '{"a": 2}', "{}"]
    texts = ['{"a": 1, "b": "y"}', "not json", '{"c": 3}']
    # right: 1; given: 2 + 0 + 1; there: 2 + 1 + 0
    assert value("extract", "slot_precision", expected, texts) == pytest.approx(1 / 3)
    assert value("extract", "slot_recall", expected, texts) == pytest.approx(1 / 3)
    assert value("extract", "slot_f1", expected, texts) == pytest.approx(2 / 6)
    assert value("extract", "valid_json", expected, texts) == pytest.approx(2 / 3)
    assert value("extract", "exact_match", expected, texts) == 0


def test_a_model_that_claims_nothing_is_not_precise():
    """0 of 0 as 1 made an untuned base that answers nonsense beat the tuned model in precision."""
    assert value("extract", "slot_precision", ['{"a": 1}'], ["?"]) == 0
    assert value("extract", "slot_precision", ["{}"], ["{}"]) == 1
    assert value("extract", "slot_recall", ["{}"], ['{"a": 1}']) == 0


@pytest.mark.parametrize(
    ("expected", "answer", "same"),
    [
        ('{"a": 1, "b": 2}', ' {"b":2.0,"a":1}\n', True),
        ('{"a": 1}', '{"a": "1"}', False),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": 1}', '{"a": 1} ', True),
        ('{"a": 1}', '```json\n{"a": 1}\n```', False),
        ('"a"', "a", False),
        ("é", "é", True),
    ],
)
def test_answers_match_by_value(expected, answer, same):
    assert value("extract", "exact_match", [expected], [answer]) == same


@pytest.mark.parametrize("text", ["NaN", '{"a": Infinity}', "[" * 5000, "", "{'a': 1}", '{"a": 1', "1" * 5000])
def test_what_is_no_json_is_said_to_be_none(text):
    """Python's reader takes NaN, and gives up with another error on deep nesting and on huge numbers."""
    assert parse_json(text).valid is False


def test_slots_of_nested_values():
    found = slots({"a": {"b": 1}, "c": ["x", "x", "y"], "none": None, "empty": "", "false": False})
    assert found == {'["a.b",1]': 1, '["c[]","x"]': 2, '["c[]","y"]': 1, '["false",false]': 1}


@pytest.mark.parametrize(
    ("expected", "answer", "f1"),
    [
        ("the cat sat", "The cat, sat!", 1.0),
        ("the cat sat", "a cat", 2 / 5),
        ("a a b", "a b b", 4 / 6),
        ("", "", 1.0),
        ("x", "", 0.0),
        ("東京です", "東京だ", 4 / 7),
        ("नमस्ते दुनिया", "नमस्ते भारत", 1 / 2),
        ("می‌خواهم", "می", 0.0),
    ],
)
def test_word_overlap_by_hand(expected, answer, f1):
    """Without Chinese and Japanese taken sign by sign, a whole sentence would be one word, right or wrong; a vowel sign
    is no end of a word.
    """
    assert word_f1(expected, answer) == pytest.approx(f1)


def test_intervals_contain_the_value_and_repeat():
    expected, texts = list("aabbccabca"), list("aabbcaabcb")
    columns = graded("classify", expected, texts, nats=[0.1 * n for n in range(10)], confidences=[0.9] * 10)
    for one in METRICS["classify"]:
        found = one.estimate(columns, 7)
        assert found.low <= found.value <= found.high and found.n == 10
        assert found == one.estimate(columns, 7)


def test_all_right_is_not_surely_all_right():
    """Resampling rows that are all right gives 1 [1, 1]; eight rows cannot know that."""
    columns = graded("classify", list("abababab"), list("abababab"))
    found = metric("classify", "macro_f1").estimate(columns, 0)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(metric("classify", "accuracy").estimate(columns, 0).low)
    same = metric("classify", "macro_f1").compare(columns, columns, 0)
    assert same.low < -0.3 and same.high > 0.3


def test_the_difference_of_losses_keeps_its_sign():
    ours = graded("chat", ["x"] * 4, ["x"] * 4, nats=[1.0] * 4)
    theirs = graded("chat", ["x"] * 4, ["y"] * 4, nats=[2.0] * 4)
    assert metric("chat", "nll").compare(ours, theirs, 0).value == -1
    assert metric("chat", "exact_match").compare(ours, theirs, 0).value == 1


def test_a_label_the_model_does_not_know_costs_a_finite_number_of_nats():
    texts, confidences, nats = label_answers(["a", "b"], np.log([[0.25, 0.75], [1.0, 1e-30]]), ["new", "b"])
    assert texts == ["b", "a"] and confidences == pytest.approx([0.75, 1.0])
    assert nats == pytest.approx([-math.log(LEAST_PROBABILITY)] * 2)


def test_chosen_metrics_are_those_asked_for_and_those_the_gate_needs():
    asked = recipe(metrics=["macro_f1"], gate={"metric": "accuracy", "minimum": {"exact_match": 0.5}})
    assert [one.name for one in chosen_metrics(asked)] == ["macro_f1", "accuracy", "exact_match"]
    for task in METRICS:
        assert chosen_metrics(recipe(task))[0] is METRICS[task][0]


def test_a_length_cannot_decide():
    """Longer is neither better nor worse; a gate on it would pass whoever writes more."""
    assert chosen_metrics(recipe("chat", metrics=["answer_chars"]))[0].name == "answer_chars"
    with pytest.raises(RecipeError, match="nothing about better and worse"):
        chosen_metrics(recipe("chat", gate={"metric": "answer_chars"}))
    with pytest.raises(RecipeError, match="neither less nor more is better"):
        chosen_metrics(recipe("chat", gate={"minimum": {"answer_chars": 3}}))


def test_a_schema_is_measured_where_the_recipe_has_one():
    schema = {"type": "object", "required": ["a"]}
    asked = Recipe(name="x", task="extract", data={"train": "x", "clean": {"answer_schema": schema}})
    assert "schema_valid" in [one.name for one in chosen_metrics(asked)]
    with pytest.raises(RecipeError, match="extract has no metric 'schema_valid'") as refused:
        chosen_metrics(recipe("extract", metrics=["schema_valid"]))
    assert "data.clean.answer_schema" in refused.value.hint


@pytest.mark.parametrize(
    "settings", [{"metrics": ["macro_fl"]}, {"gate": {"metric": "macro_fl"}}, {"gate": {"minimum": {"macro_fl": 0.5}}}]
)
def test_unknown_metric_is_refused_with_the_nearest(settings):
    with pytest.raises(RecipeError, match="macro_fl") as refused:
        chosen_metrics(recipe(**settings))
    assert "macro_f1" in refused.value.hint and "accuracy" in refused.value.expected


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(RecipeError, match="chat has no metric 'accuracy', which is for classify"):
        chosen_metrics(recipe("chat", metrics=["accuracy"]))


def test_a_loss_can_have_no_minimum():
    with pytest.raises(RecipeError, match="less is better"):
        chosen_metrics(recipe(gate={"minimum": {"perplexity": 2.0}}, metrics=[]))
