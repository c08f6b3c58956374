"""Whether two rows agree: what they ask differs in no fact, and they answer alike; or one request has words around it.

Owns that judgement of the texts themselves, of pairs that the search (`near`) proposes. A pair's verdict hangs on its
two rows alone, so pairs are judged in any process. Does not own which facts (`facts`) and which changed words
(`changes`) forbid a merge.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.progress import steps
from tunesmith.core.spans import I64
from tunesmith.data.asked import answered, asked
from tunesmith.data.duplicates.changes import Changes, two_facts
from tunesmith.data.duplicates.facts import Facts, plain_words, same_facts
from tunesmith.data.duplicates.jaccard import jaccards
from tunesmith.data.duplicates.near import SHORT_WORDS
from tunesmith.data.duplicates.shingles import sign
from tunesmith.data.rows import from_json
from tunesmith.data.workers import in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.data.gather import Gathered

Mask = NDArray[np.bool_]

MOST_CHANGED_FRAC = 0.25
SHARED_FRAC, WORDS_AROUND = 0.8, 8

CHARS_AT_ONCE = 48_000_000
"""Texts of pairs looked at together, some 300 MB of memory; fewer at a time would read the files more often."""

ALONE_CHARS = 24_000_000
"""Texts that are looked at in the time that other processes need to start: some 25,000 pairs of rows of 84 words."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, and of which it is known that their answers are equal or do not matter; ``at`` is their place."""

    at: slice
    kept: I64
    rows: I64
    answered: Mask


@dataclass(frozen=True)
class Judged:
    """Of the pairs at a place: which differ in no fact, and which answer alike besides."""

    at: slice
    same: Mask
    answered: Mask


@dataclass(frozen=True)
class Judge:
    """Judges pairs, in any process."""

    gathered: Gathered
    threshold: float

    def __call__(self, pairs: Pairs) -> Judged:
        """Read the texts of pairs and judge them."""
        rows, where = np.unique(np.concatenate([pairs.kept, pairs.rows]), return_inverse=True)
        messages = [from_json(one) for one in self.gathered.texts(rows)["messages"].to_list()]
        kept, others = where[: len(pairs.kept)], where[len(pairs.kept) :]
        same = Facts(lambda at: [asked(messages[one]) for one in at.tolist()]).allows(kept, others)
        alike = pairs.answered.copy()
        if (unsure := np.flatnonzero(same & ~alike)).size:
            some, at = np.unique(np.concatenate([kept[unsure], others[unsure]]), return_inverse=True)
            texts = [answered(messages[one]) for one in some.tolist()]
            alike[unsure] = answers_alike(texts, at[: len(unsure)], at[len(unsure) :], self.threshold)
            for pair in unsure[alike[unsure]].tolist():
                left, right = messages[kept[pair]], messages[others[pair]]
                same[pair] = not two_facts((asked(left), asked(right)), (answered(left), answered(right)))
        return Judged(pairs.at, same, same & alike)


def judged(gathered: Gathered, threshold: float, kept: I64, rows: I64, answered: Mask) -> tuple[Mask, Mask]:
    """Return which pairs differ in no fact of what they ask, nor by a value on both sides, and which answer alike.

    Args:
        gathered: where the texts are.
        threshold: Jaccard from which answers of eight words or more are alike.
        kept: one row of each pair.
        rows: the other.
        answered: pairs whose answers are known to be equal, or do not matter.
    """
    same, alike = np.zeros(len(kept), np.bool_), np.zeros(len(kept), np.bool_)

    def settle(some: Judged) -> None:
        same[some.at], alike[some.at] = some.same, some.answered
        bar.advance(len(some.same))

    chars = gathered.frame["chars"].to_numpy()
    sizes = np.cumsum(chars[kept].astype(np.int64) + chars[rows])
    processes = gathered.processes if len(sizes) and sizes[-1] > ALONE_CHARS else 1
    jobs = (Pairs(at, kept[at], rows[at], answered[at]) for at in _portions(sizes, processes))
    with steps("comparing pairs", len(kept)) as bar:
        in_processes(Judge(replace(gathered), threshold), jobs, processes, settle)
    return same, alike


def _portions(sizes: I64, processes: int) -> Iterator[slice]:
    """Yield stretches of pairs, by the sums of their characters: of `CHARS_AT_ONCE`, or less to share the work."""
    if not len(sizes):
        return
    number = max(-(-int(sizes[-1]) // CHARS_AT_ONCE), processes)
    number = -(-number // processes) * processes
    cuts = [0, *np.searchsorted(sizes, np.arange(1, number) * (int(sizes[-1]) / number)).tolist(), len(sizes)]
    yield from (slice(start, stop) for start, stop in pairwise(cuts) if stop > start)


def answers_alike(texts: Sequence[str], one: I64, other: I64, threshold: float) -> Mask:
    """Tell of pairs of texts, by their places, which are equal but for case and punctuation, or alike in all facts."""
    signed, facts = sign(texts), Facts(lambda at: [texts[place] for place in at.tolist()])
    keys = facts.keys_of(np.arange(len(texts)))
    equal = signed.exact[one] == signed.exact[other]
    long = (signed.words[one] >= SHORT_WORDS) & (signed.words[other] >= SHORT_WORDS)
    alike = long & (jaccards(signed.of, one, other) >= threshold)
    alike[alike] = facts.allows(one[alike], other[alike])
    return np.asarray((keys[one] == keys[other]) & (equal | alike))


def same_request(one: str, other: str) -> bool:
    """Tell whether one text is the other with some words around it: "Hi! What is pisco?" and "What is pisco?".

    Nearly all words of the shorter stand in the longer, in one order, the longer has at most `WORDS_AROUND` more, and
    no word in which they differ is a name, a number in words or an opposite. The same words in another order are
    another wording, from which a model learns.
    """
    ours, theirs = plain_words(one.casefold()), plain_words(other.casefold())
    if len(ours) > len(theirs):
        ours, theirs = theirs, ours
    least = max(2, SHARED_FRAC * len(ours), len(theirs) - WORDS_AROUND)
    if (Counter(ours) & Counter(theirs)).total() < least or _in_order(ours, theirs) < least:
        return False
    return same_facts(one, other)


def _in_order(some: Sequence[bytes], others: Sequence[bytes]) -> int:
    """Return how many words two texts share in one order: the length of their longest common subsequence."""
    ends: list[int] = []  # ends[n]: the earliest place in ``others`` where n + 1 words can end
    places: dict[bytes, list[int]] = {}
    for place, word in enumerate(others):
        places.setdefault(word, []).append(place)
    for word in some:
        for place in reversed(places.get(word, ())):
            at = bisect_left(ends, place)
            ends[at : at + 1] = [place]
    return len(ends)


def differs_little(one: str, other: str) -> bool:
    """Tell whether the words by which two texts differ are all function words, or as good as spelled alike."""
    changes = Changes.between(one, other)
    words = len(plain_words(one)) + changes.come.total()
    if changes.size > MOST_CHANGED_FRAC * words or not same_facts(one, other):
        return False
    return not any(changes.of_meaning())
