"""Instructions about how many words, sentences and paragraphs an answer has.

Each function takes an answer and the instruction's arguments and returns whether it was followed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.evaluate.ifeval.relation import holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arguments = Mapping[str, Any]

_ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|prof|rev|gen|sen|rep|st|sr|jr|inc|ltd|co|corp|vs|etc|no|vol|fig|al|approx|dept|est|e\.g|i\.e|"
    r"a\.m|p\.m|ph\.d|[a-z])\.$",
    re.IGNORECASE,
)
_LONGEST = 6
_END = re.compile(r"(?<![.!?…。！？])[.!?…。！？]+[\"'”’)\]*_]*(?=\s|$)|[。！？]")
_THREE_STARS = re.compile(r"\s?\*\*\*\s?")
_FIRST_LETTERS = re.compile(r"[^.,?!'\"]*")


def words(text: str, given: Arguments) -> bool:
    """``num_words`` words: runs of letters, digits and underscores."""
    return holds(len(re.findall(r"\w+", text)), given["relation"], given["num_words"])


def sentences(text: str, given: Arguments) -> bool:
    """``num_sentences`` sentences."""
    return holds(count_sentences(text), given["relation"], given["num_sentences"])


def paragraphs(text: str, given: Arguments) -> bool:
    """``num_paragraphs`` paragraphs between lines of ``***``, none of them empty."""
    parts = [part.strip() for part in _THREE_STARS.split(text)]
    inner = parts[1:-1]
    return all(inner) and sum(map(bool, parts)) == given["num_paragraphs"]


def first_word_of_paragraph(text: str, given: Arguments) -> bool:
    """``num_paragraphs`` paragraphs between empty lines, and paragraph ``nth_paragraph`` begins with ``first_word``."""
    parts = text.split("\n\n")
    nth = int(given["nth_paragraph"])
    if sum(bool(part.strip()) for part in parts) != given["num_paragraphs"] or nth > len(parts):
        return False
    own = parts[nth - 1].split()
    found = _FIRST_LETTERS.match(own[0].lstrip("'\"")) if own else None
    return found is not None and found[0].lower() == given["first_word"].lower()


def count_sentences(text: str) -> int:
    """Return the number of sentences: they end in a full stop, question or exclamation mark, or with a paragraph.

    A stop after a single letter or a usual abbreviation ends none unless the text ends there; nor does one in a number.
    """
    return sum(_sentences_in(part.strip()) for part in re.split(r"\n\s*\n", text))


def _sentences_in(part: str) -> int:
    count, start = 0, 0
    for end in _END.finditer(part):
        if end.end() < len(part) and end[0].startswith(".") and _abbreviates(part, end.start()):
            continue
        piece = part[start : end.end()]
        said = any(sign.isalnum() for sign in piece)
        if not said or not re.fullmatch(r"\W*\d+\.", piece.strip()):
            count, start = count + said, end.end()
    return count + any(sign.isalnum() for sign in part[start:])


def _abbreviates(text: str, stop: int) -> bool:
    """Return whether the full stop at a place ends an abbreviation."""
    return _ABBREVIATION.search(text, max(0, stop - _LONGEST), stop + 1) is not None
