"""The search, from a recipe to its result: what the winner brings on rows that chose nothing, and what is kept of it.

Owns ``prompts.json`` and ``prompts.html`` in the workspace's folder of prompt searches. Killed and called again it goes
on, for answers are kept. The test split is never read. Does not own how prompts are found (`rounds`) nor what goes into
the recipe (`write`).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunesmith import flow
from tunesmith.core.disk import refusals_told
from tunesmith.core.ids import digest
from tunesmith.core.locks import locked
from tunesmith.core.progress import say
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.metric import refuse_idle
from tunesmith.prompts.check import check
from tunesmith.prompts.rows import halves_of
from tunesmith.prompts.verdict import SAME, Comparison
from tunesmith.recipe import naming_lines
from tunesmith.text.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.evaluate.metric import Metric
    from tunesmith.flow import Project
    from tunesmith.prompts.bench import Bench
    from tunesmith.prompts.candidates import Candidate
    from tunesmith.prompts.race import Standing

CODE = "prompts-1"


def search(project: Project, model_name: str | None = None) -> dict[str, Any]:
    """Search for a better prompt of a recipe; nothing is trained and the test split is not read.

    Args:
        project: its recipe says what is tried; its workspace keeps answers and the result.
        model_name: a Model's alias or id to ask in place of the base.

    Returns:
        ``prompts`` (id), ``path``, ``model``, ``dataset``, ``metric``, ``higher_is_better``, ``rows`` (``choosing``,
        ``reporting``), ``candidates``, ``winner``, ``comparison``, ``verdict``, ``writer``, ``notes``, ``sentence``.

    Raises:
        RecipeError: for what cannot be searched.
        DataError: if there are too few validation rows.
        ArtifactError: if there is no such Model, or it is of another task.
        RemoteError: if the writer's service refuses; what was answered until then is kept.
    """
    with naming_lines(project.file):
        metric = check(project)
        model = None
        if model_name is not None:
            model = flow.model_named(project.workspace.existing(), project.store, model_name)
        found = _Search(project, metric, flow.prepare(project), model)
        with refusals_told("the search for prompts", project.workspace.root), locked(found.lock):
            return found.make()


@dataclass
class _Search:
    project: Project
    metric: Metric
    dataset: Artifact
    model: Artifact | None

    @property
    def asked(self) -> str:
        """The model's name."""
        return self.model.id if self.model else self.project.recipe.base

    @cached_property
    def id(self) -> str:
        """The search's id: of what decides its result."""
        recipe = self.project.recipe
        settings = [getattr(recipe, name).model_dump(mode="json") for name in ("prompt", "prompts")]
        facts = [self.dataset.id, self.asked, recipe.seed, self.metric.name, recipe.evaluate.max_new_tokens]
        return f"{recipe.name}-{digest([CODE, *facts, *settings])}"

    @property
    def folder(self) -> Path:
        """Where the result and its page lie."""
        return self.project.workspace.prompts_dir / self.id

    @property
    def lock(self) -> Path:
        """Held while the search goes on."""
        return self.folder.with_name(f"{self.id}.lock")

    def make(self) -> dict[str, Any]:
        """Ask, choose, compare, write."""
        import torch

        from tunesmith.models.precision import exact_arithmetic
        from tunesmith.prompts.page import write_page

        torch.set_num_threads(self.project.recipe.train.threads or os.cpu_count() or 1)
        with exact_arithmetic():
            result = self._found()
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1, ensure_ascii=False, default=str, allow_nan=False)
        (self.folder / "prompts.json").write_text(text + "\n", encoding="utf-8")
        write_page(self.folder / "prompts.html", result)
        return result

    def _found(self) -> dict[str, Any]:
        from tunesmith.prompts.asked import tasks_and_shots
        from tunesmith.prompts.rounds import Rounds

        task_of, shots, notes = tasks_and_shots(self.project.recipe, self.dataset)
        if self.model is not None and self.dataset.id not in self.model.parents:
            notes.append(f"{self.asked} was not tuned on this Dataset: if it learnt from these rows, scores flatter.")
        bench = self._bench(task_of)
        rounds = Rounds(bench, self.asked, shots, notes)
        standings = rounds.standings()
        winner = standings[0].one
        comparison = self._compared(bench, winner, rounds.own, notes)
        if earlier := self._earlier():
            notes.append(
                f"The rows that report have done so for {earlier} other search{'es' if earlier > 1 else ''} of this "
                "Dataset: whoever goes on until one is better finds luck. The test split has the last word."
            )
        sizes = {"choosing": len(bench.halves.choosing), "reporting": len(bench.halves.reporting)}
        return {
            "prompts": self.id,
            "path": str(self.folder),
            "model": self.asked,
            "dataset": self.dataset.id,
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "rows": sizes,
            "candidates": [*(self._told(bench, one) for one in standings), *rounds.refused],
            "winner": {**winner.as_dict(), "given": winner.given},
            "comparison": comparison.as_dict(),
            "verdict": comparison.verdict,
            "writer": rounds.writer,
            "notes": notes,
            "sentence": comparison.sentence(),
        }

    def _bench(self, task_of: Any) -> Bench:
        from tunesmith.prompts.asked import base_of, model_of
        from tunesmith.prompts.bench import Bench

        recipe, workspace = self.project.recipe, self.project.workspace
        halves = halves_of(recipe, self.dataset)
        train = read_examples(self.dataset.path / "train.parquet")
        loaded = model_of(self.model, task_of((None, None), 0)) if self.model else base_of(recipe, workspace)
        bench = Bench(recipe, workspace, loaded, task_of, self.metric, halves, train)
        for rows in (halves.choosing, halves.reporting) if self.metric.among else ():
            refuse_idle([self.metric], bench.columns(rows, _unanswered(len(rows))))
        say(
            f"  {self.asked} is asked on {len(halves.choosing)} validation rows that choose and "
            f"{len(halves.reporting)} others that report, by {self.metric.name}"
        )
        return bench

    def _earlier(self) -> int:
        """Return how many other searches these validation rows have reported on."""
        results = (json.loads(file.read_text("utf-8")) for file in self.folder.parent.glob("*/prompts.json"))
        return sum(
            one["dataset"] == self.dataset.id and one["prompts"] != self.id and one["verdict"] != SAME
            for one in results
        )

    def _compared(self, bench: Bench, winner: Candidate, own: Candidate, notes: list[str]) -> Comparison:
        """Return winner and own prompt on the reporting rows."""
        rows, seed = bench.halves.reporting, self.project.recipe.seed
        clusters = bench.questions(rows).clusters(range(len(rows)))
        columns, estimates = {}, {}
        for one in dict.fromkeys((own, winner)):
            answers = bench.ask(one, rows)
            notes += _about(answers, one, self.project.recipe.evaluate.max_new_tokens)
            columns[one] = bench.columns(rows, answers)
            estimates[one] = self.metric.estimate(columns[one], seed, clusters)
        delta = None if winner == own else self.metric.compare(columns[winner], columns[own], seed, clusters)
        return Comparison(self.metric, winner.name, estimates[own], estimates[winner], delta)

    def _told(self, bench: Bench, standing: Standing[Candidate]) -> dict[str, Any]:
        """Return a prompt's facts, with its estimate on the choosing rows that it was asked on."""
        one, count = standing.one, standing.rows
        columns = bench.chosen_by(one, count)
        clusters = bench.questions(bench.halves.choosing[:count]).clusters(range(count))
        counts = self.metric.counts(columns)
        found = self.metric.estimate(columns, self.project.recipe.seed, clusters) if counts else None
        return {
            **one.as_dict(), "state": "dropped" if count < len(bench.halves.choosing) else "asked on all",
            "rows": count, "score": found and found.as_dict(), "prompt_tokens": bench.tokens(one), "why": "",
        }  # fmt: skip


def _about(answers: Answers, one: Candidate, most: int) -> Sequence[str]:
    """Return what to say of answers to reporting rows besides their score."""
    found = []
    if answers.too_long:
        found.append(f"{answers.too_long} reporting rows do not fit with {one.name} and count as wrong.")
    if answers.cut:
        found.append(f"{answers.cut} answers to reporting rows with {one.name} were cut at {most} tokens.")
    return found


def _unanswered(count: int) -> Answers:
    return Answers([""] * count, [0.0] * count, [0.0] * count, [0] * count, written=[0] * count)
