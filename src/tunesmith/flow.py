"""The ring: which stage runs, in which order, on what. With `checks`, `by_answers` and `as_served` the only module
that knows several stages.

Owns the order, what is handed from stage to stage, and what promotes. Does not own what a stage does. Every call
takes a `Project` and returns the JSON-able result that the command prints.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tunesmith.by_answers import base_probe, stopping_judge
from tunesmith.checks import check, check_the_rest, planned_training, refuse_hosted
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import ArtifactError, GateError, MissingExtraError, RecipeError
from tunesmith.core.progress import say
from tunesmith.project import Project as Project
from tunesmith.project import naming
from tunesmith.recipe import Gate, Recipe, load_recipe, parse_recipe
from tunesmith.recipe.provider import service_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.store import Store
    from tunesmith.evaluate.served.replies import Asker
    from tunesmith.recipe.graders import Grader
    from tunesmith.train.progress import Progress
    from tunesmith.train.underway import Underway

Result = dict[str, Any]
T = TypeVar("T")


@naming
def prepare(project: Project) -> Artifact:
    """Return the Dataset of the recipe, made if it is not there."""
    from tunesmith.checks import check_distilled
    from tunesmith.data.prepare import prepare as stage

    check_distilled(project)
    return stage(project.recipe, project.workspace, recipe_dir=project.folder)


@naming
def train(project: Project) -> Artifact:
    """Return the Model of the recipe, with whatever it needs made first."""
    from tunesmith.train import stage

    stage.check(project.recipe)
    return train_on(project, prepare(project))


def train_on(
    project: Project,
    dataset: Artifact,
    watch: Callable[[Progress], None] | None = None,
    along: Callable[[Underway], Callable[[Progress], None]] | None = None,
) -> Artifact:
    """Return the Model of the recipe and a Dataset; ``watch`` sees each step and may end training by an exception.

    ``along`` is told of the run as it begins, and returns another that sees each step.
    """
    from tunesmith.train import stage

    recipe, judge = project.recipe, stopping_judge(project.recipe, dataset)
    return stage.train(recipe, dataset, project.workspace, judge=judge, watch=watch, along=along)


@naming
def cancel_training(project: Project) -> Result:
    """Cancel the jobs with which a service trains the recipe's Model; ``cancelled`` has their ids.

    Raises:
        RecipeError: if this machine trains it: its process is interrupted with Ctrl-C.
    """
    from tunesmith.train import hosted

    if not project.recipe.service:
        raise RecipeError(
            f"base: {project.recipe.base} is tuned by this machine, which has no jobs to cancel",
            hint="Ctrl-C where it runs; the same command goes on from its last checkpoint",
        )
    return {"cancelled": hosted.cancel(project.recipe, project.workspace)}


def planned_model(project: Project, dataset: Artifact) -> str:
    """Return the id that the Model of the recipe and a Dataset has or will have."""
    from tunesmith.train.stage import plan_model

    return plan_model(project.recipe, dataset, project.workspace).id


def higher_is_better(recipe: Recipe) -> bool:
    """Tell whether more is better of what chooses the weights that are kept; of the validation loss it is not."""
    from tunesmith.evaluate.metrics import stopping_metric

    metric = stopping_metric(recipe)
    return metric is not None and metric.higher_is_better


def follow() -> None:
    """Train along with the first rank, model after model, until it says that there are no more."""
    from tunesmith.train.ranks import here
    from tunesmith.train.stage import Job, train_along

    job: Job | None
    while (job := here().told()) is not None:
        train_along(job, stopping_judge(job.recipe, job.dataset))


@naming
def evaluate(project: Project) -> Artifact:
    """Return the Scorecard of the recipe's Model, also against the model in production, if there is one."""
    from tunesmith.evaluate.stage import evaluate as stage

    check(project)
    dataset = prepare(project)
    model = train(project)
    return stage(
        project.recipe, dataset, model, project.workspace, production=_production(project, model),
        recipe_dir=project.folder, asker=_asker(project),
    )  # fmt: skip


