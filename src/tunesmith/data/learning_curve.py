"""How much data is enough: the error of nested subsets, a power law through it, and what more rows would bring.

Owns the subsets, the fit and its interval, and the sentence. Does not own what is trained on a subset (a `Probe`: the
linear one is `linear_probe`) nor how many rows are then used (`size`).

Source: Hestness et al., "Deep Learning Scaling is Predictable, Empirically", 2017 (error = a n^-b + c); Viering and
Loog, "The Shape of Learning Curves: a Review", 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import MissingExtraError
from tunesmith.core.estimates import Estimate
from tunesmith.core.spans import mixed
from tunesmith.data.duplicates.shingles import shingle_hashes, take_ranges, word_hashes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tunesmith.core.spans import I64, U64

Probe = Callable[[Sequence[int]], "NDArray[np.float64]"]
"""Learns from the rows of these indices and returns its loss on every held-out row, the same ones each time."""

SIZES = 8
REPEATS = 5
SMALLEST_FRAC = 1 / 32
RESAMPLES = 400
HASHED_WORDS = 1 << 16
HASHED_PAIRS = 1 << 22
EXPONENTS = np.linspace(0.05, 1.5, 59)
"""Exponents tried; those of learning curves of language tasks lie between 0.1 and 0.7 (Hestness et al., table 1)."""

ENOUGH_FRAC = 0.98
"""Share of what all rows reach from which more rows hardly matter."""


@dataclass(frozen=True)
class PowerLaw:
    """The loss of n rows: ``a * n**-b + c``."""

    a: float
    b: float
    c: float

    def at(self, rows: float) -> float:
        """Return the loss of so many rows."""
        return float(self.a * rows**-self.b + self.c)


@dataclass(frozen=True)
class Curve:
    """Losses of nested subsets: ``losses`` (repeats x sizes x held-out rows), and the number of rows of each size."""

    sizes: tuple[int, ...]
    losses: NDArray[np.float64]

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean loss of each size."""
        return np.asarray(self.losses.mean(axis=(0, 2)))

    def law(self) -> PowerLaw:
        """Return the power law through the mean losses."""
        return fit(self.sizes, self.means)

    def at(self, rows: float, seed: int = 0) -> Estimate:
        """Return the loss of so many rows with its 95 % interval: repeats and held-out rows are resampled, and the
        share by which the power law misses the sizes measured is added.
        """
        return self._interval(lambda law: law.at(rows), self.law().at(rows), seed)

    def gain(self, rows: float, more: float, seed: int = 0) -> Estimate:
        """Return by how much the loss falls from ``rows`` to ``more`` rows, with its interval."""
        law = self.law()
        return self._interval(lambda one: one.at(rows) - one.at(more), law.at(rows) - law.at(more), seed)

    def _interval(self, of: Callable[[PowerLaw], float], value: float, seed: int) -> Estimate:
        random = np.random.default_rng(seed)
        repeats, _, held = self.losses.shape
        drawn = np.empty(RESAMPLES)
        for turn in range(RESAMPLES):
            some = self.losses[random.integers(repeats, size=repeats)].mean(axis=0)
            means = some[:, random.integers(held, size=held)].mean(axis=1)
            drawn[turn] = of(fit(self.sizes, means))
        law = self.law()
        missed_frac = np.std([law.at(size) for size in self.sizes] / np.maximum(self.means, 1e-9) - 1)
        missed = 1.96 * missed_frac * abs(value)
        low, high = np.quantile(drawn, [0.025, 0.975])
        below, above = float(np.hypot(value - low, missed)), float(np.hypot(high - value, missed))
        return Estimate(value, value - below, value + above, held, "power law, bootstrap")


