"""The judge's metrics: what it says of each row of each system, as columns.

Owns these. Does not own what it is asked (`marks`, `pairs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tunesmith.core.clusters import Clusters
from tunesmith.core.progress import say
from tunesmith.evaluate.judge.judging import SCORE, WIN_RATE, Judging
from tunesmith.evaluate.judge.marks import Marked, mark_answers
from tunesmith.evaluate.judge.pairs import Pair, compare_pairs
from tunesmith.evaluate.judge.wording import question_of
from tunesmith.evaluate.metric import Metric, Rows, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.grading import Columns
    from tunesmith.recipe import Recipe


def judge_metrics(recipe: Recipe) -> list[Metric]:
    """Return the metrics that the recipe's judge gives."""
    judge, found = recipe.evaluate.judge, []
    if judge is not None and judge.rubric is not None:
        low, high = judge.rubric.scale
        found.append(
            Metric(
                SCORE,
                f"mean mark by the judge {judge.model}, {low:g} to {high:g}",
                share(SCORE),
                among=f"has {SCORE}",
                about="a place in the judged sample",
                is_share=False,
                most=high,
                least=low,
                columns=score_columns,
                asks=True,
            )
        )
    if judge is not None and judge.pairwise is not None:
        found.append(
            Metric(
                WIN_RATE,
                f"how often the judge {judge.model} prefers it to the tuned model, ties half; 0.5 for that one",
                share(WIN_RATE),
                among=f"has {WIN_RATE}",
                about="a place in the judged sample",
                is_share=False,
                most=1.0,
                own=0.5,
                columns=win_columns,
                asks=True,
            )
        )
    return found


def score_columns(rows: Rows) -> Columns:
    """Return the judge's marks of a system's answers."""
    judging, places = _at_work(rows)
    assert judging.judge.rubric is not None
    answers = [
        Marked(question_of(rows.examples[one].messages[:-1]), rows.answers.texts[one], rows.expected[one])
        for one in places
    ]
    values = np.zeros(len(rows.examples))
    if answers:
        marks = mark_answers(judging.asker, judging.judge, judging.judge.rubric, answers, f"judge marks {rows.who}")
        _tell_unreadable(marks.unreadable, marks.given.size)
        judging.marks[rows.who], values[places] = marks, marks.means
    return {SCORE: values, f"has {SCORE}": _mask(places, len(values))}


def win_columns(rows: Rows) -> Columns:
    """Return how a system's answers do beside ours: 1 is better, 0 worse, on the judged rows."""
    judging, places = _at_work(rows)
    assert judging.judge.pairwise is not None
    values = np.full(len(rows.examples), 0.5)
    if rows.who != "tuned" and places:
        examples = [rows.examples[one] for one in places]
        pairs = [
            Pair(question_of(one.messages[:-1]), judging.tuned[one.row_id], rows.answers.texts[at], rows.expected[at])
            for one, at in zip(examples, places, strict=True)
        ]
        contest = compare_pairs(
            judging.asker, judging.judge, judging.judge.pairwise, pairs, f"judge beside {rows.who}"
        )  # fmt: skip
        _tell_unreadable(contest.unreadable, contest.replies)
        judging.contests[rows.who] = contest, Clusters.named([one.group for one in examples])
        values[places] = 1 - contest.scores
    return {WIN_RATE: values, f"has {WIN_RATE}": _mask(places, len(values))}


def _at_work(rows: Rows) -> tuple[Judging, list[int]]:
    assert rows.judging is not None, "a metric of the judge without the judge"
    return rows.judging, rows.judging.places(rows)


def _mask(places: Sequence[int], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, dtype=bool)
    mask[list(places)] = True
    return mask


def _tell_unreadable(unreadable: int, replies: int) -> None:
    if unreadable:
        say(f"  judge: {unreadable:,} of {replies:,} answers could not be read")


def judged_columns(count: int, systems: Sequence[Contestant]) -> dict[str, list[float | None]]:
    """Return what the judge said row by row, of ``count`` test rows, by the columns of ``examples.parquet``."""
    found: dict[str, list[float | None]] = {}
    for system in systems:
        for name in (SCORE, WIN_RATE):
            counting = system.columns.get(f"has {name}")
            if counting is None or not counting.any() or (name == WIN_RATE and system.name == "tuned"):
                continue
            values: list[float | None] = [None] * count
            for place in np.flatnonzero(counting):
                values[system.rows[place]] = float(system.columns[name][place])
            found[name if system.name == "tuned" else f"{name}_{system.name}"] = values
    return found
