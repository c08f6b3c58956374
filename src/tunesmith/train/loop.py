"""The training loop. Everything it needs is handed in; everything it did is in the `Progress` it returns.

For each step: the objective's loss over the micro-batches, a share of the step's each; clip; update. Validation
at fixed steps; the best weights are kept; a checkpoint after each validation and every few minutes between.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

import torch

from tunesmith.core.allocator import give_back_where_scarce
from tunesmith.core.clock import monotonic_s
from tunesmith.models.compiled import compile_layers, pays
from tunesmith.models.dropout import train_from
from tunesmith.models.precision import compute_in
from tunesmith.train.average import Average
from tunesmith.train.batches import TokenSet, micro_batches, steps_of_epoch, variants_of_epoch
from tunesmith.train.checkpoint import Progress, load_best, load_checkpoint, save_checkpoint
from tunesmith.train.guard import harm, leave_out
from tunesmith.train.optimizer import build_optimizer, set_rate, trainable
from tunesmith.train.pull import add_noise
from tunesmith.train.schedule import multiplier
from tunesmith.train.validate import Judge, validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tunesmith.core.progress import Bar
    from tunesmith.models.load import LoadedModel
    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.recipe import Train
    from tunesmith.train.batches import Batch
    from tunesmith.train.freeze import Learning
    from tunesmith.train.frozen_cache import Kept
    from tunesmith.train.validate import Columns

CHECKPOINT_EVERY_S = 120.0


class StepLoss(Protocol):
    """The loss of one step, batch by batch: the sum over its batches is what the step makes small."""

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return a batch's share of the loss, with gradient."""

    def facts(self) -> dict[str, float]:
        """Return what is noted of the step beside its loss, when all of its batches have been seen."""


class Objective(Protocol):
    """What a run makes small, and what its validations see."""

    @property
    def name(self) -> str:
        """As in the recipe."""

    def of_step(self, run: Run, rows: Sequence[int], batches: Sequence[Batch]) -> StepLoss:
        """Return the loss of a step on some sequences, laid out in batches."""

    def judge(self, run: Run) -> Judge:
        """Return the judge of the validation loss; it has a look of its own."""

    def facts(self, columns: Columns) -> dict[str, float]:
        """Return what a validation notes beside its loss, from its columns."""


@dataclass(frozen=True)
class Run:
    """What is trained on what, and how.

    Args:
        loaded: the model; whatever learns at some step takes gradients.
        learning: which of its weights learn, and from which step on.
        train: tokenised training examples.
        valid: tokenised validation examples; empty means no validation, and the last weights are kept.
        settings: the recipe's ``train`` section.
        peak: the highest learning rate.
        precision: ``float32`` or ``bfloat16``, of the matrix products.
        seed: of order and dropout.
        batch_tokens: target tokens of a step.
        epoch_steps: steps of each epoch, from `batches.plan_steps`.
        shortcuts: the work that may be left out without changing the result.
        row_tokens: most tokens of one forward pass.
        folder: where checkpoints lie.
        objective: what is made small.
        judge: what chooses the best weights and stops; None: the validation loss.
        states: what comes out of frozen lowest layers, if it is kept.
    """

    loaded: LoadedModel
    learning: Learning
    train: TokenSet
    valid: TokenSet
    settings: Train
    peak: float
    precision: str
    seed: int
    batch_tokens: int
    epoch_steps: list[int]
    shortcuts: Shortcuts
    row_tokens: int
    folder: Path
    objective: Objective
    judge: Judge | None = None
    states: Kept | None = None

    @property
    def compiled(self) -> bool:
        """Whether the decoder layers run as compiled code."""
        wanted = self.settings.compile
        return wanted == "always" or (wanted == "auto" and pays(self.loaded.model.device, self.total_steps))

    @property
    def skipped_layers(self) -> int:
        """How many of the lowest layers do not run, because what comes out of them is kept."""
        return self.learning.frozen_layers if self.states else 0

    @property
    def total_steps(self) -> int:
        """Planned steps over all epochs."""
        return sum(self.epoch_steps)

    def rate(self, step: int, validations: Sequence[float] = ()) -> float:
        """Return the learning rate of a step, before factors of single weights."""
        settings, total = self.settings, self.total_steps
        return self.peak * multiplier(
            settings.schedule, step, total, batch_tokens=self.batch_tokens, validations=validations
        )

    @property
    def eval_every(self) -> int:
        """Steps between validations: as set, or half an epoch."""
        return self.settings.eval_every or max(1, math.ceil(self.epoch_steps[0] / 2))


