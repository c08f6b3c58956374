"""Examples in the form that OpenAI's fine-tuning reads, checked by rules of our own before anything is sent.

Owns the lines, what the service would refuse in them, told with where each row was read, and how many tokens they are
about. Does not own uploading them (`openai_tuning`).

Source: the training-file schemas of OpenAI's published OpenAPI document (FineTuneChatRequestInput,
FineTunePreferenceRequestInput).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError
from tunesmith.providers.cost import CHARS_PER_TOKEN
from tunesmith.text.examples import place_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.providers.hosted import Rows
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example, Message
    from tunesmith.text.task import TaskSpec

FEWEST = 10
"""Training rows that the service asks for."""
MOST_BYTES = 512 * 10**6
"""Largest file it takes."""
MOST_IMAGES = {"openai": 10, "azure": 64}
"""Images in an example."""

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "weight"})
_SPECIAL = re.compile(
    r"<\|(?:endoftext|endofprompt|fim_(?:prefix|middle|suffix)|im_(?:start|end|sep)|start|end|message|channel|return|"
    r"call|constrain)\|>"
)
"""Texts that are tokens of control there: one of them fails a whole job."""
_TOLD = 5


@dataclass(frozen=True)
class Rendered:
    """The lines of a split, the example behind each, their tokens (estimated), and how many were too long."""

    lines: list[str]
    examples: list[Example]
    tokens: int
    target_tokens: int
    left_out: int

    def save(self, path: Path) -> Path:
        """Write the file to upload: UTF-8, no byte-order mark, a JSON object a line.

        Raises:
            DataError: if it is larger than the service takes.
        """
        content = "".join(f"{line}\n" for line in self.lines).encode()
        if len(content) > MOST_BYTES:
            raise DataError(
                f"{path.name} is {len(content):,} bytes", expected=f"at most {MOST_BYTES:,}",
                hint="data.size: {max_examples: 100000}",
            )  # fmt: skip
        path.write_bytes(content)
        return path

    def place(self, number: int) -> str:
        """Return where the row was read that the service calls example ``number``, counted from 1; empty if unknown."""
        return place_of(self.examples[number - 1]) if 1 <= number <= len(self.examples) else ""


def render(recipe: Recipe, rows: Rows, split: str) -> Rendered:
    """Return a split, ``train`` or ``valid``, as the service reads it; longer rows than ``train.max_tokens`` left out.

    Raises:
        DataError: that tells rows which the service would refuse, with their places, or that there are too few.
    """
    examples = rows.train if split == "train" else rows.valid
    wrong: list[str] = []
    lines, kept, tokens, targets, left_out = [], [], 0, 0, 0
    for example in examples:
        task = rows.wording(example, split, recipe.seed)
        row = _preference(task, example) if recipe.objective == "dpo" else _supervised(task, example)
        if fault := _fault(example, row, recipe):
            wrong.append(f"{place_of(example)}: {fault}")
            continue
        long, learnt = _tokens(row)
        if recipe.train.max_tokens is not None and long > recipe.train.max_tokens:
            left_out += 1
            continue
        lines.append(json.dumps(row, ensure_ascii=False))
        kept.append(example)
        tokens, targets = tokens + long, targets + learnt
    _tell(wrong, split, len(examples))
    if split == "train" and len(lines) < FEWEST:
        raise DataError(
            f"{len(lines)} training rows{f', {left_out} left out as too long' if left_out else ''}",
            expected=f"at least {FEWEST}, which the service asks for", hint="add examples, or base: nano",
        )  # fmt: skip
    return Rendered(lines, kept, tokens, targets, left_out)


def _tell(wrong: Sequence[str], split: str, count: int) -> None:
    if wrong:
        more = f"\n- and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise DataError(
            f"{len(wrong)} of {count} {split} rows would be refused by the service:\n- "
            + "\n- ".join(wrong[:_TOLD]) + more,
            hint="mend or remove these rows; base: nano takes them",
        )  # fmt: skip


def _supervised(task: TaskSpec, example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {"messages": [_message(one) for one in task.prompt(example.messages)]}
    return row | ({"tools": example.tools} if example.tools else {})


def _preference(task: TaskSpec, example: Example) -> dict[str, Any]:
    before, _ = task.split(example)
    asked: dict[str, Any] = {"messages": [_message(one) for one in before]}
    if example.tools:
        asked["tools"] = example.tools
    chosen, rejected = [example.messages[-1]], (example.rejected or [])[-1:]
    answers = {"preferred_output": chosen, "non_preferred_output": rejected}
    return {"input": asked} | {
        name: [_message({**one, "weight": None}) for one in own] for name, own in answers.items()
    }


def _message(message: Message) -> Message:
    """Return a message without what is null, and without a weight where none is known: only answers are learnt."""
    kept = {name: value for name, value in message.items() if value is not None}
    if kept.get("weight") == 0 and kept["role"] != "assistant":
        del kept["weight"]
    if "weight" in kept and kept["weight"] in (0, 1):
        kept["weight"] = int(kept["weight"])
    return kept


def _fault(example: Example, row: dict[str, Any], recipe: Recipe) -> str:
    """Return what the service would refuse in a row; empty if nothing."""
    if example.weight != 1:
        return f"the example has the weight {example.weight:g}, and the service knows none"
    dpo = recipe.objective == "dpo"
    messages = [*row["input"]["messages"], *row["preferred_output"]] if dpo else row["messages"]
    if dpo and not row["non_preferred_output"]:
        return "there is no rejected answer"
    if dpo and (fault := _message_fault(row["non_preferred_output"][0])):
        return f"the rejected answer: {fault}"
    for number, message in enumerate(messages, 1):
        if fault := _message_fault(message):
            return f"message {number}: {fault}"
    if messages[-1]["role"] != "assistant":
        return f"the last message is the {messages[-1]['role']}'s, not an answer"
    if not any(one["role"] == "assistant" and one.get("weight", 1) for one in messages):
        return "every answer has the weight 0: nothing to learn"
    most = MOST_IMAGES[recipe.service]
    if (images := sum(_images(one) for one in messages)) > most:
        return f"{images} images, at most {most} are taken"
    text = json.dumps(row, ensure_ascii=False)
    if found := _SPECIAL.search(text):
        return f"{found[0]} in the text, which is a token of control there and fails the whole job"
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return "half of a surrogate pair in the text, which UTF-8 cannot say"
    return ""


def _message_fault(message: Message) -> str:
    role, weight = message.get("role"), message.get("weight", 1)
    if role not in _ROLES:
        return f"the role {role!r}, expected {', '.join(_ROLES)}"
    if unknown := sorted(message.keys() - _KEYS):
        return f"the key {unknown[0]!r}, which the service does not know"
    if "weight" in message and role != "assistant":
        return f"the {role}'s turn has the weight {weight:g}, and the service learns answers alone"
    if weight not in (0, 1):
        return f"the weight {weight:g}; the service knows 0 and 1"
    if role == "assistant" and not (text_of(message) or message.get("tool_calls") or message.get("function_call")):
        return "an answer without text or tool calls"
    if role != "assistant" and "content" not in message:
        return f"the {role}'s turn has no content"
    if role != "user" and _images(message):
        return f"an image in the {role}'s turn; the service takes them in the user's alone"
    return ""


def _images(message: Message) -> int:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)


def _tokens(row: dict[str, Any]) -> tuple[int, int]:
    """Return about how many tokens a row is billed as, and how many of them are answers to learn.

    Source: OpenAI's cookbook, Chat_finetuning_data_prep: 3 a message and 3 an example beside the texts; a token is
    taken for `CHARS_PER_TOKEN` bytes.
    """
    asked = row.get("input", row)
    messages = [*asked["messages"], *row.get("preferred_output", ()), *row.get("non_preferred_output", ())]
    sizes = [3 + _size(text_of(one)) + _size(one.get("tool_calls")) for one in messages]
    tools = _size(row.get("tools") or asked.get("tools"))
    answers = [at for at, one in enumerate(messages) if one["role"] == "assistant" and one.get("weight", 1)]
    return 3 + sum(sizes) + tools, sum(sizes[at] - 3 for at in answers)


def _size(value: Any) -> int:
    if not value:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return -(-len(text.encode("utf-8", "surrogatepass")) // CHARS_PER_TOKEN)
