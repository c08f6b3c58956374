"""What a record means: message formats and plain columns, each to one conversation that ends with the answer.

Owns conversion. Does not own which format a file has (`recognise`), reading (`files`) nor whether a conversation is
usable (`check`). A record that does not fit its file's format is a `RowFault`.

Source: the formats' own documentation: OpenAI fine-tuning guide (chat, preference), ShareGPT and Alpaca as their
releases have them, Amazon Bedrock user guide (Claude ``system``/``messages``; ``bedrock-conversation-2024``).
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import orjson

from tunesmith.data.rows import Row, RowFault, compact_json, to_json
from tunesmith.text.examples import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.data.read.columns import Mapping

Record = dict[str, Any]
ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "model": "assistant",
    "bot": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "system": "system",
    "tool": "tool", "function": "tool", "function_response": "tool", "observation": "tool", "developer": "system",
}  # fmt: skip


_NESTED = ("messages", "conversations", "preferred_output", "non_preferred_output", "tools")


def unpacked(record: Record) -> Record:
    """Return a record with lists that stand in it as text, as CSV exports have them: JSON, or a Python list printed."""
    texts = {key: one for key in _NESTED if isinstance(one := record.get(key), str) and one.lstrip()[:1] == "["}
    return {**record, **{key: _list_in(text) for key, text in texts.items()}} if texts else record


def _list_in(text: str) -> Any:
    """Return the list that a text writes out, or the text if it is none, or has half a character in it."""
    for parse in (orjson.loads, ast.literal_eval):
        try:
            value = parse(text)
            compact_json(value).encode()
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        return value if isinstance(value, list) else text
    return text


def openai(record: Record) -> Row:
    """Convert ``{"messages": [...], "tools": [...]}``; messages may carry ``weight``; ``functions`` become tools."""
    tools = _tools(record)
    if not tools and record.get("functions"):
        tools = [{"type": "function", "function": function} for function in _list(record, "functions")]
    return Row(_messages(_list(record, "messages")), tools=tools)


def openai_preference(record: Record) -> Row:
    """Convert ``{"input": {"messages"}, "preferred_output": [...], "non_preferred_output": [...]}``."""
    given = record.get("input")
    if not isinstance(given, dict):
        raise RowFault("wrong_format", missing="input.messages")
    prompt = _messages(_list(given, "messages"))
    preferred = _messages(_list(record, "preferred_output"))
    rejected = _messages(_list(record, "non_preferred_output"))
    return Row(prompt + preferred, tools=_tools(given), rejected=rejected)


def chosen_rejected(record: Record) -> Row:
    """Convert ``{"prompt", "chosen", "rejected"}``, each as text or messages; answers may be whole conversations."""
    prompt = _turns(record.get("prompt"), "user")
    chosen, rejected = (_turns(record.get(key), "assistant") for key in ("chosen", "rejected"))
    if not chosen or not rejected:
        raise RowFault("wrong_format", expected="chosen and rejected, each text or messages")
    if chosen[0]["role"] != "assistant":
        if chosen[:-1] != rejected[:-1]:
            raise RowFault("wrong_format", expected="chosen and rejected that answer the same conversation")
        prompt, chosen, rejected = chosen[:-1], chosen[-1:], rejected[-1:]
    return Row(_with_system(record.get("system"), prompt + chosen), tools=_tools(record), rejected=rejected)


def _turns(value: Any, role: str) -> list[Message]:
    """Return messages as they are, or a text as one message of a role; nothing for nothing."""
    if isinstance(value, list):
        return _messages(value)
    if isinstance(value, dict):
        raise RowFault("wrong_format", found="dict", expected="text or messages")
    return [{"role": role, "content": _string(value)}] if _string(value) else []


def sharegpt(record: Record) -> Row:
    """Convert ``{"conversations": [{"from": "human", "value": "..."}, ...]}``, with an optional ``system``."""
    messages = []
    for number, turn in enumerate(_list(record, "conversations"), 1):
        if not isinstance(turn, dict):
            raise RowFault("wrong_format", turn=number, found=type(turn).__name__)
        speaker = turn.get("from", turn.get("role"))
        if not isinstance(speaker, str) or speaker.lower() not in ROLES:
            raise RowFault("unknown_role", turn=number, role=speaker)
        messages.append({"role": ROLES[speaker.lower()], "content": _string(turn.get("value", turn.get("content")))})
    return Row(_with_system(record.get("system"), messages))


def alpaca(record: Record) -> Row:
    """Convert ``{"instruction", "input", "output"}``; a non-empty input follows the instruction after a blank line."""
    instruction, given = _string(record.get("instruction")), _string(record.get("input"))
    prompt = f"{instruction}\n\n{given}" if given.strip() else instruction
    return Row(_with_system(record.get("system"), _pair(prompt, _string(record.get("output")))))


def prompt_completion(record: Record) -> Row:
    """Convert ``{"prompt", "completion"}``, as text or as lists of messages."""
    prompt, completion = record.get("prompt"), record.get("completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return Row(_messages(prompt) + _messages(completion))
    if isinstance(prompt, list | dict) or isinstance(completion, list | dict):
        found = f"{type(prompt).__name__} and {type(completion).__name__}"
        raise RowFault("wrong_format", found=found, expected="prompt and completion both text, or both messages")
    return Row(_pair(_string(prompt), _string(completion)))


def bedrock_claude(record: Record) -> Row:
    """Convert ``{"system": "...", "messages": [{"role", "content"}]}``."""
    return Row(_with_system(record.get("system"), _messages(_list(record, "messages"))))


def bedrock_converse(record: Record) -> Row:
    """Convert ``{"schemaVersion": "bedrock-conversation-2024", "system": [{"text"}], "messages": [...]}``."""
    version = record.get("schemaVersion")
    if version != "bedrock-conversation-2024":
        raise RowFault("wrong_format", schemaVersion=version, expected="bedrock-conversation-2024")
    system = record.get("system")
    text = None if system is None else "\n".join(_converse_texts(system, "system"))
    return Row(_with_system(text, [_converse_message(one) for one in _list(record, "messages")]))


def _converse_message(message: Any) -> Message:
    if not isinstance(message, dict):
        raise RowFault("wrong_format", expected="messages as objects with role and content")
    texts = _converse_texts(message.get("content"), "messages[].content")
    return {"role": _role(message.get("role")), "content": "".join(texts)}


def _converse_texts(parts: Any, key: str) -> list[str]:
    if not isinstance(parts, list) or not _all_dicts(parts):
        raise RowFault("wrong_format", key=key, expected="a list of {text}", found=type(parts).__name__)
    if other := sorted({str(name) for part in parts for name in part if name != "text"}):
        raise RowFault("unsupported_content", found=other)
    return [_string(part.get("text")) for part in parts]


FORMATS: dict[str, Callable[[Record], Row]] = {
    "bedrock_converse": bedrock_converse,
    "openai_preference": openai_preference,
    "chosen_rejected": chosen_rejected,
    "sharegpt": sharegpt,
    "bedrock_claude": bedrock_claude,
    "openai": openai,
    "prompt_completion": prompt_completion,
    "alpaca": alpaca,
}


def from_columns(record: Record, mapping: Mapping, task: str) -> Row:
    """Convert a record of plain columns.

    Raises:
        RowFault: if it has neither column, or its weight is no number.
    """
    first, *others = mapping.input
    if first not in record and mapping.target not in record:
        raise RowFault("wrong_format", expected=f"{first} and {mapping.target}", found=", ".join(record)[:300])
    prompt = _string(record.get(first))
    prompt += "".join(f"\n{name}: {_string(record.get(name))}" for name in others)
    answer = record.get(mapping.target)
    row = Row(_pair(prompt, _string(answer)))
    if not _string(record.get(first)).strip():
        row.messages[0]["content"] = ""  # context alone is no question
    if mapping.group is not None:
        row.group = _string(record.get(mapping.group)) or None
    if mapping.weight is not None:
        row.weight = _weight(record.get(mapping.weight))
    if task == "classify":
        row.messages[1]["content"] = _string(answer).strip()
    return row


def _weight(value: Any) -> float:
    try:
        weight = float(value)
    except (TypeError, ValueError) as error:
        raise RowFault("bad_weight", found=value, expected="a number of at least 0") from error
    if not 0 <= weight < float("inf"):
        raise RowFault("bad_weight", found=value, expected="a number of at least 0")
    return weight


# --- pieces ---------------------------------------------------------------------------------------------------------


def _pair(prompt: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def _with_system(system: Any, messages: list[Message]) -> list[Message]:
    text = _string(system)
    return [{"role": "system", "content": text}, *messages] if text.strip() else messages


def _list(record: Record, key: str) -> list[Any]:
    value = record.get(key)
    if not isinstance(value, list):
        raise RowFault("wrong_format", key=key, expected="a list", found=type(value).__name__)
    return value


def _tools(record: Record) -> list[Record] | None:
    """Return the tools of a record, or None."""
    tools = record.get("tools")
    if not tools:
        return None
    if not isinstance(tools, list) or not _all_dicts(tools):
        raise RowFault("wrong_format", key="tools", expected="a list of objects", found=type(tools).__name__)
    return tools


def _all_dicts(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _string(value: Any) -> str:
    """Return a cell as text: nothing for null and NaN, JSON for lists and objects, ``true``/``false`` for truth values.

    A whole number is written as one whatever its type: a column of 1, 2 and a gap is 1.0, 2.0 and NaN in a table.
    """
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, bool | list | dict):
        return to_json(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else str(value)


EXACT = 1 << 53
"""Up to here a float tells one whole number from the next."""


def _messages(items: list[Any]) -> list[Message]:
    if not _all_dicts(items):
        raise RowFault("wrong_format", expected="messages as objects with role and content")
    return [_message(item) for item in items]


def _message(item: Record) -> Message:
    message: Message = {"role": _role(item.get("role")), "content": item.get("content")}
    if not isinstance(message["content"], str | None):
        message["content"] = _text_parts(message["content"])
    calls = item.get("tool_calls")
    if not calls and item.get("function_call"):
        calls = [{"id": "call_0", "type": "function", "function": item["function_call"]}]
    if calls:
        message["tool_calls"] = _tool_calls(calls)
    for key in ("name", "tool_call_id", "weight"):
        if item.get(key) is not None:
            message[key] = item[key]
    return message


def _tool_calls(calls: Any) -> list[Record]:
    """Return tool calls as they are, each a function with a name.

    Raises:
        RowFault: if they are anything else.
    """
    functions = [call.get("function") for call in calls] if isinstance(calls, list) and _all_dicts(calls) else [None]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in functions):
        raise RowFault("wrong_format", key="tool_calls", expected="a list of {function: {name, arguments}}")
    return list(calls)


def _text_parts(content: Any) -> str:
    """Return the text of a list of text parts.

    Raises:
        RowFault: for parts of other kinds (images, audio) and other types.
    """
    if not isinstance(content, list) or not _all_dicts(content):
        raise RowFault("wrong_format", key="content", expected="text or a list of parts", found=type(content).__name__)
    other = sorted({str(part.get("type")) for part in content if part.get("type", "text") != "text"})
    if other:
        raise RowFault("unsupported_content", found=other)
    return "".join(_string(part.get("text")) for part in content)


def _role(role: Any) -> str:
    if role in ("user", "assistant", "system", "tool"):
        return str(role)  # nearly always
    known = ROLES.get(role.lower()) if isinstance(role, str) else None
    if known is None:
        raise RowFault("unknown_role", role=role, expected="system, user, assistant or tool")
    return known
