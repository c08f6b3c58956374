"""Tool calls against their schemas: faults are found, schemas as they are in the wild are understood."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tunesmith.data.noise.judge import Noise
from tunesmith.data.noise.toolcalls import tool_calls, violation
from tunesmith.data.rows import Row
from tunesmith.recipe import Recipe

PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "unit": {"type": "string", "enum": ["C", "F"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["city"],
}  # fmt: skip


def row_of(arguments: Any, name: str = "weather", parameters: Any = PARAMETERS) -> Row:
    tools = [{"type": "function", "function": {"name": "weather", "description": "x", "parameters": parameters}}]
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}
    return Row(
        [{"role": "user", "content": "Rain?"}, {"role": "assistant", "content": None, "tool_calls": [call]}], tools
    )


@pytest.mark.parametrize(
    "arguments",
    [
        '{"city": "Rome"}',
        {"city": "Rome", "days": 3},
        {"city": "Rome", "unit": "C", "tags": ["a"]},
        '{"city": "Rome", "days": 2.0}',
    ],
)
def test_right_calls_pass(arguments):
    """Bug: good calls are removed."""
    assert tool_calls(row_of(arguments)) is None


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ('{"city": ', "no JSON"), ("[1]", "not an object"), ("{}", "required"), ({"city": 3}, "not of type"), ({"city": "Rome", "days": 0}, "minimum"),
        ({"city": "Rome", "unit": "K"}, "not one of"), ({"city": "Rome", "tags": [1]}, "not of type"), ({"city": "Rome", "zip": 1}, "no such argument: zip"),
        ({"city": "Rome", "days": "3"}, "not of type"), ("", "required"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments, why):
    """Bug: a call that the tool would refuse is learnt."""
    found = tool_calls(row_of(arguments))
    assert found is not None and why in found["why"] and found["tool"] == "weather" and found["field"] == "messages[1]"


def test_a_tool_that_is_not_given_is_a_fault_and_no_tools_are_none():
    """Bug: the model learns to invent tools; or every row without a list of tools is removed."""
    found = tool_calls(row_of({"city": "Rome"}, name="wether"))
    assert found is not None and found["why"] == "no such tool" and found["tools"] == ["weather"]
    bare = row_of({"city": 3})
    bare.tools = None
    assert tool_calls(bare) is None


@pytest.mark.parametrize(
    ("kind", "value", "right"),
    [("dict", {}, True), ("float", 1, True), ("float", "1", False), ("tuple", [1], True), ("any", object, True), ("String", "x", True), ("int", 1.5, False),
     ("bool", "true", False), (["string", "null"], None, True), ("Integer", True, False)],
)  # fmt: skip
def test_types_as_they_are_spelt_in_the_wild_are_understood(kind, value, right):
    """Bug: a tool list that says 'dict' or 'float' loses all its rows, or is not checked."""
    value = "x" if value is object else value
    assert (violation({"a": value}, {"type": "dict", "properties": {"a": {"type": kind}}}) is None) is right


@pytest.mark.parametrize(
    "parameters",
    [None, {}, {"type": 3}, {"properties": []}, {"type": "object", "properties": {"city": {"$ref": "#/nowhere"}}},
     {"properties": {"city": {"maxLength": 2**70}}}, {"$ref": "#"}, {"$ref": "https://schemas.invalid/x.json"}, {"type": "object", "properties": {"city": {"required": True, "type": "string"}}}],
)  # fmt: skip
def test_schemas_that_are_none_do_not_remove_rows_nor_reach_out(parameters):
    """Bug: a broken schema, or a number beyond 64 bits in one, crashes the run, removes the row, or fetches an address."""
    assert tool_calls(row_of({"city": "Rome"}, parameters=parameters)) is None


def test_references_inside_a_schema_are_followed():
    """Bug: schemas made by Pydantic ($defs) are not checked."""
    schema = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}},
        "$defs": {"Place": {"type": "object", "required": ["city"]}},
    }
    assert violation({"at": {"city": "Rome"}}, schema) is None
    assert violation({"at": {}}, schema) == {"why": "'city' is a required property", "path": "$.at"}


def test_costly_patterns_of_tools_are_not_run():
    """Bug: a pattern in the data hangs the run."""
    assert (
        violation(
            {"a": "a" * 40 + "!"}, {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
        )
        is None
    )


def test_the_judge_removes_faulty_calls():
    """Bug: the rule is written but not run."""
    noise = Noise(Recipe(name="t", task="chat", data={"train": "x"}))
    found = noise.judge(row_of(json.dumps({"city": 3})))
    assert [(one.rule, one.action) for one in found] == [("tool_calls", "remove")]
