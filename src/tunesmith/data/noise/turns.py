"""The order of turns in a conversation: one speaker at a time, ending with an answer.

Owns the rule ``turns``: neighbours of one role become one message, and what comes after the last answer goes. Does not
own conversations without a question or an answer (`check`), nor results of tools, of which several may follow a call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.text.examples import Message

_PLAIN = {"role", "content", "weight"}


def in_order(messages: Sequence[Message]) -> bool:
    """Whether no two neighbours are of one role (tools aside) and the last message is an answer."""
    if len(messages) == 2:
        return (messages[0]["role"], messages[1]["role"]) == ("user", "assistant")
    last = ""
    for message in messages:
        role: str = message["role"]
        if role == last and role != "tool":
            return False
        last = role
    return last == "assistant"


def fix_turns(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with neighbours of one role merged and nothing after the last answer.

    What cannot be put in order so, such as a call of a tool beside another answer, stays as it is.
    """
    ordered: list[Message] = []
    for message in messages:
        if ordered and _mergeable(ordered[-1], message):
            ordered[-1] = {**ordered[-1], "content": _joined(ordered[-1], message)}
        else:
            ordered.append(message)
    while len(ordered) > 1 and ordered[-1]["role"] in ("user", "tool", "system") and _has_answer(ordered):
        ordered.pop()
    return ordered


def _mergeable(one: Message, other: Message) -> bool:
    return (
        one["role"] == other["role"] != "tool"
        and one.get("weight") == other.get("weight")
        and not (set(one) | set(other)) - _PLAIN
    )


def _joined(one: Message, other: Message) -> str:
    first, second = text_of(one), text_of(other)
    if first.strip() == second.strip():
        return first  # sent twice
    return "\n\n".join(text for text in (first, second) if text.strip())


def _has_answer(messages: Sequence[Message]) -> bool:
    """Whether an answer to a question stays if the last message goes."""
    roles = [message["role"] for message in messages[:-1]]
    return "assistant" in roles and "user" in roles[: len(roles) - 1 - roles[::-1].index("assistant")]
