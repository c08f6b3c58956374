"""The sweep: trials, then the winner against the recipe as it is, on seeds that chose nothing.

Owns the order of things, what is written (``study.db``, ``sweep.json``, ``sweep.html`` in the workspace's folder of
sweeps; the winner's recipe beside the recipe), and that the test split is looked at when all is chosen. Does not own
the values tried (`study`), which are allowed (`space`), nor how one training goes (`trainings`).
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import yaml

from tunesmith import checks, flow
from tunesmith.core.disk import refusals_told
from tunesmith.core.errors import RecipeError, Refusals
from tunesmith.core.ids import digest
from tunesmith.core.locks import locked
from tunesmith.core.progress import say, steps
from tunesmith.sweep import study as studies
from tunesmith.sweep.compare import Comparison, compared
from tunesmith.sweep.space import LOSS, Space, check_space, place_of
from tunesmith.sweep.study import Study, Tried
from tunesmith.sweep.trainings import Again, Bench, Fit, Trial
from tunesmith.sweep.words import told_score, told_values
from tunesmith.sweep.workers import crew

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.flow import Project
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.sweep import Sweep
    from tunesmith.sweep.trainings import Training
    from tunesmith.sweep.workers import MakeAll

CODE = "sweep-1"


def sweep(project: Project, settings: Sweep | None = None, devices: int = 1) -> dict[str, Any]:
    """Search the settings of a recipe; killed and called again it goes on, with more trials it goes further.

    Args:
        project: its recipe is changed by each trial; its workspace keeps the study.
        settings: in place of the recipe's ``sweep``.
        devices: GPUs, or processes on a CPU, that make a training each at the same time.

    Returns:
        ``sweep`` (id), ``path``, ``metric``, ``trials``, ``counts``, ``best``, ``importance``, ``comparison``,
        ``recipe`` (the winner's file), ``sentence``.

    Raises:
        RecipeError: for what cannot be searched, or if no trial could be made.
        SetupError: if the machine has fewer devices.
        MissingExtraError: without Optuna.
    """
    checks.refuse_hosted(project, "a sweep trains many models, each of which a service would bill")
    studies.require()
    settings = settings or project.recipe.sweep
    space = Space(project.recipe, settings.fields)
    metric = _metric(project.recipe, settings)
    check_space(space, metric, settings.pruning, project.file)
    _refuse_without_validation(project.recipe)
    checks.check_training(project)
    if devices > 1:
        from tunesmith.train import launch

        launch.check(devices)
    search = _Search(project, settings, space, metric, devices)
    with refusals_told("the sweep", project.workspace.root), locked(search.lock):
        return search.make()


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
    devices: int

    @cached_property
    def id(self) -> str:
        """The sweep's id: of what decides its trials, so neither of how many there are nor of how many seeds."""
        fields = self.settings.model_dump(mode="json")["fields"]
        evaluate = self.project.recipe.evaluate.model_dump(mode="json")
        as_it_is = flow.planned_model(self.project, flow.prepare(self.project))
        return f"{self.project.recipe.name}-{digest([as_it_is, evaluate, fields, self.settings.pruning, CODE])}"

    @property
    def folder(self) -> Path:
        """Where the study and its pages lie."""
        return self.project.workspace.sweeps_dir / self.id

    @property
    def lock(self) -> Path:
        """Held while the sweep goes on."""
        return self.folder.with_name(f"{self.id}.lock")

    @cached_property
    def study(self) -> Study:
        """The trials, those of an earlier call too."""
        recipe = self.project.recipe
        higher = flow.higher_is_better(recipe)
        return Study(self.folder, self.space, higher, self.settings.pruning, recipe.seed)

    @cached_property
    def bench(self) -> Bench:
        """Where trainings are made."""
        return Bench(self.project, self.space, self.study, self.metric, self.settings.keep)

    def make(self) -> dict[str, Any]:
        """Try, choose, compare, write."""
        from tunesmith.sweep.page import write_page

        with studies.opened(self.study), crew(self.bench, self.devices) as make_all:
            self._refuse_unfit(make_all)
            self._try_all(make_all)
            best = self._best()
            file = self._write_recipe(best.values, best.number)
            say(f"  trial {best.number} is best on validation; now on {self.settings.seeds} seeds that chose nothing")
            result = self._result(best, self._compared(best, make_all), file)
        text = json.dumps(result, indent=1, ensure_ascii=False, default=str, allow_nan=False)
        (self.folder / "sweep.json").write_text(text + "\n", encoding="utf-8")
        write_page(self.folder / "sweep.html", self.space, result)
        return result

    def _refuse_unfit(self, make_all: MakeAll) -> None:
        """Refuse values that fit no trial on this base, data and machine, before the first one.

        Raises:
            RecipeError: for all of them.
        """
        fits = [
            Fit(f"fit {key} {number}", key, value)
            for key in self.space.fields
            for number, value in enumerate(self.space.ends(key))
        ]
        left = iter([one for one in fits if self.study.remembered(one.key) != ""])
        make_all(lambda going: next(left, None), lambda fit: None)
        refusals = Refusals()
        for one in fits:
            with refusals:
                if why := self.study.remembered(one.key):
                    place = place_of(self.project.file, one.setting)
                    raise RecipeError(f"{place}sweep.fields.{one.told()} fits no trial: {why}", hint="leave it out")
        refusals.tell()

    def _try_all(self, make_all: MakeAll) -> None:
        """Make the trials that are not there yet."""
        before = sum(one.state != "running" for one in self.study.tried())
        most = self.settings.trials
        begun = f", {before} of them are there already" if before else ""
        say(f"  sweep {self.id}: {max(before, most)} trials{begun}, compared by {self.metric}")

        def following(going: Sequence[Training]) -> Trial | None:
            attempt = self.study.next(most, [one.number for one in going if isinstance(one, Trial)])
            return None if attempt is None else Trial(attempt.number)

        def ended(training: Training) -> None:
            self._say(training)
            if bar is not None:
                bar.advance()

        side_by_side = steps("trials", most - before) if self.devices > 1 and before < most else nullcontext()
        with side_by_side as bar:  # one alone has a bar of its own, of its steps
            make_all(following, ended)

    def _best(self) -> Tried:
        """Return the trial that validation prefers.

        Raises:
            RecipeError: if none has finished.
        """
        if (best := self.study.best()) is not None:
            return best
        tried = self.study.tried()
        why = next((one.why for one in tried if one.why), "all were stopped early")
        raise RecipeError(f"none of {len(tried)} trials finished: {why}", hint="other values, or more trials")

    def _compared(self, best: Tried, make_all: MakeAll) -> Comparison:
        """Train winner and recipe as it is on seeds that chose nothing, as far as not known from before a kill."""
        winner, default = [], []
        for turn in range(1, self.settings.seeds + 1):
            seed = (self.project.recipe.seed + turn) % 2**32
            winner.append(Again("winner", f"trial {best.number} {seed}", best.values, seed))
            default.append(Again("default", f"default {seed}", {}, seed))
        left = iter([*winner, *default])

        def following(going: Sequence[Training]) -> Again | None:
            if (training := next(left, None)) is not None and self.study.remembered(training.key) is None:
                say(f"  {training.told()}")
            return training

        make_all(following, lambda training: None)
        outcomes = [[self.study.remembered(one.key) for one in arm] for arm in (winner, default)]
        return compared(("winner", "default"), outcomes, self.study.higher_is_better, self.metric)

    def _result(self, best: Tried, comparison: Comparison, file: Path) -> dict[str, Any]:
        trials = self.study.tried()
        states = ("finished", "stopped early", "refused")
        return {
            "sweep": self.id,
            "path": str(self.folder),
            "metric": self.metric,
            "higher_is_better": self.study.higher_is_better,
            "trials": [one.as_dict() for one in trials],
            "counts": {state: sum(one.state == state for one in trials) for state in states},
            "best": best.as_dict(),
            "importance": self.study.importances(),
            "comparison": comparison.as_dict(),
            "recipe": str(file),
            "sentence": comparison.sentence(),
        }

    def _say(self, training: Training) -> None:
        """Tell how a trial ended, and which is the best so far."""
        assert isinstance(training, Trial)
        trial, best = self.study.tried()[training.number], self.study.best()
        ended = f"{self.metric} {told_score(trial.score)}" if trial.state == "finished" else trial.state
        if trial.state == "stopped early" and trial.score is not None:
            ended += f" at {told_score(trial.score)}"
        why = f" ({trial.why})" if trial.state == "refused" or (trial.state == "finished" and trial.why) else ""
        leads = f" · best {told_score(best.score)}, trial {best.number}" if best else ""
        say(f"trial {trial.number}: {told_values(trial.values)} → {ended}{why}{leads}", style="bold")

    def _write_recipe(self, values: dict[str, Any], number: int) -> Path:
        """Write the winner's recipe beside the recipe and return its path."""
        name = self.project.file.stem if self.project.file else "recipe"
        path = self.project.folder / f"{name}.best.yaml"
        head = f"# Written by tunesmith sweep: trial {number} of {self.id}.\n"
        told = "".join(f"#   {key}: {json.dumps(value)}\n" for key, value in values.items())
        text = yaml.safe_dump(self.space.changed(values), sort_keys=False, allow_unicode=True)
        path.write_text(head + told + text, encoding="utf-8")
        return path
