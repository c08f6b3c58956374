"""How close the rows of train are to a target domain, and what becomes of those that are far from it.

Owns the target's texts (`target_of`), the score (`fit`), its calibration on target texts that it has not seen, and the
rule ``irrelevant``. Rows of validation and test are never touched. Does not own hashing (`shingles`) nor vectors of
words (`models.embed`).

The score is the log-ratio of a text's words and word pairs, hashed into buckets, under the target and under a
background; beside it, where the base's embeddings lie on this machine, a text's place in them, so that a word the
target lacks counts like its neighbours. Every figure of the target is leave-one-out: each of its texts is scored by
what is made of the others, so 50 texts are enough. The background is the pool; a second pass takes only those of its
rows that the first finds outside, for in a pool that is nearly all of the domain there is else nothing to tell apart.

Source: Xie et al., "Data Selection for Language Models via Importance Resampling", 2023 (hashed n-grams, log-ratio,
resampling); Liu et al., "Partially Supervised Classification of Text Documents", 2002 (two passes).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.estimates import bootstrap_mean, wilson
from tunesmith.core.spans import I64, MULTIPLY, U64, mixed
from tunesmith.data.duplicates.shingles import normal_words, word_hashes
from tunesmith.data.read.columns import INPUT_NAMES, find
from tunesmith.data.read.decode import ending_of, text_lines
from tunesmith.data.read.files import PIECE_ROWS, read
from tunesmith.data.read.formats import FORMATS, recognised
from tunesmith.data.read.sources import HUB, KINDS, expand
from tunesmith.data.rows import RowFault, hash64, shortened
from tunesmith.data.told import asked_and_answered, spread, texts_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tunesmith.core.estimates import Estimate
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.read.sources import Source
    from tunesmith.models.embed import WordVectors
    from tunesmith.recipe import Recipe

F64 = NDArray[np.float64]

VALID = "valid"
"""The entry of ``data.relevance.to`` that stands for the validation files."""

FEWEST_EXAMPLES, FEWEST_WORDS = 10, 100
"""Of fewer target texts, or distinct words in them, no threshold is made: with ten texts the AUC of BANKING77 among
three other sets is 0.975 at its lowest, with fifty 0.992 (`benchmarks/relevance.py`)."""

DOUBT = 0.01
"""Chance at which as many rows below the threshold could be of the target after all: nothing is removed from here."""

_MORE_BELOW = 1.4
"""How many times more rows of the domain itself lie below than the target's own texts say, because the background
holds rows that are judged: 0.07 instead of 0.05 (``false_alarms`` in `benchmarks/relevance.py`)."""

TELLING = 0.95
"""Share of the target above the line at which it is tested whether rows can be told from it; also where rows are
counted as irrelevant when the recipe draws them."""

LOOK_FRAC, POOR_FRAC = 0.1, 0.5
VECTOR_ROWS = 2_000
NEAREST_OF = 128
SHOWN_ROWS = 5
SHOWN_CHARS = 200

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
_TEXT_ENDINGS = {".txt", ".text", ".md"}
_PATH = re.compile(r"\S+\.(?:" + "|".join(sorted(one[1:] for one in KINDS | _TEXT_ENDINGS)) + r")(?:\.\w+)?")


# --- the target -----------------------------------------------------------------------------------------------------


@dataclass
class Target:
    """Texts of the domain, where they are from, and whether they hold answers as well as questions."""

    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    answers: bool = False


def relevance_files(recipe: Recipe, recipe_dir: Path) -> list[Source]:
    """Return the files that ``data.relevance.to`` names; their content is part of what a Dataset is made of.

    Raises:
        DataError: if one is not there.
    """
    settings = recipe.data.relevance
    entries = [entry for entry in settings.to if _is_file(entry, recipe_dir)] if settings else []
    return expand(entries, recipe_dir, "data.relevance.to")


def _is_file(entry: str, recipe_dir: Path) -> bool:
    if entry == VALID or "\n" in entry or len(entry) > 1000:
        return False
    if entry.startswith(HUB) or _PATH.fullmatch(entry):
        return True
    return bool(entry.strip()) and "\0" not in entry and (recipe_dir / entry).exists()


def target_of(recipe: Recipe, recipe_dir: Path, gathered: Gathered, living: NDArray[np.bool_]) -> Target:
    """Return the texts that ``data.relevance.to`` names, each once.

    An entry is ``valid`` (the validation files), a file, folder or glob (lines of a text file; of other files the
    column that bears the input, or the conversation), or else the text itself, a line an example.

    Raises:
        DataError: if a file cannot be read, or no column of it can be told for the text.
        RecipeError: if ``valid`` is named and there are no validation files.
    """
    assert recipe.data.relevance is not None
    read_off: list[tuple[str, str | None]] = []
    names = []
    for entry in recipe.data.relevance.to:
        if entry == VALID:
            read_off += _validation(recipe, gathered, living)
            names.append("data.valid")
        elif not _is_file(entry, recipe_dir):
            read_off += [(line.strip(), None) for line in entry.splitlines()]
            names.append("the recipe")
    for source in relevance_files(recipe, recipe_dir):
        read_off += _texts_in(source, recipe)
        names.append(source.label)
    answers = _answers_count(recipe) and all(answer for _, answer in read_off)
    texts = [f"{asked}\n{answer}" if answers else asked for asked, answer in read_off]
    return Target(list(dict.fromkeys(text for text in texts if text)), list(dict.fromkeys(names)), answers)


def _answers_count(recipe: Recipe) -> bool:
    """Tell whether answers are texts of the domain; labels and JSON are not."""
    return recipe.task in ("chat", "preference")


def _validation(recipe: Recipe, gathered: Gathered, living: NDArray[np.bool_]) -> list[tuple[str, str | None]]:
    rows = np.flatnonzero(living & (gathered.frame["part"] == "valid").to_numpy())
    if not recipe.data.valid:
        raise RecipeError(
            "data.relevance.to: 'valid' stands for the validation files, and data.valid names none",
            expected="files in data.valid, or a target of its own",
        )
    return [asked_and_answered(messages) for messages in gathered.texts(spread(rows))["messages"].to_list()]


def _texts_in(source: Source, recipe: Recipe) -> list[tuple[str, str | None]]:
    """Return the texts of a file and, where its records are conversations, their answers."""
    if not source.hub and ending_of(source) in _TEXT_ENDINGS:
        with text_lines(source, "") as lines:
            return [(line.strip(), None) for line in lines if line.strip()]
    table = read(source)
    name = recognised(table)
    columns = [] if name else _columns(table.columns, recipe, table.label)
    found: list[tuple[str, str | None]] = []
    for row in table.rows:
        try:
            if name:
                found.append(told(FORMATS[name](row.fields).messages))
            else:
                found.append(("\n".join(str(row.fields.get(column) or "") for column in columns).strip(), None))
        except RowFault:
            continue
    return found


def _columns(columns: Sequence[str], recipe: Recipe, label: str) -> list[str]:
    mapped = recipe.data.columns.input if recipe.data.columns else []
    if mapped and set(mapped) <= set(columns):
        return list(mapped)
    if len(columns) == 1:
        return list(columns)
    if (column := find(columns, INPUT_NAMES)) is not None:
        return [column]
    raise DataError(
        f"{label}: none of its columns ({', '.join(columns)[:300]}) can be taken for the text",
        expected=f"a column such as {', '.join(INPUT_NAMES[:8])}, or a message format (data.relevance.to)",
        hint="rename the column in a copy of the file",
    )


# --- the score ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bag:
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


def _bags(texts: Sequence[str]) -> tuple[_Bag, _Bag]:
    """Return words, and pairs of words, of texts."""
    hashes, offsets = word_hashes(texts)
    row = np.repeat(np.arange(len(texts)), np.diff(offsets))
    pairs = mixed(hashes[:-1] * MULTIPLY + hashes[1:])
    inside = row[1:] == row[:-1]
    return _bag(mixed(hashes), row, len(texts)), _bag(pairs[inside], row[1:][inside], len(texts))


def _bag(hashes: U64, row: I64, rows: int) -> _Bag:
    keys = (row.astype(np.uint64) << np.uint64(_BITS)) | (hashes >> np.uint64(64 - _BITS))
    keys.sort()
    keys = keys[np.diff(keys, prepend=~keys[:1]) != 0]
    owner = (keys >> np.uint64(_BITS)).astype(np.int64)
    place = (keys & np.uint64((1 << _BITS) - 1)).astype(np.int64)
    return _Bag(rows, place, owner, np.bincount(owner, minlength=rows))


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Log-ratios of features, and the value of a text: their mean, less the target's, held steady for short texts."""

    table: F64
    usual: float

    def of(self, bag: _Bag) -> F64:
        return _steady(bag.sums(self.table), bag.sizes, self.usual)


