"""Turns in order: what can be merged is, what comes after the last answer goes, and it is on record."""

from __future__ import annotations

from typing import Any

import pytest

from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.noise.turns import fix_turns, in_order
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def says(text: str, **more: Any) -> list[dict[str, Any]]:
    """Return messages of 'u: hi | a: hello', the last with more keys."""
    names = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    parts = [part.strip().split(": ") for part in text.split("|")]
    messages: list[dict[str, Any]] = [{"role": names[role], "content": content} for role, content in parts]
    messages[-1] |= more
    return messages


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("u: a | u: b | a: c", "u: a\n\nb | a: c"),
        ("u: a | a: b | a: c", "u: a | a: b\n\nc"),
        ("u: a | u: a | a: c", "u: a | a: c"),
        ("s: x | s: y | u: a | a: b", "s: x\n\ny | u: a | a: b"),
        ("u: a | a: b | u: c", "u: a | a: b"),
        ("u: a | a: b | u: c | u: d", "u: a | a: b"),
        ("u: a | a: b | t: c | u: d", "u: a | a: b"),
        ("u: a", "u: a"),
        ("a: a | u: b", "a: a | u: b"),
        ("a: hi | u: a | a: b", "a: hi | u: a | a: b"),
        ("u: a | a: b | t: c | t: d | a: e", "u: a | a: b | t: c | t: d | a: e"),
    ],
)
def test_turns_are_merged_and_what_follows_the_answer_goes(before, after):
    """Bug: the trainer's template fails on 'user, user'; a question without an answer costs the row."""
    assert fix_turns(says(before)) == says(after)
    assert fix_turns(fix_turns(says(before))) == says(after)


def test_tool_calls_and_weights_are_not_merged():
    """Bug: a call is lost in the text beside it, or context is learnt."""
    calls = [*says("u: a | a: b"), *says("a: c", tool_calls=[CALL])]
    weights = [*says("u: a | a: b", weight=0), *says("a: c", weight=1)]
    assert fix_turns(calls) == calls and fix_turns(weights) == weights
    assert not in_order(calls) and in_order(says("u: a | a: b"))


@pytest.mark.parametrize("action", ["repair", "flag", "remove", "off"])
def test_the_recipe_decides_and_the_change_is_on_record(action):
    """Bug: turns are merged although the recipe says no, or nobody can see that they were."""
    cleaner = Cleaner(Recipe(name="t", task="chat", data={"train": "x", "clean": {"turns": action}}))
    row = Row(says("u: a | u: b | a: c | u: d"), row_id="r")
    if action == "remove":
        with pytest.raises(RowFault) as fault:
            cleaner.clean(row)
        assert (fault.value.rule, len(row.messages)) == ("turns", 4)
        return
    cleaner.clean(row)
    assert len(row.messages) == (2 if action == "repair" else 4)
    after = {"repair": ["user, assistant"], "flag": [None], "off": []}[action]
    assert [repair.after for repair in cleaner.repairs if repair.rule == "turns"] == after
