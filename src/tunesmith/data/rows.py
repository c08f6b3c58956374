"""The shapes a row takes on its way into a Dataset, and the columns of the files it ends in.

Owns `RawRow` (as read), `Row` (as an example), `Removed` (with rule and evidence), row ids and column schemas.
Does not own any rule.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from tunesmith.core.ids import digest_bytes
from tunesmith.text.examples import Message, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SPLITS = ("train", "valid", "test")
KEPT_TEXT_CHARS = 4000
"""Longest text kept of a removed row; a longer one ends in a mark that says how much is left out."""

QUICK_ZSTD = 1
"""Level at which all rows are compressed: of 84-word chats 9 % larger than at 3, the default, in 0.6 of the time."""

EXAMPLE_COLUMNS: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "source": pl.String(),
    "line": pl.Int64(),
    "messages": pl.String(),
    "tools": pl.String(),
    "rejected": pl.String(),
    "label": pl.String(),
    "group": pl.String(),
    "weight": pl.Float64(),
    "tokens": pl.Int32(),
    "target_tokens": pl.Int32(),
    "kept": pl.String(),
}
KEY_COLUMNS: dict[str, pl.DataType] = {
    "part": pl.String(),
    "prompt_key": pl.UInt64(),
    "answer_key": pl.UInt64(),
    "content": pl.UInt64(),
    "chars": pl.Int32(),
    "repaired": pl.Boolean(),
}
"""Beside an example's own columns, what rows are compared by while a Dataset is made."""

REMOVED_COLUMNS: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "source": pl.String(),
    "line": pl.Int64(),
    "rule": pl.String(),
    "evidence": pl.String(),
    "text": pl.String(),
}
REPAIR_COLUMNS: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "field": pl.String(),
    "rule": pl.String(),
    "before": pl.String(),
    "after": pl.String(),
    "evidence": pl.String(),
}


@dataclass(frozen=True, slots=True)
class RawRow:
    """One record of a file: its 1-based physical line (or row number) and its fields."""

    line: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRow:
    """One record that could not be read: why, and its text."""

    line: int
    rule: str
    evidence: dict[str, Any]
    text: str


class RowFault(Exception):
    """A record cannot become an example: the rule it breaks, and the evidence."""

    def __init__(self, rule: str, **evidence: Any) -> None:
        super().__init__(rule)
        self.rule = rule
        self.evidence = evidence


@dataclass(slots=True)
class Row:
    """A record as an example: a conversation that ends with the answer to learn.

    ``part`` is the recipe's list it came from (``train``, ``valid``, ``test``). ``tokens`` and ``target_tokens`` count
    the conversation as the base's chat template renders it; None if that was not done. ``kept`` has the columns of
    `data.keep` as they were read.
    """

    messages: list[Message]
    tools: list[dict[str, Any]] | None = None
    rejected: list[Message] | None = None
    label: str | None = None
    group: str | None = None
    weight: float = 1.0
    row_id: str = ""
    source: str = ""
    line: int = 0
    part: str = "train"
    tokens: int | None = None
    target_tokens: int | None = None
    kept: dict[str, Any] | None = None

    @property
    def prompt(self) -> list[Message]:
        """The messages before the answer."""
        return self.messages[:-1]

    @property
    def answer(self) -> Message:
        """The last message."""
        return self.messages[-1]

    @property
    def input_text(self) -> str:
        """The text of the last user message; empty if there is none."""
        users = [message for message in self.messages if message["role"] == "user"]
        return text_of(users[-1]) if users else ""


@dataclass(frozen=True, slots=True)
class Removed:
    """A row that is not in any split, with the rule that dropped it and the evidence."""

    row_id: str
    source: str
    line: int
    rule: str
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change to one field of one row; ``after`` None means it was only flagged, ``evidence`` says why.

    A flag with a ``habit`` says something only in data that have it, which only all rows tell (`habits`); with
    ``removes`` the row then goes.
    """

    row_id: str
    field: str
    rule: str
    before: str
    after: str | None
    evidence: dict[str, Any] = dataclasses.field(default_factory=dict)
    habit: str = ""
    removes: bool = False


def row_id_of(source: str, line: int, content: str) -> str:
    """Return the 16 hex digits that name a record: hashed from its file's name as given, its line and its content."""
    return digest_bytes(f"{source}\0{line}\0{content}".encode("utf-8", "surrogatepass"), hex_digits=16)


