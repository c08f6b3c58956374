"""Rules about single rows and about labels: each breaks by its name, and what is right passes."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.data.check import check_row
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

CALL = {"id": "c1", "type": "function", "function": {"name": "track", "arguments": "{}"}}


def recipe_of(task: str = "chat", **data: Any) -> Recipe:
    return Recipe(name="t", task=task, data={"train": ["x.csv"], **data})


def says(role: str, content: Any = "text", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def rule_of(messages: list[dict[str, Any]], task: str = "chat", rejected: Any = None, **data: Any) -> str | None:
    try:
        check_row(Row(messages, rejected=rejected), recipe_of(task, **data))
    except RowFault as fault:
        return fault.rule
    return None


@pytest.mark.parametrize(
    "messages",
    [
        [says("user"), says("assistant")],
        [says("system"), says("user"), says("assistant"), says("user"), says("assistant")],
        [says("assistant", "How can I help?"), says("user"), says("assistant")],
        [says("user"), says("assistant", None, tool_calls=[CALL]), says("tool", tool_call_id="c1"), says("assistant")],
        [says("user"), says("assistant", None, tool_calls=[CALL])],
        [says("user"), says("assistant", weight=0), says("user"), says("assistant", weight=1)],
    ],
)
def test_usable_conversations_pass(messages):
    """Bug: a rule against broken rows removes good ones."""
    assert rule_of(messages) is None


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        ([], "roles"),
        ([says("user")], "roles"),
        ([says("assistant")], "roles"),
        ([says("user"), says("assistant"), says("user")], "roles"),
        ([says("user"), says("system"), says("assistant")], "roles"),
        ([says("user", " \n"), says("assistant")], "empty_input"),
        ([says("user", None), says("assistant")], "empty_input"),
        ([says("user"), says("assistant", " ")], "empty_answer"),
        ([says("user"), says("assistant", None)], "empty_answer"),
        ([says("user"), says("assistant", weight=0)], "no_weight"),
        ([says("user"), says("assistant", weight=2)], "bad_weight"),
        ([says("user"), says("assistant", weight="1")], "bad_weight"),
        ([says("user"), says("assistant", weight=1.01)], "bad_weight"),
        ([says("user"), says("assistant", weight=float("nan"))], "bad_weight"),
        ([says("user"), says("assistant", weight=0.25)], None),
    ],
)
def test_unusable_conversations_break_their_rule(messages, rule):
    """Bug: a row without question or answer is trained on, or the reason is wrong."""
    assert rule_of(messages) == rule


@pytest.mark.parametrize(
    ("answer", "rule"),
    [('{"a": 1}', None), ("{}", None), ("[1]", "not_json"), ("a: 1", "not_json"), ('{"a": NaN}', "not_json")],
)
def test_extraction_answers_are_json_objects(answer, rule):
    """Bug: one answer of another shape teaches the model to break the consumer's parser."""
    assert rule_of([says("user"), says("assistant", answer)], "extract") == rule


@pytest.mark.parametrize(
    ("rejected", "rule"),
    [
        ([says("assistant", "worse")], None),
        (None, "no_rejected"),
        ([], "no_rejected"),
        ([says("user", "worse")], "empty_answer"),
        ([says("assistant", " ")], "empty_answer"),
        ([says("assistant", "text")], "same_answers"),
        ([says("assistant", None, tool_calls=[CALL])], None),
    ],
)
def test_preferences_have_two_different_answers(rejected, rule):
    """Bug: a pair without a difference, whose gradient is noise."""
    assert rule_of([says("user"), says("assistant")], "preference", rejected) == rule


def test_labels_are_set_and_held_against_the_recipe():
    """Bug: 'refund ' is a class of its own; a label outside the list is trained on."""
    row = Row([says("user"), says("assistant", " refund ")])
    check_row(row, recipe_of("classify"))
    assert row.label == "refund"
    with pytest.raises(RowFault) as fault:
        check_row(row, recipe_of("classify", labels={"names": ["refunds", "card"]}))
    assert (fault.value.rule, fault.value.evidence["hint"]) == ("unknown_label", "did you mean 'refunds'?")
