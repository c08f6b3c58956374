"""What OpenAI's form asks of a file of rows and our reading does not.

Reading takes what a file probably means: other encodings, ShareGPT's roles, JSON over several lines, keys that nobody
reads. Whoever prepares data at a terminal is told; a client sees no terminal, so here it is a fault of the row, or
counted for an event. Does not own reading (`tunesmith.data`) nor what is told of it (`tuning_job`).
Source: https://platform.openai.com/docs/api-reference/fine-tuning/chat-input, and preference-input.
"""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FORMS = {
    "supervised": '{"messages": [{"role", "content"}, ...]}',
    "dpo": '{"input": {"messages": [...]}, "preferred_output": [...], "non_preferred_output": [...]}',
}
"""What a line holds, by the method."""

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KEYS = frozenset(
    ("messages", "tools", "functions", "parallel_tool_calls", "input", "preferred_output", "non_preferred_output")
)  # fmt: skip
SHOWN = 5
"""Faults that are kept in words."""


@dataclass
class Look:
    """What a look at a file found: the first faults in words, how many there are, keys that are not read by rows."""

    faults: list[str] = field(default_factory=list)
    count: int = 0
    unread: Counter[str] = field(default_factory=Counter)


def form_of(method: str) -> str:
    """Return what a file of rows is, for a reader who sent another."""
    return f"JSON Lines in UTF-8, on each line {FORMS[method]}, with the roles {', '.join(ROLES)}"


def look_at(file: Path, kept: Iterable[str] = ()) -> Look:
    """Look at every line of a file; ``kept`` are keys that are read besides those of the form."""
    found, known, number = Look(), KEYS | set(kept), 0
    with file.open("rb") as lines:
        for line, content in enumerate(lines, 1):
            if not (text := content.removeprefix(codecs.BOM_UTF8 if line == 1 else b"").strip()):
                continue
            number += 1
            record = _record(text)
            if (fault := record if isinstance(record, str) else _fault(record)) is None:
                found.unread.update(key for key in record if key not in known)
                continue
            found.count += 1
            if found.count <= SHOWN:
                found.faults.append(f"Example {number}, line {line}, {fault}")
    return found


def _record(text: bytes) -> dict[str, Any] | str:
    """Return what a line holds, or in words why it is nothing; of no JSON nothing, which reading tells."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"is not UTF-8 (byte {error.start + 1} of the line)"
    if not text.startswith(b"{"):
        return "is no JSON object"
    try:
        record = orjson.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _fault(record: dict[str, Any]) -> str | None:
    """Return in words what is wrong with the messages of a record; None if nothing is."""
    given = record.get("input")
    parts = {"messages": record.get("messages"), "input.messages": isinstance(given, dict) and given.get("messages")}
    parts |= {name: record.get(name) for name in ("preferred_output", "non_preferred_output")}
    for name, messages in parts.items():
        if isinstance(messages, str):
            return f"has text as {name}, and no list"
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and message.get("role") not in ROLES:
                return f"has a message of the role {str(message.get('role'))[:40]!r}"
    return None
