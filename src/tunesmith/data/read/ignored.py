"""What a chat message holds that no format takes: told, so that nobody thinks it is learnt.

Owns which keys of a message its format takes, and the sentence about the others. Does not own conversion (`formats`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Record = dict[str, Any]

_OPENAI = frozenset(("role", "content", "tool_calls", "function_call", "name", "tool_call_id", "weight"))
_TAKEN = {
    "sharegpt": frozenset(("from", "role", "value", "content")),
    "bedrock_converse": frozenset(("role", "content")),
}
_LISTS = (
    "messages", "conversations", "prompt", "completion", "chosen", "rejected", "preferred_output",
    "non_preferred_output",
)  # fmt: skip
_NOTHING: tuple[Any, ...] = (None, "", [], {})
SHOWN_KEYS = 6


def ignored_keys(record: Record, format: str) -> set[str]:
    """Return the keys with a value that messages of a record have and its format does not take."""
    taken = _TAKEN.get(format, _OPENAI)
    return {
        str(key)
        for message in _messages(record)
        if not message.keys() <= taken
        for key in message.keys() - taken
        if message[key] not in _NOTHING
    }


def _messages(record: Record) -> Iterator[Record]:
    given = record.get("input")
    lists = [record.get(key) for key in _LISTS] + [given.get("messages") if isinstance(given, dict) else None]
    for one in lists:
        if isinstance(one, list):
            yield from (message for message in one if isinstance(message, dict))


def ignored_note(rows_of: Mapping[str, int]) -> list[str]:
    """Return a sentence about ignored keys and in how many rows each stands; nothing if there are none."""
    if not rows_of:
        return []
    ranked = sorted(rows_of.items(), key=lambda one: (-one[1], one[0]))
    told = [f"{key} {count:,}" for key, count in ranked[:SHOWN_KEYS]]
    more = f" and {len(ranked) - SHOWN_KEYS} more" if len(ranked) > SHOWN_KEYS else ""
    return [f"keys of messages that are not read, by rows: {', '.join(told)}{more}"]
