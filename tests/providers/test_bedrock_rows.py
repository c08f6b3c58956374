"""Rows as Bedrock takes them: both forms, and what is refused before it is uploaded, by its place in the user's file."""

import json

import pytest

from bedrock_runs import example, recipe, rows
from bedrock_stub.models import CLAUDE, LLAMA, NOVA
from bedrock_stub.records import fault as refused_there
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.providers.bedrock_models import FAMILIES, family, without_window
from tunesmith.providers.bedrock_rows import check_counts, kept_valid, write
from tunesmith.providers.bedrock_settings import settings_of
from tunesmith.text.examples import Example
from tunesmith.text.task import TaskSpec

PLAIN = TaskSpec("chat")
ASK, ANSWER = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


def written(messages, base=CLAUDE, task=PLAIN, **more):
    return write([Example(messages, meta={"source": "rows.jsonl", "line": 7}, **more)], lambda _: task, family(base))


@pytest.mark.parametrize("base", [CLAUDE, NOVA, LLAMA])
def test_rows_are_what_the_service_takes(base, tmp_path):
    """The stand-in's rules of a file judge ours."""
    made = rows(tmp_path)
    content = write(made.train, lambda _: made.task, family(base)).content
    assert refused_there(content, family(base).form, 1, 100) is None
    assert not content.startswith(b"\xef\xbb\xbf") and len(content.splitlines()) == 40


def test_both_forms():
    told = [{"role": "system", "content": "one"}, {"role": "system", "content": "two"}, ASK, {**ANSWER, "weight": 1}]
    assert json.loads(written(told).lines[0].text) == {"system": "one\n\ntwo", "messages": [ASK, ANSWER]}
    assert json.loads(written(told, NOVA).lines[0].text) == {
        "schemaVersion": "bedrock-conversation-2024", "system": [{"text": "one\n\ntwo"}],
        "messages": [{"role": "user", "content": [{"text": "q"}]}, {"role": "assistant", "content": [{"text": "a"}]}],
    }  # fmt: skip
    assert json.loads(written([ASK, ANSWER]).lines[0].text) == {"messages": [ASK, ANSWER]}


@pytest.mark.parametrize(
    ("messages", "more", "words"),
    [
        ([ASK, ANSWER, {"role": "system", "content": "s"}, ASK, ANSWER], {}, "an instruction stands in the middle"),
        ([ANSWER, ASK, ANSWER], {}, "begins with assistant"),
        ([ASK, ASK, ANSWER], {}, "two turns of the same role"),
        ([ASK, {**ANSWER, "weight": 0}, ASK, ANSWER], {}, "has the weight 0"),
        ([ASK, {**ANSWER, "content": "  "}], {}, "of the role assistant is empty"),
        ([{**ASK, "name": "Ann"}, ANSWER], {}, "a message has name"),
        ([ASK, {"role": "tool", "content": "x"}, ANSWER], {}, "a message of the role tool"),
        ([ASK, {**ANSWER, "tool_calls": [{}]}], {}, "a message has tool_calls"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, ANSWER], {}, "more than text"),
        ([ASK, ANSWER], {"tools": [{"type": "function"}]}, "it has tools"),
    ],
)
def test_what_is_not_taken_is_told_by_its_place(messages, more, words):
    """Would let through: a job that fails after hours with the line of a file that nobody has seen."""
    with pytest.raises(DataError) as caught:
        written(messages, **more)
    assert "rows.jsonl:7: " in caught.value.message and words in caught.value.message


def test_only_nova_keeps_words_for_itself():
    begins = [{"role": "user", "content": "User: q"}, ANSWER]
    assert written(begins).lines
    with pytest.raises(DataError, match="begins with User:, which Nova keeps"):
        written(begins, NOVA)


def test_many_bad_rows_are_counted():
    bad = [Example([ASK], meta={"source": "a.csv", "line": number}) for number in range(8)]
    with pytest.raises(DataError, match="8 examples are not") as caught:
        write(bad, lambda _: PLAIN, family(CLAUDE))
    assert "a.csv:4" in caught.value.message and "and 3 more" in caught.value.message
    assert "line 5" not in caught.value.message


def test_longer_examples_are_left_out_and_counted():
    made = write([example(1), example(2, answer="long " * 100)], lambda _: PLAIN, family(CLAUDE), max_tokens=50)
    assert (len(made.lines), made.left_out) == (1, 1)


