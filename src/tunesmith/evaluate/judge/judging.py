"""One evaluation's judge: whom it judges on which rows, what it said, and what may rest on it.

Owns the judge's metrics and their columns, and its part of the Scorecard. Does not own the questions (`marks`,
`pairs`).
"""

from __future__ import annotations

import random
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.artifacts import Workspace
from tunesmith.core.clusters import Clusters
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.progress import say
from tunesmith.evaluate.judge.marks import Marked, Marks, mark_answers
from tunesmith.evaluate.judge.pairs import Contest, Pair, compare_pairs
from tunesmith.evaluate.judge.people import Calibration, with_people
from tunesmith.evaluate.judge.wording import question_of
from tunesmith.evaluate.metric import Metric, Rows, share
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.grading import Columns
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.judge import Judge
    from tunesmith.text.examples import Example

SCORE, WIN_RATE = "judge_score", "judge_win_rate"
MOST_UNREADABLE = 0.2
"""Of a judge with more unreadable answers than this share nothing is decided."""


@dataclass
class Judging(AbstractContextManager["Judging"]):
    """The judge at work; leaving the block closes its connections.

    ``rows`` are the ids of the test rows it judges; ``tuned`` our answers to them, by id.
    """

    judge: Judge
    asker: Asker
    rows: frozenset[str]
    seed: int
    tuned: dict[str, str] = field(default_factory=dict)
    marks: dict[str, Marks] = field(default_factory=dict)
    contests: dict[str, tuple[Contest, Clusters | None]] = field(default_factory=dict)
    people: dict[str, Calibration] = field(default_factory=dict)

    def __exit__(self, *failed: object) -> None:
        """Close what asks."""
        self.asker.__exit__(*failed)

    def know_tuned(self, examples: Sequence[Example], texts: Sequence[str]) -> None:
        """Take in our answers, beside which all others are judged."""
        self.tuned = {one.row_id: text for one, text in zip(examples, texts, strict=True)}

    def calibrate(self, examples: Sequence[Example]) -> None:
        """Hold the judge against people, if the recipe names what they said."""
        self.people = with_people(self.asker, self.judge, examples, self.seed)

    def places(self, rows: Rows) -> list[int]:
        """Return which of a system's rows are judged; none if the recipe leaves the system out."""
        if rows.who != "tuned" and self.judge.against and rows.who not in self.judge.against:
            return []
        return [place for place, one in enumerate(rows.examples) if one.row_id in self.rows]

    def barred(self) -> dict[str, str]:
        """Return by metric why nothing may be decided by it."""
        found = {}
        for name, (unreadable, replies) in self._read().items():
            if unreadable > MOST_UNREADABLE * replies:
                found[name] = f"{unreadable:,} of {replies:,} answers of the judge could not be read"
        for name, one in self.people.items():
            if not one.usable:
                found[name] = f"the judge is not shown to agree with people beyond chance: kappa is {one.kappa}"
        return {name: f"{why}; a judge like this decides nothing" for name, why in found.items()}

    def notes(self) -> list[str]:
        """Return what to say of the judge besides its numbers."""
        notes = [
            f"{unreadable:,} of {replies:,} answers of the judge ({name}) could not be read."
            for name, (unreadable, replies) in self._read().items()
            if unreadable
        ]
        for who, (contest, clusters) in self.contests.items():
            bias = contest.position_bias(self.seed, clusters)
            if bias.n and not bias.low <= 0 <= bias.high:
                place = "first" if bias.value > 0 else "second"
                notes.append(
                    f"Beside {who} the judge prefers the {place} place, by {abs(bias.value):.3f}; both orders were "
                    "asked, so the win rate is free of it."
                )
        for name in self._read().keys() - self.people.keys():
            notes.append(f"{name}: the judge was not held against people (evaluate.judge.human).")
        return [*sorted(notes), self._cost_note()]

    def report(self) -> dict[str, Any]:
        """Return the judge's part of the result, JSON-able."""
        spent = self.asker.spent
        return {
            "model": self.judge.model, "endpoint": self.asker.provider.endpoint, "samples": self.judge.times,
            "rubric": {who: one.as_dict() for who, one in self.marks.items()},
            "pairwise": {who: one.as_dict(self.seed, clusters) for who, (one, clusters) in self.contests.items()},
            "human": {name: one.as_dict() for name, one in self.people.items()},
            "calls": {"asked": spent.asked, "kept": spent.kept},
            "tokens": {"input": spent.input_tokens, "output": spent.output_tokens}, "usd": self._usd(),
        }  # fmt: skip

    def _usd(self) -> float | None:
        price = self.judge.price
        return self.asker.spent.usd((price.input, price.output) if price else None)

    def _cost_note(self) -> str:
        spent, usd = self.asker.spent, self._usd()
        cost = "" if usd is None else f", {usd:.2f} USD"
        return (
            f"The judge was asked {spent.asked:,} questions ({spent.input_tokens:,} tokens in, "
            f"{spent.output_tokens:,} out{cost}); {spent.kept:,} answers were kept from before."
        )

    def _read(self) -> dict[str, tuple[int, int]]:
        """Return by metric how many answers of the judge were unreadable, of how many."""
        found: dict[str, tuple[int, int]] = {}
        if self.marks:
            given = [one.given for one in self.marks.values()]
            found[SCORE] = sum(one.unreadable for one in self.marks.values()), sum(one.size for one in given)
        if self.contests:
            some = [one for one, _ in self.contests.values()]
            found[WIN_RATE] = sum(one.unreadable for one in some), sum(one.replies for one in some)
        return found


