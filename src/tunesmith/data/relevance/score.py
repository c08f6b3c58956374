"""How near a text is to a target domain, by its words, its pairs of words and its place among word embeddings.

Owns the features of texts, the score and how it is fitted (`fit`). Does not own hashing (`shingles`), vectors of words
(`models.embed`), nor what becomes of rows (`judge`).

The score is the log-ratio of a text's words and word pairs, hashed into buckets, under the target and under a
background; beside it, where the base's embeddings lie on this machine, a text's place in them, so that a word the
target lacks counts like its neighbours. Every figure of the target is leave-one-out: each of its texts is scored by
what is made of the others, so 50 texts are enough. The background is the pool; a second pass takes only those of its
rows that the first finds outside, for in a pool that is nearly all of the domain there is else nothing to tell apart.

Source: Xie et al., "Data Selection for Language Models via Importance Resampling", 2023 (hashed n-grams, log-ratio,
resampling); Liu et al., "Partially Supervised Classification of Text Documents", 2002 (two passes).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, MULTIPLY, U64, mixed
from tunesmith.data.duplicates.shingles import normal_words, word_hashes
from tunesmith.data.sample import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.models.embed import WordVectors

F64 = NDArray[np.float64]

FEWEST_EXAMPLES = 10
"""Of fewer target texts no threshold is made and no embeddings are used: with ten the AUC of BANKING77 among three
other sets is 0.975 at its lowest, with fifty 0.992 (`benchmarks/relevance.py`)."""

VECTOR_ROWS = 2_000

_BITS = 18
_PRIOR = 1000.0
"""Words of the background that every estimate of the target is mixed with; 300 and 3,000 differ by 0.01 in AUC."""
_STEADY = 3.0
"""Words at the target's average that every text is given beside its own: one odd word is not yet another domain."""
_OUTSIDE = 0.05
_FEWEST_OUTSIDE, _OUTSIDE_FRAC = 20, 0.2
"""How many rows must be outside for the second pass, and what share of the pool for embeddings: where nearly all rows
are of the domain, most of the few outside are so by chance, and a line drawn from them cuts off rows of the domain."""
_TRUST = 50.0
"""Target texts at which the weights of pairs and embeddings are half believed; words alone are where it starts."""
_RIDGE = 0.1
_SIF = 1e-3
_WORD = re.compile(r"[A-Za-z0-9_\u0080-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct features of texts: ``place`` in a table of 2^18 and the ``row`` they are of, by row."""

    rows: int
    place: I64
    row: I64
    sizes: I64

    def sums(self, table: F64) -> F64:
        """Return the sum of the features' values in a table, by row."""
        return np.asarray(np.bincount(self.row, table[self.place], self.rows), np.float64)

    def counts(self, some: NDArray[np.bool_] | None = None) -> F64:
        """Return in how many texts (of ``some``) each feature occurs."""
        place = self.place if some is None else self.place[some[self.row]]
        return np.bincount(place, minlength=1 << _BITS).astype(np.float64)


def bags(texts: Sequence[str]) -> tuple[Bag, Bag]:
    """Return words, and pairs of words, of texts."""
    hashes, offsets = word_hashes(texts)
    row = np.repeat(np.arange(len(texts)), np.diff(offsets))
    pairs = mixed(hashes[:-1] * MULTIPLY + hashes[1:])
    inside = row[1:] == row[:-1]
    return _bag(mixed(hashes), row, len(texts)), _bag(pairs[inside], row[1:][inside], len(texts))


def _bag(hashes: U64, row: I64, rows: int) -> Bag:
    keys = (row.astype(np.uint64) << np.uint64(_BITS)) | (hashes >> np.uint64(64 - _BITS))
    keys.sort()
    keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
    owner = (keys >> np.uint64(_BITS)).astype(np.int64)
    place = (keys & np.uint64((1 << _BITS) - 1)).astype(np.int64)
    return Bag(rows, place, owner, np.bincount(owner, minlength=rows))


@dataclass(frozen=True, slots=True)
class Ratio:
    """Log-ratios of features, and the value of a text: their mean, less the target's, held steady for short texts."""

    table: F64
    usual: float

    def of(self, bag: Bag) -> F64:
        """Return the value of each text of a bag."""
        return _steady(bag.sums(self.table), bag.sizes, self.usual)


def _steady(sums: F64, sizes: I64, usual: float) -> F64:
    return np.asarray((sums - sizes * usual) / (sizes + _STEADY))


def ratio_of(target: Bag, background: F64) -> tuple[Ratio, F64]:
    """Return the log-ratios of features, and the values of the target's own texts, each left out of its own estimate.

    A feature in c of the target's texts, N features in all, has the ratio (c / p + 1000) / (N + 1000), where p is its
    share of the background: the target's estimate is mixed with 1,000 features of the background (Dirichlet prior).
    """
    shares = (background + 0.5) / (background.sum() + 0.5 * len(background))
    counts = target.counts()
    table = np.round(np.log((counts / shares + _PRIOR) / (counts.sum() + _PRIOR)), 4)  # the same on any processor
    others = (counts[target.place] - 1) / shares[target.place] + _PRIOR
    left = np.log(others / (counts.sum() - target.sizes[target.row] + _PRIOR))
    sums = np.asarray(np.bincount(target.row, left, target.rows), np.float64)
    usual = round(float(np.mean(sums / np.maximum(target.sizes, 1))), 4) if target.rows else 0.0
    return Ratio(table, usual), _steady(sums, target.sizes, usual)


@dataclass(frozen=True, slots=True)
class _Nearby:
    """Where a text lies in the embeddings along the line from background to target: word by word, so it costs little.

    ``weights`` are the words' own (rare ones count more), ``along`` their weighted places on the line.
    """

    along: F64
    weights: F64
    steady: float

    def of(self, bag: Bag) -> F64:
        return np.asarray(bag.sums(self.along) / (bag.sums(self.weights) + self.steady))


class _Space:
    """Vectors of the words of some texts, by their place in the tables."""

    def __init__(self, vectors: WordVectors, texts: Sequence[str], counts: F64) -> None:
        words = sorted({word for text in texts for word in _WORD.findall(normal_words(text).lower())})
        hashes, offsets = word_hashes(words)
        places = (mixed(hashes[offsets[:-1]]) >> np.uint64(64 - _BITS)).astype(np.int64)
        distinct, first = np.unique(places, return_index=True)  # words that share a place share a vector
        self.where = np.full(1 << _BITS, len(distinct), np.int64)
        self.where[distinct] = np.arange(len(distinct))
        vectors_of = vectors.of([words[at] for at in first.tolist()])
        self.vectors = np.concatenate([vectors_of, np.zeros((1, vectors.width), np.float32)])
        self.weights = _SIF / (_SIF + counts / max(counts.sum(), 1))
        self.weights[self.where == len(distinct)] = 0.0
        self.steady = _STEADY * float(self.weights[distinct].mean()) if len(distinct) else 1.0

    def of(self, bag: Bag) -> F64:
        """Return the weighted mean vector of each text (n x d)."""
        out = np.zeros((bag.rows, self.vectors.shape[1]))
        for start in range(0, bag.rows, 512):
            cut = slice(*np.searchsorted(bag.row, [start, start + 512]))
            weights, row = self.weights[bag.place[cut]], bag.row[cut]
            if len(row):
                filled, begins = np.unique(row, return_index=True)
                weighted = self.vectors[self.where[bag.place[cut]]] * weights[:, None].astype(np.float32)
                out[filled] = np.add.reduceat(weighted, begins, axis=0)
        return np.asarray(out / (bag.sums(self.weights) + self.steady)[:, None])


def _nearby(space: _Space, target: Bag, background: Bag) -> tuple[_Nearby, F64]:
    """Return the line from background to target in the embeddings, and the target's own texts on it, each left out.

    Source: Fisher 1936, "The use of multiple measurements in taxonomic problems", with a ridge on the covariance.
    """
    own, others = space.of(target), space.of(background)
    middle = others.mean(axis=0)
    own, count = own - middle, len(own)
    spread = np.cov(others.T)
    spread += np.eye(len(spread)) * (_RIDGE * np.trace(spread) / len(spread) + 1e-12)
    inverse = np.linalg.inv(spread)
    toward, mean = own @ inverse, own.mean(axis=0)
    values = (toward @ mean * count - (toward * own).sum(axis=1)) / (count - 1)
    line = inverse @ mean
    along = np.round((space.vectors @ line)[space.where] * space.weights, 6)
    shift = float(middle @ line)
    return _Nearby(along, space.weights, space.steady), values + shift


@dataclass(frozen=True)
class Scorer:
    """Scores texts: the log-odds, up to a constant, that a text is of the target; 0 lies midway to the background.

    ``held_out`` are the scores of the target's texts, each by what the others say.
    """

    words: Ratio
    pairs: Ratio
    nearby: _Nearby | None
    weights: F64
    middle: float
    held_out: F64
    background: str

    def __call__(self, texts: Sequence[str]) -> F64:
        """Return the score of each text. No texts give no scores."""
        words, pairs = bags(texts)
        return np.asarray(np.round(self._values(words, pairs) @ self.weights - self.middle, 4))

    def _values(self, words: Bag, pairs: Bag) -> F64:
        return _values(self.words, self.pairs, self.nearby, words, pairs)


def _values(first: Ratio, second: Ratio, nearby: _Nearby | None, words: Bag, pairs: Bag) -> F64:
    columns = [first.of(words), second.of(pairs)]
    return np.stack([*columns, nearby.of(words)] if nearby else columns, axis=1)


def fit(target: Sequence[str], pool: Sequence[str], vectors: WordVectors | None = None) -> Scorer:
    """Learn to tell texts of the target from those of a pool.

    Args:
        target: texts of the domain; at least two.
        pool: texts that it is to be told from, or a sample of them; it may hold texts of the domain.
        vectors: of words, to let a word count that the target does not have.
    """
    words, pairs = bags(target)
    pool_words, pool_pairs = bags(pool)
    ratio, own = ratio_of(words, pool_words.counts())
    outside = ratio.of(pool_words) < np.quantile(own, _OUTSIDE)
    if outside.sum() < _FEWEST_OUTSIDE:
        outside = np.ones(len(pool), np.bool_)
    ratio, own = ratio_of(words, pool_words.counts(outside))
    ratio_2, own_2 = ratio_of(pairs, pool_pairs.counts(outside))
    columns, nearby = [own, own_2], None
    far = np.flatnonzero(outside)
    far_words, far_pairs = bags([pool[row] for row in spread(far, VECTOR_ROWS).tolist()])
    if vectors is not None and len(target) >= FEWEST_EXAMPLES and outside.mean() >= _OUTSIDE_FRAC:
        some = [*target, *(pool[row] for row in spread(np.arange(len(pool)), VECTOR_ROWS).tolist())]
        space = _Space(vectors, some, pool_words.counts())
        nearby, own_3 = _nearby(space, words, far_words)
        columns.append(own_3)
    held = np.stack(columns, axis=1)
    others = _values(ratio, ratio_2, nearby, far_words, far_pairs)
    weights = _weighed(held, others)
    middle = round(float((held.mean(axis=0) + others.mean(axis=0)) @ weights / 2), 4)
    told = "rows outside" if not outside.all() else "pool"
    return Scorer(ratio, ratio_2, nearby, weights, middle, np.round(held @ weights - middle, 4), told)


def _weighed(held: F64, others: F64) -> F64:
    """Return the weight of each value: Fisher's, none negative, mixed with words alone while the target is small.

    Under equal normal spreads the weighted sum is the log-odds of target against background (Fisher 1936).
    """
    spread = (np.atleast_2d(np.cov(held.T)) + np.atleast_2d(np.cov(others.T))) / 2
    spread += np.diag(np.diag(spread) * 0.01 + 1e-12)
    apart = held.mean(axis=0) - others.mean(axis=0)
    full = np.maximum(np.linalg.solve(spread, apart), 0.0)
    words = np.zeros_like(full)
    words[0] = max(apart[0], 1e-6) / spread[0, 0]
    trust = len(held) / (len(held) + _TRUST)
    return np.asarray(np.round(trust * full + (1 - trust) * words, 4))