def _steady(sums: F64, sizes: I64, usual: float) -> F64:
    return np.asarray((sums - sizes * usual) / (sizes + _STEADY))


def _ratio(target: _Bag, background: F64) -> tuple[_Ratio, F64]:
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
    return _Ratio(table, usual), _steady(sums, target.sizes, usual)


@dataclass(frozen=True, slots=True)
class _Nearby:
    """Where a text lies in the embeddings along the line from background to target: word by word, so it costs little.

    ``weights`` are the words' own (rare ones count more), ``along`` their weighted places on the line.
    """

    along: F64
    weights: F64
    steady: float

    def of(self, bag: _Bag) -> F64:
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

    def of(self, bag: _Bag) -> F64:
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


def _nearby(space: _Space, target: _Bag, background: _Bag) -> tuple[_Nearby, F64]:
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

    words: _Ratio
    pairs: _Ratio
    nearby: _Nearby | None
    weights: F64
    middle: float
    held_out: F64
    background: str

    def __call__(self, texts: Sequence[str]) -> F64:
        """Return the score of each text. No texts give no scores."""
        words, pairs = _bags(texts)
        return np.asarray(np.round(self._values(words, pairs) @ self.weights - self.middle, 4))

    def _values(self, words: _Bag, pairs: _Bag) -> F64:
        return _values(self.words, self.pairs, self.nearby, words, pairs)


