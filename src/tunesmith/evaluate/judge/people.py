"""The judge against people: does it say what they said, of the same answers?

Owns reading the people's columns and the verdict on the judge: one that is not shown to agree with people beyond chance
decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.agreement import agreement, kappa
from tunesmith.core.clusters import Clusters
from tunesmith.core.errors import DataError
from tunesmith.evaluate.judge.marks import Marked, mark_answers
from tunesmith.evaluate.judge.pairs import Pair, compare_pairs
from tunesmith.evaluate.judge.wording import question_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.core.estimates import Estimate
    from tunesmith.providers.asker import Asker
    from tunesmith.recipe.judge import Judge
    from tunesmith.text.examples import Example

PREFERRED = {"1": 0, "2": 1, "tie": 2}
"""What a person can say of a pair, to its category."""

_FINEST = 20
"""Marks whose scale has more whole steps than this, or less than two, are compared in ten steps."""


@dataclass(frozen=True)
class Calibration:
    """How far a judge agrees with people, and how far beyond chance."""

    agreement: Estimate
    kappa: Estimate
    more: dict[str, Any]

    @property
    def usable(self) -> bool:
        """Whether it is shown to agree beyond chance."""
        return bool(self.kappa.low > 0)

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        return {"agreement": self.agreement.as_dict(), "kappa": self.kappa.as_dict(), **self.more}


def with_people(asker: Asker, judge: Judge, examples: Sequence[Example], seed: int) -> dict[str, Calibration]:
    """Ask the judge about what people judged; return by metric how far it agrees.

    Raises:
        DataError: if no row has the columns, or one says what cannot be.
        RemoteError: if the judge refuses or is unreachable.
    """
    found: dict[str, Calibration] = {}
    if judge.human is not None and judge.human.answer is not None:
        found["judge_score"] = _of_marks(asker, judge, examples, seed)
    if judge.human is not None and judge.human.pair is not None:
        found["judge_win_rate"] = _of_pairs(asker, judge, examples, seed)
    return found


def rows_with(examples: Sequence[Example], columns: Sequence[str]) -> list[Example]:
    """Return the rows that have something in all of some columns."""
    return [one for one in examples if all(one.kept.get(name) not in (None, "") for name in columns)]


def _of_pairs(asker: Asker, judge: Judge, examples: Sequence[Example], seed: int) -> Calibration:
    human, pairwise = judge.human, judge.pairwise
    assert human is not None and human.pair is not None and human.preferred is not None and pairwise is not None
    rows = _some(examples, [*human.pair, human.preferred], judge.rows)
    one, other = human.pair
    pairs = [
        Pair(question_of(row.messages[:-1]), str(row.kept[one]), str(row.kept[other]), row.target_text) for row in rows
    ]
    contest = compare_pairs(asker, judge, pairwise, pairs, "judge beside people")
    scores = contest.scores
    said = np.where(scores > 0.5, 0, np.where(scores < 0.5, 1, 2)).astype(np.intp)
    people = np.array([_preferred(row, human.preferred) for row in rows], dtype=np.intp)
    return _calibrated(people, said, rows, seed, contest.as_dict(seed), ordered=False)


def _of_marks(asker: Asker, judge: Judge, examples: Sequence[Example], seed: int) -> Calibration:
    human, rubric = judge.human, judge.rubric
    assert human is not None and human.answer is not None and human.score is not None and rubric is not None
    rows = _some(examples, [human.answer, human.score], judge.rows)
    answers = [Marked(question_of(row.messages[:-1]), str(row.kept[human.answer]), row.target_text) for row in rows]
    marks = mark_answers(asker, judge, rubric, answers, "judge beside people")
    people = [_mark(row, human.score, rubric.scale) for row in rows]
    theirs = _steps(np.asarray(people, dtype=np.float64), rubric.scale)
    return _calibrated(theirs, _steps(marks.means, rubric.scale), rows, seed, marks.as_dict(), ordered=True)


def _calibrated(
    people: NDArray[np.intp], said: NDArray[np.intp], rows: Sequence[Example], seed: int, more: dict[str, Any],
    *, ordered: bool,
) -> Calibration:  # fmt: skip
    clusters = Clusters.named([row.group for row in rows])
    beyond = kappa(people, said, ordered=ordered, seed=seed, clusters=clusters)
    return Calibration(agreement(people, said, clusters), beyond, more)


def _some(examples: Sequence[Example], columns: Sequence[str], most: int) -> list[Example]:
    rows = rows_with(examples, columns)
    if not rows:
        raise DataError(
            f"evaluate.judge.human: no test row has {' and '.join(columns)}",
            expected="columns of the test rows that data.keep lets go along",
            hint="data.keep: [" + ", ".join(columns) + "]",
        )
    return rows[:most]


def _preferred(row: Example, column: str) -> int:
    said = str(row.kept[column]).strip().lower()
    if said not in PREFERRED:
        raise DataError(f"evaluate.judge.human.preferred: row {row.row_id} says {said!r}", expected="1, 2 or tie")
    return PREFERRED[said]


def _mark(row: Example, column: str, scale: tuple[float, float]) -> float:
    try:
        mark = float(row.kept[column])
    except (TypeError, ValueError):
        mark = float("nan")
    if not scale[0] <= mark <= scale[1]:
        raise DataError(
            f"evaluate.judge.human.score: row {row.row_id} says {row.kept[column]!r}",
            expected=f"a number from {scale[0]:g} to {scale[1]:g}, the rubric's scale",
        )
    return mark


def _steps(marks: NDArray[np.float64], scale: tuple[float, float]) -> NDArray[np.intp]:
    """Return marks as steps from the least one: whole ones, or ten where these are too few or too many."""
    width = scale[1] - scale[0]
    steps = width if width.is_integer() and 2 <= width <= _FINEST else 10.0
    return np.rint((marks - scale[0]) / width * steps).astype(np.intp)
