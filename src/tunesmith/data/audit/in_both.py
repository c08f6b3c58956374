"""Rows that are like their own and sound: what a rule against copies must not take.

Owns how each is made. Does not own which rule must let it be (`defects`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tunesmith.data.audit.in_questions import SHORTEST_WORDS
from tunesmith.data.duplicates.changes import spelled_alike
from tunesmith.data.duplicates.jaccard import jaccards
from tunesmith.data.duplicates.shingles import sign
from tunesmith.data.noise.function_words import LANGUAGES_OF

if TYPE_CHECKING:
    from tunesmith.data.audit.rows import Kit, Row

_VALUE = re.compile(r"(?<![\w'’-])[a-z]{3,}(?![\w'’-])")


def other_value(row: Row, kit: Kit) -> Row | None:
    """Another value in question and answer: a word that both have is another word of the data in both.

    Fit is a row whose answer is then still alike by `data.dedup.near`, so that only the value tells the two apart.
    """
    if len(row.asked.split()) < SHORTEST_WORDS or row.messages[-1].get("tool_calls"):
        return None
    shared = sorted(_values(row.asked) & _values(row.answered))
    kit.chance.shuffle(shared)
    for value in shared:
        other = _of_another(row, value, kit)
        if other is not None and _alike(row.answered, _with(row.answered, value, other), kit):
            return row.asking(_with(row.asked, value, other)).answering(_with(row.answered, value, other))
    return None


def _values(text: str) -> set[str]:
    """Return the words that may be a value: in small letters, and no function words."""
    return {word for word in _VALUE.findall(text) if word not in LANGUAGES_OF}


def _of_another(row: Row, value: str, kit: Kit) -> str | None:
    """Return a word of another row's question that this row has not."""
    known = _values(row.asked) | _values(row.answered)
    words = sorted(_values(kit.chance.choice(kit.rows).asked) - known)
    words = [word for word in words if not any(spelled_alike(word, one) for one in known)]
    return kit.chance.choice(words) if words else None


def _with(text: str, value: str, other: str) -> str:
    return _VALUE.sub(lambda match: other if match[0] == value else match[0], text)


def _alike(one: str, other: str, kit: Kit) -> bool:
    signed, threshold = sign([one, other]), kit.recipe.data.dedup.near
    return threshold is not None and bool(jaccards(signed.of, np.array([0]), np.array([1]))[0] >= threshold)
