"""What a recipe asks for in vain, found before anything is spent, and what its training would take.

Owns which stage is asked about what, and that all refusals are told at once. Does not own what a stage refuses.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, RecipeError, Refusals
from tunesmith.project import naming

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact
    from tunesmith.project import Project
    from tunesmith.recipe import Recipe


def refuse_hosted(project: Project, why: str) -> None:
    """Refuse a base that a service tunes for a command that cannot work with one; ``why`` says so.

    Raises:
        RecipeError: if the recipe has one.
    """
    if project.recipe.service:
        raise RecipeError(f"base: {project.recipe.base}: {why}", hint="base: nano, or an open model")


@naming
def check_training(project: Project) -> None:
    """Raise what training is asked for in vain, before anything is spent."""
    refusals = Refusals()
    _look_at_training(project.recipe, refusals)
    refusals.tell()


def _look_at_training(recipe: Recipe, refusals: Refusals) -> None:
    from tunesmith.evaluate.metrics import stopping_metric
    from tunesmith.train.stage import check

    for one in (check, stopping_metric):
        with refusals:
            one(recipe)


def check_distilled(project: Project) -> None:
    """Raise if the recipe learns from the file that `tunesmith distill` writes, and it was not written yet."""
    settings = project.recipe.distill
    written = project.folder / settings.to if settings else None
    named = ((project.folder / one).resolve() for one in project.recipe.data.train)
    if settings and written and not written.exists() and written.resolve() in named:
        raise DataError(
            f"data.train: {settings.to} is not there: the teacher's answers go into it, and it was not asked yet",
            hint="tunesmith distill RECIPE first; with --plan it tells what that costs",
        )


def check_fit(project: Project, dataset: Artifact) -> None:
    """Raise what training on a Dataset would refuse before its first step: what fits no base, data or machine."""
    from tempfile import TemporaryDirectory

    from tunesmith.train.plan import prepared

    check_training(project)
    if project.recipe.service:
        planned_training(project, dataset)
        return
    with TemporaryDirectory() as folder:
        prepared(project.recipe, dataset, project.workspace, Path(folder))


@naming
def check(project: Project) -> None:
    """Raise what the recipe asks for in vain, before anything is spent."""
    from tunesmith.evaluate.hosted import check_hosted

    refusals = Refusals()
    with refusals:
        check_hosted(project.recipe)
    _look_at_training(project.recipe, refusals)
    _look_at_the_rest(project, refusals)
    refusals.tell()


@naming
def check_the_rest(project: Project) -> None:
    """As `check`, but for what training is asked for."""
    refusals = Refusals()
    _look_at_the_rest(project, refusals)
    refusals.tell()


def _look_at_the_rest(project: Project, refusals: Refusals) -> None:
    from tunesmith.evaluate.ahead import check as check_evaluation

    recipe = project.recipe
    with refusals:
        check_evaluation(recipe, project.folder, project.workspace)
    with refusals:
        if recipe.data.split.test == 0 and not recipe.data.test:
            raise RecipeError(
                "data.split.test is 0 and there is no data.test: nothing to evaluate on",
                hint="hold some rows out for the test, or run tunesmith train alone",
            )


def planned_training(project: Project, dataset: Artifact) -> dict[str, Any]:
    """Return what training would take, on this machine or at a service; nothing is trained and nobody is asked."""
    from tempfile import TemporaryDirectory

    from tunesmith.train import hosted
    from tunesmith.train.plan import estimate

    if not project.recipe.service:
        return estimate(project.recipe, dataset, project.workspace)
    with TemporaryDirectory() as folder:
        return hosted.plan(project.recipe, dataset, Path(folder))
