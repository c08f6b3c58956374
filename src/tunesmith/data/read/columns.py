"""Which column holds what: the recipe's mapping, or recognised by name; never guessed.

Owns the names we know and the errors that list what there is. Does not own message formats (`formats`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.recipe import Columns

INPUT_NAMES = (
    "text", "message", "utterance", "query", "sentence", "question", "input", "prompt", "instruction", "user_message",
    "user", "request", "body", "content", "review", "comment", "tweet", "email", "ticket", "post", "document", "title",
)  # fmt: skip
TARGET_NAMES = {
    "classify": (
        "intent", "label", "category", "class", "target", "labels", "topic", "sentiment", "emotion", "tag", "queue",
        "intent_name", "label_text", "label_name", "y", "answer", "output",
    ),
    "extract": (
        "slots", "entities", "json", "target", "output", "extraction", "fields", "result", "answer", "expected",
        "label", "completion", "response",
    ),
    "chat": (
        "answer", "response", "reply", "output", "completion", "assistant", "target", "bot", "agent", "label",
        "solution",
    ),
}  # fmt: skip
CONTEXT_NAMES = ("context", "requested", "requested_slots", "schema", "passage", "history", "system_context")


@dataclass(frozen=True, slots=True)
class Mapping:
    """The columns in force for one file, and how they were found."""

    input: tuple[str, ...]
    target: str
    group: str | None
    weight: str | None
    how: str


def plain_name(column: str) -> str:
    """Return a column's name for comparison: lower case, words joined by ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")


def find(columns: Sequence[str], names: Sequence[str], taken: Sequence[str] = ()) -> str | None:
    """Return the column that bears the first of ``names`` that occurs, or None."""
    by_name = {plain_name(column): column for column in reversed(columns) if column not in taken}
    return next((by_name[name] for name in names if name in by_name), None)


def recognise(columns: Sequence[str], task: str) -> Mapping | None:
    """Return the mapping for a task from the columns' names, or None when input or target is not among them."""
    target = find(columns, TARGET_NAMES.get(task, ()))
    text = find(columns, INPUT_NAMES, taken=[target] if target else [])
    if target is None or text is None:
        return None
    context = [one for one in columns if plain_name(one) in CONTEXT_NAMES and one not in (target, text)]
    return Mapping((text, *context), target, None, None, "recognised by their names")


def mapped(given: Columns, columns: Sequence[str], label: str) -> Mapping:
    """Return the recipe's mapping, checked against a file's columns.

    Raises:
        DataError: naming the missing column, those there are and the nearest.
    """
    wanted = [(f"data.columns.input: {name}", name) for name in given.input]
    wanted += [("data.columns.target: " + given.target, given.target)]
    wanted += [(f"data.columns.{key}: {name}", name) for key, name in _optional(given) if name]
    for key, name in wanted:
        need_column(name, columns, label, key)
    return Mapping(tuple(given.input), given.target, given.group, given.weight, "from the recipe")


def _optional(given: Columns) -> list[tuple[str, str | None]]:
    return [("group", given.group), ("weight", given.weight)]


def need_column(name: str, columns: Sequence[str], label: str, key: str) -> None:
    """Raise a `DataError` if a file lacks a column that the recipe's ``key`` names."""
    if name in columns:
        return
    raise DataError(
        f"{label}: no column {name!r} (recipe: {key}); it has {', '.join(columns)[:300]}",
        expected="a column of the file",
        hint=did_you_mean(name, columns),
    )
