"""What a conversation asks, and what it answers: the one place that says which of its texts is which.

Owns those texts, of a conversation as a list of messages or as JSON in a Dataset, and the sample of train that is read
once for all who look at it. Does not own what texts are compared for (`duplicates`, `relevance`, `vectors`, `bias`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.data.rows import compact_json, from_json
from tunesmith.data.sample import spread
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.spans import I64
    from tunesmith.data.gather import Gathered
    from tunesmith.text.examples import Message

LOOKED_AT_ROWS = 20_000
"""Most rows of train that are read to tell what it is about; of so many a share is known to 0.7 points."""


def asked(messages: Sequence[Message], *, system: bool = True) -> str:
    """Return all that is asked: the texts before the answer, one after the other, those of the system if it counts."""
    return "\n".join(text_of(message) for message in messages[:-1] if system or message["role"] != "system")


def answered(messages: Sequence[Message]) -> str:
    """Return all that is answered last: the text, and the calls of tools as JSON."""
    calls = messages[-1].get("tool_calls")
    return text_of(messages[-1]) + (compact_json(calls) if calls else "")


def exchange(messages: Sequence[Message]) -> tuple[str, str]:
    """Return what people said to each other: what was asked without the system's messages, and the answer's text."""
    return asked(messages, system=False).strip(), text_of(messages[-1])


def exchanges_of(gathered: Gathered, rows: I64) -> list[tuple[str, str]]:
    """Return the `exchange` of each of some rows (ascending)."""
    return [exchange(from_json(messages)) for messages in gathered.texts(rows)["messages"].to_list()]


def texts_of(gathered: Gathered, rows: I64, answers: bool) -> list[str]:
    """Return the questions of some rows (ascending), with their answers if those count too."""
    return [one_text(exchange, answers) for exchange in exchanges_of(gathered, rows)]


def one_text(exchange: tuple[str, str], answers: bool) -> str:
    """Return a question, with its answer behind it if that counts too."""
    question, answer = exchange
    return f"{question}\n{answer}" if answers else question


@dataclass(frozen=True)
class Sample:
    """At most `LOOKED_AT_ROWS` rows of train, evenly spaced, with their exchanges, and how many rows train has."""

    rows: I64
    exchanges: list[tuple[str, str]]
    of: int

    @classmethod
    def of_train(cls, gathered: Gathered, train: Sequence[int]) -> Sample:
        """Read the exchanges of some rows of train (ascending)."""
        rows = spread(np.asarray(train, np.int64), LOOKED_AT_ROWS)
        return cls(rows, exchanges_of(gathered, rows), len(train))

    def texts(self, rows: I64, answers: bool) -> list[str]:
        """Return what `texts_of` would of rows (ascending) that are in the sample."""
        return [one_text(self.exchanges[at], answers) for at in np.searchsorted(self.rows, rows).tolist()]
