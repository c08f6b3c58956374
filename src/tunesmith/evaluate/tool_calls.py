"""Tool calls in an answer, and whether they are the right ones.

Owns the ways in which models write calls, and when two calls are the same. Does not own tools' schemas (`data.noise`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.ids import canonical_json
from tunesmith.evaluate.grading import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Rows
    from tunesmith.text.examples import Example

_BLOCK = re.compile(r"<tool_call>(.*?)(?:</tool_call>|$)", re.DOTALL)
_FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*?)\n?```\Z", re.DOTALL)
_MARKS = ("<|python_tag|>", "[TOOL_CALLS]", "<|tool_call|>", "functools")
"""What some models write before the JSON of their calls."""

_ARGUMENTS = ("arguments", "parameters")


@dataclass(frozen=True)
class Call:
    """A call of a tool: its name and its arguments."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Accepted:
    """A right call: per argument the values that are right, and the arguments that may be left out."""

    name: str
    values: Mapping[str, Sequence[Any]]
    optional: frozenset[str] = frozenset()

    @classmethod
    def only(cls, call: Call) -> Accepted:
        """Return what accepts one call and no other."""
        return cls(call.name, {name: [value] for name, value in call.arguments.items()})

    def takes(self, call: Call) -> bool:
        """Return whether a call is right: its name, every argument's value and type, none missing, none besides.

        Values are equal as JSON: ``1`` is ``1.0``, and neither ``"1"`` nor ``true``; order counts in lists, not in
        objects.
        """
        missing = self.values.keys() - call.arguments.keys()
        if call.name != self.name or call.arguments.keys() - self.values.keys() or missing - self.optional:
            return False
        return all(
            any(_same(value, right) for right in self.values[name]) for name, value in call.arguments.items()
        )  # fmt: skip


def calls_match(right: Sequence[Accepted], given: Sequence[Call] | None) -> bool:
    """Return whether each right call was given once and nothing besides, in any order; None was no readable call."""
    if given is None or len(right) != len(given):
        return False
    taken: dict[int, int] = {}
    return all(_place(number, right, given, taken, set()) for number in range(len(right)))


def _place(
    number: int, right: Sequence[Accepted], given: Sequence[Call], taken: dict[int, int], tried: set[int]
) -> bool:
    """Find a given call for a right one, moving others if need be (augmenting paths of a bipartite matching)."""
    for place, call in enumerate(given):
        if place in tried or not right[number].takes(call):
            continue
        tried.add(place)
        if place not in taken or _place(taken[place], right, given, taken, tried):
            taken[place] = number
            return True
    return False


def read_calls(text: str) -> list[Call] | None:
    """Return the calls in an answer; an empty list if it is plain text, None if it calls in a way that nobody can read.

    Read are OpenAI's ``tool_calls``, one object or a list of ``{"name", "arguments"}`` (or ``parameters``), alone, in a
    fence, after a mark as ``<|python_tag|>``, or each in ``<tool_call>`` tags with words around them.
    """
    if blocks := _BLOCK.findall(text):
        found = [_calls_in(block) for block in blocks]
        return None if any(one is None for one in found) else [call for one in found for call in one or ()]
    bare, marked = text.strip(), False
    for mark in _MARKS:
        if bare.startswith(mark):
            bare, marked = bare.removeprefix(mark).strip(), True
    if fenced := _FENCE.match(bare):
        bare = fenced[1].strip()
    calls = _calls_in(bare)
    if calls is not None:
        return calls
    return None if marked or _looks_like_a_call(bare) else []


def calls_of(example: Example) -> list[Call]:
    """Return the calls of an example's right answer.

    Raises:
        DataError: if one of them cannot be read.
    """
    written = example.messages[-1].get("tool_calls") or []
    calls = _calls_in(json.dumps(written)) if written else []
    if calls is None:
        raise DataError(f"row {example.row_id}: its tool_calls cannot be read: {written!r}")
    return calls


def call_columns(rows: Rows) -> Columns:
    """Return ``calls``: whether the answer's calls are the right ones; ``has_tools``: whether the row is about tools.

    Where the right answer is no call, it is right to make none.
    """
    right = [calls_of(example) for example in rows.examples]
    about = [bool(example.tools) or bool(calls) for example, calls in zip(rows.examples, right, strict=True)]
    same = [
        calls_match([Accepted.only(one) for one in calls], read_calls(text))
        for calls, text in zip(right, rows.answers.texts, strict=True)
    ]
    return {"calls": np.array(same, dtype=bool), "has_tools": np.array(about, dtype=bool)}


def _calls_in(text: str) -> list[Call] | None:
    found = parse_json(text)
    if not found.valid:
        return None
    items = found.value.get("tool_calls", found.value) if isinstance(found.value, dict) else found.value
    calls = [_call(item) for item in (items if isinstance(items, list) else [items])]
    return None if any(one is None for one in calls) else [one for one in calls if one is not None]


def _call(item: Any) -> Call | None:
    function = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    arguments: Any = next((function[key] for key in _ARGUMENTS if key in function), {})
    if isinstance(arguments, str):
        arguments = parse_json(arguments or "{}").value
    return Call(function["name"], arguments) if isinstance(arguments, dict) else None


def _looks_like_a_call(text: str) -> bool:
    return text.startswith(("{", "[")) and '"name"' in text


def _same(value: Any, right: Any) -> bool:
    return canonical_json(_plain(value)) == canonical_json(_plain(right))


def _plain(value: Any) -> Any:
    return parse_json(canonical_json(value)).value