def _asker(project: Project) -> Asker | None:
    """Return what asks a Model through the server; None if that is not asked for, or there is no server.

    Raises:
        MissingExtraError: without the ``serve`` extra, if the recipe itself asks.
    """
    settings = project.recipe.evaluate
    if not settings.served:
        return None
    try:
        from tunesmith.as_served import ask_as_served
        from tunesmith.evaluate.served.replies import served_settings
    except ModuleNotFoundError as error:
        missing = MissingExtraError("serve", str(error.name))
        if "served" in settings.model_fields_set:
            raise missing from error
        say(f"  not looked at how it is served: {missing.hint}", style="yellow")
        return None
    return partial(ask_as_served, project.workspace, served_settings(project.recipe))


def test_score(project: Project, dataset: Artifact, model: Artifact) -> Result:
    """Return the main metric of a Model on the test rows: ``metric``, ``value``, ``low``, ``high``, ``n``,
    ``higher_is_better``. Compared with nothing, judged by no gate.
    """
    from tunesmith.evaluate.metrics import main_metric
    from tunesmith.evaluate.stage import evaluate as stage

    metric = main_metric(project.recipe, project.folder)
    measured = project.recipe.evaluate.model_copy(
        update={"baselines": [], "gate": Gate(metric=project.recipe.evaluate.gate.metric, against=[])}
    )
    recipe = project.recipe.model_copy(update={"evaluate": measured})
    card = stage(recipe, dataset, model, project.workspace, recipe_dir=project.folder)
    found = {"metric": metric.name, **card.result["metrics"][metric.name], "higher_is_better": metric.higher_is_better}
    project.workspace.discard(card)
    return found


def grade_one(grader: Grader, text: str, item: dict[str, Any]) -> dict[str, float | str | None]:
    """Return what a grader that asks no model says of one text (see `evaluate.graders.run.score_one`)."""
    from tunesmith.evaluate.graders.run import score_one

    return score_one(grader, "grader", text, item)


def release(project: Project, *, force: bool = False) -> Result:
    """Promote the recipe's Model to production if its gate passed.

    Raises:
        GateError: if the gate said fail or undecided and ``force`` is not set.
    """
    return _promote(project, train(project), evaluate(project), force=force)


def run(recipe: Project | Recipe | Path | str, *, home: Path | None = None, force: bool = False) -> Result:
    """Run the whole ring: prepare, train, evaluate, gate, release. Stages already done are not done again.

    Args:
        recipe: a recipe's path, a `Recipe` (its paths are relative to the current folder), or a `Project`.
        home: the workspace; None finds it beside the recipe.
        force: promote even if the gate does not pass.

    Returns:
        ``{"prepare", "train", "evaluate", "release"}``; ``release`` is None if the gate did not pass.
    """
    project = _project(recipe, home)
    check(project)
    say("prepare", style="bold")
    dataset = prepare(project)
    say("train", style="bold")
    model = train(project)
    say("evaluate", style="bold")
    card = evaluate(project)
    say("release", style="bold")
    try:
        released = _promote(project, model, card, force=force)["release"]
    except GateError as error:
        say(f"  {error.message}")
        released = None
    results = {"prepare": result_of(dataset), "train": result_of(model), "evaluate": result_of(card)}
    return {**results, "release": released}


def result_of(artifact: Artifact) -> Result:
    """Return what the command that made an artifact prints, with the artifact's path."""
    return {**artifact.result, "path": str(artifact.path)}


def model_named(workspace: Workspace, store: Store, name: str) -> Artifact:
    """Return the Model an alias (``name``, ``name@candidate``) or an id stands for.

    Raises:
        ArtifactError: if there is none.
    """
    from tunesmith.release.aliases import resolve

    model_id = resolve(store, name) or name
    artifact = workspace.get(model_id)
    if artifact.stage != "model":
        raise ArtifactError(f"{artifact.id} is a {artifact.stage}, not a model", hint="tunesmith models lists them")
    return artifact


def update(project: Project) -> Result:
    """Make the next version from what users corrected: harvest, mix in replay, run the ring, gate, promote.

    Returns:
        as `run`, plus ``harvested`` (rows by kind) and ``recipe`` (the update's own recipe).

    Raises:
        DataError: if no correction has come in.
    """
    from tunesmith.update.plan import plan_update

    workspace, store = project.workspace.existing(), project.store
    model = model_named(workspace, store, project.recipe.name)
    planned = plan_update(project.recipe, model, store, workspace, project.folder)
    say(f"update: {planned.summary}", style="bold")
    inner = Project(load_recipe(planned.recipe), planned.recipe.parent, project.workspace)
    return {**run(inner), "harvested": planned.counts, "recipe": str(planned.recipe)}


