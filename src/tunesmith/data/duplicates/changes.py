"""By which words two texts differ, and whether two rows that are alike teach two things.

Owns which changed words mean something (no function words, no other spelling of what stands in the other text), and
that a value changed in question and answer both is another fact. Does not own facts that show in one text alone, such
as numbers and names (`facts`), nor how alike texts must be (`agree`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher

from tunesmith.data.duplicates.facts import plain_words, shared_ends
from tunesmith.data.noise.function_words import LANGUAGES_OF

SPELLED_ALIKE = 0.8
"""Ratio of letters in common from which one word is the other misspelt: 'colour' and 'color' have 0.91."""

ENDINGS = ("ing", "ed", "es", "ly", "s", "e", "d")
SHORTEST_STEM = 3  # letters


@dataclass(frozen=True, slots=True)
class Changes:
    """The words of a text that the other lacks (``gone``), and those that it has instead (``come``)."""

    gone: Counter[str]
    come: Counter[str]

    @classmethod
    def between(cls, one: str, other: str) -> Changes:
        """Return by which words two texts differ, in any order and case."""
        low, other_low = one.casefold(), other.casefold()
        start, end = shared_ends(low, other_low)
        ours = Counter(plain_words(low[start : len(low) - end]))
        theirs = Counter(plain_words(other_low[start : len(other_low) - end]))
        return cls(_decoded(ours - theirs), _decoded(theirs - ours))

    @property
    def size(self) -> int:
        """How many words differ."""
        return self.gone.total() + self.come.total()

    def of_meaning(self) -> tuple[set[str], set[str]]:
        """Return the words gone and come that mean something: no function words, none that is spelled otherwise."""
        gone, come = ({word for word in words if word not in LANGUAGES_OF} for words in (self.gone, self.come))
        return (
            {word for word in gone if not any(spelled_alike(word, other) for other in come)},
            {word for word in come if not any(spelled_alike(word, other) for other in gone)},
        )


def _decoded(words: Counter[bytes]) -> Counter[str]:
    return Counter({word.decode(): count for word, count in words.items()})


def spelled_alike(one: str, other: str) -> bool:
    """Tell whether two words are one, inflected, shortened or misspelt: 'rated' and 'rates', 'here' and "here's".

    A letter replaced by another makes another word ('block' and 'black'), but for s and z; so does another first one.
    """
    if one[0] != other[0]:
        return False
    if _stem(one) == _stem(other):
        return True
    if SequenceMatcher(None, one, other).ratio() < SPELLED_ALIKE:
        return False
    fewer, more = sorted((Counter(one.replace("z", "s")), Counter(other.replace("z", "s"))), key=Counter.total)
    return fewer <= more


def _stem(word: str) -> str:
    word = word.partition("'")[0]
    return next(
        (word.removesuffix(end) for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= SHORTEST_STEM),
        word,
    )


def two_facts(asked: tuple[str, str], answered: tuple[str, str]) -> bool:
    """Tell whether two rows teach two things: what they ask and what they answer differ by a value, both.

    Either some words stand for others in the questions and in the answers ("a cheap pub" and "a dear pub", "it costs
    little" and "it costs much"), or a word that only one question has is one that only its answer has. Questions that
    differ while answers do not are one question worded twice, answers that differ while questions do not two answers.
    """
    if asked[0] == asked[1] or answered[0] == answered[1]:
        return False
    questions = Changes.between(*asked).of_meaning()
    if not any(questions):
        return False
    answers = Changes.between(*answered).of_meaning()
    if all(questions) and all(answers):
        return True
    return any(not ours.isdisjoint(theirs) for ours, theirs in zip(questions, answers, strict=True))
