"""The search itself: which values a trial gets, when it is stopped early, and what is known of all trials so far.

Owns the study, which Optuna keeps in a SQLite file of the sweep's folder; a trial is there before it trains and its
score as soon as it is known, so a kill loses none and repeats none. What a trial gets is a function of the seed, its
number and the trials before it: a sweep that was killed tries the same as one that was not. Does not own training.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.recipe.sweep import Range

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from tunesmith.sweep.space import Space

STARTUP = 8
"""Trials drawn at random before the sampler goes by what it saw."""

BEFORE_PRUNING = 4
"""Finished trials before one is stopped early."""

NEVER_JUDGED = 1
"""First validations by which the median stops no trial: a longer warm-up is behind there, and may be ahead later."""

FEWEST_FOR_IMPORTANCE = 12
"""Trials with a score from which importance is computed."""

_STATES = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": "refused", "RUNNING": "running"}
_SCORED = ("finished", "stopped early")
_ENDED = (*_SCORED, "refused")


@dataclass(frozen=True)
class Tried:
    """A trial, as far as it has come.

    Args:
        number: from 0 on.
        values: of the searched settings, as the recipe has them.
        state: finished, stopped early, refused, running.
        score: the best validation; of one that was stopped early the best it reached; None if it reached none.
        validations: each score, in their order.
        why: what stopped or refused it, or which trial of the same values it is; else empty.
    """

    number: int
    values: dict[str, Any]
    state: str
    score: float | None
    validations: tuple[float, ...] = ()
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts; a validation that is no number is null."""
        return {**self.__dict__, "validations": [one if math.isfinite(one) else None for one in self.validations]}


def _highest(given: Range) -> float:
    """Return the highest number that steps from the lowest one reach."""
    if given.step is None:
        return float(given.high)
    return given.low + math.floor((given.high - given.low) / given.step + 1e-9) * float(given.step)


def require() -> None:
    """Refuse a sweep where its libraries are not installed.

    Raises:
        MissingExtraError: without Optuna, or what it computes importance with.
    """
    try:
        import optuna  # noqa: F401
        import sklearn  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("sweep", error.name or "optuna") from error


