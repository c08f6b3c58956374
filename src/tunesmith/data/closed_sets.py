"""Answers out of a closed set: the labels of a classification, short answers of a chat, fields of an extraction.

Owns where such a set is, told by the answers themselves. Does not own which of them are wrong (`label_errors`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from tunesmith.data.gather import Gathered
    from tunesmith.recipe import Task

MOST_VALUES = 200
LONGEST_CHARS = 60
FEWEST_PER_VALUE = 5
"""Rows of a value, one for each fold: a probe that never saw it cannot tell that it is right."""

CLOSED_FRAC = 0.95
"""Share of the rows whose answer must be one of the values; the rest are not judged."""

EMPTIEST_FRAC = 0.05
"""A value that more than all but this share of the rows have leaves nothing to tell apart."""


@dataclass(frozen=True)
class ClosedSet:
    """Rows whose answer, or field of it, is one of a few values: indices, ascending, and the value of each.

    ``field`` is the JSON field, None for the whole answer.
    """

    field: str | None
    rows: NDArray[np.int64]
    values: list[str]


def closed_sets(task: Task, gathered: Gathered, rows: NDArray[np.int64]) -> Iterator[ClosedSet]:
    """Yield the closed sets among the answers of some rows (ascending). ``preference`` has none."""
    if task == "classify":
        yield ClosedSet(None, rows, gathered.frame["label"][rows].to_list())
    elif task == "chat" and _may_repeat(gathered.frame[rows]):
        yield from _closed(None, rows, list(map(_text, gathered.texts(rows)["messages"].to_list())))
    elif task == "extract":
        answers = [_object(messages) for messages in gathered.texts(rows)["messages"].to_list()]
        for field in sorted({name for answer in answers for name in answer}):
            yield from _closed(field, rows, [_value(answer.get(field)) for answer in answers])


def _may_repeat(rows: pl.DataFrame) -> bool:
    """Tell, without reading the answers, whether there are few enough different ones."""
    return rows["answer_key"].n_unique() <= MOST_VALUES + (1 - CLOSED_FRAC) * rows.height


def _closed(field: str | None, rows: NDArray[np.int64], values: Sequence[str | None]) -> Iterator[ClosedSet]:
    """Yield the rows whose value is one of a closed set, if the values make one."""
    counts = Counter(value for value in values if value is not None and len(value) <= LONGEST_CHARS)
    common = {value for value, count in counts.most_common(MOST_VALUES) if count >= FEWEST_PER_VALUE}
    inside = np.array([value in common for value in values], np.bool_)
    most = max((counts[value] for value in common), default=0)
    if len(common) > 1 and inside.mean() >= CLOSED_FRAC and most <= (1 - EMPTIEST_FRAC) * len(rows):
        yield ClosedSet(field, rows[inside], [value for value in values if value in common])


def _text(messages: str) -> str:
    return text_of(json.loads(messages)[-1]).strip()


def _object(messages: str) -> dict[str, Any]:
    """Return an answer's JSON object; an answer that is a tool call has none."""
    try:
        value = json.loads(_text(messages))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _value(value: Any) -> str | None:
    """Return a value that can be one of a closed set, as text: a word, a truth value, nothing; not a number."""
    if value is None or isinstance(value, bool | str):
        return value if isinstance(value, str) else json.dumps(value)
    return None
