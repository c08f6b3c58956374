"""The search: who takes part, who goes on, who wins, and what the winner brings on rows that chose nothing.

Owns the order of things and what is written: ``prompts.json`` and ``prompts.html`` in the workspace's folder of prompt
searches. Killed and called again it goes on, for answers are kept. The test split is never read. Does not own how
prompts are proposed (`candidates`, `writer`), asked (`bench`) or halved (`race`), nor what goes into the recipe
(`write`).
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith import flow
from tunesmith.core.disk import refusals_told
from tunesmith.core.errors import ArtifactError, RecipeError, Refusals
from tunesmith.core.ids import digest
from tunesmith.core.locks import locked
from tunesmith.core.progress import say
from tunesmith.evaluate.metric import refuse_idle
from tunesmith.evaluate.metrics import METRICS, deciding_metric
from tunesmith.prompts import candidates as known
from tunesmith.prompts.race import Standing, race
from tunesmith.prompts.rows import check_validation, halves_of
from tunesmith.prompts.verdict import Comparison
from tunesmith.prompts.writer import Proposer, check_writer
from tunesmith.recipe import naming_lines
from tunesmith.text.examples import read_examples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.metric import Metric
    from tunesmith.flow import Project
    from tunesmith.models.load import LoadedModel
    from tunesmith.prompts.bench import Bench
    from tunesmith.prompts.candidates import Candidate
    from tunesmith.text.prompts import Wording
    from tunesmith.text.task import TaskSpec

CODE = "prompts-1"

WITH_SHOTS = 3
"""So many of the best wordings are tried with other numbers of examples."""


def search(project: Project, model_name: str | None = None) -> dict[str, Any]:
    """Search for a better prompt of a recipe; nothing is trained and the test split is not read.

    Args:
        project: its recipe says what is tried; its workspace keeps answers and the result.
        model_name: a Model's alias or id to ask in place of the base.

    Returns:
        ``prompts`` (id), ``path``, ``model``, ``metric``, ``higher_is_better``, ``rows`` (``choosing``, ``reporting``),
        ``candidates``, ``winner``, ``comparison``, ``verdict``, ``writer``, ``notes``, ``sentence``.

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
        dataset = flow.prepare(project)
        found = _Search(project, metric, dataset, model)
        with refusals_told("the search for prompts", project.workspace.root), locked(found.lock):
            return found.make()


def check(project: Project) -> Metric:
    """Refuse, before anything is spent, what cannot be searched; return the metric that prompts are compared by.

    Raises:
        RecipeError: for all that is wrong.
        SetupError: for a writer on this machine that is not there, or a metric that it cannot compute.
        MissingExtraError: without the ``providers`` extra, if a service writes.
    """
    recipe, refusals = project.recipe, Refusals()
    if recipe.task == "preference":
        raise RecipeError(
            "task is preference, whose rows are pairs: a prompt has no answers to be compared by",
            expected="task: classify, extract or chat", hint="tunesmith sweep RECIPE searches its settings",
        )  # fmt: skip
    with refusals:
        known.given(recipe)
    with refusals:
        check_validation(recipe)
    with refusals:
        metric = _metric(project)
        if metric.check is not None:
            metric.check()
    with refusals:
        if recipe.prompts.writer is not None:
            check_writer(recipe.prompts.writer, project.workspace)
    refusals.tell()
    return metric


def _metric(project: Project) -> Metric:
    recipe = project.recipe
    named, usual = recipe.prompts.metric, METRICS[recipe.task][0].name
    name = named or recipe.evaluate.gate.metric or usual
    where = "prompts.metric" if named else "evaluate.gate.metric"
    metric = deciding_metric(name, where, recipe, project.folder)
    if metric.asks:
        raise RecipeError(
            f"{where}: {name} asks another model about the answers to test rows, and prompts are compared on validation",
            expected="a metric that follows from answers, such as " + usual, hint=f"prompts.metric: {usual}",
        )  # fmt: skip
    return metric


