"""A target that is only described: which rows the description means, or why it cannot be said.

Owns how a description becomes rows that stand for it, and what is asked of them before they may. Does not own the score
(`score`) nor what becomes of rows (`judge`).

The rows that say most of the description's rarer words are taken for examples; what is learnt from them finds more, and
so on until hardly any is added. What is found need not be what was meant, so it has to be borne out three times: by
several of the words (`_borne_out`), by each half of them alone (`_agreement`), and by a gap to the other rows.

Source: Lavrenko and Croft, "Relevance-Based Language Models", 2001 (rows that a query finds stand for what it means);
Yarowsky, "Unsupervised Word Sense Disambiguation Rivaling Supervised Methods", 1995 (growing from seeds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64
from tunesmith.data.noise.function_words import ENGLISH, FUNCTION_WORDS
from tunesmith.data.relevance.score import F64, fit
from tunesmith.data.sample import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.models.embed import WordVectors

Mask = NDArray[np.bool_]

LOOKED_AT_ROWS = 4_000
FIRST_ROWS, LEARNT_ROWS = 50, 1_000
MOST_ROUNDS = 10
SETTLED = 1.1
"""Growth of the rows found at which a round was the last."""

FEWEST_ROWS = 200
FEWEST_WORDS = 3
"""Words that must bear the rows found out: one or two are told by chance, as "after" and "car" are by stories."""

COMMON, LIFT = 0.01, 2.0
"""A word bears the rows found out if so large a share of them says it, and so many times the share of the others."""

LEAST_SAID = 0.1
"""Share of the rows found that must say one of these words besides the most frequent, for one word proves nothing."""

LEAST_AGREEMENT = 0.8
LEAST_GAP = 4.5
"""Distance of the rows found from the others in spreads of the score; it is less where one domain is cut in two.
What these bounds refuse and let through: `descriptions` in `benchmarks/relevance.py`."""

_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("ing", "ed", "ie", "e", "y")
_LONG_WORDS = 20.0


@dataclass
class Meant:
    """The texts that a description means, the words that bear them out, and how far its halves agree on them.

    ``doubt`` says why they cannot stand for it, and is empty if they can.
    """

    doubt: str = ""
    texts: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    agreement: float = 0.0


def meant_by(description: str, texts: Sequence[str], vectors: WordVectors | None = None) -> Meant:
    """Return the texts of a pool that a description means, whatever order they are in, or a doubt."""
    distinct = sorted(set(texts))
    pool = [distinct[at] for at in spread(np.arange(len(distinct)), LOOKED_AT_ROWS).tolist()]
    words, said, sizes = _said(description, pool)
    if len(words) < FEWEST_WORDS:
        return Meant(f"it has {len(words)} word(s) that tell one domain from another; {FEWEST_WORDS} are needed")
    if len(pool) < FEWEST_ROWS:
        return Meant(f"{len(pool):,} different rows are too few to find what it means; {FEWEST_ROWS} are needed")
    saying = int(said.any(axis=1).sum())
    if saying < FIRST_ROWS:
        return Meant(f"{saying} of {len(pool):,} rows say any of its words; {FIRST_ROWS} are needed")
    learner = _Learner(pool, vectors)
    found, gap = learner.grown(_nearness(said, sizes))
    bearing = _borne_out(said, found)
    meant = Meant(texts=[pool[at] for at in np.flatnonzero(found).tolist()], words=[words[at] for at in bearing])
    rest = float(said[found][:, bearing[1:]].any(axis=1).mean()) if len(bearing) > 1 else 0.0
    if len(bearing) < FEWEST_WORDS:
        told = f"only {', '.join(meant.words)}" if meant.words else "none of its words"
        meant.doubt = f"the rows that it leads to say {told} more often than others do"
        return meant
    if rest < LEAST_SAID:
        meant.doubt = f"the rows that it leads to share hardly more of its words than {meant.words[0]!r}"
        return meant
    meant.agreement = _agreement(said[:, bearing], sizes, learner)
    if gap < LEAST_GAP:
        meant.doubt = "no gap lies between the rows that it leads to and the others: most may be of the domain"
    elif meant.agreement < LEAST_AGREEMENT:
        meant.doubt = f"the two halves of its words lead to other rows ({meant.agreement:.0%} are the same)"
    return meant


def _stem(word: str) -> str:
    word = word[:-1] if len(word) > 3 and word.endswith("s") else word
    ending = next((one for one in _ENDINGS if word.endswith(one) and len(word) - len(one) >= 3), "")
    return word[: len(word) - len(ending)]


def _said(description: str, pool: Sequence[str]) -> tuple[list[str], Mask, F64]:
    """Return the description's words, function words aside, which text says which (n x words), and the texts' sizes."""
    listed = [word for word in _WORD.findall(description.lower()) if word not in FUNCTION_WORDS | ENGLISH]
    words = {_stem(word): word for word in reversed(listed)}
    place = {stem: at for at, stem in enumerate(words)}
    said, sizes = np.zeros((len(pool), len(words)), np.bool_), np.zeros(len(pool))
    for row, text in enumerate(pool):
        stems = {_stem(word) for word in _WORD.findall(text.lower())}
        said[row, [place[stem] for stem in stems if stem in place]] = True
        sizes[row] = len(stems)
    return list(words.values()), said, sizes


def _nearness(said: Mask, sizes: F64) -> F64:
    """Return how much of the words each text says: the squares of their rarities, held steady for short texts."""
    rarity = np.log(1 + len(said) / (1 + said.sum(axis=0))) ** 2
    return np.asarray(np.round(said @ rarity / np.sqrt(sizes + _LONG_WORDS), 6))


class _Learner:
    """Finds ever more texts of a pool from the nearest few."""

    def __init__(self, pool: Sequence[str], vectors: WordVectors | None) -> None:
        self._pool, self._vectors = pool, vectors

    def grown(self, nearness: F64) -> tuple[Mask, float]:
        """Return what is found, at most twice as much each round, and its distance from the rest in spreads."""
        taken: I64 = np.argsort(-nearness, kind="stable")[:FIRST_ROWS]
        for _ in range(MOST_ROUNDS):
            learnt = [self._pool[at] for at in spread(np.sort(taken), LEARNT_ROWS).tolist()]
            scorer = fit(learnt, self._pool, self._vectors)
            scores = scorer(self._pool)
            more = np.flatnonzero(scores >= 0)
            if len(more) > 2 * len(taken):
                more = np.argsort(-scores, kind="stable")[: 2 * len(taken)]
            if len(more) < SETTLED * len(taken):
                break
            taken = more
        return np.asarray(scores >= np.quantile(scorer.held_out, 0.05)), _gap(scores)


def _gap(scores: F64) -> float:
    near, far = scores[scores >= 0], scores[scores < 0]
    if not len(near) or not len(far):
        return 0.0
    return float((near.mean() - far.mean()) / max(np.sqrt((near.var() + far.var()) / 2), 1e-9))


def _borne_out(said: Mask, found: Mask) -> list[int]:
    """Return the words that bear the rows found out, the most frequent first."""
    if not found.any() or found.all():
        return []
    inside, outside = said[found].mean(axis=0), said[~found].mean(axis=0)
    bearing = (inside >= COMMON) & (inside >= LIFT * outside)
    return [at for at in np.argsort(-inside, kind="stable").tolist() if bearing[at]]


def _agreement(said: Mask, sizes: F64, learner: _Learner) -> float:
    """Return what share both halves of the words find of what either finds."""
    one, other = (learner.grown(_nearness(said[:, half::2], sizes))[0] for half in (0, 1))
    return float((one & other).sum() / max((one | other).sum(), 1))
