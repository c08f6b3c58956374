"""Where in a text a quotation stands, and whether it is one: with the same numbers, or as a sentence of its own.

Owns what is looked at in the text itself, of the few rows that share runs of words with an item. Does not own the
search (`contamination`).
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

import numpy as np

from tunesmith.data.duplicates.shingles import normal_words, word_hashes

_WORD = re.compile(r"[\w\x80-\U0010ffff]+")
_ANY_WORD = re.compile(r"\w")
_DIGIT = re.compile(r"[0-9]")
_ENDS, _LOOSE = frozenset(".!?:;\r\n\"'”’)|"), " \t\"'“‘(*_#>-"


def words_of(text: str) -> list[str]:
    """Return the words that `word_hashes` hashes."""
    return _WORD.findall(normal_words(text).lower())


def other_numbers(text: str, first: int, end: int, item: str) -> bool:
    """Tell whether a row says an item with other numbers: a sibling of it, and not a quotation.

    True if in words ``first`` to ``end`` of the row and around them, a number of the item is replaced by another one
    between words that are the same.
    """
    theirs = words_of(item)
    around = len(theirs)
    ours = words_of(text)[max(0, first - around) : end + around]
    steps = SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes()
    for before, step, after in zip(steps, steps[1:], steps[2:], strict=False):
        kind, left, right, start, stop = step
        if kind != "replace" or before[0] != "equal" or after[0] != "equal" or not right - left == stop - start <= 3:
            continue
        numbers = [[word for word in words if _DIGIT.search(word)] for words in (theirs[left:right], ours[start:stop])]
        if numbers[0] != numbers[1] and all(numbers):
            return True
    return False


def stands_alone(text: str, span: tuple[int, int]) -> bool:
    """Tell whether a stretch of a text is a sentence, a line, or several of them."""
    before, rest = text[: span[0]].rstrip(_LOOSE), text[span[1] :]
    after = rest.lstrip(" \t")
    starts = not _ANY_WORD.search(before) or before[-1] in _ENDS
    return starts and (not _ANY_WORD.search(after) or after[0] in _ENDS or text[span[1] - 1] in _ENDS)


def characters(text: str, first: int, end: int) -> tuple[int, int]:
    """Return the characters that words ``first`` to ``end`` of a text are in, to the next whitespace."""
    counted, start = 0, 0
    for piece in re.finditer(r"\S+", text):
        inside = int(np.diff(word_hashes([piece[0]])[1])[0])
        if counted <= first < counted + inside:
            start = piece.start()
        counted += inside
        if counted >= end:
            return start, piece.end()
    return start, len(text)
