"""Which calls are read in an answer, and which are right."""

import json

import pytest

from graded import estimate, examples_of
from tunesmith.evaluate.tool_calls import Accepted, Call, calls_match, read_calls

ONE = Call("weather", {"city": "Oslo", "days": 3})
JSON = '{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}'


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"[{JSON}]",
        f"I look it up.\n<tool_call>\n{JSON}\n</tool_call>",
        f"<tool_call>{JSON}",
        f"```json\n{JSON}\n```",
        f"<|python_tag|>{JSON.replace('arguments', 'parameters')}",
        json.dumps({"tool_calls": [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"days": 3, "city": "Oslo"}'}}]}),
        JSON.replace("3", "3.0"),
    ],
)  # fmt: skip
def test_calls_are_read_as_models_write_them(text):
    assert calls_match([Accepted.only(ONE)], read_calls(text))


@pytest.mark.parametrize(
    "text", ["I cannot say.", "", "5", '{"city": "Oslo"}', "[]", 'The {"name": "weather"} tool is not needed.']
)
def test_plain_answers_call_nothing(text):
    assert not read_calls(text)


@pytest.mark.parametrize(
    "text", ['{"name": "weather", "arguments": {', "<tool_call>{</tool_call>", "<|python_tag|>f(x)"]
)
def test_a_broken_call_is_not_taken_for_none(text):
    """Where the right answer calls nothing, a broken call would count as right."""
    assert read_calls(text) is None
    assert not calls_match([], read_calls(text))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "weather_now"},
        {"arguments": {"city": "Oslo"}},
        {"arguments": {"city": "Oslo", "days": 3, "unit": "C"}},
        {"arguments": {"city": "oslo", "days": 3}},
        {"arguments": {"city": "Oslo", "days": "3"}},
        {"arguments": {"city": "Oslo", "day": 3}},
        {"arguments": {"city": ["Oslo"], "days": 3}},
        {"arguments": {"city": "Oslo", "days": None}},
    ],
)
def test_one_change_makes_a_call_wrong(changes):
    call = {**json.loads(JSON), **changes}
    assert not calls_match([Accepted.only(ONE)], read_calls(json.dumps(call)))


def test_true_is_not_one():
    """In Python they are equal; in JSON, and to a tool, they are not."""
    assert not Accepted.only(Call("f", {"x": 1})).takes(Call("f", {"x": True}))
    assert not Accepted.only(Call("f", {"x": [0]})).takes(Call("f", {"x": [False]}))


def test_parallel_calls_have_no_order_but_a_number():
    other = Call("weather", {"city": "Rome", "days": 3})
    right = [Accepted.only(ONE), Accepted.only(other)]
    assert calls_match(right, [other, ONE])
    assert not calls_match(right, [ONE, ONE])
    assert not calls_match(right, [ONE])
    assert not calls_match(right, [ONE, other, other])


def test_what_one_right_call_takes_is_left_for_the_one_that_takes_nothing_else():
    """Taking the first that fits would leave the second right call without its only match."""
    wide = Accepted("f", {"x": [1, 2]})
    narrow = Accepted("f", {"x": [1]})
    assert calls_match([wide, narrow], [Call("f", {"x": 1}), Call("f", {"x": 2})])


def test_an_argument_may_be_left_out_only_if_that_is_accepted():
    right = Accepted("f", {"x": [1], "unit": ["C"]}, frozenset({"unit"}))
    assert right.takes(Call("f", {"x": 1})) and not right.takes(Call("f", {"unit": "C"}))


def test_rows_without_tools_do_not_count_and_no_call_can_be_right():
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Oslo", "days": 3}}}],
    }
    tools = [{"type": "function", "function": {"name": "weather"}}]
    examples = [*examples_of([call, "It is night."], tools=tools), *examples_of(["hello"])]
    found = estimate(
        "chat", "tool_calls", ["", "It is night.", "hello"], [JSON, "Good night.", JSON], examples=examples
    )
    assert (found.value, found.n) == (1.0, 2)
    found = estimate("chat", "tool_calls", ["", "It is night.", "hello"], ["Cold.", JSON, "hello"], examples=examples)
    assert (found.value, found.n) == (0.0, 2)
