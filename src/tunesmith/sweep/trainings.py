"""One training of a sweep: a trial, or a recipe on another seed; what is known of it is noted at once.

Owns what a kill may cost (the training that was going on, from its last checkpoint) and which Models are taken away
again. Every training is an ordinary one (`flow`). Does not own which trainings there are (`search`), nor in which
process (`workers`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunesmith import checks, flow
from tunesmith.core.errors import ArtifactError, DataError, RecipeError, SetupError
from tunesmith.sweep.space import TRIED_TOGETHER

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact
    from tunesmith.flow import Project
    from tunesmith.sweep.space import Space
    from tunesmith.sweep.study import Attempt, Study
    from tunesmith.train.progress import Progress

_SPLITS = ("valid.parquet", "test.parquet")
"""Files of a Dataset that all trials must share."""


class _Stopped(Exception):
    """Raised from within a training that is stopped early."""


@dataclass(frozen=True)
class Trial:
    """A trial, by its number in the study."""

    number: int

    def told(self) -> str:
        """Return what it is in words."""
        return f"trial {self.number}"


@dataclass(frozen=True)
class Again:
    """A recipe on a seed that chose nothing; the study remembers under ``key`` what it reaches."""

    name: str
    key: str
    values: dict[str, Any]
    seed: int

    def told(self) -> str:
        """Return what it is in words."""
        return f"{self.name}, seed {self.seed}"


@dataclass(frozen=True)
class Fit:
    """Whether a setting's value fits base, data and machine, which no training is needed for.

    The study remembers under ``key`` why it does not; empty if it does, beside the recipe as it is or other values.
    """

    key: str
    setting: str
    value: Any

    def told(self) -> str:
        """Return what it is in words."""
        return f"{self.setting}: {self.value!r}"


Training = Trial | Again | Fit

FITS_TRIED = 4
"""Choices of the other settings beside which a value is looked at before it is said to fit none."""


@dataclass
class Bench:
    """Where trainings of a sweep are made, in this process.

    Args:
        project: its recipe as it is.
        space: what is searched.
        study: where each training is noted.
        metric: by which trials are compared.
        keep: whether the Models of the sweep are kept.
    """

    project: Project
    space: Space
    study: Study
    metric: str
    keep: bool

    @cached_property
    def dataset(self) -> Artifact:
        """The Dataset of the recipe as it is."""
        return flow.prepare(self.project)

    def make(self, training: Training) -> None:
        """Make one training and note in the study what came of it.

        Raises:
            TunesmithError: what no other values would mend.
        """
        if isinstance(training, Trial):
            self._try(self.study.attempt(training.number))
        elif isinstance(training, Again):
            self._again(training)
        elif self.study.remembered(training.key) != "":
            self.study.remember(training.key, self._why_unfit(training))

    def _why_unfit(self, fit: Fit) -> str:
        told, tried = "", 0
        for values in self.space.some_with(fit.setting, fit.value, TRIED_TOGETHER):
            try:
                inner = replace(self.project, recipe=self.space.recipe_of(values), file=None)
            except RecipeError:
                continue
            try:
                checks.check_fit(inner, self._same_rows(inner))
            except (RecipeError, DataError, SetupError, ArtifactError) as error:
                told, tried = told or error.message, tried + 1
            else:
                return ""
            if tried == FITS_TRIED:
                break
        return told

    def _try(self, attempt: Attempt) -> None:
        if attempt.ends_as_its_twin():
            return
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

    def _watch(self, attempt: Attempt, seen: Progress) -> None:
        if attempt.see([row[self.metric] for row in seen.metrics if self.metric in row]):
            raise _Stopped

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

    def _again(self, training: Again) -> None:
        """Train on a seed, measure on validation and test. The Dataset is that of the recipe's own seed."""
        known = self.study.remembered(training.key)
        if known is None:
            known = self._measured(training)
            self.study.remember(training.key, known)
        self._take_away(known["model"], ours=self.study.remembered(f"{training.key} ours"))

    def _measured(self, training: Again) -> dict[str, Any]:
        recipe = self.space.recipe_of(training.values)
        inner = replace(self.project, recipe=recipe.model_copy(update={"seed": training.seed}), file=None)
        dataset = self._same_rows(replace(inner, recipe=recipe))
        if self.study.remembered(f"{training.key} ours") is None:
            before = inner.workspace.find(flow.planned_model(inner, dataset))
            self.study.remember(f"{training.key} ours", before is None)
        model = flow.train_on(inner, dataset)
        best = _best_of(model)
        test = flow.test_score(inner, dataset, model) if dataset.result["splits"]["test"] else None
        return {"seed": training.seed, "model": model.id, "valid": best["value"], "step": best["step"], "test": test}

    def _take_away(self, model_id: str, *, ours: bool) -> None:
        """Delete a Model that the sweep has made, unless Models are to be kept."""
        model = self.project.workspace.find(model_id)
        if ours and not self.keep and model is not None:
            self.project.workspace.discard(model)


def _best_of(model: Artifact) -> dict[str, Any]:
    """Return step and value of the best validation of a Model.

    Raises:
        DataError: if there is none.
    """
    best: dict[str, Any] | None = model.result["best"]
    if best is None:
        raise DataError(f"{model.id}: no validation gave a number", hint="a lower train.schedule.peak")
    return best