def fit(sizes: Sequence[int], means: NDArray[np.float64]) -> PowerLaw:
    """Return the power law that fits the mean losses best, in relative terms; neither ``a`` nor ``c`` below 0.

    All exponents are tried, each with its weighted least squares. Needs three sizes or more.
    """
    rows = np.asarray(sizes, np.float64)
    x = rows ** -EXPONENTS[:, None]
    w = rows / rows.max() / np.maximum(means, 1e-9) ** 2  # larger subsets are nearer to the question
    mean_x, mean_y = (x @ w)[:, None] / w.sum(), float(means @ w / w.sum())
    slope = ((x - mean_x) * (means - mean_y)) @ w / np.maximum(((x - mean_x) ** 2) @ w, 1e-30)
    intercept = mean_y - slope * mean_x[:, 0]
    through_zero = (x * means) @ w / ((x * x) @ w)
    a = np.where(slope < 0, 0.0, np.where(intercept < 0, through_zero, slope))
    c = np.where(slope < 0, mean_y, np.where(intercept < 0, 0.0, intercept))
    best = int((((a[:, None] * x + c[:, None]) - means) ** 2 @ w).argmin())
    return PowerLaw(float(a[best]), float(EXPONENTS[best]), float(c[best]))


def nested_sizes(rows: int, sizes: int = SIZES, smallest_frac: float = SMALLEST_FRAC) -> list[int]:
    """Return the numbers of rows of nested subsets, ascending in equal ratios up to all."""
    return sorted({max(2, round(rows * smallest_frac ** (1 - step / (sizes - 1)))) for step in range(sizes)})


def measure(
    probe: Probe, rows: int, *, seed: int = 0, sizes: Sequence[int] | None = None, repeats: int = REPEATS
) -> Curve:
    """Return the curve of a probe on nested subsets of ``rows`` rows, each repeat in an order of its own.

    ``sizes`` are the rows of each subset, ascending; None: `nested_sizes`.
    """
    counts = sizes or nested_sizes(rows)
    losses = []
    for repeat in range(repeats):
        order = np.random.default_rng([seed, repeat]).permutation(rows)
        losses.append([probe(order[:count].tolist()) for count in counts])
    return Curve(tuple(counts), np.array(losses))


