"""The peak learning rate by trial: a few short runs at different peaks, and what they say of the whole run.

Owns which peaks are tried, for how many steps, and the rule that chooses. A short run is the run itself with fewer
steps, its schedule and unfreezing drawn together, on batches in another order. Afterwards the weights are what they
were; what was tried lies in the run's folder, so a run that is killed tries nothing twice and chooses the same. Does
not own the rates of a step (`schedule`) nor training (`loop`).
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.core.disk import fsync
from tunesmith.core.errors import DataError
from tunesmith.core.progress import say, steps
from tunesmith.train.batches import plan_steps, step_sizes
from tunesmith.train.loop import fit
from tunesmith.train.schedule import drawn_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tunesmith.recipe import Train
    from tunesmith.train.loop import Run
    from tunesmith.train.progress import Progress
    from tunesmith.train.ranks import Ranks

APART = 2.0
"""Factor between neighbouring peaks."""

MOST_TRIED = 6
"""Peaks tried at most; three are the fewest, one between two neighbours."""

SHARE = 1 / 8
"""Steps of a short run, as a share of the whole run's."""

FEWEST_STEPS, MOST_STEPS = 16, 400
"""Bounds on the steps of a short run; none is longer than the run."""

FALLS = 0.16
"""The best peak falls with this power of the number of steps.

Source: half of what Bjorck et al. 2025, "Scaling optimal LR across token horizons" (arXiv 2409.19913), found for
pretraining. With the whole of it tuned models stayed 2 to 9 % above a grid's best in two of four cases; docs/log.md.
"""

SEEN_LAST = 0.25
"""Share of a short run's steps, at its end, whose training loss counts where nothing is validated."""

DIGITS = 2
"""Significant digits of the choice: more would hang on the machine's rounding and change nothing."""

_FILE = "peaks.json"


