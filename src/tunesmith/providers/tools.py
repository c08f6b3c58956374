"""Tools in chats, in the words of each API: OpenAI's are ours, Anthropic's and Converse's are translated to.

Owns how a conversation with calls is told, and how calls in a reply are written down: as the JSON that evaluation
reads. Does not own which calls are right (`evaluate.tool_calls`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_TOLD = ("role", "content", "tool_calls", "tool_call_id", "name")
_SYSTEM = ("system", "developer")


@dataclass(frozen=True)
class Text:
    """Words in a turn."""

    text: str


@dataclass(frozen=True)
class Called:
    """A call in the assistant's turn."""

    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Returned:
    """What a tool gave back, in the user's turn."""

    id: str
    text: str


Part = Text | Called | Returned


@dataclass(frozen=True)
class Turn:
    """All that one side says before the other does."""

    role: str
    parts: list[Part]


def told(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages as OpenAI's protocol has them: calls with ids, arguments as text, results with their call's id.

    Rows of a Dataset may lack ids: they are counted, and a result belongs to the first call that has none yet. Who
    learns from which (``weight``) is no matter of asking.
    """
    found: list[dict[str, Any]] = []
    waiting: list[str] = []
    for place, message in enumerate(messages):
        one = {key: message[key] for key in _TOLD if message.get(key) is not None}
        if calls := one.get("tool_calls"):
            one["tool_calls"] = [_with_id(call, f"call_{place}_{number}") for number, call in enumerate(calls)]
            waiting = [call["id"] for call in one["tool_calls"]]
            one.setdefault("content", None)
        if one["role"] == "tool":
            one.setdefault("tool_call_id", waiting[0] if waiting else f"call_{place}")
            waiting = [name for name in waiting if name != one["tool_call_id"]]
        found.append(one)
    return found


def _with_id(call: Mapping[str, Any], name: str) -> dict[str, Any]:
    function = call.get("function", call)
    arguments = function.get("arguments") or {}
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    function = {"name": function["name"], "arguments": text}
    return {"id": call.get("id") or name, "type": "function", "function": function}


def system_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the system's messages, which other APIs are told apart from the turns."""
    return [text for one in messages if one["role"] in _SYSTEM and (text := text_of(dict(one))).strip()]


def turns(messages: Iterable[Mapping[str, Any]]) -> list[Turn]:
    """Return the two sides' turns, which alternate: what one side says in several messages is one turn of it."""
    found: list[Turn] = []
    for one in told(messages):
        if one["role"] in _SYSTEM:
            continue
        role = "assistant" if one["role"] == "assistant" else "user"
        if not found or found[-1].role != role:
            found.append(Turn(role, []))
        found[-1].parts.extend(_parts(one))
    return found


def _parts(message: Mapping[str, Any]) -> Iterator[Part]:
    text = text_of(dict(message))
    if message["role"] == "tool":
        yield Returned(message["tool_call_id"], text)
        return
    calls = message.get("tool_calls") or ()
    if text.strip() or not calls:
        yield Text(text)
    for call in calls:
        yield Called(call["id"], call["function"]["name"], _object(call["function"]["arguments"]))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {"": text}


def functions(tools: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, description and JSON schema of the arguments of each tool."""
    for tool in tools:
        function = tool.get("function", tool)
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        yield function["name"], function.get("description") or function["name"], schema


def written(text: str, calls: Iterable[tuple[str, Any]]) -> str:
    """Return a reply's words and calls as one text that evaluation reads.

    A call is a name and arguments, an object or its JSON.
    """
    made = [{"name": name, "arguments": arguments} for name, arguments in calls]
    if not made:
        return text
    if not text.strip():
        return json.dumps(made, ensure_ascii=False)
    blocks = (f"<tool_call>{json.dumps(one, ensure_ascii=False)}</tool_call>" for one in made)
    return "\n".join([text, *blocks])
