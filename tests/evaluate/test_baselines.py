"""Baselines: made from the training split, as strong as is cheap, and asked in a way that every base understands."""

import csv
import json
import math
from dataclasses import replace

import pytest

from tunesmith.evaluate.baselines import LINEAR_ROWS, fitting_prompt, instruction, linear, majority, prompted
from tunesmith.models.load import load_model
from tunesmith.text.chat import prompt_ids
from tunesmith.text.examples import Example
from tunesmith.text.task import Shot, TaskSpec


def example(text, answer, before=()):
    turns = [*before, {"role": "user", "content": text}, {"role": "assistant", "content": answer}]
    return Example(turns, label=answer)


TRAIN = [example(f"my card {n} is lost", "card") for n in range(6)] + [
    example(f"money back {n}", "refund") for n in range(3)
]
TASK = TaskSpec("classify", ("card", "fee", "refund"))


def test_linear_model_learns_and_gives_probabilities():
    test = [example("I lost a card", "card"), example("give me my money", "refund"), example("what is the fee", "fee")]
    found = linear(TASK.labels, TRAIN, test, seed=0)
    assert found.texts[:2] == ["card", "refund"]
    assert all(0 < p <= 1 for p in found.confidences) and found.tokens == [1, 1, 1]
    assert found.nats[2] > 5, "a label that training never saw is not probable, and not impossible"
    assert found == linear(TASK.labels, TRAIN, test, seed=0)


def test_linear_model_of_one_label_is_constant():
    """Logistic regression refuses a single class."""
    assert linear(("card", "refund"), TRAIN[:3], TRAIN[:1], seed=0).texts == ["card"]


def test_linear_model_reads_the_whole_conversation():
    """The last turn alone is often "yes": what decides stands before it."""
    train = [
        example("yes", label, before=[{"role": "user", "content": words}])
        for label, words in [("card", "is your card lost"), ("refund", "do you want money")] * 3
    ]
    assert linear(("card", "refund"), train, train[:2], seed=0).texts == ["card", "refund"]


def test_majority_is_the_most_frequent_label_with_its_frequency():
    found = majority(TASK.labels, TRAIN, [example("?", "refund")])
    assert found.texts == ["card"] and found.confidences == pytest.approx([7 / 12])
    assert found.nats == pytest.approx([-math.log(4 / 12)])


@pytest.mark.slow
def test_linear_model_is_strong_on_banking77(shared_data):
    """A weak baseline makes tuning look good. Published accuracy of TF-IDF with a linear model is about 0.9."""

    def split(name):
        with (shared_data("banking77") / f"{name}.csv").open(encoding="utf-8") as file:
            return [example(row["text"], row["category"]) for row in csv.DictReader(file)]

    train, test = split("train"), split("test")
    labels = sorted({one.label for one in train})
    found = linear(labels, train, test, seed=0)
    right = sum(text == one.label for text, one in zip(found.texts, test, strict=True)) / len(test)
    assert right > 0.9 and len(train) < LINEAR_ROWS
    assert sum(found.nats) / len(test) < 0.4, "its probabilities are believable too"


def test_prompt_names_all_labels_and_shows_different_ones():
    messages = prompted(TASK, TRAIN, 0, 2)(example("hm", "card"))
    assert [message["role"] for message in messages] == ["user", "assistant", "user", "assistant", "user"]
    assert "card, fee, refund" in messages[0]["content"] and messages[-1]["content"] == "hm"
    assert {messages[1]["content"], messages[3]["content"]} == {"card", "refund"}


def test_prompt_of_a_model_that_shows_examples_shows_no_fewer(tiny):
    """Would let through: a base asked with the model's examples and then its own, or with fewer than the model has."""
    shown = tuple(Shot(f"shown {n}", "card") for n in range(12))
    task = replace(TASK, shots=shown, spare=shown[0])
    messages = prompted(task, TRAIN, 0, 2)(example("hm", "card"))
    assert len(messages) == 5 and not any("shown" in message["content"] for message in messages)
    train = [example(f"x{n}", "card") for n in range(20)]
    _, shots = fitting_prompt(task, train, [example("hm", "card")], load_model(tiny), 0, room=8)
    assert shots == 12


def test_prompt_keeps_system_message_and_template():
    """Without the tuned model's own words around the input, the comparison would not be of tuning alone."""
    task = TaskSpec("classify", TASK.labels, system="Be brief.", template="Text: {input}")
    messages = prompted(task, TRAIN, 0, 1)(example("hm", "card"))
    assert messages[0] == {"role": "system", "content": "Be brief."}
    assert messages[1]["content"].startswith(instruction(task, TRAIN))
    assert messages[-1]["content"] == "Text: hm" and "Text: " in messages[1]["content"]
    assert sum(message["role"] == "system" for message in messages) == 1


def test_prompt_does_not_change_its_examples():
    before = json.dumps([one.messages for one in TRAIN])
    asked = prompted(TASK, TRAIN, 0, 0)
    assert asked(TRAIN[0]) == asked(TRAIN[0]) and json.dumps([one.messages for one in TRAIN]) == before


def test_prompt_of_an_extraction_names_the_keys():
    train = [example("a", '{"people": 2, "time": "8"}'), example("b", '{"people": 3}'), example("c", "broken")]
    assert "people, time" in instruction(TaskSpec("extract"), train)


def test_prompt_shrinks_until_it_fits(tiny):
    """Else every row would be too long for a base with a short context, and the baseline would be 0 for no reason."""
    loaded = load_model(tiny)
    short, long = [example("x" * 20, "card")], [example("x" * 300, "card")]
    train = [example("y" * 40 + str(n), "refund") for n in range(9)]
    asked, most = fitting_prompt(TASK, train, short, loaded, 0, room=8)
    _, fewer = fitting_prompt(TASK, train, long, loaded, 0, room=8)
    assert 0 < fewer < most
    assert len(prompt_ids(loaded.tokenizer, asked(short[0]))) + 8 <= loaded.context_tokens
    _, none = fitting_prompt(TASK, train, [example("x" * 600, "card")], loaded, 0, room=8)
    assert none == 0
