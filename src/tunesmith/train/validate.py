"""When a run validates and what that does: measures, keeps the best weights, decides whether to stop.

Owns after which steps, the validation loss and how sure a gain is. Other metrics are handed in as a `Judge`, for how
answers are graded is `evaluate`'s. Does not own patience (`stop`) nor what overfitting is (`overfit`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.estimates import paired_statistic
from tunesmith.models.score import nll
from tunesmith.train import overfit
from tunesmith.train.checkpoint import as_lists, save_best
from tunesmith.train.ranks import ALONE
from tunesmith.train.sharded import gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Train
    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress

Columns = dict[str, "NDArray[Any]"]
"""Name to one value per validation row."""

RESAMPLES = 200
_ERRORS_WIDE = 2 * 1.96
"""How many standard errors a 95 % interval is wide."""


def steps_between(settings: Train, epoch_steps: Sequence[int]) -> int:
    """Return the steps between validations: as set, an epoch, or half of one."""
    if settings.eval_every == "epoch":
        return epoch_steps[0]
    return settings.eval_every or max(1, math.ceil(epoch_steps[0] / 2))


def validated_after(settings: Train, epoch_steps: Sequence[int]) -> list[int]:
    """Return how many steps are done at each validation of a run, the last of which is at its end."""
    if settings.eval_every == "epoch":
        return list(accumulate(epoch_steps))
    every, total = steps_between(settings, epoch_steps), sum(epoch_steps)
    return [*range(every, total, every), total]


@dataclass(frozen=True)
class Judge:
    """A metric of the validation rows.

    Args:
        name: of the metric.
        higher_is_better: False for losses.
        look: asks the model and returns what the metric is computed from; None where the objective's own look has it.
        value: the metric of some columns.
    """

    name: str
    higher_is_better: bool
    look: Callable[[LoadedModel], Columns] | None
    value: Callable[[Columns], float]

    def cost(self, columns: Columns) -> float:
        """Return the metric as a number of which less is better."""
        return -self.value(columns) if self.higher_is_better else self.value(columns)

    def noise(self, new: Columns, old: Mapping[str, list[Any]]) -> float:
        """Return the standard error of the metric's difference between two looks at the same rows."""
        before = {name: np.asarray(values) for name, values in old.items()}

        def apart(index: NDArray[np.intp]) -> float:
            return self.value({k: v[index] for k, v in new.items()}) - self.value(
                {k: v[index] for k, v in before.items()}
            )

        found = paired_statistic(apart, len(next(iter(new.values()))), resamples=RESAMPLES)
        return (found.high - found.low) / _ERRORS_WIDE


def likelihood_judge(run: Run) -> Judge:
    """Return the judge of the validation loss, in nats per target token."""
    ranks = ALONE if run.sharded else run.ranks
    rendered = run.valid.rendered[ranks.rank :: ranks.count]
    ids, targets = [one.ids for one in rendered], [one.targets for one in rendered]
    entry_of = {"entry_of": run.states.valid.padded} if run.states and run.states.valid else {}

    def look(loaded: LoadedModel) -> Columns:
        parts = ranks.gathered(nll(loaded, ids, targets, precision=run.precision, **entry_of))
        scores = [parts[row % ranks.count][row // ranks.count] for row in range(len(run.valid))]
        nats, counts = zip(*scores, strict=True)
        return {"nats": np.array(nats), "targets": np.array(counts)}

    return Judge("valid_loss", False, look, lambda seen: float(seen["nats"].sum() / seen["targets"].sum()))


def validate(run: Run, progress: Progress) -> None:
    """Measure the model as it is; where that chooses, keep its weights if they are the best, and set ``stopped_by`` if
    patience is out.
    """
    if not len(run.valid):
        return
    run.loaded.model.eval()
    loss = run.objective.judge(run)
    assert loss.look is not None
    with gathered(run.loaded.model):
        columns = loss.look(run.loaded)
    value = loss.value(columns)
    if run.chooses:
        overfit.look(loss, columns, progress)
    progress.validations.append(value)
    progress.metrics[-1] |= {"valid_loss": value, **run.objective.facts(columns)}
    if not run.chooses:
        return
    judge = run.judge or loss
    if judge is not loss:
        with gathered(run.loaded.model):
            columns = judge.look(run.loaded) if judge.look else columns
        progress.metrics[-1][judge.name] = judge.value(columns)
    if _see(run, progress, judge, columns) and run.writers:
        save_best(run.folder, run.learning.weights, run.writers)
    if progress.best.should_stop(run.settings.regularise.early_stopping):
        progress.stopped_by = f"{judge.name}: no gain in {progress.best.without_gain} validations"


def _see(run: Run, progress: Progress, judge: Judge, columns: Columns) -> bool:
    """Let `BestSoFar` take in a validation; return whether it is the best."""
    settings = run.settings.regularise.early_stopping
    wanted = settings.min_delta if settings else 0.0
    least_gain = wanted if isinstance(wanted, float) else 0.0
    if wanted == "auto" and progress.anchor:
        least_gain = judge.noise(columns, progress.anchor)
    best = progress.best.see(progress.step, judge.cost(columns), least_gain)
    if wanted == "auto" and progress.best.without_gain == 0:
        progress.anchor = as_lists(columns)
    return best
