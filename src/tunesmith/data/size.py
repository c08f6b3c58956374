"""How much is enough: which probe a task gets, what it learns, and the answer, as facts or as a number of rows.

Owns the choice of the probe, the result of ``tunesmith curve`` and the number behind ``data.size.max_examples: auto``.
Does not own the fit (`learning_curve`) nor which rows stay (`select`). Nothing is written. The probe is judged on the
validation rows, so that the test is not used to choose anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.data import learning_curve
from tunesmith.data.asked import exchanges_of
from tunesmith.data.sample import spread
from tunesmith.text.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.spans import I64
    from tunesmith.data.gather import Gathered
    from tunesmith.data.learning_curve import Curve, PowerLaw, Probe
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example

FEWEST_ROWS, FEWEST_HELD = 64, 30

FLOOR_PER_LABEL, FLOOR_ROWS = 20, 200
"""`auto` never keeps fewer: from there on the verdict on size is good."""

MEASURED_ROWS = 20_000
"""`auto` measures the curve on at most so many rows, evenly spaced, and the power law goes on from there."""


BASE_SIZES, BASE_SMALLEST_FRAC = 4, 1 / 8
"""Four trainings, each of twice the rows of the one before: together not twice the time of training on all."""


def curve_of(recipe: Recipe, dataset: Artifact) -> dict[str, Any]:
    """Return the learning curve of a Dataset's train split: scores of nested subsets, the fit, and the answer.

    Raises:
        DataError: if there are too few rows to draw subsets from or to judge them on.
        MissingExtraError: without scikit-learn, for a classification.
    """
    train, held = _rows_of(dataset)
    classify = recipe.task == "classify"
    curve = learning_curve.measure(_probe(train, held, classify), len(train), seed=recipe.seed)
    tell = learning_curve.sentence if classify else learning_curve.sentence_in_bits
    return {
        "dataset": dataset.id,
        "probe": "a linear model on words" if classify else "a bigram model of the answers",
        "score": "accuracy" if classify else "bits a word",
        "sentence": tell(curve, len(train)),
        **_facts(curve, len(train), classify),
        "unseen_frac_of_last_tenth": _unseen(train),
    }


def base_sizes(dataset: Artifact) -> list[int]:
    """Return how many rows the base itself is trained on for its curve, ascending.

    Raises:
        DataError: as `curve_of`.
    """
    return learning_curve.nested_sizes(len(_rows_of(dataset)[0]), BASE_SIZES, BASE_SMALLEST_FRAC)


def base_curve_of(recipe: Recipe, dataset: Artifact, probe: Probe) -> dict[str, Any]:
    """As `curve_of`, with a probe that trains the base: its loss is 1 or 0 for a classification, else bits a token.

    Each subset is drawn once, so the interval does not tell what other draws would give.
    """
    train, _ = _rows_of(dataset)
    classify, rows = recipe.task == "classify", len(train)
    curve = learning_curve.measure(probe, rows, seed=recipe.seed, sizes=base_sizes(dataset), repeats=1)
    in_bits = learning_curve.sentence_in_bits
    return {
        "dataset": dataset.id,
        "probe": recipe.base,
        "score": "accuracy" if classify else "bits a token",
        "sentence": learning_curve.sentence(curve, rows) if classify else in_bits(curve, rows, recipe.base, "token"),
        **_facts(curve, rows, classify),
        "unseen_frac_of_last_tenth": _unseen(train),
    }


def _rows_of(dataset: Artifact) -> tuple[list[Example], list[Example]]:
    train = read_examples(dataset.path / "train.parquet")
    held = read_examples(dataset.path / "valid.parquet")
    if len(train) < FEWEST_ROWS or len(held) < FEWEST_HELD:
        raise DataError(
            f"{dataset.id}: {len(train):,} rows to train and {len(held):,} to validate on are too few for a curve",
            expected=f"at least {FEWEST_ROWS} and {FEWEST_HELD}",
            hint="add examples, or raise data.split.valid",
        )
    return train, held


def _unseen(train: list[Example]) -> float:
    return round(learning_curve.unseen_frac([_text(one) for one in train]), 4)


def _probe(train: list[Example], held: list[Example], classify: bool) -> Probe:
    """Return the probe of a task: of labels by words, or of answers word by word."""
    if classify:
        return learning_curve.linear_probe(
            [one.input_text for one in train],
            [one.label or "" for one in train],
            [one.input_text for one in held],
            [one.label or "" for one in held],
        )
    return learning_curve.ngram_probe([one.target_text for one in train], [one.target_text for one in held])


def _text(example: Example) -> str:
    return f"{example.input_text}\n{example.target_text}"


def _facts(curve: Curve, rows: int, classify: bool) -> dict[str, Any]:
    law = curve.law()

    def score(loss: float) -> float:
        return round(1 - loss if classify else loss, 4)

    def at(count: int) -> dict[str, Any]:
        loss = curve.at(count)
        low, high = sorted((score(loss.low), score(loss.high)))
        return {"rows": count, "score": score(loss.value), "low": low, "high": high}

    sizes = zip(curve.sizes, curve.means.tolist(), strict=True)
    gain = curve.gain(rows, 2 * rows)
    return {
        "sizes": [{"rows": size, "score": score(loss), "fitted": score(law.at(size))} for size, loss in sizes],
        "law": {"a": law.a, "b": law.b, "c": law.c},
        "all": at(rows),
        "double": at(2 * rows),
        "gain": {"value": round(gain.value, 4), "low": round(gain.low, 4), "high": round(gain.high, 4)},
        "rows_enough": _enough(law, rows, classify),
    }


def _enough(law: PowerLaw, rows: int, classify: bool) -> int:
    enough = learning_curve.rows_enough if classify else learning_curve.rows_enough_in_bits
    return enough(law, rows)


@dataclass(frozen=True)
class Needed:
    """How many rows of train are enough, and why so many."""

    rows: int
    why: str


def rows_needed(gathered: Gathered, train: Sequence[int], valid: Sequence[int], recipe: Recipe) -> Needed:
    """Return the fewest rows that reach `learning_curve.ENOUGH_FRAC` of what all of train reach.

    All of them if twice as many would still add more than the rest of that share, or there are too few to tell; never
    fewer than `FLOOR_PER_LABEL` a label or `FLOOR_ROWS`. The curve is that of rows drawn at random.

    Raises:
        MissingExtraError: without scikit-learn, for a classification.
    """
    rows = len(train)
    if rows < FEWEST_ROWS or len(valid) < FEWEST_HELD:
        return Needed(rows, f"{rows:,} rows and {len(valid):,} to validate on are too few for a curve: all stay")
    classify = recipe.task == "classify"
    labels = len(set(gathered.frame["label"][list(train)].to_list())) if classify else 0
    some = spread(np.asarray(train, np.int64), MEASURED_ROWS)
    probe = _probe_of(gathered, some, np.asarray(valid, np.int64), classify)
    curve = learning_curve.measure(probe, len(some), seed=recipe.seed)
    return _needed(curve, rows, max(FLOOR_ROWS, FLOOR_PER_LABEL * labels), classify)


def _probe_of(gathered: Gathered, train: I64, held: I64, classify: bool) -> Probe:
    (asked, answers), (held_asked, held_answers) = (
        zip(*exchanges_of(gathered, rows), strict=True) for rows in (train, held)
    )
    if not classify:
        return learning_curve.ngram_probe(answers, held_answers)
    labels, held_labels = (gathered.frame["label"][rows].to_list() for rows in (train, held))
    return learning_curve.linear_probe(asked, labels, held_asked, held_labels)


def _needed(curve: Curve, rows: int, floor: int, classify: bool) -> Needed:
    law, gain = curve.law(), curve.gain(rows, 2 * rows)
    loss, left = law.at(rows), 1 - learning_curve.ENOUGH_FRAC
    if gain.value > left * (1 - loss if classify else loss):
        half = (gain.high - gain.low) / 2
        more = f"add {100 * gain.value:.1f} ± {100 * half:.1f} points"
        if not classify:
            more = f"save {gain.value:.2f} ± {half:.2f} bits a word"
        return Needed(rows, f"all {rows:,} rows stay: twice as many would {more}")
    enough = _enough(law, rows, classify)
    kept = min(max(enough, floor), rows)
    told = f"{enough:,} of {rows:,} rows reach {learning_curve.ENOUGH_FRAC:.0%} of what all reach"
    if not classify:
        told = f"{enough:,} of {rows:,} rows come within {left:.0%} of the {loss:.2f} bits a word that all reach"
    return Needed(kept, told + (f"; {kept:,} is the least that is kept" if kept > enough else ""))