def _values(first: _Ratio, second: _Ratio, nearby: _Nearby | None, words: _Bag, pairs: _Bag) -> F64:
    columns = [first.of(words), second.of(pairs)]
    return np.stack([*columns, nearby.of(words)] if nearby else columns, axis=1)


def fit(target: Sequence[str], pool: Sequence[str], vectors: WordVectors | None = None) -> Scorer:
    """Learn to tell texts of the target from those of a pool.

    Args:
        target: texts of the domain; at least two.
        pool: texts that it is to be told from, or a sample of them; it may hold texts of the domain.
        vectors: of words, to let a word count that the target does not have.
    """
    words, pairs = _bags(target)
    pool_words, pool_pairs = _bags(pool)
    ratio, own = _ratio(words, pool_words.counts())
    outside = ratio.of(pool_words) < np.quantile(own, _OUTSIDE)
    if outside.sum() < _FEWEST_OUTSIDE:
        outside = np.ones(len(pool), np.bool_)
    ratio, own = _ratio(words, pool_words.counts(outside))
    ratio_2, own_2 = _ratio(pairs, pool_pairs.counts(outside))
    columns, nearby = [own, own_2], None
    far = np.flatnonzero(outside)
    far_words, far_pairs = _bags([pool[row] for row in spread(far, VECTOR_ROWS).tolist()])
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


# --- what becomes of the rows ---------------------------------------------------------------------------------------


@dataclass
class _Judged:
    """The rows of train with their scores, and what the target's own texts say of them."""

    rows: I64
    scores: F64
    held_out: F64
    threshold: float

    @property
    def below(self) -> NDArray[np.bool_]:
        """Which rows lie below the threshold."""
        return np.asarray(self.scores < self.threshold)

    @property
    def chance(self) -> float:
        """Chance that so many rows lie below the target's lowest text, or its lowest twentieth, were all of the target.

        The target's true share below its k+1 lowest of n texts is Beta(k + 1, n - k), so the chance that it exceeds s
        is that of at most k successes of n at s. There are two lines, so the smaller chance counts double (Bonferroni).
        """
        return min(1.0, 2 * min(self._chance_below(keep) for keep in (1.0, TELLING)))

    def _chance_below(self, keep: float) -> float:
        threshold, count = _lowest(self.held_out, keep), len(self.held_out)
        lower = int((self.held_out < threshold).sum())
        share = float((self.scores < threshold).mean()) / _MORE_BELOW
        return sum(math.comb(count, hits) * share**hits * (1 - share) ** (count - hits) for hits in range(lower + 1))

    def auc(self) -> Estimate:
        """Estimate the chance that a held-out text of the target scores above a row of the pool, ties as half."""
        ordered = np.sort(self.scores)
        places = (np.searchsorted(ordered, self.held_out) + np.searchsorted(ordered, self.held_out, "right")) / 2
        return bootstrap_mean((places / len(ordered)).tolist())


