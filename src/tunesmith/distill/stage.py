"""Distillation, from a recipe to a file of examples: who is asked what, what is learnt of it, and what that costs.

Owns the file that is written and the warning about terms. Killed and called again it asks nothing twice: replies are
kept in the workspace. Does not own which answers are usable (`answers`) nor the prompt (`evaluate.rivals`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith import flow
from tunesmith.core.disk import refusals_told
from tunesmith.core.errors import ArtifactError, DataError, RecipeError
from tunesmith.core.progress import say
from tunesmith.distill.answers import Taught, taught
from tunesmith.distill.questions import Questions, questions_of
from tunesmith.evaluate import rivals
from tunesmith.providers.asker import Asker
from tunesmith.providers.cache import ReplyCache
from tunesmith.providers.chat import check_service, connect
from tunesmith.providers.cost import at_most
from tunesmith.recipe import naming_lines
from tunesmith.text.examples import read_examples
from tunesmith.text.prompts import tasks_of
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.artifacts import Artifact
    from tunesmith.flow import Project
    from tunesmith.providers.chat import ChatRequest, Reply
    from tunesmith.recipe import Distill, Recipe
    from tunesmith.text.examples import Example

TERMS = (
    "{model} gives the answers, and a model is about to learn from them. The terms of many services forbid that for "
    "models that compete with theirs: whether yours may is for you to read there."
)


def distill(project: Project, *, force: bool = False) -> dict[str, Any]:
    """Ask the teacher and write the file of examples.

    Args:
        project: its recipe has ``distill``; its workspace keeps the replies.
        force: write over a file that is there with other rows.

    Returns:
        ``path``, ``left_out_path`` (None if nothing is left out), ``examples``, ``left_out`` (reason to count),
        ``again`` (questions that stood there before), ``teacher`` (model, endpoint, calls, tokens, usd), ``task``,
        ``shots`` (examples shown), ``agreement`` (mean share of the samples; None of one), ``terms``, ``notes``.

    Raises:
        RecipeError: if the recipe has no teacher, or it cannot be asked.
        DataError: if there are no questions, or no answer is usable.
        ArtifactError: if the file is there with other rows.
        RemoteError: if the service refuses; what was answered until then is kept.
    """
    with naming_lines(project.file):
        work = _Distillation(project, force)
        with refusals_told("distillation", project.workspace.root):
            return work.make()


def plan(project: Project) -> dict[str, Any]:
    """Return ``questions``, ``calls``, ``tokens``, ``usd_at_most`` and ``shots``; nothing is asked.

    Raises:
        RecipeError, DataError: as `distill`.
    """
    with naming_lines(project.file):
        work = _Distillation(project)
        asked = work.requests
        cost = at_most(work.settings.teacher, sum(one.chars for one in asked), len(asked))
        return {"questions": len(work.questions.rows), "calls": len(asked), "shots": work.shots, **cost}


@dataclass
class _Distillation:
    project: Project
    force: bool = False

    @property
    def recipe(self) -> Recipe:
        return self.project.recipe

    @cached_property
    def settings(self) -> Distill:
        """The recipe's section."""
        if self.recipe.distill is None:
            raise RecipeError(
                "the recipe has no distill: nobody to learn from",
                hint="distill: {teacher: {api: anthropic, model: claude-sonnet-5-5}}",
            )
        return self.recipe.distill

    @property
    def file(self) -> Path:
        """Where the examples go."""
        return self.project.folder / self.settings.to

    @property
    def _beside(self) -> Path:
        """Where answers go that cannot be learnt."""
        return self.file.with_suffix(".left_out.jsonl")

    @cached_property
    def dataset(self) -> Artifact | None:
        """The Dataset of the recipe's own examples, not of what is about to be written; None if it has none."""
        data = self.recipe.data
        if not self._learnt_from:
            return flow.prepare(self.project)
        own = [one for one in data.train if not self._is_written(one)]
        if not own and not (self.settings.questions or self.settings.traffic):
            raise RecipeError(
                f"distill: no questions: data.train is {self.settings.to}, which holds the answers",
                expected="distill.questions, a file of them, or distill.traffic",
                hint="distill: {questions: questions.csv}",
            )  # fmt: skip
        if not own:
            return None
        recipe = self.recipe.model_copy(update={"data": data.model_copy(update={"train": own})})
        return flow.prepare(replace(self.project, recipe=recipe))

    @property
    def _learnt_from(self) -> bool:
        """Whether the file that is written is one of the recipe's train."""
        return any(map(self._is_written, self.recipe.data.train))

    def _is_written(self, entry: str) -> bool:
        return (self.project.folder / entry).resolve() == self.file.resolve()

    @cached_property
    def questions(self) -> Questions:
        store = self.project.store if self.settings.traffic else None
        return questions_of(self.recipe, self.project.folder, self.dataset, store)

    @cached_property
    def train(self) -> list[Example]:
        """Examples that may be shown to the teacher."""
        return read_examples(self.dataset.path / "train.parquet") if self.dataset else []

    @property
    def shots(self) -> int:
        """How many of them it is shown."""
        teacher = self.settings.teacher
        return 0 if teacher.as_tuned else min(teacher.shots, len(self.train))

    @cached_property
    def task(self) -> TaskSpec:
        prompt = self.recipe.prompt
        if self.dataset is not None:
            return tasks_of(self.recipe, self.dataset, 0, "prompt.shots")((prompt.system, prompt.template), 0)
        labels = tuple(sorted(self.recipe.data.labels.names or ()))
        if self.recipe.task == "classify" and not labels:
            raise RecipeError(
                "classify needs the labels, and there are no examples yet to take them from",
                hint="data.labels.names: [billing, refund, ...]",
            )
        return TaskSpec(self.recipe.task, labels, prompt.system, prompt.template)

    @cached_property
    def requests(self) -> list[ChatRequest]:
        """What the teacher is asked: each question as often as there are samples, one after the other."""
        rows = self.questions.rows
        asked = rivals.requests(self.settings.teacher, self.task, self.train, rows, self.recipe.seed)
        return [replace(one, sample=number) for one in asked for number in range(self.settings.samples)]

    def make(self) -> dict[str, Any]:
        """Ask, choose, write."""
        check_service(self.settings.teacher, self.project.workspace)
        asked = self.requests
        terms = TERMS.format(model=self.settings.teacher.model)
        say(f"  {terms}", style="yellow")
        with Asker(
            connect(self.settings.teacher, self.project.workspace), ReplyCache(self.project.workspace.root)
        ) as asker:
            replies = asker.ask(asked, f"answers of {self.settings.teacher.model}")
            told = self._spent(asker)
        found = self._taught(replies)
        records, left_out = self._records(found, told["endpoint"])
        path, beside = self._write(records, left_out)
        return {
            "path": str(path), "left_out_path": str(beside) if left_out else None, "examples": len(records),
            "left_out": dict(Counter(one["why"] for one in left_out).most_common()), "again": self.questions.again,
            "teacher": told, "task": self.recipe.task, "shots": self.shots,
            "agreement": self._agreement(found), "terms": terms, "notes": self._notes(),
        }  # fmt: skip

    def _spent(self, asker: Asker) -> dict[str, Any]:
        teacher, spent = self.settings.teacher, asker.spent
        price = (teacher.price.input, teacher.price.output) if teacher.price else None
        return {
            "model": teacher.model, "endpoint": asker.provider.endpoint,
            "calls": {"asked": spent.asked, "kept": spent.kept},
            "tokens": {"input": spent.input_tokens, "output": spent.output_tokens}, "usd": spent.usd(price),
        }  # fmt: skip

    def _taught(self, replies: Sequence[Reply]) -> list[Taught]:
        size = self.settings.samples
        groups = [replies[start : start + size] for start in range(0, len(replies), size)]
        return [taught(one, self.task, self.settings.agreement) for one in groups]

    def _records(self, found: list[Taught], endpoint: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the examples, each with its teacher, and what is left out with the reason."""
        records, left_out = [], list(self.questions.left_out)
        for row, answer in zip(self.questions.rows, found, strict=True):
            if answer.text is None:
                told = {"why": answer.why, "question": row.asked_text, "answers": list(answer.said)}
                left_out.append({**row.meta, **told})
                continue
            messages = [*row.messages[:-1], {"role": "assistant", "content": answer.text}]
            record = {"messages": messages, "teacher": self.settings.teacher.model, "endpoint": endpoint, **row.meta}
            records.append(record | ({"agreement": answer.agreement} if self.settings.samples > 1 else {}))
        if not records:
            why = ", ".join(sorted({one["why"] for one in left_out}))
            self._beside.parent.mkdir(parents=True, exist_ok=True)
            self._beside.write_text(_lines(left_out), encoding="utf-8")
            raise DataError(
                f"none of {len(found):,} answers of {self.settings.teacher.model} can be learnt ({why})",
                expected="answers such as the task has",
                hint=f"{self._beside} has them; prompt.system may tell it more; see docs/distill.md",
            )
        return records, left_out

    def _write(self, records: list[dict[str, Any]], left_out: list[dict[str, Any]]) -> tuple[Path, Path]:
        text, beside = _lines(records), self._beside
        if self.file.exists() and self.file.read_text(encoding="utf-8") != text and not self.force:
            raise ArtifactError(
                f"{self.file}: there already, with other rows", expected="no file of that name, or the same rows",
                hint="--force writes over it (answers are kept, nothing is asked again); distill.to names another",
            )  # fmt: skip
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text, encoding="utf-8")
        beside.unlink(missing_ok=True)
        if left_out:
            beside.write_text(_lines(left_out), encoding="utf-8")
        return self.file, beside

    def _agreement(self, found: list[Taught]) -> float | None:
        return None if self.settings.samples == 1 else sum(one.agreement for one in found) / len(found)

    def _notes(self) -> list[str]:
        teacher = self.settings.teacher
        notes = []
        if not teacher.as_tuned and not self.shots and teacher.shots:
            notes.append(
                f"{teacher.model} was shown no examples, for there are none: the task's instruction is all it knows."
            )
        if not self._learnt_from:
            notes.append(f"To learn from them, name the file in the recipe: data.train: [{self.settings.to}]")
        return notes


def _lines(records: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in records)
