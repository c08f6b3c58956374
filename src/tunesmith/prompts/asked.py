"""The model that is asked, and how many examples it can be shown.

Owns loading a base or a Model of ours. Does not own how it is asked (`bench`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError, RecipeError
from tunesmith.models.load import load_model, reference
from tunesmith.text.chat import ensure_template
from tunesmith.text.parity import check_samples
from tunesmith.text.prompts import tasks_of
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.text.prompts import Wording


def base_of(recipe: Recipe, workspace: Workspace) -> LoadedModel:
    """Return the recipe's base, with a chat template.

    Raises:
        SetupError: if it cannot be found.
    """
    loaded = load_model(reference(recipe.base, workspace))
    ensure_template(loaded.tokenizer)
    return loaded


def model_of(model: Artifact, task: TaskSpec) -> LoadedModel:
    """Return a Model of ours.

    Raises:
        ArtifactError: if it is of another task than ``task`` or has other labels, or reads prompts no longer as in
            training.
    """
    folder = model.path / "model"
    theirs = TaskSpec.load(folder)
    if (theirs.task, theirs.labels) != (task.task, task.labels):
        raise ArtifactError(
            f"{model.id} was tuned for {_told(theirs)}, and the recipe is {_told(task)}",
            expected="a Model of the recipe's task and labels", hint="leave --model out to ask the base",
        )  # fmt: skip
    loaded = load_model(folder)
    check_samples(folder, loaded.tokenizer)
    return loaded


def tasks_and_shots(
    recipe: Recipe, dataset: Artifact
) -> tuple[Callable[[Wording, int], TaskSpec], list[int], list[str]]:
    """Return what makes tasks, the numbers of shots to try, and what to say of those for which train has too few rows.

    Raises:
        RecipeError: if the recipe itself asks for more than train has.
    """
    asked, own = recipe.prompts.shots, recipe.prompt.shots
    counts, notes = sorted({*asked, own}), list[str]()
    while True:
        key = "prompt.shots" if counts[-1] == own else "prompts.shots"
        try:
            task_of = tasks_of(recipe, dataset, counts[-1], key)
        except RecipeError as error:
            if key == "prompt.shots" or "shots" in recipe.prompts.model_fields_set:
                raise
            notes.append(f"{error.message}: not tried.")
            counts.pop()
        else:
            return task_of, [one for one in asked if one in counts], notes


def _told(task: TaskSpec) -> str:
    return f"{task.task} with {len(task.labels)} labels" if task.labels else task.task