def judge_relevance(fates: Fates, gathered: Gathered, recipe: Recipe, recipe_dir: Path) -> dict[str, Any]:
    """Do with the rows of train that are far from the target what the recipe says; return what is to be told of it.

    Rule: ``irrelevant`` (the score lies below what ``keep`` of the target's own held-out texts reach; with
    ``resample``: not drawn). Nothing is removed where the rows cannot be told from the target. What is returned has
    the keys of a verdict, and ``auc``, ``examples``, ``words``, ``score_threshold``, ``rows``, ``removed``.

    Raises:
        DataError: if the target is too small for a removal that the recipe asks for.
        RecipeError: if ``valid`` is named and there are no validation files.
    """
    settings = recipe.data.relevance
    assert settings is not None
    target = target_of(recipe, recipe_dir, gathered, fates.alive)
    words = int(_bags(target.texts)[0].sizes.sum())
    rows = fates.living("train")
    facts = {"target": target.names, "examples": len(target.texts), "words": words, "action": settings.action}
    if len(target.texts) < FEWEST_EXAMPLES or words < FEWEST_WORDS or not len(rows):
        return facts | _too_small(target, words, settings.action)
    sample = texts_of(gathered, spread(rows), target.answers)
    vectors = _vectors(recipe.base)
    scorer = fit([target.texts[at] for at in spread(np.arange(len(target.texts))).tolist()], sample, vectors)
    parts = [rows[start : start + PIECE_ROWS] for start in range(0, len(rows), PIECE_ROWS)]
    scores = np.concatenate([scorer(texts_of(gathered, part, target.answers)) for part in parts])
    held = np.sort(scorer.held_out)
    judged = _Judged(rows, scores, held, _lowest(held, TELLING if settings.action == "resample" else settings.keep))
    evidence = _Evidence(judged, target.texts, lambda some: texts_of(gathered, some, target.answers))
    facts |= {"embeddings": recipe.base if scorer.nearby else None, "background": scorer.background}
    return facts | _told_of(fates, judged, evidence) | _done(fates, judged, evidence, recipe)


def _lowest(held_out: F64, keep: float) -> float:
    """Return the threshold that at least ``keep`` of the target's held-out scores (ascending) reach."""
    return float(held_out[min(int((1 - keep) * len(held_out) + 1e-9), len(held_out) - 1)])


def _vectors(base: str) -> WordVectors | None:
    from tunesmith.models.embed import WordVectors, has_static_embeddings

    return WordVectors(base) if has_static_embeddings(base) else None


def _too_small(target: Target, words: int, action: str) -> dict[str, Any]:
    what = f"data.relevance.to: {len(target.texts)} example(s) of {words} words ({', '.join(target.names)})"
    if action != "flag":
        raise DataError(
            f"{what} are too few to tell what is irrelevant",
            expected=f"at least {FEWEST_EXAMPLES} examples and {FEWEST_WORDS} words; 50 examples do well",
            hint="name a file with examples, or leave data.relevance out",
        )
    return _verdict("look", f"{what} are too few to tell what is irrelevant; 50 do well", None, [])


def _told_of(fates: Fates, judged: _Judged, evidence: _Evidence) -> dict[str, Any]:
    """Return the verdict, the figures behind it and the worst rows."""
    below, auc = int(judged.below.sum()), judged.auc()
    share = wilson(below, len(judged.rows))
    worst = np.argsort(judged.scores, kind="stable")[:SHOWN_ROWS]
    ids = fates.frame["row_id"][judged.rows[worst]].to_list()
    told = f"AUC of held-out target texts against the rows {auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]"
    if judged.chance >= DOUBT:
        word, why = (
            "look",
            (
                f"the rows cannot be told from the target ({told}): either all are of the domain, or the target is too "
                "small or too general to say; nothing is removed"
            ),
        )
    else:
        word = "poor" if share.value > POOR_FRAC else "look" if share.value > LOOK_FRAC else "good"
        why = f"{below:,} of {len(judged.rows):,} rows ({share.value:.1%}) are farther from the target than its own "
        why += f"texts are from each other; {told}"
    return {
        **_verdict(word, why, share.value, ids),
        "auc": auc.as_dict(),
        "share_below": share.as_dict(),
        "chance": round(judged.chance, 6),
        "score_threshold": judged.threshold,
        "rows": [
            {"row_id": row, "text": shortened(text, SHOWN_CHARS), **found}
            for row, (text, found) in zip(ids, evidence.of(worst), strict=True)
        ],
    }


def _verdict(word: str, why: str, share: float | None, worst: list[str]) -> dict[str, Any]:
    if share is None:
        return {"verdict": word, "why": why, "value": None, "threshold": None, "worst": worst}
    value = round(share, 6)
    return {
        "verdict": word,
        "why": why,
        "measure": "irrelevant",
        "value": value,
        "threshold": POOR_FRAC if word == "poor" else LOOK_FRAC,
        "worst": worst,
        "measures": {"irrelevant": {"value": value, "look": LOOK_FRAC, "poor": POOR_FRAC}},
    }