@dataclass
class _Search:
    project: Project
    metric: Metric
    dataset: Artifact
    model: Artifact | None
    notes: list[str] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        recipe = self.project.recipe
        asked = self.model.id if self.model else recipe.base
        self.asked = asked
        facts = [
            CODE, self.dataset.id, asked, recipe.seed, self.metric.name, recipe.evaluate.max_new_tokens,
            recipe.prompt.model_dump(mode="json"), recipe.prompts.model_dump(mode="json"),
        ]  # fmt: skip
        self.id = f"{recipe.name}-{digest(facts)}"
        self.folder: Path = self.project.workspace.prompts_dir / self.id
        self.lock = self.folder.with_name(f"{self.id}.lock")

    def make(self) -> dict[str, Any]:
        """Ask, choose, compare, write."""
        import torch

        from tunesmith.models.precision import exact_arithmetic
        from tunesmith.prompts.page import write_page

        recipe = self.project.recipe
        torch.set_num_threads(recipe.train.threads or os.cpu_count() or 1)
        with exact_arithmetic():
            self.bench = self._bench()
            self.own = known.own(recipe)
            if why := self._too_long(self.own):
                self.notes.append(f"Your own prompt {why}: rows that do not fit count as wrong.")
            standings, writer = self._standings()
            self.winner = standings[0].one
            result = self._result(standings, self._compared(), writer)
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(result, indent=1, ensure_ascii=False, default=str, allow_nan=False)
        (self.folder / "prompts.json").write_text(text + "\n", encoding="utf-8")
        write_page(self.folder / "prompts.html", result)
        return result

    def _bench(self) -> Bench:
        from tunesmith.prompts.bench import Bench

        recipe = self.project.recipe
        halves = halves_of(recipe, self.dataset)
        train = read_examples(self.dataset.path / "train.parquet")
        task_of, self.shots = self._tasks()
        bench = Bench(recipe, self.project.workspace, self._load(task_of), task_of, self.metric, halves, train)
        for rows in (halves.choosing, halves.reporting) if self.metric.among else ():
            refuse_idle([self.metric], bench.columns(rows, _empty(len(rows))))
        say(
            f"  {self.asked} is asked on {len(halves.choosing)} validation rows that choose and "
            f"{len(halves.reporting)} others that report, by {self.metric.name}"
        )
        return bench

    def _load(self, task_of: Callable[[Wording, int], TaskSpec]) -> LoadedModel:
        """Return the model that is asked.

        Raises:
            ArtifactError: if it is one of ours, of another task or other labels.
        """
        from tunesmith.models.load import load_model, reference
        from tunesmith.text.chat import ensure_template
        from tunesmith.text.parity import check_samples
        from tunesmith.text.task import TaskSpec

        if self.model is None:
            loaded = load_model(reference(self.project.recipe.base, self.project.workspace))
            ensure_template(loaded.tokenizer)
            return loaded
        folder, ours = self.model.path / "model", task_of((None, None), 0)
        theirs = TaskSpec.load(folder)
        if (theirs.task, theirs.labels) != (ours.task, ours.labels):
            raise ArtifactError(
                f"{self.model.id} was tuned for {theirs.task} with {len(theirs.labels)} labels, and the recipe is "
                f"{ours.task} with {len(ours.labels)}",
                expected="a Model of the recipe's task and labels", hint="leave --model out to ask the base",
            )  # fmt: skip
        if self.dataset.id not in self.model.parents:
            self.notes.append(
                f"{self.model.id} was not tuned on this Dataset: if it learnt from these validation rows, scores flatter."
            )
        loaded = load_model(folder)
        check_samples(folder, loaded.tokenizer)
        return loaded

    def _tasks(self) -> tuple[Callable[[Wording, int], TaskSpec], list[int]]:
        """Return what makes tasks, and the numbers of shots that are tried; those that train has not are left out."""
        from tunesmith.text.prompts import tasks_of

        recipe = self.project.recipe
        asked, own = recipe.prompts.shots, recipe.prompt.shots
        counts = sorted({*asked, own})
        while counts:
            key = "prompt.shots" if counts[-1] == own else "prompts.shots"
            try:
                return tasks_of(recipe, self.dataset, counts[-1], key), [one for one in asked if one in counts]
            except RecipeError as error:
                if key == "prompt.shots" or "shots" in recipe.prompts.model_fields_set:
                    raise
                self.notes.append(f"{error.message}: not tried.")
                counts.pop()
        raise AssertionError("no shots are always possible")

    def _standings(self) -> tuple[list[Standing[Candidate]], dict[str, Any] | None]:
        """Return how far each prompt came, the best first, and what the writer took."""
        recipe, bench = self.project.recipe, self.bench
        plain = known.templates(recipe, bench.task_of((None, None), 0), bench.train) if recipe.prompts.templates else []
        first = [*known.given(recipe), *plain]
        writer = recipe.prompts.writer
        with Proposer.of(writer, bench) if writer else nullcontext() as proposer:
            if proposer is not None:
                first += proposer.first(self.own)
            standings = self._raced([self.own], first, "wordings")
            for number in range(2, recipe.prompts.rounds + 1) if proposer is not None else ():
                standings = self._raced(standings, proposer.next(number, standings[0].one), f"round {number}")
            report = proposer.report() if proposer else None
        if report and report["unreadable"]:
            self.notes.append(f"{report['unreadable']} answers of the writer held no prompt in the form asked for.")
        best = [one.one for one in standings[:WITH_SHOTS]]
        more = [one.with_shots(count) for one in best for count in self.shots if count != one.shots]
        return self._raced(standings, more, "numbers of shots"), report

    def _raced(
        self, before: Sequence[Standing[Candidate] | Candidate], more: list[Candidate], what: str
    ) -> list[Standing[Candidate]]:
        """Return the standings with some more prompts: those race with the ones that came to the end before."""
        bench = self.bench
        earlier = [one.one if isinstance(one, Standing) else one for one in before]
        fresh = self._fitting(known.unlike(more, earlier))
        rows = len(bench.halves.choosing)
        ended = [one for one in before if isinstance(one, Standing)]
        finalists = [one.one for one in ended if one.rows == rows] or earlier
        if not fresh and ended:
            return ended
        say(f"  {what}: {len(fresh)} prompts", style="bold")
        entries = [self.own, *(one for one in [*finalists, *fresh] if one != self.own)]
        found = race(entries, rows, self._score, self.own)
        farthest = {one.one: one for one in ended}
        for one in found:
            if one.one not in farthest or farthest[one.one].rows <= one.rows:
                farthest[one.one] = one
        return sorted(farthest.values(), key=lambda one: (one.rows, one.score), reverse=True)

    def _score(self, one: Candidate, count: int) -> tuple[float, ...]:
        known_rows, score = self.bench.asked(one), self.bench.score(one, count)
        if known_rows < count:
            value = score[0] if self.metric.higher_is_better else -score[0]
            say(f"  {one.name}: {self.metric.name} {value:.3f} on {count} rows", style="dim")
        return score

    def _fitting(self, some: Sequence[Candidate]) -> list[Candidate]:
        """Return the prompts that can be asked and ask something else than the others; the rest is told."""
        said = {self.bench.says(self.own): self.own.name}
        fitting: list[Candidate] = []
        for one in some:
            words = self.bench.says(one)
            if too_long := self._too_long(one):
                why = too_long
            elif words in said:
                why = f"asks the rows the same as {said[words]}: they have system messages of their own"
            else:
                said[words] = one.name
                fitting.append(one)
                continue
            self.refused.append({**one.as_dict(), "state": "refused", "why": why})
            say(f"  {one.name}: {why}", style="yellow")
        return fitting

    def _too_long(self, one: Candidate) -> str:
        """Return by how much a prompt does not fit, empty if it does."""
        needed, context = self.bench.needs(one), self.bench.loaded.context_tokens
        return (
            f"needs {needed:,} tokens with the longest row, and {self.asked} reads {context:,}"
            if needed > context
            else ""
        )

    def _compared(self) -> Comparison:
        """Return winner and own prompt on the reporting rows."""
        bench, rows = self.bench, self.bench.halves.reporting
        questions = bench.questions(rows)
        clusters, seed = questions.clusters(range(len(rows))), self.project.recipe.seed
        ours = bench.columns(rows, self._answers(self.own))
        own = self.metric.estimate(ours, seed, clusters)
        if self.winner == self.own:
            return Comparison(self.metric, self.winner.name, own, own, None)
        theirs = bench.columns(rows, self._answers(self.winner))
        delta = self.metric.compare(theirs, ours, seed, clusters)
        return Comparison(self.metric, self.winner.name, own, self.metric.estimate(theirs, seed, clusters), delta)

    def _answers(self, one: Candidate) -> Answers:
        answers = self.bench.ask(one, self.bench.halves.reporting)
        if answers.too_long:
            self.notes.append(f"{answers.too_long} reporting rows do not fit with {one.name} and count as wrong.")
        if answers.cut:
            most = self.project.recipe.evaluate.max_new_tokens
            self.notes.append(f"{answers.cut} answers to reporting rows with {one.name} were cut at {most} tokens.")
        return answers

    def _result(
        self, standings: Sequence[Standing[Candidate]], comparison: Comparison, writer: dict[str, Any] | None
    ) -> dict[str, Any]:
        halves = self.bench.halves
        return {
            "prompts": self.id,
            "path": str(self.folder),
            "model": self.asked,
            "dataset": self.dataset.id,
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "rows": {"choosing": len(halves.choosing), "reporting": len(halves.reporting)},
            "candidates": [*map(self._told, standings), *self.refused],
            "winner": {**self.winner.as_dict(), "given": self.winner.given},
            "comparison": comparison.as_dict(),
            "verdict": comparison.verdict,
            "writer": writer,
            "notes": self.notes,
            "sentence": comparison.sentence(),
        }

    def _told(self, standing: Standing[Candidate]) -> dict[str, Any]:
        """Return a prompt's facts, with its estimate on the rows it was asked on."""
        bench, one = self.bench, standing.one
        rows = bench.halves.choosing[: standing.rows]
        clusters = bench.questions(rows).clusters(range(len(rows)))
        columns = bench.chosen_by(one, standing.rows)
        found = (
            self.metric.estimate(columns, self.project.recipe.seed, clusters) if self.metric.counts(columns) else None
        )
        whole = standing.rows == len(bench.halves.choosing)
        return {
            **one.as_dict(), "state": "asked on all" if whole else "dropped", "rows": standing.rows,
            "score": found and found.as_dict(), "prompt_tokens": bench.tokens(one), "why": "",
        }  # fmt: skip


def _empty(count: int) -> Answers:
    from tunesmith.evaluate.answers import Answers

    return Answers([""] * count, [0.0] * count, [0.0] * count, [0] * count, written=[0] * count)