def linear_probe(
    texts: Sequence[str], labels: Sequence[str], held_texts: Sequence[str], held_labels: Sequence[str]
) -> Probe:
    """Return a probe that classifies by words and word pairs; its loss on a row is 1 if it is wrong, else 0.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    try:
        from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
        from sklearn.linear_model import SGDClassifier
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", "scikit-learn") from error
    words = HashingVectorizer(ngram_range=(1, 2), n_features=HASHED_WORDS, alternate_sign=False, norm=None)
    counts, held = words.transform(texts), words.transform(held_texts)
    names, right = np.asarray(labels, object), np.asarray(held_labels, object)

    def probe(rows: Sequence[int]) -> NDArray[np.float64]:
        own = names[list(rows)]
        if len(set(own)) == 1:
            return np.asarray(right != own[0], np.float64)
        weighing: Any = TfidfTransformer(sublinear_tf=True)
        model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=15, tol=None, random_state=0)
        model.fit(weighing.fit_transform(counts[list(rows)]), own)
        return np.asarray(model.predict(weighing.transform(held)) != right, np.float64)

    return probe


def rows_enough(law: PowerLaw, rows: int, frac: float = ENOUGH_FRAC) -> int:
    """Return how many rows reach ``frac`` of the score (1 - loss) that all ``rows`` reach; for losses up to 1."""
    return _rows_reaching(law, rows, 1 - frac * (1 - law.at(rows)))


def rows_enough_in_bits(law: PowerLaw, rows: int, frac: float = ENOUGH_FRAC) -> int:
    """Return how many rows need no more than 1 / ``frac`` times the bits a word that all ``rows`` need."""
    return _rows_reaching(law, rows, law.at(rows) / frac)


def _rows_reaching(law: PowerLaw, rows: int, wanted: float) -> int:
    counts = np.arange(1, rows + 1)
    reached = law.a * counts.astype(np.float64) ** -law.b + law.c <= wanted
    return int(counts[reached.argmax()]) if reached.any() else rows


def sentence(curve: Curve, rows: int) -> str:
    """Return the answer to how much is enough, for losses that are error rates."""
    gain = curve.gain(rows, 2 * rows)
    return (
        f"{rows_enough(curve.law(), rows):,} of your {rows:,} rows reach {ENOUGH_FRAC:.0%} of what all of them reach; "
        f"twice as many would add {100 * gain.value:.1f} ± {50 * (gain.high - gain.low):.1f} points"
    )


def sentence_in_bits(curve: Curve, rows: int, learner: str = "the probe", unit: str = "word") -> str:
    """Return the answer for losses in bits a word, or another unit."""
    gain, law = curve.gain(rows, 2 * rows), curve.law()
    return (
        f"{rows_enough_in_bits(law, rows):,} of your {rows:,} rows bring {learner} to within {1 - ENOUGH_FRAC:.0%} "
        f"of the {law.at(rows):.2f} bits a {unit} that all of them reach; twice as many would save {gain.value:.2f} ± "
        f"{(gain.high - gain.low) / 2:.2f} more"
    )


def ngram_probe(texts: Sequence[str], held_texts: Sequence[str]) -> Probe:
    """Return a probe that predicts answers word by word from the word before; its loss on a row is in bits a word.

    An interpolated bigram model with add-one unigrams over hashed words: cheap, and it learns what answers share.

    Source: Jelinek and Mercer, "Interpolated estimation of Markov source parameters from sparse data", 1980.
    """
    own, own_offsets = word_hashes(texts)
    held, held_offsets = word_hashes(held_texts)
    pairs, held_pairs = _pairs(own, own_offsets), _pairs(held, held_offsets)
    own, held = own % HASHED_WORDS, held % HASHED_WORDS

    def probe(rows: Sequence[int]) -> NDArray[np.float64]:
        some = np.sort(np.asarray(rows, np.int64))
        words, _ = take_ranges(own, own_offsets, some)
        double, _ = take_ranges(pairs, own_offsets, some)
        once = np.bincount(words.astype(np.int64), minlength=HASHED_WORDS)
        twice = np.bincount(double.astype(np.int64), minlength=HASHED_PAIRS)
        before = np.concatenate([np.zeros(1, np.int64), held[:-1].astype(np.int64)])
        unigram = (once[held.astype(np.int64)] + 1) / (once.sum() + HASHED_WORDS)
        bigram = twice[held_pairs.astype(np.int64)] / np.maximum(once[before], 1)
        bits = -np.log2(0.5 * np.minimum(bigram, 1.0) + 0.5 * unigram)
        sums = np.concatenate([np.zeros(1), np.cumsum(bits)])
        sizes = np.diff(held_offsets)
        return np.asarray((sums[held_offsets[1:]] - sums[held_offsets[:-1]]) / np.maximum(sizes, 1))

    return probe


def _pairs(hashes: U64, offsets: I64) -> U64:
    """Return for each word the hash of it and the one before; a text's first word follows nothing."""
    before = np.concatenate([np.zeros(1, np.uint64), hashes[:-1]])[: len(hashes)]
    before[offsets[:-1][offsets[:-1] < len(hashes)]] = 0
    return mixed(hashes ^ mixed(before + np.uint64(1))) % np.uint64(HASHED_PAIRS)


def unseen_frac(texts: Sequence[str], seed: int = 0) -> float:
    """Return the share of 5-word runs in the last tenth of the rows, in random order, that no other row has.

    0 for fewer than ten rows.
    """
    if len(texts) < 10:
        return 0.0
    order = np.random.default_rng(seed).permutation(len(texts))
    flat, offsets = shingle_hashes([texts[at] for at in order])
    cut = int(offsets[len(texts) - len(texts) // 10])
    last = np.unique(flat[cut:])
    return float(1 - np.isin(last, flat[:cut]).mean()) if len(last) else 0.0
