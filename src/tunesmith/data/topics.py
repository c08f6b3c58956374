"""What the rows of train are about: groups of rows that lie together, named by the words that tell them apart.

Owns the topics, their names and the facts told of them, and the language groups of ``data.balance.by``. Does not own
the clustering (`kmeans`), the vectors (`vectors`), nor what topics are used for (`balance`, `verdicts`, `report`).

A word tells a topic by its part of the divergence of the topic from the whole (Kullback and Leibler 1951): class TF-IDF
(Grootendorst 2022) named topics by words that all of them share.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.data.asked import texts_of
from tunesmith.data.kmeans import k_means
from tunesmith.data.noise.exchange import View
from tunesmith.data.noise.function_words import FUNCTION_WORDS
from tunesmith.data.noise.language import language_of
from tunesmith.data.read.files import PIECE_ROWS
from tunesmith.data.rowwise import FREE_ANSWERS
from tunesmith.data.sample import spread
from tunesmith.data.vectors import base_of, by_exchange, can_embed, vectors_of
from tunesmith.data.verdicts import effective_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tunesmith.core.spans import I64
    from tunesmith.data.asked import Sample
    from tunesmith.data.gather import Gathered
    from tunesmith.data.vectors import TextsOf
    from tunesmith.recipe import Recipe

FEWEST_ROWS = 100
LOOKED_AT_ROWS = 4_000
"""Topics are told of at most so many rows, evenly spaced: a share of 5 % is known to 0.7 points."""

MOST_TOPICS, ROWS_PER_TOPIC = 50, 8
"""Number of topics: the root of a number of rows over 8, so 4,000 rows have 22; more than 50 nobody reads."""

NAMED_BY, SHOWN_WORDS = 3, 8
_WORD = re.compile(r"(?<!['’\w])[^\W\d_]{3,}(?!['’\w])")
"""Words of three letters or more; what is written with an apostrophe ("didn't") tells nothing apart."""


@dataclass(frozen=True)
class Topics:
    """The topic of each row (ascending) by its number, the most telling words of each topic, and whose embeddings."""

    rows: I64
    topic: I64
    words: list[list[str]]
    base: str

    def names(self) -> list[str]:
        """Return a name for each topic, no two alike."""
        plain = [", ".join(own[:NAMED_BY]) or "no words" for own in self.words]
        seen: Counter[str] = Counter()
        for at, name in enumerate(plain):
            seen[name] += 1
            plain[at] = name if seen[name] == 1 else f"{name} ({seen[name]})"
        return plain

    def of_rows(self) -> dict[int, str]:
        """Return the name of each row's topic."""
        names = self.names()
        return {row: names[topic] for row, topic in zip(self.rows.tolist(), self.topic.tolist(), strict=True)}


def topics_of(gathered: Gathered, rows: Sequence[int], recipe: Recipe, texts: TextsOf | None = None) -> Topics:
    """Return the topics of some rows (ascending), the largest first; ``texts`` as in `vectors.vectors_of`.

    Raises:
        MissingExtraError: without the ``train`` extra, which reads the base's tokenizer.
    """
    own = np.asarray(rows, np.int64)
    number = max(2, min(MOST_TOPICS, round(math.sqrt(len(own) / ROWS_PER_TOPIC))))
    place = np.searchsorted(own, by_exchange(gathered, own))
    groups = np.zeros(len(own), np.int64)
    groups[place] = k_means(vectors_of(gathered, own, recipe, texts)[place], number, recipe.seed)
    order = np.argsort(-np.bincount(groups), kind="stable")
    topic = np.argsort(order, kind="stable")[groups]
    texts = texts or partial(texts_of, gathered, answers=recipe.task in FREE_ANSWERS)
    return Topics(own, topic, _telling(own, topic, texts), base_of(recipe))


def _telling(rows: I64, topic: I64, texts: TextsOf) -> list[list[str]]:
    """Return the words of each topic, those first that most tell it from train as a whole."""
    some = spread(np.arange(len(rows)), LOOKED_AT_ROWS)
    sizes = np.bincount(topic[some], minlength=int(topic.max()) + 1).tolist()
    having = [Counter[str]() for _ in sizes]
    for start in range(0, len(some), PIECE_ROWS):
        part = some[start : start + PIECE_ROWS]
        for number, text in zip(topic[part].tolist(), texts(rows[part]), strict=True):
            having[number].update(set(_WORD.findall(text.lower())) - FUNCTION_WORDS)
    everywhere: Counter[str] = Counter()
    for own in having:
        everywhere.update(own)
    return [_most_telling(own, size, everywhere, len(some)) for own, size in zip(having, sizes, strict=True)]


def _most_telling(own: Counter[str], size: int, everywhere: Counter[str], rows: int) -> list[str]:
    """Rank words by the share of a topic's rows that have them, times the log of how much larger it is than usual."""
    lifts = {word: math.log(count * rows / (size * everywhere[word])) for word, count in own.items() if count > 1}
    ranked = sorted((-own[word] * lift, word) for word, lift in lifts.items() if lift > 0)
    return [word for _, word in ranked[:SHOWN_WORDS]]


def told_of(topics: Topics, kept: Iterable[int], rows: int) -> dict[str, Any]:
    """Return the facts of topics: how many of the kept rows each has, and how many equal ones they are worth.

    Args:
        topics: of all rows of train, or a sample of them.
        kept: rows of train that are still in.
        rows: how many rows train has.
    """
    inside = np.isin(topics.rows, np.fromiter(kept, np.int64))
    counts = np.bincount(topics.topic[inside], minlength=len(topics.words)).tolist()
    total = max(int(inside.sum()), 1)
    return {
        "number": sum(count > 0 for count in counts),
        "effective": round(effective_number(counts), 2),
        "largest_frac": round(max(counts) / total, 4),
        "rows": int(inside.sum()),
        "of": rows,
        "embeddings": topics.base,
        "topics": [
            {"name": name, "rows": count, "frac": round(count / total, 4), "words": words}
            for name, count, words in zip(topics.names(), counts, topics.words, strict=True)
        ],
    }


def look_at_topics(gathered: Gathered, sample: Sample, recipe: Recipe) -> dict[str, Any] | None:
    """Return the facts of the topics of train; None for too few rows, or without what reads a tokenizer."""
    if sample.of < FEWEST_ROWS or not can_embed():
        return None
    some = spread(sample.rows, LOOKED_AT_ROWS)
    texts = partial(sample.texts, answers=recipe.task in FREE_ANSWERS)
    return told_of(topics_of(gathered, some.tolist(), recipe, texts), some.tolist(), sample.of)


def languages_of(gathered: Gathered, rows: Sequence[int], recipe: Recipe) -> dict[int, str]:
    """Return the language of each of some rows (ascending); a row too short to tell has that of most others."""
    own = np.asarray(rows, np.int64)
    found: list[str | None] = []
    for start in range(0, len(own), PIECE_ROWS):
        texts = texts_of(gathered, own[start : start + PIECE_ROWS], recipe.task in FREE_ANSWERS)
        found += [language_of(View(text)) for text in texts]
    most = Counter(one for one in found if one is not None).most_common(1)
    usual = most[0][0] if most else "unknown"
    return {row: one or usual for row, one in zip(own.tolist(), found, strict=True)}