def _done(fates: Fates, judged: _Judged, evidence: _Evidence, recipe: Recipe) -> dict[str, Any]:
    """Remove, flag or draw rows; return how many were removed."""
    settings = recipe.data.relevance
    assert settings is not None
    if judged.chance >= DOUBT:
        return {"removed": 0}
    gone = judged.below
    if settings.action == "resample":
        gone = ~_drawn(fates, judged, settings.keep, recipe.seed)
    removed = 0
    where = np.flatnonzero(gone)
    for start in range(0, len(where), PIECE_ROWS):
        some = where[start : start + PIECE_ROWS]
        for row, (_, found) in zip(judged.rows[some].tolist(), evidence.of(some), strict=True):
            if settings.action == "flag":
                fates.flag(row, "irrelevant", found)
            else:
                removed += fates.remove(row, "irrelevant", found)
    return {"removed": removed}


def _drawn(fates: Fates, judged: _Judged, keep: float, seed: int) -> NDArray[np.bool_]:
    """Draw a share of the rows without replacement, by importance: the highest of score plus Gumbel noise.

    The noise hangs on the row's id and the seed alone. Source: Kool, van Hoof and Welling, "Stochastic Beams and Where
    to Find Them", 2019 (Gumbel top-k); Xie et al. 2023.
    """
    ids = fates.frame["row_id"][judged.rows].to_list()
    uniform = (np.array([hash64(f"{seed}\0{one}") >> 11 for one in ids], np.float64) + 0.5) / 2.0**53
    order = np.argsort(-(judged.scores - np.log(-np.log(uniform))), kind="stable")
    drawn = np.zeros(len(order), np.bool_)
    drawn[order[: round(keep * len(order))]] = True
    return drawn


class _Evidence:
    """What is noted of a row: its score, the threshold, and the nearest of up to `NEAREST_OF` texts of the target."""

    def __init__(self, judged: _Judged, target: Sequence[str], texts_of: Callable[[I64], list[str]]) -> None:
        self._judged, self._texts_of = judged, texts_of
        self._target = [target[at] for at in spread(np.arange(len(target)), NEAREST_OF).tolist()]
        bag = _bags(self._target)[0]
        self._places, found = np.unique(bag.place, return_inverse=True)
        self._rare = np.log(1 + len(self._target) / np.bincount(found, minlength=len(self._places)))
        self._matrix = np.zeros((len(self._places), len(self._target)), np.float32)
        self._matrix[found, bag.row] = self._rare[found]
        self._matrix /= np.maximum(np.linalg.norm(self._matrix, axis=0), np.float32(1e-12))

    def of(self, some: I64) -> list[tuple[str, dict[str, Any]]]:
        """Return text and evidence of judged rows, by their place."""
        order = np.argsort(some, kind="stable")
        texts = self._texts_of(self._judged.rows[some[order]])
        told: list[tuple[str, dict[str, Any]]] = [("", {})] * len(some)
        for start in range(0, len(texts), 512):
            part = texts[start : start + 512]
            for at, text, nearest in zip(order[start : start + 512].tolist(), part, self._nearest(part), strict=True):
                score = {"score": float(self._judged.scores[some[at]]), "threshold": self._judged.threshold}
                told[at] = (text, score | nearest)
        return told

    def _nearest(self, texts: list[str]) -> list[dict[str, Any]]:
        """Return the nearest target text by the cosine of rare words, which one it is and how near."""
        bag = _bags(texts)[0]
        where = np.minimum(np.searchsorted(self._places, bag.place), len(self._places) - 1)
        known = self._places[where] == bag.place
        weights = np.where(known, self._rare[where], math.log(1 + len(self._target)))
        vectors = np.zeros((len(texts), len(self._places)), np.float32)
        vectors[bag.row[known], where[known]] = weights[known]
        lengths = np.sqrt(np.bincount(bag.row, weights**2, len(texts)))
        cosines = np.round(vectors @ self._matrix / np.maximum(lengths, 1e-12)[:, None], 4)
        best = cosines.argmax(axis=1)
        return [
            {"nearest": shortened(self._target[one], SHOWN_CHARS), "similarity": float(cosines[row, one])}
            for row, one in enumerate(best.tolist())
        ]