@dataclass
class Study:
    """The trials of a sweep; opened again it knows those that were made before.

    Args:
        folder: where ``study.db`` lies; made if missing.
        space: what is searched.
        higher_is_better: of the score.
        pruning: as in the recipe.
        seed: of what is tried.
    """

    folder: Path
    space: Space
    higher_is_better: bool
    pruning: str
    seed: int
    _storage: Any = field(default=None, init=False)

    @cached_property
    def _study(self) -> Any:
        import optuna
        from sqlalchemy.pool import NullPool

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder.mkdir(parents=True, exist_ok=True)
        engine = {"connect_args": {"timeout": 30.0}, "poolclass": NullPool}
        self._storage = optuna.storages.RDBStorage(f"sqlite:///{self.folder / 'study.db'}", engine_kwargs=engine)
        direction = "maximize" if self.higher_is_better else "minimize"
        return optuna.create_study(
            storage=self._storage, study_name="sweep", direction=direction, pruner=self._pruner(), load_if_exists=True
        )

    def _pruner(self) -> Any:
        from optuna import pruners

        if self.pruning == "median":
            return pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING, n_warmup_steps=NEVER_JUDGED)
        return pruners.HyperbandPruner(min_resource=1) if self.pruning == "hyperband" else pruners.NopPruner()

    def _sampler(self, number: int) -> Any:
        """Return what draws one trial's values; each has a seed of its own, so a kill changes nothing of the next."""
        import optuna

        seed = (self.seed * 1_000_003 + number) % 2**32
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, Any] = {}
        for key, given in self.space.fields.items():
            if not isinstance(given, Range):
                found[key] = CategoricalDistribution(list(range(len(given))))  # any value, also a list or a mapping
            elif self.space.is_whole(key):
                low, high, step = int(given.low), int(given.high), int(given.step or 1)
                found[key] = IntDistribution(low, low + (high - low) // step * step, log=given.log, step=step)
            else:
                found[key] = FloatDistribution(float(given.low), _highest(given), log=given.log, step=given.step)
        return found

    def next(self, most: int, busy: Container[int] = ()) -> Attempt | None:
        """Return the trial to go on with: one that was killed, else a new one; None if there are ``most`` already.

        ``busy`` are the numbers of trials that other processes are making.
        """
        trials = self._study.get_trials(deepcopy=False)
        for one in trials:
            if one.state.name == "RUNNING" and one.number not in busy:
                return self.attempt(one.number)
        if len(trials) >= most:
            return None
        self._study.sampler = self._sampler(len(trials))
        return self._drawn(self._study.ask())

    def attempt(self, number: int) -> Attempt:
        """Return a trial that has begun; what was not drawn for it before a kill is drawn now."""
        import optuna

        known = self._study.get_trials(deepcopy=False)[number]
        self._study.sampler = self._sampler(number)
        return self._drawn(optuna.trial.Trial(self._study, known._trial_id))

    def _drawn(self, trial: Any) -> Attempt:
        drawn = {key: trial._suggest(key, one) for key, one in self._distributions().items()}
        return Attempt(self, trial, self.values_of(drawn))

    def unopened(self) -> Study:
        """Return the same study for another process."""
        return replace(self)

    def values_of(self, drawn: dict[str, Any]) -> dict[str, Any]:
        """Return what was drawn as values of the recipe."""
        given = self.space.fields
        return {
            key: value if isinstance(given[key], Range) else list(given[key])[value]
            for key, value in drawn.items()
            if key in given
        }

    def tried(self) -> list[Tried]:
        """Return all trials, by number."""
        return [self._as_tried(one) for one in self._study.get_trials(deepcopy=False)]

    def _as_tried(self, trial: Any) -> Tried:
        validations = tuple(trial.intermediate_values[step] for step in sorted(trial.intermediate_values))
        score = trial.value if trial.state.name == "COMPLETE" else None
        known = [one for one in validations if math.isfinite(one)]
        if score is None and known:
            score = max(known) if self.higher_is_better else min(known)
        why = trial.user_attrs.get("why", "")
        return Tried(trial.number, self.values_of(trial.params), _STATES[trial.state.name], score, validations, why)

    def best(self) -> Tried | None:
        """Return the finished trial with the best score, the first of equals; None if none has finished."""
        finished = [one for one in self.tried() if one.state == "finished" and one.score is not None]
        return min(finished, key=lambda one: self.cost(one.score), default=None)

    def cost(self, score: float | None) -> float:
        """Return a score as a number of which less is better."""
        assert score is not None
        return -score if self.higher_is_better else score

    def importances(self) -> dict[str, float]:
        """Return each setting's share of what decides the order of trials, the largest first; empty with too few.

        Of the variance of ranks: scores of bad trials lie so far off that they alone would be seen. A trial that was
        stopped early counts with the best that it reached.

        Source: Hutter, Hoos, Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance".
        """
        import optuna

        tried = [(one, self._as_tried(one)) for one in self._study.get_trials(deepcopy=False)]
        costs = [
            (one, self.cost(told.score)) for one, told in tried if told.score is not None and told.state in _SCORED
        ]
        order = sorted(cost for _, cost in costs)
        if len(costs) < FEWEST_FOR_IMPORTANCE or order[0] == order[-1]:
            return {}
        seen = optuna.create_study()
        for one, cost in costs:
            made = {"params": one.params, "distributions": one.distributions, "value": float(order.index(cost))}
            seen.add_trial(optuna.trial.create_trial(**made))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(seen, evaluator=evaluator)
        return {key: float(share) for key, share in found.items()}

    def remembered(self, name: str) -> Any:
        """Return what `remember` kept under a name; None if nothing."""
        return self._study.user_attrs.get(name)

    def remember(self, name: str, value: Any) -> None:
        """Keep a JSON-able value with the study."""
        self._study.set_user_attr(name, value)

    def close(self) -> None:
        """Let go of the file."""
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()


@contextlib.contextmanager
def opened(study: Study) -> Iterator[Study]:
    """Yield a study and let go of its file afterwards."""
    try:
        yield study
    finally:
        study.close()


@dataclass
class Attempt:
    """A trial on its way."""

    study: Study
    _trial: Any
    values: dict[str, Any]
    _judged: int = field(default=0, init=False)

    @property
    def number(self) -> int:
        """The trial's number, from 0 on."""
        return int(self._trial.number)

    def see(self, validations: Sequence[float]) -> bool:
        """Note the scores of all validations so far; return whether the trial is to stop.

        Each is judged once by a process, so one that was killed after a validation comes to the same end.
        """
        if len(validations) <= self._judged:
            return False
        known = self._known()
        for step in range(self._judged, len(validations)):
            if step not in known:
                self._trial.report(validations[step], step)
            self._judged = step + 1
            if self._trial.should_prune():
                return True
        return False

    def _known(self) -> Container[int]:
        """Return which validations are noted, also by a process that was killed."""
        found: dict[int, float] = self._trial.storage.get_trial(self._trial._trial_id).intermediate_values
        return found

    def ends_as_its_twin(self) -> bool:
        """End the trial as an earlier one of the same values did, which needs no training; False if there is none."""
        twins = (one for one in self.study.tried() if one.values == self.values and one.state in _ENDED)
        if (twin := next(twins, None)) is None:
            return False
        known = self._known()
        for step, score in enumerate(twin.validations):
            if step not in known:
                self._trial.report(score, step)
        if twin.state == "finished":
            assert twin.score is not None
            self.note("why", f"as trial {twin.number}")
            self.finish(twin.score)
        elif twin.state == "refused":
            self.refuse(twin.why)
        else:
            self.stop(f"as trial {twin.number}")
        return True

    def about(self, name: str) -> Any:
        """Return what `note` kept of the trial; None if nothing."""
        return self._trial.user_attrs.get(name)

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON-able value with the trial."""
        self._trial.set_user_attr(name, value)

    def finish(self, score: float) -> None:
        """End the trial with its score."""
        self.study._study.tell(self._trial, score)

    def stop(self, why: str) -> None:
        """End the trial early; the search takes it for a bad one."""
        from optuna.trial import TrialState

        self.note("why", why)
        self.study._study.tell(self._trial, state=TrialState.PRUNED)

    def refuse(self, why: str) -> None:
        """End a trial that could not be made; the search learns nothing from it."""
        from optuna.trial import TrialState

        self.note("why", why)
        self.study._study.tell(self._trial, state=TrialState.FAIL)
