"""Rows as OpenAI's fine-tuning reads them: what it would refuse is told here, with the row, before anything is sent."""

import json

import pytest

from tunesmith.core.errors import DataError
from tunesmith.providers.hosted import Rows
from tunesmith.providers.openai_rows import render
from tunesmith.recipe import Recipe
from tunesmith.text.examples import Example
from tunesmith.text.task import Shot, TaskSpec

USER, ANSWER = {"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


def recipe(task="chat", **train):
    return Recipe(name="t", task=task, base="openai:gpt-4.1-mini", data={"train": "r.jsonl"}, train=train)


def example(*messages, number=0, **fields):
    meta = {"source": "r.jsonl", "line": number + 1}
    return Example(list(messages) or [USER, ANSWER], row_id=f"r{number}", meta=meta, **fields)


def rows(tmp_path, *odd, task=None, count=10, variants=()):
    usual = [example(number=number) for number in range(count)]
    return Rows([*odd, *usual], usual[:3], task or TaskSpec("chat"), tmp_path, variants)


def test_prompts_tools_and_weights_reach_the_lines(tmp_path):
    """Bug: shots are learnt as answers, or tools are lost, and the model never calls one."""
    task = TaskSpec("chat", system="Be brief.", shots=(Shot("what?", "this"),))
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    made = render(recipe(), rows(tmp_path, example(USER, CALL, number=7, tools=tools), task=task), "train")
    first = json.loads(made.lines[0])
    assert first["tools"] == tools and "content" not in first["messages"][-1]
    assert first["messages"][:4] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "what?"},
        {"role": "assistant", "content": "this", "weight": 0},
        USER,
    ]
    assert made.place(1) == "r.jsonl:8" and made.place(12) == ""


def test_preferences_are_in_the_form_of_outputs(tmp_path):
    pairs = [
        example(USER, ANSWER, number=n, rejected=[USER, {"role": "assistant", "content": "no"}]) for n in range(10)
    ]
    made = render(recipe("preference"), Rows(pairs, [], TaskSpec("preference"), tmp_path), "train")
    assert json.loads(made.lines[0]) == {
        "input": {"messages": [USER]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [{"role": "assistant", "content": "no"}],
    }


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (example({"role": "user", "content": "a <|endoftext|> b"}, ANSWER), r"<\|endoftext\|> in the text"),
        (example({"role": "robot", "content": "x"}, ANSWER), "message 1: the role 'robot'"),
        (example(USER, {**ANSWER, "weight": 0.5}), "message 2: the weight 0.5; the service knows 0 and 1"),
        (example({**USER, "weight": 1}, ANSWER), "the user's turn has the weight 1"),
        (example(USER, {**ANSWER, "weight": 0}), "every answer has the weight 0"),
        (example(USER, {"role": "assistant", "content": ""}), "an answer without text or tool calls"),
        (example(USER, ANSWER, USER), "the last message is the user's"),
        (example(USER, {**ANSWER, "mood": "good"}), "the key 'mood'"),
        (example({"role": "user", "content": "half \ud83d"}, ANSWER), "surrogate"),
        (example(USER, ANSWER, weight=2.0), "the example has the weight 2"),
        (
            example({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, USER, ANSWER),
            "an image in the system's turn",
        ),
    ],
)  # fmt: skip
def test_what_the_service_would_refuse_is_told_with_its_row(odd, told, tmp_path):
    """Bug: one row fails the whole job, an hour later, by a number in a file of ours."""
    with pytest.raises(DataError, match=rf"1 of 11 train rows(.|\n)*r\.jsonl:1: .*{told}"):
        render(recipe(), rows(tmp_path, odd), "train")


def test_all_bad_rows_are_counted_and_few_rows_refused(tmp_path):
    bad = [example(USER, number=number) for number in range(7)]
    with pytest.raises(DataError, match=r"7 of 17 train rows(.|\n)*and 2 more"):
        render(recipe(), rows(tmp_path, *bad), "train")
    with pytest.raises(DataError, match="9 training rows"):
        render(recipe(), rows(tmp_path, count=9), "train")


def test_long_rows_are_left_out_and_counted_and_tokens_are_estimated(tmp_path):
    """Bug: rows are cut in silence, or texts that are no ASCII count as a quarter of what is billed."""
    long = example({"role": "user", "content": "word " * 200}, ANSWER)
    made = render(recipe(max_tokens=50), rows(tmp_path, long), "train")
    assert (made.left_out, len(made.lines)) == (1, 10)
    assert (made.tokens, made.target_tokens) == (10 * (3 + 3 + 2 + 3 + 1), 10)
    assert render(
        recipe(), rows(tmp_path, example(USER, {"role": "assistant", "content": "ж" * 8})), "train"
    ).tokens == (made.tokens + 3 + 3 + 2 + 3 + 4)


def test_variants_are_drawn_by_the_seed_and_only_in_training(tmp_path):
    ours = rows(tmp_path, count=40, variants=(TaskSpec("chat", system="Other."),))
    made = render(recipe(), ours, "train")
    with_it = sum("Other." in line for line in made.lines)
    assert 5 < with_it < 35 and made.lines == render(recipe(), ours, "train").lines
    assert not any("Other." in line for line in render(recipe(), ours, "valid").lines)


def test_the_file_has_no_mark_and_one_object_a_line(tmp_path):
    """Bug: "Line 1 is not a dictionary", which is a byte-order mark."""
    made = render(recipe(), rows(tmp_path, example({"role": "user", "content": "a\u2028b\nc"}, ANSWER)), "train")
    content = made.save(tmp_path / "train.jsonl").read_bytes()
    assert content.startswith(b'{"') and len(content.split(b"\n")) == 12


def test_answers_of_tool_calls_are_kept_in_preferences_and_both_are_looked_at(tmp_path):
    """Bug: calls that vanish, so that the service learns to prefer an empty answer."""
    pairs = [example(USER, CALL, number=n, rejected=[USER, {**CALL, "content": "no"}]) for n in range(10)]
    made = render(recipe("preference"), Rows(pairs, [], TaskSpec("preference"), tmp_path), "train")
    row = json.loads(made.lines[0])
    assert (
        row["preferred_output"][0]["tool_calls"] == row["non_preferred_output"][0]["tool_calls"] == CALL["tool_calls"]
    )
    bad = [*pairs, example(USER, ANSWER, rejected=[USER, {"role": "assistant", "content": ""}])]
    with pytest.raises(DataError, match="the rejected answer: an answer without text"):
        render(recipe("preference"), Rows(bad, [], TaskSpec("preference"), tmp_path), "train")