@naming
def plan(project: Project) -> Result:
    """Return what training the recipe would do and cost: rows, tokens, steps, time, memory, learning-rate curve.

    Where a service would tune: tokens, money, and which settings it honours, approximates and refuses; it is not asked.
    """
    from tunesmith.evaluate.ahead import plan_judge, plan_rivals

    (check_the_rest if project.recipe.service else check)(project)
    dataset = prepare(project)
    judge = plan_judge(project.recipe, dataset, project.folder)
    planned = {"dataset": dataset.id, **planned_training(project, dataset)}
    rivals = plan_rivals(project.recipe, dataset)
    return planned | ({"judge": judge} if judge else {}) | ({"rivals": rivals} if rivals else {})


def on_base(project: Project, base: str) -> Project:
    """Return a project whose recipe has another base; ``provider`` goes along where a service tunes that one, too.

    Raises:
        RecipeError: if the recipe does not fit the base.
    """
    given = {**project.recipe.given(), "base": base}
    if not service_of(base):
        given.pop("provider", None)
    return replace(project, recipe=parse_recipe(json.dumps(given), f"{project.file} with base: {base}"))


def audit(project: Project) -> Result:
    """Return how well the recipe's rules find defects planted in a copy of its own data."""
    from tunesmith.data.audit.measure import audit as stage
    from tunesmith.data.audit.page import write_page

    dataset = prepare(project)
    result = stage(project.recipe, dataset, project.workspace)
    return result | {"path": str(write_page(result, dataset, project.workspace))}


def curve(project: Project, *, base: bool = False) -> Result:
    """Return how much data is enough: the learning curve of the recipe's Dataset by a cheap probe, or by the base."""
    from tunesmith.data.size import base_curve_of, base_sizes, curve_of

    if not base:
        return curve_of(project.recipe, prepare(project))
    refuse_hosted(project, "its learning curve would be many trainings, each of which a service would bill")
    dataset = prepare(project)
    probe = base_probe(project.recipe, dataset, project.workspace, base_sizes(dataset))
    return base_curve_of(project.recipe, dataset, probe)


def monitor(project: Project) -> Result:
    """Return how the model in production does: volume, latency, feedback, label shift against its test set."""
    from tunesmith.monitor.report import report

    name = project.recipe.name
    model = model_named(project.workspace.existing(), project.store, name)
    hours = project.recipe.monitor.window_hours
    return report(project.store, name, window_hours=hours, reference=_label_counts(project, model))


def _label_counts(project: Project, model: Artifact) -> dict[str, int] | None:
    """Return how often each label the model knows occurs in its test set; None unless it classifies."""
    import json
    from collections import Counter

    from tunesmith.text.examples import read_examples

    dataset = project.workspace.get(model.parents[0])
    names = dataset.path / "labels.json"
    if not names.exists():
        return None
    counts = Counter(example.label for example in read_examples(dataset.path / "test.parquet"))
    return {label: counts[label] for label in json.loads(names.read_text(encoding="utf-8"))}


def _project(recipe: Project | Recipe | Path | str, home: Path | None) -> Project:
    if isinstance(recipe, Project):
        return recipe
    if isinstance(recipe, Recipe):
        return Project(recipe, Path.cwd(), Workspace.locate(home, Path.cwd()))
    return Project.of(Path(recipe), home)


def _production(project: Project, candidate: Artifact) -> Artifact | None:
    """Return the model in production, unless it is the candidate itself or no longer on disk."""
    from tunesmith.release.aliases import resolve

    model_id = resolve(project.store, project.recipe.name)
    if model_id is None or model_id == candidate.id:
        return None
    found = project.workspace.find(model_id)
    if found is None:
        say(f"  the model in production, {model_id}, is no longer on disk: not compared")
    return found


def _promote(project: Project, model: Artifact, card: Artifact, *, force: bool) -> Result:
    from tunesmith.release.aliases import promote

    promote(project.store, project.recipe.name, model.id, scorecard=card, force=force)
    return {"release": f"{project.recipe.name}@production", "model": model.id, "scorecard": card.id}
