"""Example: one conversation with the answer to learn, as it lies in a Dataset.

Owns reading a split's Parquet file into examples. Does not own how raw rows become examples (`data`) nor how an
example becomes tokens (`chat`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

Message = dict[str, Any]
"""One OpenAI-style message: ``role``, ``content``, and for tools ``tool_calls`` or ``tool_call_id``."""


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation that ends with the assistant's answer. The recipe's prompt is not applied yet.

    ``meta`` says where it was read; ``kept`` has the columns of `data.keep` as they were.
    """

    messages: list[Message]
    row_id: str = ""
    label: str | None = None
    tools: list[dict[str, Any]] | None = None
    rejected: list[Message] | None = None
    group: str | None = None
    weight: float = 1.0
    meta: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def input_text(self) -> str:
        """The last user message, or an empty string."""
        users = [message for message in self.messages if message["role"] == "user"]
        return text_of(users[-1]) if users else ""

    @property
    def asked_text(self) -> str:
        """The text of everything before the answer."""
        return "\n".join(text_of(message) for message in self.messages[:-1])

    @property
    def target_text(self) -> str:
        """The answer to learn: the content of the last message."""
        return text_of(self.messages[-1])


def text_of(message: Message) -> str:
    """Return a message's text; text parts are joined, a missing content is empty."""
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def place_of(example: Example, number: int | None = None) -> str:
    """Return the file and line where an example was read, for people; if nothing says, its number among others."""
    source, line = example.meta.get("source"), example.meta.get("line")
    if source is None or line is None:
        return f"example {number}" if number is not None else "an example"
    return f"{source}:{line}"


def has_more_than_text(message: Message) -> bool:
    """Return whether a message has parts that are no text, such as images."""
    content = message.get("content")
    return isinstance(content, list) and any(part.get("type") != "text" for part in content)


def read_examples(path: Path) -> list[Example]:
    """Read a split's Parquet file, in file order.

    Raises:
        ArtifactError: if the file is missing or is no split of a Dataset.
    """
    import polars as pl

    try:
        rows = pl.read_parquet(path).to_dicts()
        return [_from_row(row) for row in rows]
    except (OSError, pl.exceptions.PolarsError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path}: not a split of a dataset ({error})", hint="tunesmith prepare RECIPE") from error


def _from_row(row: dict[str, Any]) -> Example:
    def parsed(name: str) -> Any:
        return json.loads(row[name]) if row.get(name) else None

    return Example(
        messages=json.loads(row["messages"]),
        row_id=row["row_id"],
        label=row.get("label"),
        tools=parsed("tools"),
        rejected=parsed("rejected"),
        group=row.get("group"),
        weight=1.0 if row.get("weight") is None else row["weight"],
        meta={"source": row.get("source"), "line": row.get("line")},
        kept=parsed("kept") or {},
    )
