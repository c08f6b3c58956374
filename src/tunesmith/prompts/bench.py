"""Asks one model with many prompts, and keeps every answer: the same question is asked once, also after a kill.

Owns the model in memory, what its answers depend on, scores on rows that choose or report, and which prompts its
context has room for. Does not own who goes on (`race`) nor the prompts (`candidates`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

from tunesmith.core.ids import digest
from tunesmith.evaluate.answers import Answers, Contender, expected_of, rendered, until_stop
from tunesmith.evaluate.compare import Questions
from tunesmith.evaluate.kept import KeptAnswers
from tunesmith.evaluate.systems import CODE
from tunesmith.models.load import identity
from tunesmith.models.precision import made_here
from tunesmith.text.chat import answer_ids, prompt_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tunesmith.core.artifacts import Workspace
    from tunesmith.evaluate.grading import Columns
    from tunesmith.evaluate.metric import Metric
    from tunesmith.models.load import LoadedModel
    from tunesmith.prompts.candidates import Candidate
    from tunesmith.prompts.rows import Halves
    from tunesmith.recipe import Recipe
    from tunesmith.text.examples import Example
    from tunesmith.text.prompts import Wording
    from tunesmith.text.task import TaskSpec

LONGEST = 20
"""Rows with the longest questions, and with the longest answers, by which it is told whether a prompt fits."""


@dataclass
class Bench:
    """A model, and validation rows to ask it.

    Args:
        recipe: how it is asked and measured.
        workspace: where answers are kept.
        loaded: the model.
        task_of: makes the task of words and a number of shots.
        metric: by which prompts are compared.
        halves: the validation rows.
        train: rows of train, among which are the longest.
    """

    recipe: Recipe
    workspace: Workspace
    loaded: LoadedModel
    task_of: Callable[[Wording, int], TaskSpec]
    metric: Metric
    halves: Halves
    train: Sequence[Example]
    _choosing: dict[Candidate, list[Answers]] = field(default_factory=dict, init=False)
    _tokens: dict[Candidate, float] = field(default_factory=dict, init=False)

    @cached_property
    def kept(self) -> KeptAnswers:
        """Answers given before; the model's content stands for it."""
        facts = {
            "code": CODE, "model": identity(self.loaded.ref), "made_in": made_here(self.recipe.train.precision),
            "max_new_tokens": self.recipe.evaluate.max_new_tokens,
        }  # fmt: skip
        return KeptAnswers(self.workspace.answers_dir, facts)

    def task(self, one: Candidate) -> TaskSpec:
        """Return the task with a prompt, as training and serving would have it."""
        return self.task_of(one.wording, one.shots)

    def ask(self, one: Candidate, rows: Sequence[Example]) -> Answers:
        """Return the model's answers to some rows, asked with a prompt."""
        task = self.task(one)
        asked = Contender(
            one.name, self.loaded, lambda row: task.split(row)[0], task.labels,
            self.recipe.evaluate.max_new_tokens, self.recipe.train.precision,
        )  # fmt: skip
        content = digest([[task.prompt(row.messages), row.tools] for row in rows], hex_digits=32)
        return self.kept.of(
            Answers,
            "prompt",
            lambda: asked.answer(rows),
            told="",
            asked=content,
            labels=list(task.labels),
            task=task.task,
        )

    def columns(self, rows: Sequence[Example], answers: Answers) -> Columns:
        """Return the columns of answers to some rows."""
        return self.questions(rows).columns(range(len(rows)), answers, [self.metric])

    def questions(self, rows: Sequence[Example]) -> Questions:
        """Return some rows as questions."""
        stops = self.recipe.train.tokens.stops if self.recipe.train.tokens else []
        expected = [until_stop(expected_of(row), stops) for row in rows]
        return Questions(self.recipe.task, expected, [row.group for row in rows], self.recipe.seed, rows)

    def chosen_by(self, one: Candidate, count: int) -> Columns:
        """Return the columns of the first ``count`` choosing rows; only those not asked yet are asked."""
        parts, done = self._choosing.setdefault(one, []), self.asked(one)
        if done < count:
            parts.append(self.ask(one, self.halves.choosing[done:count]))
        return self.columns(self.halves.choosing[:count], Answers.joined(parts).at(range(count)))

    def asked(self, one: Candidate) -> int:
        """Return how many of the choosing rows the model was asked with a prompt."""
        return sum(len(part.texts) for part in self._choosing.get(one, []))

    def score(self, one: Candidate, count: int) -> tuple[float, ...]:
        """Return by what prompts are ranked, more being better: the metric, then fewer tokens."""
        columns = self.chosen_by(one, count)
        if not self.metric.counts(columns):
            return 0.0, -self.tokens(one)
        value = self.metric.on(columns)
        return (value if self.metric.higher_is_better else -value), -self.tokens(one)

    def tokens(self, one: Candidate) -> float:
        """Return the median tokens of what the model reads before it answers."""
        if one not in self._tokens:
            task, rows = self.task(one), self.halves.choosing[:LONGEST]
            lengths = (len(prompt_ids(self.loaded.tokenizer, task.split(row)[0], row.tools)) for row in rows)
            self._tokens[one] = float(median(lengths))
        return self._tokens[one]

    def needs(self, one: Candidate) -> int:
        """Return the tokens that a prompt needs with the longest question and its answer, or the longest label."""
        task, loaded = self.task(one), self.loaded
        rows = self._longest
        if task.labels:
            labels = max(len(answer_ids(loaded.tokenizer, task.split(rows[0])[0], label)) for label in task.labels)
            return labels + max(len(prompt_ids(loaded.tokenizer, task.split(row)[0], row.tools)) for row in rows)
        return max(len(rendered(loaded, task.split(row)[0], row.messages[-1], row.tools)[0]) for row in rows)

    def says(self, one: Candidate) -> str:
        """Return what stands for what the model is asked on the choosing rows: equal for prompts that ask the same."""
        task = self.task(one)
        return digest([task.split(row)[0] for row in self.halves.choosing], hex_digits=32)

    @cached_property
    def _longest(self) -> list[Example]:
        rows = [*self.halves.choosing, *self.halves.reporting, *self.train]
        asked = sorted(rows, key=lambda row: -len(row.asked_text))[:LONGEST]
        return asked + sorted(rows, key=lambda row: -len(expected_of(row)))[:LONGEST]