@pytest.mark.parametrize(
    ("count", "words"), [(31, "no fewer than 32"), (10_001, "no more than 10,000"), (32, ""), (10_000, "")]
)
def test_counts_are_held_to(count, words):
    made = write([example(number) for number in range(count)], lambda _: PLAIN, family(CLAUDE))
    if not words:
        return check_counts(made, family(CLAUDE))
    with pytest.raises(DataError, match=words):
        check_counts(made, family(CLAUDE))
    if count > 10_000:
        check_counts(made, family(CLAUDE), most=20_000)
    return None


def test_no_more_validation_than_there_is_room_for():
    made = write([example(number) for number in range(9_600)], lambda _: PLAIN, family(CLAUDE))
    valid = write([example(number) for number in range(1_200)], lambda _: PLAIN, family(CLAUDE))
    assert len(kept_valid(valid, made, family(CLAUDE)).lines) == 400
    few = write([example(1)] * 40, lambda _: PLAIN, family(CLAUDE))
    assert len(kept_valid(valid, few, family(CLAUDE)).lines) == 1_000


def test_a_base_of_no_family_is_refused():
    with pytest.raises(RecipeError, match="of no family") as caught:
        family("cohere.command-text-v14")
    assert "bedrock:amazon.nova..." in caught.value.expected
    assert (
        family("arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-micro-v1:0:128k/abcdefghijkl")
        == FAMILIES[1]
    )
    assert (without_window(CLAUDE), without_window("amazon.nova-micro-v1:0")) == (
        "anthropic.claude-3-haiku-20240307-v1:0", "amazon.nova-micro-v1:0",
    )  # fmt: skip


def hyper(tmp_path, base=CLAUDE, valid=5, **train):
    kind, made = family(base), rows(tmp_path, valid=valid)
    both = [write(split, lambda _: made.task, kind) for split in (made.train, made.valid)]
    return settings_of(recipe(base, **train), kind, *both)


STOP = {"earlyStoppingPatience": "3", "earlyStoppingThreshold": "0"}


@pytest.mark.parametrize(
    ("base", "train", "expected"),
    [
        (CLAUDE, {}, {"epochCount": "3", **STOP}),
        (CLAUDE, {"epochs": 1.5, "batch_examples": 8}, {"epochCount": "2", "batchSize": "8", **STOP}),
        (CLAUDE, {"batch_tokens": 30}, {"epochCount": "3", "batchSize": "10", **STOP}),
        (CLAUDE, {"batch_tokens": 3}, {"epochCount": "3", "batchSize": "4", **STOP}),
        (CLAUDE, {"max_steps": 12, "epochs": 9, "batch_examples": 8}, {"epochCount": "3", "batchSize": "8", **STOP}),
        (CLAUDE, {"schedule": {"peak_factor": 0.5}}, {"epochCount": "3", "learningRateMultiplier": "0.5", **STOP}),
        (CLAUDE, {"regularise": {"early_stopping": None}}, {"epochCount": "3", "earlyStoppingPatience": "10"}),
        (CLAUDE, {"regularise": {"early_stopping": {"patience": 10, "min_delta": 0.1}}}, {"epochCount": "3", "earlyStoppingPatience": "10", "earlyStoppingThreshold": "0.1"}),
        (CLAUDE, {"regularise": {"early_stopping": {"min_delta": "auto"}}}, {"epochCount": "3", "earlyStoppingPatience": "3"}),
        (NOVA, {"schedule": {"peak": 2e-5}}, {"epochCount": "3", "learningRate": "2e-05"}),
        (NOVA, {"schedule": {"peak_factor": 2}}, {"epochCount": "3", "learningRate": "2e-05"}),
        (NOVA, {"epochs": 9}, {"epochCount": "5"}),
        (LLAMA, {"batch_examples": 4}, {"epochCount": "3", "batchSize": "1"}),
    ],
)  # fmt: skip
def test_settings_become_the_services_texts(tmp_path, base, train, expected):
    """Would let through: numbers where the service wants texts, values out of its ranges, a setting that is lost."""
    assert hyper(tmp_path, base, **train).hyper == expected


def test_without_validation_nothing_can_stop_early(tmp_path):
    assert hyper(tmp_path, valid=0).hyper == {"epochCount": "3"}


def test_what_is_changed_is_said(tmp_path):
    assert any("no early stopping" in note for note in hyper(tmp_path, NOVA).notes)
    assert any("2 whole epochs" in note for note in hyper(tmp_path, epochs=1.5).notes)
    assert any("4 examples a step, for 1" in note for note in hyper(tmp_path, batch_examples=1).notes)
