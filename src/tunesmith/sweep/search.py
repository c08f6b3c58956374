"""The sweep: trials one after the other, the winner against the recipe as it is, on seeds that chose nothing.

Owns the order of things, what is written (``study.db``, ``sweep.json``, ``sweep.html`` in the workspace's folder of
sweeps; the winner's recipe beside the recipe), and that the test split is looked at when all is chosen. Every trial is
an ordinary training (`flow`). Does not own the values tried (`study`), nor which are allowed (`space`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from tunesmith import flow
from tunesmith.core.disk import refusals_told
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.ids import digest
from tunesmith.core.locks import locked
from tunesmith.core.progress import say
from tunesmith.sweep import study as studies
from tunesmith.sweep.compare import Arm, Comparison, compared
from tunesmith.sweep.space import LOSS, Space, check_space
from tunesmith.sweep.study import Attempt, Study, Tried
from tunesmith.sweep.words import told_score, told_values

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.flow import Project
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.sweep import Sweep
    from tunesmith.train.checkpoint import Progress

CODE = "sweep-1"

_SPLITS = ("valid.parquet", "test.parquet")
"""Files of a Dataset that all trials must share."""


class _Stopped(Exception):
    """Raised from within a training that is stopped early."""


def sweep(project: Project, settings: Sweep | None = None) -> dict[str, Any]:
    """Search the settings of a recipe; killed and called again it goes on, with more trials it goes further.

    Args:
        project: its recipe is changed by each trial; its workspace keeps the study.
        settings: in place of the recipe's ``sweep``.

    Returns:
        ``sweep`` (id), ``path``, ``metric``, ``trials``, ``counts``, ``best``, ``importance``, ``comparison``,
        ``recipe`` (the winner's file), ``sentence``.

    Raises:
        RecipeError: for what cannot be searched, or if no trial could be made.
        MissingExtraError: without Optuna.
    """
    studies.require()
    settings = settings or project.recipe.sweep
    space = Space(project.recipe, settings.fields)
    metric = _metric(project.recipe, settings)
    check_space(space, metric, settings.pruning, project.file)
    _refuse_without_validation(project.recipe)
    flow.check_training(project)
    search = _Search(project, settings, space, metric)
    with refusals_told("the sweep", project.workspace.root), locked(search.lock):
        return search.make()


def _best_of(model: Artifact) -> dict[str, Any]:
    """Return step and value of the best validation of a Model.

    Raises:
        DataError: if there is none.
    """
    best: dict[str, Any] | None = model.result["best"]
    if best is None:
        raise DataError(f"{model.id}: no validation gave a number", hint="a lower train.schedule.peak")
    return best


def _metric(recipe: Recipe, settings: Sweep) -> str:
    """Return what trials are compared by: the metric that chooses the weights of each.

    Raises:
        RecipeError: if the sweep names another one.
    """
    stopping = recipe.train.regularise.early_stopping
    chosen = stopping.metric if stopping else LOSS
    if settings.metric not in (None, chosen):
        raise RecipeError(
            f"sweep.metric: {settings.metric}, and the weights of each trial are chosen by {chosen}",
            expected="one metric for both",
            hint=f"train.regularise.early_stopping.metric: {settings.metric}, and leave sweep.metric out",
        )
    return chosen


def _refuse_without_validation(recipe: Recipe) -> None:
    if recipe.data.split.valid == 0 and not recipe.data.valid:
        raise RecipeError(
            "data.split.valid is 0 and there is no data.valid: nothing to compare trials by",
            hint="data.split.valid: 0.1",
        )


@dataclass
class _Search:
    project: Project
    settings: Sweep
    space: Space
    metric: str

    @cached_property
    def dataset(self) -> Artifact:
        """The Dataset of the recipe as it is."""
        return flow.prepare(self.project)

    @cached_property
    def id(self) -> str:
        """The sweep's id: of what decides its trials, so neither of how many there are nor of how many seeds."""
        fields = self.settings.model_dump(mode="json")["fields"]
        evaluate = self.project.recipe.evaluate.model_dump(mode="json")
        as_it_is = flow.planned_model(self.project, self.dataset)
        return f"{self.project.recipe.name}-{digest([as_it_is, evaluate, fields, self.settings.pruning, CODE])}"

    @property
    def folder(self) -> Path:
        """Where the study and its pages lie."""
        return self.project.workspace.sweeps_dir / self.id

    @property
    def lock(self) -> Path:
        """Held while the sweep goes on."""
        return self.folder.with_name(f"{self.id}.lock")

    def make(self) -> dict[str, Any]:
        """Try, choose, compare, write."""
        from tunesmith.sweep.page import write_page

        higher = flow.higher_is_better(self.project.recipe)
        recipe = self.project.recipe
        own = Study(self.folder, self.space, higher, self.settings.pruning, recipe.seed)
        with studies.opened(own):
            while (attempt := own.next(self.settings.trials)) is not None:
                self._try(attempt)
                self._say(own, attempt)
            if (best := own.best()) is None:
                why = next((one.why for one in own.tried() if one.why), "all were stopped early")
                raise RecipeError(
                    f"none of {len(own.tried())} trials finished: {why}", hint="other values, or more trials"
                )
            file = self._write_recipe(best.values, best.number)
            say(f"  trial {best.number} is best on validation; now on {self.settings.seeds} seeds that chose nothing")
            arms = [Arm("winner", self.space.recipe_of(best.values)), Arm("default", self.space.recipe_of({}))]
            comparison = compared(arms, [self._outcome(own, arm, best.number) for arm in arms], higher, self.metric)
            result = self._result(own, best, comparison, file)
        text = json.dumps(result, indent=1, ensure_ascii=False, default=str, allow_nan=False)
        (self.folder / "sweep.json").write_text(text + "\n", encoding="utf-8")
        write_page(self.folder / "sweep.html", self.space, result)
        return result

    def _result(self, own: Study, best: Tried, comparison: Comparison, file: Path) -> dict[str, Any]:
        trials = own.tried()
        states = ("finished", "stopped early", "refused")
        return {
            "sweep": self.id,
            "path": str(self.folder),
            "metric": self.metric,
            "higher_is_better": own.higher_is_better,
            "trials": [one.as_dict() for one in trials],
            "counts": {state: sum(one.state == state for one in trials) for state in states},
            "best": best.as_dict(),
            "importance": own.importances(),
            "comparison": comparison.as_dict(),
            "recipe": str(file),
            "sentence": comparison.sentence(),
        }

    def _try(self, attempt: Attempt) -> None:
        """Train one trial and note how it ended."""
        try:
            score = self._trained(attempt)
        except _Stopped:
            attempt.stop("worse than the trials before it")
        except DataError as error:
            attempt.stop(error.message.splitlines()[0])
        except RecipeError as error:
            attempt.refuse(error.message.splitlines()[0])
        else:
            attempt.finish(score)

    def _watch(self, attempt: Attempt, seen: Progress) -> None:
        if attempt.see([row[self.metric] for row in seen.metrics if self.metric in row]):
            raise _Stopped

    def _trained(self, attempt: Attempt) -> float:
        """Return the best validation of a trial's Model, which is taken away again if it was not there before.

        What is known is noted before the next step, so that a kill between two of them costs no training.

        Raises:
            RecipeError: if its values do not fit together, or its rows are not those of the other trials.
            DataError: if training could not end, or no validation gave a number.
        """
        inner = replace(self.project, recipe=self.space.recipe_of(attempt.values), file=None)
        dataset = self._same_rows(inner)
        model_id = flow.planned_model(inner, dataset)
        if attempt.about("ours") is None:
            attempt.note("ours", inner.workspace.find(model_id) is None)
        score: float | None = attempt.about("score")
        if score is None:
            try:
                model = flow.train_on(inner, dataset, lambda seen: self._watch(attempt, seen))
            except (_Stopped, DataError, RecipeError):
                inner.workspace.forget_work(model_id)
                raise
            score = _best_of(model)["value"] if model.result["best"] else None
            attempt.note("score", score)
        self._take_away(model_id, ours=attempt.about("ours"))
        if score is None:
            raise DataError("no validation gave a number")
        return score

    def _take_away(self, model_id: str, *, ours: bool) -> None:
        """Delete a Model that the sweep has made, unless Models are to be kept."""
        model = self.project.workspace.find(model_id)
        if ours and not self.settings.keep and model is not None:
            self.project.workspace.discard(model)

    def _same_rows(self, inner: Project) -> Artifact:
        """Return the Dataset of a trial.

        Raises:
            RecipeError: if it cannot be made, or is not validated and tested on the rows of the recipe as it is.
        """
        try:
            dataset = self.dataset if inner.recipe.data == self.project.recipe.data else flow.prepare(inner)
        except DataError as error:
            raise RecipeError(error.message) from error
        own, theirs = dataset.manifest["files"], self.dataset.manifest["files"]
        if any(own[name] != theirs[name] for name in _SPLITS):
            raise RecipeError("its validation or test rows are not those of the recipe as it is: not comparable")
        return dataset

    def _outcome(self, own: Study, arm: Arm, number: int) -> list[dict[str, Any]]:
        """Return validation and test of a recipe on each of the seeds, as far as known from before a kill."""
        found = []
        for turn in range(1, self.settings.seeds + 1):
            seed = (arm.recipe.seed + turn) % 2**32
            key = f"{arm.name} {seed}" if arm.name == "default" else f"trial {number} {seed}"
            known = own.remembered(key)
            if known is None:
                say(f"  {arm.name}, seed {seed}")
                known = self._measured(own, arm.recipe, seed, key)
                own.remember(key, known)
            self._take_away(known["model"], ours=own.remembered(f"{key} ours"))
            found.append(known)
        return found

    def _measured(self, own: Study, recipe: Recipe, seed: int, key: str) -> dict[str, Any]:
        """Train on a seed, measure on validation and test. The Dataset is that of the recipe's own seed."""
        inner = replace(self.project, recipe=recipe.model_copy(update={"seed": seed}), file=None)
        dataset = self._same_rows(replace(inner, recipe=recipe))
        if own.remembered(f"{key} ours") is None:
            before = inner.workspace.find(flow.planned_model(inner, dataset))
            own.remember(f"{key} ours", before is None)
        model = flow.train_on(inner, dataset)
        best = _best_of(model)
        test = flow.test_score(inner, dataset, model) if dataset.result["splits"]["test"] else None
        return {"seed": seed, "model": model.id, "valid": best["value"], "step": best["step"], "test": test}

    def _say(self, own: Study, attempt: Attempt) -> None:
        """Tell how a trial ended, and which is the best so far."""
        trial, best = own.tried()[attempt.number], own.best()
        ended = told_score(trial.score) if trial.state == "finished" else trial.state
        why = f" ({trial.why})" if trial.state == "refused" else ""
        leads = f" · best {told_score(best.score)}, trial {best.number}" if best else ""
        say(f"trial {trial.number}: {told_values(trial.values)} → {self.metric} {ended}{why}{leads}", style="bold")

    def _write_recipe(self, values: dict[str, Any], number: int) -> Path:
        """Write the winner's recipe beside the recipe and return its path."""
        name = self.project.file.stem if self.project.file else "recipe"
        path = self.project.folder / f"{name}.best.yaml"
        head = f"# Written by tunesmith sweep: trial {number} of {self.id}.\n"
        told = "".join(f"#   {key}: {json.dumps(value)}\n" for key, value in values.items())
        text = yaml.safe_dump(self.space.changed(values), sort_keys=False, allow_unicode=True)
        path.write_text(head + told + text, encoding="utf-8")
        return path
