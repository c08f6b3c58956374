"""What kind of records a file holds, by the keys of its first ones or by the recipe; said aloud.

Owns the signs of each format and the errors for a file that is of another kind. Does not own conversion (`formats`) nor
the names of columns (`columns`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.data.read import columns as column_names
from tunesmith.data.read.formats import FORMATS, Record, from_columns, unpacked
from tunesmith.data.read.ignored import ignored_keys

if TYPE_CHECKING:
    from tunesmith.data.read.columns import Mapping
    from tunesmith.data.read.files import Table
    from tunesmith.data.rows import Row
    from tunesmith.recipe import Recipe

SAMPLE_ROWS = 50
_SIGNS: dict[str, Callable[[Record], bool]] = {
    "bedrock_converse": lambda record: "schemaVersion" in record and "messages" in record,
    "openai_preference": lambda record: "preferred_output" in record and "non_preferred_output" in record,
    "chosen_rejected": lambda record: "chosen" in record and "rejected" in record,
    "sharegpt": lambda record: isinstance(record.get("conversations"), list),
    "bedrock_claude": lambda record: isinstance(record.get("messages"), list) and isinstance(record.get("system"), str),
    "openai": lambda record: isinstance(record.get("messages"), list),
    "prompt_completion": lambda record: "prompt" in record and "completion" in record,
    "alpaca": lambda record: "instruction" in record and "output" in record,
}
_MESSAGES = ("bedrock_converse", "openai_preference", "sharegpt", "bedrock_claude", "openai")
"""Formats whose records hold messages, so that no columns are meant by them."""
_SHAPES = {
    "bedrock_converse": '{"schemaVersion": "bedrock-conversation-2024", "messages": [...]}',
    "openai_preference": '{"input": {"messages"}, "preferred_output", "non_preferred_output"}',
    "chosen_rejected": '{"prompt", "chosen", "rejected"}',
    "sharegpt": '{"conversations": [{"from", "value"}]}',
    "bedrock_claude": '{"system", "messages"}',
    "openai": '{"messages": [{"role", "content"}]}',
    "prompt_completion": '{"prompt", "completion"}',
    "alpaca": '{"instruction", "input", "output"}',
}


@dataclass(frozen=True)
class Meaning:
    """What the records of one file mean: a message format, or columns; turns a record into an example."""

    format: str
    task: str
    mapping: Mapping | None = None

    def __call__(self, record: Record) -> Row:
        """Convert one record.

        Raises:
            RowFault: if it does not fit.
        """
        if self.mapping is not None:
            return from_columns(record, self.mapping, self.task)
        return FORMATS[self.format](unpacked(record))

    def ignores(self, record: Record) -> set[str]:
        """Return the keys of a record's messages that say something and are not read."""
        return set() if self.mapping is not None else ignored_keys(unpacked(record), self.format)


def _refuse_unpaired(table: Table, found: str | None) -> None:
    """Refuse answers that are marked as wanted or not, one by one: no test can compare what is no pair."""
    sample = table.rows[:SAMPLE_ROWS]
    if found == "prompt_completion" and sample and all("label" in row.fields for row in sample):
        raise DataError(
            f"{table.label}: answers with a label each (prompt, completion, label), and preferences are read as pairs",
            expected=f"{_SHAPES['chosen_rejected']} or {_SHAPES['openai_preference']}",
            hint="join a wanted and an unwanted answer to the same prompt in one record; objective: kto then takes "
            "them one by one. Wanted answers alone: task: chat",
        )


def converter(table: Table, recipe: Recipe) -> tuple[Meaning, str]:
    """Return what turns a file's records into examples, and a sentence that says how the file was recognised.

    Raises:
        DataError: if the file is wholly of another kind than the recipe says, or cannot be recognised.
    """
    wanted = recipe.data.format
    if wanted == "columns" or (wanted == "auto" and recipe.data.columns is not None and not _speaks(table, recipe)):
        return _by_columns(table, recipe)
    if wanted != "auto":
        _refuse_other_format(table, wanted)
        return Meaning(wanted, recipe.task), f"{wanted} format, from the recipe"
    found = recognised(table)
    if recipe.task == "preference":
        _refuse_unpaired(table, found)
    if found is not None:
        return Meaning(found, recipe.task), f"recognised as {found} format by its keys"
    return _by_columns(table, recipe)


def _speaks(table: Table, recipe: Recipe) -> bool:
    """Return whether a file has messages of its own, and none of the columns that others of the recipe have."""
    columns = recipe.data.columns
    named = {*columns.input, columns.target} if columns else set()
    return recognised(table) in _MESSAGES and not named & {*table.columns}


def recognised(table: Table) -> str | None:
    """Return the message format that most of a file's first records have, or None."""
    sample = [unpacked(row.fields) for row in table.rows[:SAMPLE_ROWS]]
    for name, sign in _SIGNS.items():
        if sum(map(sign, sample)) * 2 > len(sample):
            return name
    return None


def _refuse_other_format(table: Table, wanted: str) -> None:
    if any(_SIGNS[wanted](unpacked(row.fields)) for row in table.rows):
        return
    found = recognised(table)
    hint = f"data.format: {found}" if found else "data.format: auto, or columns with data.columns"
    raise DataError(
        f"{table.label}: data.format says {wanted}, but its records have the keys {', '.join(table.columns)[:300]}",
        expected=_SHAPES[wanted],
        hint=f"in the recipe, {hint}",
    )


def _by_columns(table: Table, recipe: Recipe) -> tuple[Meaning, str]:
    task, given = recipe.task, recipe.data.columns
    if task == "preference":
        raise DataError(
            f"{table.label}: plain columns ({', '.join(table.columns)[:300]}) hold no rejected answers",
            expected=f"{_SHAPES['chosen_rejected']} or {_SHAPES['openai_preference']}",
            hint="write the examples in one of these forms",
        )
    if given is not None:
        mapping = column_names.mapped(given, table.columns, table.label)
    else:
        mapping = column_names.recognise(table.columns, task) or _refuse_columns(table, task)
    shown = f"input {' + '.join(mapping.input)}, target {mapping.target}"
    return Meaning("columns", task, mapping), f"plain columns, {shown} ({mapping.how})"


def _refuse_columns(table: Table, task: str) -> Mapping:
    first, last = ([*table.columns, "<column>"])[0], (table.columns or ["<column>"])[-1]
    raise DataError(
        f"{table.label}: cannot tell the question from the answer: it has the columns {', '.join(table.columns)[:300]}",
        expected=f"columns such as text and {column_names.TARGET_NAMES[task][0]}, or a message format: "
        + "; ".join(_SHAPES.values()),
        hint=f"add to the recipe, under data:  columns: {{input: {first}, target: {last}}}  with the right names"
        + (
            "; the first line of the file must name the columns"
            if ".csv" in table.label or ".tsv" in table.label
            else ""
        ),
    )
