"""What a chat message holds that no format takes: told, so that nobody thinks it is learnt.

Owns which keys of a message its format takes, and the sentence about the others. Does not own conversion (`formats`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Record = dict[str, Any]

_OPENAI = frozenset(("role", "content", "tool_calls", "function_call", "name", "tool_call_id", "weight"))
_TAKEN = {
    "sharegpt": frozenset(("from", "role", "value", "content")),
    "bedrock_converse": frozenset(("role", "content")),
}
_LISTS = {
    "openai": ("messages",),
    "bedrock_claude": ("messages",),
    "bedrock_converse": ("messages",),
    "sharegpt": ("conversations",),
    "prompt_completion": ("prompt", "completion"),
    "chosen_rejected": ("prompt", "chosen", "rejected"),
    "openai_preference": ("input", "preferred_output", "non_preferred_output"),
}
"""The keys of each format that hold messages; the others have none."""
_NOTHING: tuple[Any, ...] = (None, "", [], {})
SHOWN_KEYS = 6


def ignored_keys(record: Record, format: str) -> set[str]:
    """Return the keys with a value that messages of a record have and its format does not take."""
    taken, ignored = _TAKEN.get(format, _OPENAI), set[str]()
    for name in _LISTS.get(format, ()):
        messages = record.get(name)
        if isinstance(messages, dict):
            messages = messages.get("messages")
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict) and not message.keys() <= taken:
                ignored |= {str(key) for key in message.keys() - taken if message[key] not in _NOTHING}
    return ignored


def ignored_note(rows_of: Mapping[str, int]) -> list[str]:
    """Return a sentence about ignored keys and in how many rows each stands; nothing if there are none."""
    if not rows_of:
        return []
    ranked = sorted(rows_of.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{key} {count:,}" for key, count in ranked[:SHOWN_KEYS]]
    more = f" and {len(ranked) - SHOWN_KEYS} more" if len(ranked) > SHOWN_KEYS else ""
    return [f"keys of messages that are not read, by rows: {', '.join(told)}{more}"]