def judging_of(recipe: Recipe, workspace: Workspace, test: Sequence[Example]) -> Judging | None:
    """Return the judge of an evaluation; None if the recipe has none. Nothing is asked yet.

    Raises:
        RecipeError: if the key's environment variable is not set.
        MissingExtraError: without the ``providers`` extra.
    """
    judge = recipe.evaluate.judge
    if judge is None:
        return None
    asker = Asker(connect(judge, workspace), ReplyCache(workspace.root))
    ids = frozenset(test[place].row_id for place in judged_rows(recipe, len(test)))
    return Judging(judge, asker, ids, recipe.seed)


def sampled_rows(recipe: Recipe, count: int) -> list[int]:
    """Return the test rows, of ``count``, on which the slow baselines are measured, in order."""
    most = min(recipe.evaluate.baseline_rows, count)
    return sorted(random.Random(recipe.seed).sample(range(count), most))


def judged_rows(recipe: Recipe, count: int) -> list[int]:
    """Return the test rows that are judged: some of those that all systems answer, so that all are judged on them."""
    rows = sampled_rows(recipe, count)
    most = recipe.evaluate.judge.rows if recipe.evaluate.judge else 0
    return sorted(random.Random(recipe.seed).sample(rows, min(most, len(rows))))


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
        _refuse_noise(SCORE, marks.unreadable, marks.given.size)
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
        _refuse_noise(WIN_RATE, contest.unreadable, contest.replies)
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


def _refuse_noise(metric: str, unreadable: int, replies: int) -> None:
    """Refuse a judge none of whose answers has the form that was asked for.

    Raises:
        DataError: saying so.
    """
    if replies and unreadable == replies:
        raise DataError(
            f"{metric}: none of {replies:,} answers of the judge has the form that it was asked for",
            expected="a last line such as Score: 4, or Better: 1",
            hint="a larger evaluate.judge.max_tokens, or a model that follows instructions",
        )
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


def check_judge(recipe: Recipe, model_graders: int) -> None:
    """Refuse, before anything is spent, a judge that has nothing to do or cannot be asked.

    Args:
        recipe: with its judge, if it has one.
        model_graders: how many graders ask a model.

    Raises:
        RecipeError: for a judge of labels, one that judges nothing, or a key that is not set.
        MissingExtraError: without the ``providers`` extra.
    """
    judge = recipe.evaluate.judge
    if judge is None:
        return
    asked = judge.rubric is not None or judge.pairwise is not None
    if asked and recipe.task not in ("extract", "chat"):
        raise RecipeError(
            f"evaluate.judge: task is {recipe.task}, whose answers are right or wrong: there is nothing to judge",
            expected="task: chat or extract", hint="remove rubric and pairwise",
        )  # fmt: skip
    if not asked and not model_graders:
        raise RecipeError(
            "evaluate.judge is asked for nothing", expected="rubric, pairwise, or a grader that asks a model",
            hint="evaluate: {judge: {..., pairwise: {}}}",
        )  # fmt: skip
    if judge.api != "local":
        connect(judge, Workspace(Path())).close()
