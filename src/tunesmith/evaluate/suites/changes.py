"""Changes to a question that leave its right answer what it was: typos, case, a frame of other words.

Each takes a question, its right answer and a seed, and returns the changed question, which may be the same if there is
nothing to change. Words of the right answer stay as they are, and so do numbers.
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_WORD = re.compile(r"[^\W\d_]+")
TYPO_FRAC = 0.15
"""Share of the words of four letters or more that get a typo; one at least."""
SHORTEST_CHARS = 4
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_FRAMES = (
    "Hello! {} Thank you.",
    "I have a question. {}",
    "Could you please help me with this? {}",
    "{} Thanks in advance!",
    "Sorry to bother you again. {}",
    "Good morning,\n\n{}\n\nKind regards",
    "This was sent to us today: {}",
    "{}\n\nSent from my phone",
)


def typos(text: str, right: str, seed: str) -> str:
    """Return the text with a slip of the fingers in some words: letters swapped, left out, doubled or one key off.

    Source: Belinkov and Bisk, "Synthetic and natural noise both break neural machine translation", 2018.
    """
    source = random.Random(f"typos {seed}")
    words = [one for one in _WORD.finditer(text) if len(one[0]) >= SHORTEST_CHARS and one[0] not in _kept(right)]
    if not words:
        return text
    count = max(1, round(TYPO_FRAC * len(words)))
    for word in sorted(source.sample(words, count), key=lambda one: -one.start()):
        text = text[: word.start()] + _slip(word[0], source) + text[word.end() :]
    return text


def case(text: str, right: str, seed: str) -> str:
    """Return the text in capitals or in small letters, by the seed; in capitals if it is small already."""
    kept = _kept(right)
    small = _WORD.sub(lambda one: one[0] if one[0] in kept else one[0].lower(), text)
    large = _WORD.sub(lambda one: one[0] if one[0] in kept else one[0].upper(), text)
    return small if small != text and random.Random(f"case {seed}").random() < 0.5 else large


def framing(text: str, right: str, seed: str) -> str:
    """Return the text in a frame of polite words that ask for nothing else."""
    return random.Random(f"framing {seed}").choice(_FRAMES).format(text) if text.strip() else text


CHANGES: dict[str, Callable[[str, str, str], str]] = {"typos": typos, "case": case, "framing": framing}


def _kept(right: str) -> set[str]:
    return set(_WORD.findall(right))


def _slip(word: str, source: random.Random) -> str:
    """Return a word with one slip; its first letter stays."""
    place = source.randrange(1, len(word))
    kind = source.choice(("swap", "leave out", "double", "next key"))
    if kind == "swap" and word[place] != word[place - 1] and place > 1:
        return word[: place - 1] + word[place] + word[place - 1] + word[place + 1 :]
    if kind == "double":
        return word[:place] + word[place] + word[place:]
    if kind == "next key" and (other := _neighbour(word[place], source)):
        return word[:place] + other + word[place + 1 :]
    return word[:place] + word[place + 1 :]


def _neighbour(letter: str, source: random.Random) -> str:
    """Return a letter beside another on the keyboard; nothing for one that is not on it."""
    for row in _KEYS:
        if (at := row.find(letter)) >= 0:
            return source.choice([row[near] for near in (at - 1, at + 1) if 0 <= near < len(row)])
    return ""
