"""Defects of a record: its turns, roles, tools, weights, and lines that are no record at all.

Owns how each is made. Does not own which rule is meant to find it (`defects`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.data.audit.rows import Kit, Row

_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
_FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("get_weather", {"days": 3}),
    ("get_weather", {"city": "Oslo", "days": "three"}),
    ("get_weather", {"city": "Oslo", "unit": "kelvin"}),
    ("get_forecast", {"city": "Oslo"}),
)


def turns(row: Row, kit: Kit) -> Row | None:
    """The question in two messages, or a turn after the answer."""
    if not row.asked:
        return None
    spoilt = row.copy()
    if kit.chance.random() < 0.5:
        spoilt.messages.append({"role": "user", "content": "Thank you."})
    else:
        spoilt.messages.insert(len(row.messages) - 1, {"role": "user", "content": "Please answer in full."})
    return spoilt


def no_answer_turn(row: Row, kit: Kit) -> Row:
    """A conversation without its answer."""
    spoilt = row.copy()
    del spoilt.messages[-1]
    return spoilt


def unknown_role(row: Row, kit: Kit) -> Row:
    """A speaker nobody knows."""
    spoilt = row.copy()
    spoilt.messages[-1] = spoilt.messages[-1] | {"role": kit.one_of("narrator", "agent 7")}
    return spoilt


def no_weight(row: Row, kit: Kit) -> Row:
    """Nothing to learn: every answer has weight 0."""
    spoilt = row.copy()
    spoilt.messages = [one | {"weight": 0} if one["role"] == "assistant" else one for one in spoilt.messages]
    return spoilt


def bad_weight(row: Row, kit: Kit) -> Row:
    """A weight outside 0 to 1."""
    spoilt = row.copy()
    spoilt.messages[-1] = spoilt.messages[-1] | {"weight": kit.chance.choice([2, 1.5, -1])}
    return spoilt


def with_picture(row: Row, kit: Kit) -> Row | None:
    """A picture among the question's parts."""
    if not row.asked:
        return None
    part = {"type": "image_url", "image_url": {"url": "https://host.invalid/a.png"}}
    spoilt = row.asking("")
    at = max(number for number, one in enumerate(spoilt.messages) if one["role"] == "user")
    spoilt.messages[at]["content"] = [{"type": "text", "text": row.asked}, part]
    return spoilt


def tool_call(row: Row, kit: Kit) -> Row:
    """A call of a tool against its schema, or of one that is not given."""
    name, arguments = kit.chance.choice(_FAULTS)
    spoilt = row.copy()
    spoilt.tools = [*(row.tools or []), _TOOL]
    function = {"name": name, "arguments": json.dumps(arguments)}
    spoilt.messages[-1] = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
    }
    return spoilt


def too_long(row: Row, kit: Kit) -> Row | None:
    """A question of more tokens than the base reads, made of other questions."""
    if kit.max_tokens is None or not row.asked:
        return None
    texts, size = [row.asked], 0
    while size <= kit.max_tokens:
        texts.append(kit.chance.choice(kit.rows).asked or "and so on")
        size += len(texts[-1].split()) + 1
    return row.asking("\n".join(texts))


def no_rejected(row: Row, kit: Kit) -> Row:
    """A preference without its other answer."""
    spoilt = row.copy()
    spoilt.rejected = []
    return spoilt


def same_answers(row: Row, kit: Kit) -> Row:
    """A preference of an answer to itself."""
    spoilt = row.copy()
    spoilt.rejected = spoilt.messages[-1:]
    return spoilt


def broken_json(row: Row, kit: Kit) -> str:
    """A line that was cut, or has a quote too few."""
    line = row.line(kit.recipe.task)
    return kit.one_of(line[: len(line) // 2], line.replace('"', "", 1))


def no_object(row: Row, kit: Kit) -> str:
    """A line of JSON that is no object."""
    return json.dumps(kit.chance.choice([[row.asked], row.asked, 7]))


def other_format(row: Row, kit: Kit) -> str:
    """A record in another form than its file's."""
    return json.dumps({"text": row.asked, "reply": row.answered})