@dataclass(frozen=True)
class Search:
    """The peaks that were tried, ascending, with their losses (infinite: it diverged), and the one chosen.

    Args:
        peak: the choice, for the whole run.
        tried: (peak, loss after ``steps`` steps); of the validation examples, or of the last steps if there are none.
        steps: of each short run.
        measured: whose loss it is, ``valid_loss`` or ``train_loss``.
    """

    peak: float
    tried: tuple[tuple[float, float], ...]
    steps: int
    measured: str

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-able facts; a loss that is no number is null."""
        tried = [{"peak": peak, "loss": loss if math.isfinite(loss) else None} for peak, loss in self.tried]
        return {"peak": self.peak, "steps_each": self.steps, "measured": self.measured, "tried": tried}

    def told(self) -> str:
        """Return the search in one line."""
        of = ", ".join(f"{loss:.4g} at {peak:.2g}" for peak, loss in self.tried)
        if not math.isfinite(min(loss for _, loss in self.tried)):
            return f"peak rate {self.peak:.2g}, the default: every peak tried diverged ({of})"
        return f"peak rate {self.peak:.2g}: {self.measured} after {self.steps:,} steps is {of}"


def find_peak(run: Run) -> Search | None:
    """Return the peak for a run whose recipe has ``peak: auto``, and how it was found; None for any other.

    ``run.peak`` is where the search begins. The run has its reference, if its objective needs one.

    Raises:
        OSError: if the disk refuses to take what was tried.
    """
    if run.settings.schedule.peak != "auto":
        return None
    count = steps_each(run)
    kept = _Kept(run.folder / _FILE, run.ranks)

    def loss_of(place: int) -> float:
        if place not in kept.losses:
            kept.keep(place, _loss(run, run.peak * APART**place, count, run.folder / f"peak{place:+d}"))
        return kept.losses[place]

    losses = descend(loss_of)
    place = lowest(losses)
    peak = run.peak if place is None else run.peak * APART**place * (count / run.total_steps) ** FALLS
    found = Search(
        peak=float(f"{min(1.0, peak):.{DIGITS}g}"),
        tried=tuple((run.peak * APART**at, losses[at]) for at in sorted(losses)),
        steps=count,
        measured="valid_loss" if len(run.valid) else "train_loss",
    )
    say(f"  {found.told()}")
    return found


def steps_at_most(run: Run) -> int:
    """Return the most steps that finding the peak takes; 0 if the recipe does not want it found."""
    return MOST_TRIED * steps_each(run) if run.settings.schedule.peak == "auto" else 0


def steps_each(run: Run) -> int:
    """Return the steps of a short run; without validation examples no example is seen twice."""
    count = min(run.total_steps, MOST_STEPS, max(FEWEST_STEPS, math.ceil(SHARE * run.total_steps)))
    return count if len(run.valid) else min(count, run.epoch_steps[0])


def descend(loss_of: Callable[[int], float]) -> dict[int, float]:
    """Return losses at whole numbers from 0 on downhill, until one is higher again or `MOST_TRIED` were asked."""
    losses = {0: loss_of(0), 1: loss_of(1)}
    way = 1 if losses[1] < losses[0] else -1
    best = max(0, way)
    while len(losses) < MOST_TRIED:
        after = best + way
        losses[after] = loss_of(after)
        if losses[after] >= losses[best] < math.inf:
            break
        best = after
    return losses


def lowest(losses: Mapping[int, float]) -> float | None:
    """Return where a parabola through the lowest loss and its neighbours is lowest; None if no loss is a number.

    Of equals one with two neighbours counts; without them it is the answer itself. A neighbour that diverged pushes
    half a step away.
    """
    best = min(sorted(losses), key=lambda at: (losses[at], not {at - 1, at + 1} <= losses.keys()))
    if not math.isfinite(losses[best]):
        return None
    if best - 1 not in losses or best + 1 not in losses:
        return float(best)
    below, above = losses[best - 1] - losses[best], losses[best + 1] - losses[best]
    if math.isinf(below) or math.isinf(above):
        return best + 0.5 * (math.isinf(below) - math.isinf(above))
    return best + (0.5 * (below - above) / (below + above) if below + above > 0 else 0.0)


class _Kept:
    """Losses by place, whole in a file after each. The first rank reads and writes it."""

    def __init__(self, file: Path, ranks: Ranks) -> None:
        self._file, self._ranks = file, ranks
        known = json.loads(file.read_text(encoding="utf-8")) if ranks.first and file.exists() else {}
        self.losses = {int(place): float(loss) for place, loss in (ranks.told(known) or {}).items()}

    def keep(self, place: int, loss: float) -> None:
        self.losses[place] = loss
        if not self._ranks.first:
            return
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self.losses), encoding="utf-8")
        fsync(part)
        part.rename(self._file)


def _loss(run: Run, peak: float, count: int, folder: Path) -> float:
    """Return the loss that a short run ends with; infinite if it diverges. A killed one goes on from its checkpoint."""
    short = _short(run, peak, count, folder)
    folder.mkdir(exist_ok=True)
    run.ranks.wait()
    with _undone(run), steps(f"trying peak {peak:.2g}", short.total_steps) as bar:
        try:
            loss = _at_the_end(fit(short, bar))
        except DataError:
            loss = math.inf
    run.ranks.wait()
    if run.ranks.first:
        shutil.rmtree(folder)
    return math.inf if math.isnan(loss) else loss


def _at_the_end(progress: Progress) -> float:
    if progress.validations:
        return progress.validations[-1]
    losses = [row["loss"] for row in progress.metrics if "loss" in row]
    last = losses[-max(1, round(SEEN_LAST * len(losses))) :]
    return sum(last) / len(last) if last else math.inf


def _short(run: Run, peak: float, count: int, folder: Path) -> Run:
    """Return the run with fewer steps: what hangs on the step comes sooner by as much."""
    share, seed = count / run.total_steps, run.seed + 1
    first = {name: round(step * share) for name, step in run.learning.first_steps.items()}
    return replace(
        run,
        settings=_settings(run, count),
        learning=replace(run.learning, first_steps=first),
        peak=peak,
        seed=seed,
        epoch_steps=plan_steps(*step_sizes(run.settings, run.train.num_targets), seed, run.settings.epochs, count),
        folder=folder,
        judge=None,
        states=None,
    )


def _settings(run: Run, count: int) -> Train:
    settings, share = run.settings, count / run.total_steps
    ema = max(0.0, 1 - (1 - settings.regularise.ema) / share)
    return settings.model_copy(
        update={
            "schedule": drawn_together(settings.schedule, run.total_steps, count, run.batch_tokens),
            "regularise": settings.regularise.model_copy(update={"ema": ema}),
            "eval_every": count,
            "compile": "never",
        }
    )


@contextlib.contextmanager
def _undone(run: Run) -> Iterator[None]:
    """On leaving this context weights, what learns and random state are what they were."""
    device = run.loaded.model.device
    weights = run.learning.weights
    start = {name: weight.detach().clone() for name, weight in weights.items()}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            with torch.no_grad():
                for name, weight in weights.items():
                    weight.copy_(start[name])
                    weight.requires_grad_(True)
                    weight.grad = None
