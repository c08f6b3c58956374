"""Examples as the lines that Bedrock is tuned on, in Claude's form or in that of Converse, and what it will not take.

Owns the two forms and the limits. Refuses with the places of the rows in the user's files, before anything is
uploaded: the service itself names a line of a file that nobody has seen. Does not own the prompt (`text.task`).
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.providers.cost import CHARS_PER_TOKEN
from tunesmith.text.examples import Message, place_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tunesmith.providers.bedrock_models import Family
    from tunesmith.text.examples import Example
    from tunesmith.text.task import TaskSpec

_TOLD = 5
SCHEMA = "bedrock-conversation-2024"
_KEYS = {"role", "content", "weight"}


@dataclass(frozen=True)
class Line:
    """A row of a training file; ``place`` is where it stands in the user's files, tokens are estimated."""

    text: str
    place: str
    tokens: int
    target_tokens: int


@dataclass(frozen=True)
class Written:
    """One split, written; ``left_out`` counts what is longer than allowed."""

    lines: tuple[Line, ...]
    left_out: int = 0

    @property
    def content(self) -> bytes:
        """The file, UTF-8 without a byte-order mark."""
        return "".join(f"{line.text}\n" for line in self.lines).encode()

    @property
    def tokens(self) -> int:
        """Of all lines."""
        return sum(line.tokens for line in self.lines)


def write(
    examples: Iterable[Example], wording: Callable[[Example], TaskSpec], family: Family, max_tokens: int | None = None
) -> Written:
    """Return a split in the family's form, without examples that have more than ``max_tokens``, or than it takes;
    ``wording`` tells the prompt around each.

    Raises:
        DataError: naming the first rows that the service would not take, and how many there are.
    """
    lines, refused, left_out = [], [], 0
    most = min((limit for limit in (max_tokens, family.tokens) if limit), default=None)
    for number, example in enumerate(examples, 1):
        place = place_of(example, number)
        messages = wording(example).prompt(example.messages)
        if wrong := fault(messages, example.tools, family):
            refused.append(f"{place}: {wrong}")
            continue
        line = _line(messages, place, family)
        if most is not None and line.tokens > most:
            left_out += 1
        else:
            lines.append(line)
    if refused:
        raise _refusal(refused, family)
    return Written(tuple(lines), left_out)


def _refusal(refused: Sequence[str], family: Family) -> DataError:
    many = "1 example is" if len(refused) == 1 else f"{len(refused):,} examples are"
    more = [f"and {len(refused) - _TOLD:,} more"] if len(refused) > _TOLD else []
    shown = "\n".join(f"- {one}" for one in [*refused[:_TOLD], *more])
    return DataError(
        f"{many} not as {family.title} is tuned on Bedrock:\n{shown}",
        expected="texts of user and assistant in turn, the assistant's last, after at most one instruction",
        hint="mend or leave out these rows, or base: an open model, which learns from them as they are",
    )


def fault(messages: Sequence[Message], tools: Any, family: Family) -> str | None:
    """Return what a prompted conversation has that the service does not take; None if nothing."""
    if tools:
        return "it has tools, and the service tunes without"
    for message in messages:
        if wrong := _fault_of(message):
            return wrong
    roles = [message["role"] for message in messages]
    start = next((place for place, role in enumerate(roles) if role not in ("system", "developer")), len(roles))
    turns = roles[start:]
    if "system" in turns or "developer" in turns:
        return "an instruction stands in the middle of the conversation"
    if not turns or turns[0] != "user":
        return f"it begins with {turns[0] if turns else 'nothing'}, not with the user"
    if any(one == other for one, other in itertools.pairwise(turns)):
        return "two turns of the same role follow one another"
    if turns[-1] != "assistant":
        return "it does not end with an answer"
    return _reserved(messages, family)


def _fault_of(message: Message) -> str | None:
    role = message["role"]
    if role not in ("system", "developer", "user", "assistant"):
        return f"it has a message of the role {role}"
    if extra := sorted(set(message) - _KEYS - {name for name, value in message.items() if value is None}):
        return f"a message has {', '.join(extra)}"
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type", "text") != "text" for part in content):
        return "a message holds more than text"
    if not text_of(message).strip():
        return f"a message of the role {role} is empty"
    if role == "assistant" and message.get("weight", 1) != 1:
        return f"an answer has the weight {message['weight']}, and the service learns all answers alike"
    return None


def _reserved(messages: Sequence[Message], family: Family) -> str | None:
    for message in messages:
        if message["role"] == "assistant":
            continue
        if word := next((word for word in family.reserved if text_of(message).lstrip().startswith(word)), None):
            return f"a message begins with {word}, which {family.title} keeps for itself"
    return None


def _line(messages: Sequence[Message], place: str, family: Family) -> Line:
    told = "\n\n".join(text_of(one) for one in messages if one["role"] in ("system", "developer"))
    turns = [(one["role"], text_of(one)) for one in messages if one["role"] in ("user", "assistant")]
    row: dict[str, Any]
    if family.form == "claude":
        row = {"system": told} if told else {}
        row["messages"] = [{"role": role, "content": text} for role, text in turns]
    else:
        row = {"schemaVersion": SCHEMA, **({"system": [{"text": told}]} if told else {})}
        row["messages"] = [{"role": role, "content": [{"text": text}]} for role, text in turns]
    tokens = sum(estimate(text) for _, text in turns) + estimate(told)
    target = sum(estimate(text) for role, text in turns if role == "assistant")
    return Line(json.dumps(row, ensure_ascii=False), place, tokens, target)


def estimate(text: str) -> int:
    """Return about how many tokens a text has: the service's own tokenizer is not public."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


def check_counts(train: Written, family: Family, most: int | None = None) -> None:
    """Refuse too few or too many examples of training.

    Args:
        train: the split, written.
        family: whose limits count.
        most: the account's own quota, if it is not AWS's default.

    Raises:
        DataError: with the limits.
    """
    low, high = family.train[0], most or family.train[1]
    count = len(train.lines)
    if count < low:
        raise DataError(
            f"{count:,} examples of training, and {family.title} on Bedrock takes no fewer than {low:,}",
            expected=f"{low:,} to {high:,}", hint="more rows, or base: an open model",
        )  # fmt: skip
    if count > high:
        raise DataError(
            f"{count:,} examples of training, and {family.title} on Bedrock takes no more than {high:,}",
            expected=f"{low:,} to {high:,}, by AWS's default quota",
            hint=f"data.size.max_examples: {high}, or provider.quota_examples if AWS has raised yours",
        )  # fmt: skip


def kept_valid(valid: Written, train: Written, family: Family, most: int | None = None) -> Written:
    """Return as much of a validation split as the service takes beside the training."""
    room = max(0, (most or family.train[1]) - len(train.lines))
    return Written(valid.lines[: min(family.valid, room)], valid.left_out)