def fit(run: Run, bar: Bar) -> Progress:
    """Train until the last step or until validation stops it; the model ends with the best weights.

    Raises:
        DataError: if a step would do harm (see `guard`) and the recipe does not leave it out.
    """
    model, weights = run.loaded.model, run.learning.weights
    if run.compiled:
        compile_layers(model, first=run.skipped_layers)
    optimizer = build_optimizer(model, run.settings)
    average = Average.of(run.settings.regularise, weights, run.total_steps)
    progress = load_checkpoint(run.folder, weights, optimizer, average) or Progress()
    bar.advance(progress.step)
    started_s, spent_s, saved_s = monotonic_s(), progress.seconds, monotonic_s()
    for step, rows in steps_from(run, progress.step):
        if progress.stopped_by:
            break
        update(run, optimizer, step, rows, progress)
        if average is not None:
            average.see(step)
        progress.step = step + 1
        progress.seconds = spent_s + monotonic_s() - started_s
        if progress.step % run.eval_every == 0 or progress.step == run.total_steps:
            with average.in_place() if average else contextlib.nullcontext():
                validate(run, progress)
            saved_s = -math.inf
        if monotonic_s() - saved_s > CHECKPOINT_EVERY_S:
            save_checkpoint(run.folder, weights, optimizer, progress, average)
            saved_s = monotonic_s()
        bar.advance(1, **_facts(progress))
    progress.stopped_by = progress.stopped_by or "last step"
    if not load_best(run.folder, weights) and average is not None:
        average.settle()
    if run.states:
        run.states.delete()
    model.eval()
    return progress


def steps_from(run: Run, start: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (step, indices of sequences) from a step on; skipping costs nothing but the epoch's permutation."""
    first = 0
    for epoch, count in enumerate(run.epoch_steps):
        if first + count > start:
            steps = steps_of_epoch(run.train.num_targets, run.batch_tokens, run.seed, epoch)
            drawn = variants_of_epoch(run.train, run.seed, epoch)
            for offset in range(max(0, start - first), count):
                yield first + offset, run.train.sequences_of(steps[offset], drawn)
        first += count


def drawn_until(run: Run, step: int) -> list[int]:
    """Return how many times examples were read with the words of each variant, the task's own first, before a step."""
    steps = takewhile(lambda one: one[0] < step, steps_from(run, 0))
    drawn = Counter(run.train.variant_of(row) for _, rows in steps for row in rows[:: run.train.per_example])
    return [drawn[variant] for variant in range(run.train.variants)]


def update(run: Run, optimizer: torch.optim.Optimizer, step: int, rows: list[int], progress: Progress) -> None:
    """Do one step: gradients over its micro-batches, clip, move the weights, note the metrics.

    Raises:
        DataError: if the step would do harm (see `guard`) and the recipe does not leave it out.
    """
    run.learning.begin(step)
    train_from(run.loaded.model, run.learning.lowest(step))
    rate = progress.backed_off * run.rate(step, progress.validations)
    set_rate(optimizer, rate)
    batches = micro_batches(run.train, rows, run.shortcuts, run.row_tokens)
    torch.manual_seed(run.seed * 1_000_003 + step)  # dropout is a function of (seed, step)
    step_loss = run.objective.of_step(run, rows, batches)
    loss, norm = _gradients(run, step_loss, batches)
    if why := harm(run, loss, norm, progress):
        optimizer.zero_grad(set_to_none=True)
        leave_out(run, step, rows, why, progress)
        return
    if share := run.settings.regularise.gradient_noise:
        add_noise(trainable(run.loaded.model).values(), share, step, run.seed)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    targets = sum(run.train.rendered[i].num_targets for i in rows)
    progress.tokens += sum(len(run.train.rendered[i].ids) for i in rows)
    progress.target_tokens += targets
    facts = {"loss": loss, "lr": rate, "grad_norm": norm, "target_tokens": targets, **step_loss.facts()}
    progress.metrics.append({"step": step + 1, **facts})


def _gradients(run: Run, step_loss: StepLoss, batches: Sequence[Batch]) -> tuple[float, float]:
    """Make a step's gradients and clip them; return the loss and the gradient's norm before clipping."""
    model = run.loaded.model
    total = torch.zeros((), device=model.device)
    for batch in batches:
        if model.device.type == "cpu":
            give_back_where_scarce()
        given = run.states.train.entered(batch) if run.states else batch
        with compute_in(run.precision, model.device):
            loss = step_loss(given)
        torch.autograd.backward(loss)
        total += loss.detach()
    norm = torch.nn.utils.clip_grad_norm_(trainable(model).values(), run.settings.regularise.clip)
    return float(total), float(norm)


def _facts(progress: Progress) -> dict[str, float | str]:
    recent = [row["loss"] for row in progress.metrics[-20:] if "loss" in row]
    facts: dict[str, float | str] = {"loss": sum(recent) / len(recent)} if recent else {}
    if progress.best.step >= 0:
        facts["best valid"] = abs(progress.best.value)
    return facts
