"""Which prompts a recipe and a Dataset make: the model's own, its variants, and the teacher's.

Owns how settings of ``prompt`` become tasks. Does not own the choice of shots (`shots`), the words around an example
(`task`) nor which variant an example draws (`train.batches`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.text.examples import read_examples
from tunesmith.text.shots import shots_of
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Recipe

    Wording = tuple[str | None, str | None]
    """A system message and a template; None: none."""


@dataclass(frozen=True)
class Prompts:
    """The tasks an example is learnt with.

    Args:
        own: validates, evaluates and serves.
        variants: other words that training draws from, besides ``own``.
        teacher: what the base is asked with, if the model learns from it.
    """

    own: TaskSpec
    variants: tuple[TaskSpec, ...] = ()
    teacher: TaskSpec | None = None

    def all(self, split: str) -> list[TaskSpec]:
        """Return the tasks that a split is rendered with: ``own``, the variants if it is train, the teacher's last."""
        variants = self.variants if split == "train" else ()
        return [self.own, *variants, *([self.teacher] if self.teacher else [])]


def task_of(recipe: Recipe, dataset: Artifact) -> TaskSpec:
    """Return the task with its prompt and, for a classification, the Dataset's labels.

    Raises:
        RecipeError: if train has not enough examples to show.
    """
    return prompts_of(recipe, dataset).own


def prompts_of(recipe: Recipe, dataset: Artifact) -> Prompts:
    """Return all tasks of a recipe.

    Raises:
        RecipeError: if train has not enough examples to show.
    """
    settings = recipe.prompt
    most = max(settings.shots, settings.teacher_shots)
    key = "prompt.shots" if most == settings.shots else "prompt.teacher.shots"
    task = tasks_of(recipe, dataset, most, key)
    own, *variants = (task(wording, settings.shots) for wording in settings.wordings)
    teacher = settings.teacher
    return Prompts(
        own, tuple(variants), task(settings.filled(teacher), settings.teacher_shots) if teacher else None
    )  # fmt: skip


def tasks_of(recipe: Recipe, dataset: Artifact, most: int, key: str) -> Callable[[Wording, int], TaskSpec]:
    """Return what makes the task of a system message, a template and a number of shots up to ``most``.

    ``key`` is the setting that asks for so many.

    Raises:
        RecipeError: if train has not enough examples to show.
    """
    file = dataset.path / "labels.json"
    labels = tuple(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else ()
    rows = read_examples(dataset.path / "train.parquet") if most else []
    shots = shots_of(rows, most, recipe.seed, by_label=bool(labels), key=key) if most else ()

    def task(wording: Wording, count: int) -> TaskSpec:
        return TaskSpec(recipe.task, labels, *wording, shots[:count], shots[count] if count else None)

    return task