def same_text(text: str) -> str:
    """Return text up to case and whitespace, the sameness of exact duplicates."""
    return " ".join(text.casefold().split())


def prompt_key(row: Row) -> int:
    """Return 64 bits that two rows share when they ask the same thing, up to case and whitespace."""
    parts = [f"{message['role']}:{same_text(text_of(message))}" for message in row.prompt]
    if row.tools:
        parts.append(to_json(row.tools))
    return hash64("\n".join(parts))


def answer_key(row: Row) -> int:
    """Return 64 bits that two rows share when they answer the same thing."""
    extra = row.answer.keys() - _ANSWER_KEYS
    parts = [same_text(text_of(row.answer)), to_json({key: row.answer[key] for key in sorted(extra)}) if extra else ""]
    if row.rejected:
        parts.append(same_text(text_of(row.rejected[-1])))
    return hash64("\n".join(parts))


_ANSWER_KEYS = frozenset(("role", "content", "weight"))


def content_key(row: Row, messages: str) -> int:
    """Return 64 bits that two rows share when nothing but their place tells them apart; ``messages`` are its, as JSON.

    Rows are put in the order of it where one of several must be chosen: the choice is a matter of what they say.
    """
    beside = (row.tools, row.rejected, row.label, row.group, row.weight)
    return hash64(f"[{messages},{_NOTHING_BESIDE if beside == _NOTHING else compact_json(beside)[1:]}")


def hash64(text: str) -> int:
    """Return 64 bits of a text's hash, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def to_json(value: Any) -> str:
    """Return JSON on one line, keys in their order, letters as they are."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": "), default=str)


def from_json(text: str) -> Any:
    """Return the value of JSON written by `compact_json`."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:  # lone surrogates, again
        return json.loads(text)


def compact_json(value: Any) -> str:
    """Return JSON without spaces, several times faster than `to_json`: for what programs read."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # numbers beyond 64 bits, lone surrogates
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


_NOTHING = (None, None, None, None, 1.0)
_NOTHING_BESIDE = compact_json(_NOTHING)[1:]


def shortened(text: str, limit: int = KEPT_TEXT_CHARS) -> str:
    """Return text of at most ``limit`` characters, with the number left out said at its end."""
    return text if len(text) <= limit else f"{text[:limit]}… [{len(text) - limit} more characters]"


def frame_of(rows: Sequence[Row], repaired: frozenset[str] | set[str] = frozenset()) -> pl.DataFrame:
    """Return rows as columns: `EXAMPLE_COLUMNS` and `KEY_COLUMNS`; ``repaired`` holds ids of rows that were changed."""
    messages = [compact_json(row.messages) for row in rows]
    columns: dict[str, list[Any]] = {
        "row_id": [row.row_id for row in rows],
        "source": [row.source for row in rows],
        "line": [row.line for row in rows],
        "messages": messages,
        "tools": [compact_json(row.tools) if row.tools else None for row in rows],
        "rejected": [compact_json(row.rejected) if row.rejected else None for row in rows],
        "label": [row.label for row in rows],
        "group": [row.group for row in rows],
        "weight": [row.weight for row in rows],
        "tokens": [row.tokens for row in rows],
        "target_tokens": [row.target_tokens for row in rows],
        "kept": [compact_json(row.kept) if row.kept else None for row in rows],
        "part": [row.part for row in rows],
        "prompt_key": [prompt_key(row) for row in rows],
        "answer_key": [answer_key(row) for row in rows],
        "content": list(map(content_key, rows, messages)),
        "chars": [sum(len(text_of(message)) for message in row.messages) for row in rows],
        "repaired": [row.row_id in repaired for row in rows],
    }
    return pl.DataFrame(columns, schema={**EXAMPLE_COLUMNS, **KEY_COLUMNS})


def removed_frame(removed: Iterable[Removed]) -> pl.DataFrame:
    """Return removed rows as the columns of ``removed.parquet``."""
    rows = [(one.row_id, one.source, one.line, one.rule, to_json(one.evidence), one.text) for one in removed]
    return pl.DataFrame(rows, schema=REMOVED_COLUMNS, orient="row")


def repair_frame(repairs: Iterable[Repair]) -> pl.DataFrame:
    """Return repairs as the columns of ``repairs.parquet``."""
    rows = [
        (one.row_id, one.field, one.rule, shortened(one.before), one.after, to_json(one.evidence)) for one in repairs
    ]
    return pl.DataFrame(rows, schema=REPAIR_COLUMNS, orient="row")
