"""What of a row is compared with others: the question, or question and answer; and rows spread evenly over many.

Owns which text of a conversation counts. Does not own what it is compared for (`relevance`, `vectors`, `bias`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from tunesmith.core.spans import I64
    from tunesmith.data.gather import Gathered

SAMPLE_ROWS = 10_000


def asked_and_answered(messages: str) -> tuple[str, str]:
    """Return what is asked in a conversation (JSON as in a Dataset), and its last answer."""
    return told(orjson.loads(messages))


def told(messages: list[Any]) -> tuple[str, str]:
    """Return what is asked in a conversation, system messages left out, and its last answer."""
    asked = "\n".join(text_of(message) for message in messages[:-1] if message["role"] != "system")
    return asked.strip(), text_of(messages[-1])


def texts_of(gathered: Gathered, rows: I64, answers: bool) -> list[str]:
    """Return the questions of some rows (ascending), with their answers if those count too."""
    pairs = map(asked_and_answered, gathered.texts(rows)["messages"].to_list())
    return [f"{asked}\n{answer}" if answers else asked for asked, answer in pairs]


def spread(rows: I64, most: int = SAMPLE_ROWS) -> I64:
    """Return at most ``most`` rows, spread evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
