"""What a defect is made with: a row as it stands in a file, and whatever else of the data it needs.

Owns `Row`, `Kit`, and how a row is written. Does not own any defect.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example, Message


@dataclass
class Row:
    """A conversation that ends with the answer; ``rejected`` is the other answer of a preference."""

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    rejected: list[Message] | None = None

    @classmethod
    def of(cls, example: Example) -> Row:
        """Return an example as a row."""
        return cls(example.messages, example.tools, example.rejected)

    def copy(self) -> Row:
        """Return a row that may be changed."""
        return copy.deepcopy(self)

    @property
    def asked(self) -> str:
        """The last question; empty if there is none, or it is not plain text."""
        at = self._asked_at
        content = None if at is None else self.messages[at].get("content")
        return content if isinstance(content, str) else ""

    @property
    def _asked_at(self) -> int | None:
        users = [number for number, message in enumerate(self.messages) if message["role"] == "user"]
        return users[-1] if users else None

    @property
    def answered(self) -> str:
        """The answer's text."""
        return text_of(self.messages[-1])

    def asking(self, text: str) -> Row:
        """Return the row with another question."""
        row, at = self.copy(), self._asked_at
        assert at is not None
        row.messages[at]["content"] = text
        return row

    def answering(self, text: str) -> Row:
        """Return the row with another answer."""
        row = self.copy()
        row.messages[-1] = {"role": "assistant", "content": text}
        return row

    def line(self, task: str) -> str:
        """Return the row as a line of a file in OpenAI's form."""
        if task != "preference":
            return json.dumps({"messages": self.messages} | ({"tools": self.tools} if self.tools else {}))
        given = {"messages": self.messages[:-1]} | ({"tools": self.tools} if self.tools else {})
        other = {"non_preferred_output": self.rejected or []}
        return json.dumps({"input": given, "preferred_output": self.messages[-1:], **other})


@dataclass
class Kit:
    """Chance, and what a defect may take from the data: other rows, the recipe, the longest row in tokens."""

    chance: random.Random
    rows: Sequence[Row]
    recipe: Recipe
    max_tokens: int | None = None
    labels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.recipe.task == "classify":
            self.labels = sorted({row.answered for row in self.rows})

    def one_of(self, *choices: str) -> str:
        """Return one of some texts at random."""
        return self.chance.choice(choices)

    def other_answer(self, than: str) -> str | None:
        """Return the answer of another row; None if ten rows at random have the same one."""
        drawn = (self.chance.choice(self.rows).answered for _ in range(10))
        return next((answer for answer in drawn if answer and answer != than), None)


Spoil = Callable[[Row, Kit], "Row | str | None"]
"""Spoils a row: the row that comes of it, or a line that is none; None if this row cannot be spoilt so."""


def question(change: Callable[[str, Kit], str | None]) -> Spoil:
    """Return what changes a row's last question."""

    def spoil(row: Row, kit: Kit) -> Row | None:
        changed = change(row.asked, kit) if row.asked else None
        return None if changed is None or changed == row.asked else row.asking(changed)

    return spoil


def answer(change: Callable[[Row, Kit], str | None]) -> Spoil:
    """Return what changes a row's answer, if that is text."""

    def spoil(row: Row, kit: Kit) -> Row | None:
        changed = change(row, kit) if row.answered and not row.messages[-1].get("tool_calls") else None
        return None if changed is None or changed == row.answered else row.answering(changed)

    return spoil
