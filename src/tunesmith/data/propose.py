"""Which columns of a file hold question and answer where their names do not say: proposed by what is in them.

Owns the proposal, which `init` writes into a recipe that people read before they go on. Nothing else asks for it: to
prepare, columns are named or recognised, never guessed (`read.columns`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from tunesmith.data.read.columns import Mapping
from tunesmith.data.rows import compact_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.data.read.files import Table

LABEL_WORDS = 6
"""Most words a label has on average."""
LABEL_REPEATS = 2
"""Rows that a label has at least, on average: what hardly repeats is no label."""
NUMBER_LABELS = 20
"""Most distinct numbers that are labels; more are amounts or ids."""
TEXT_WORDS = 2
"""Fewest words a text has on average."""
MOSTLY = 0.9
MUCH_LONGER = 2.0
"""How much longer than all others the one text is that is the input."""
MORE_QUESTIONS = 0.1
"""By how much the share of questions tells which of two texts asks."""
SENTENCE_WORDS = 6
"""Words from which a column's name is no name."""
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ].*)?|\d{1,2}:\d{2}.*")
_NUMBER = re.compile(r"[-+]?[\d.,]+%?")


@dataclass(frozen=True)
class Seen:
    """What is in a column: distinct values of how many, words and characters on average, shares of some kinds."""

    name: str
    values: int
    distinct: int
    words: float
    chars: float
    dates: float
    numbers: float
    objects: float
    questions: float
    says_its_name: bool
    """Whether the column's name is one of its values, twice or more."""

    @property
    def is_label(self) -> bool:
        """Whether few values, short ones, come again and again."""
        few = self.distinct <= NUMBER_LABELS or self.numbers < MOSTLY
        repeats = 2 <= self.distinct <= self.values / LABEL_REPEATS
        return repeats and few and self.words <= LABEL_WORDS and self.dates < MOSTLY and self.objects < MOSTLY

    @property
    def is_text(self) -> bool:
        """Whether it is running text."""
        return self.words >= TEXT_WORDS and max(self.dates, self.numbers, self.objects) < MOSTLY


def seen(table: Table) -> list[Seen]:
    """Return what is in each column of a file's beginning."""
    return [_column(name, [_text(row.fields.get(name)) for row in table.rows]) for name in table.columns]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else compact_json(value)


def _column(name: str, cells: Sequence[str]) -> Seen:
    values = [one for one in cells if one]
    total = max(len(values), 1)
    return Seen(
        name,
        len(values),
        len(set(values)),
        sum(len(one.split()) for one in values) / total,
        sum(map(len, values)) / total,
        sum(_DATE.fullmatch(one) is not None for one in values) / total,
        sum(_NUMBER.fullmatch(one) is not None for one in values) / total,
        sum(map(_is_object, values)) / total,
        sum(one.endswith("?") for one in values) / total,
        values.count(name) > 1,
    )


def _is_object(text: str) -> bool:
    if text[0] != "{":
        return False
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def without_header(columns: Sequence[Seen], mapping: Mapping) -> str | None:
    """Return the name that shows that a file's first line is a row: it is a label of its own column, or a sentence.

    Only of columns that nobody named: a sentence may be a name, but none that people write.
    """
    used = [one for one in columns if one.name in (*mapping.input, mapping.target)]
    return next((one.name for one in used if one.says_its_name or len(one.name.split()) >= SENTENCE_WORDS), None)


def propose(columns: Sequence[Seen], task: str) -> Mapping | None:
    """Return the columns of a task told by what is in them; None if several would do, or none."""
    if task == "chat":
        pair = [one for one in columns if one.is_text]
        return _mapping(*_asking_first(*pair)) if len(pair) == 2 else None
    targets = [one for one in columns if (one.objects >= MOSTLY if task == "extract" else one.is_label)]
    texts = sorted((one for one in columns if one.is_text and one not in targets), key=lambda one: -one.chars)
    if len(targets) != 1 or not texts or (len(texts) > 1 and texts[0].chars < MUCH_LONGER * texts[1].chars):
        return None
    return _mapping(texts[0], targets[0])


def _asking_first(one: Seen, other: Seen) -> tuple[Seen, Seen]:
    return (other, one) if other.questions - one.questions > MORE_QUESTIONS else (one, other)


def _mapping(text: Seen, target: Seen) -> Mapping:
    return Mapping((text.name,), target.name, None, None, "proposed by what is in them")
