"""One evaluation's judge: whom it judges on which rows, what it said, and what may rest on it.

Owns its part of the Scorecard. Does not own the questions (`marks`, `pairs`) nor its metrics (`columns`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.judge.people import Calibration, with_people
from tunesmith.evaluate.judge.sample import judged_rows
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import check_service, connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Workspace
    from tunesmith.core.clusters import Clusters
    from tunesmith.evaluate.judge.marks import Marks
    from tunesmith.evaluate.judge.pairs import Contest
    from tunesmith.evaluate.metric import Rows
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
        for name, one in self.people.items():
            notes.append(f"{name}: the judge and people agree on {one.agreement}; kappa {one.kappa}, 0 is chance.")
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


def check_judge(recipe: Recipe, model_graders: int, workspace: Workspace | None) -> None:
    """Refuse, before anything is spent, a judge that has nothing to do or cannot be asked.

    Args:
        recipe: with its judge, if it has one.
        model_graders: how many graders ask a model.
        workspace: where a judge on this machine may lie; None: it is not looked for.

    Raises:
        RecipeError: for a judge of labels, one that judges nothing, or a key that is not set.
        SetupError: for a judge on this machine that is not there.
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
    check_service(judge, workspace if asked else None)
