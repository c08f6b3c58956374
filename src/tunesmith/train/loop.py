"""The training loop. Everything it needs is handed in; everything it did is in the `Progress` it returns.

For each step: the objective's loss over the micro-batches, a share of the step's each; clip; update. Validation
at fixed steps; the best weights are kept; a checkpoint after each validation and every few minutes between.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any, Protocol

import torch

from tunesmith.core.allocator import give_back_where_scarce
from tunesmith.core.clock import monotonic_s
from tunesmith.models.activation_checkpointing import checkpointed
from tunesmith.models.compiled import compile_layers, pays
from tunesmith.models.dropout import train_from
from tunesmith.models.precision import compute_in
from tunesmith.train.average import Average
from tunesmith.train.batches import TokenSet, micro_batches, step_sizes, steps_of_epoch, variants_of_epoch
from tunesmith.train.checkpoint import load_best, load_checkpoint, save_best, save_checkpoint
from tunesmith.train.guard import harm, leave_out
from tunesmith.train.loss import Terms, supervised_loss
from tunesmith.train.optimizer import build_optimizer, rate_factors, set_rate, trainable
from tunesmith.train.progress import Progress
from tunesmith.train.pull import add_noise
from tunesmith.train.ranks import ALONE, Ranks
from tunesmith.train.schedule import multiplier
from tunesmith.train.sharded import gathered, shard, shards, within
from tunesmith.train.tokens import ids_of
from tunesmith.train.validate import Judge, steps_between, validate, validated_after

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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
    """What a run makes small, and what its validations see.

    Of several ranks each makes some of a step's batches, and all measure a validation.
    """

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
        chooses: whether validations do that; if not, the last step is reached and its weights count.
        states: what comes out of frozen lowest layers, if it is kept.
        ranks: the processes that train together.
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
    chooses: bool = True
    states: Kept | None = None
    ranks: Ranks = ALONE

    @property
    def compiled(self) -> bool:
        """Whether the decoder layers run as compiled code, which those that are computed twice do not."""
        wanted = self.settings.compile
        if checkpointed(self.loaded.model):
            return False
        return wanted == "always" or (wanted == "auto" and pays(self.loaded.model.device, self.total_steps))

    @property
    def sharded(self) -> bool:
        """Whether the model lies in parts on the ranks."""
        return self.ranks.count > 1 and shards(self.settings, self.loaded.model.device)

    @property
    def writers(self) -> Ranks | None:
        """The ranks that write checkpoints together, if this is one of them."""
        return self.ranks if self.sharded else ALONE if self.ranks.first else None

    @property
    def skipped_layers(self) -> int:
        """How many of the lowest layers do not run, because what comes out of them is kept."""
        return self.learning.frozen_layers if self.states else 0

    @property
    def new_tokens(self) -> list[int]:
        """The ids of the tokens that are added to the base."""
        return ids_of(self.loaded.tokenizer, self.settings.tokens.add) if self.settings.tokens else []

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
        """Steps between validations."""
        return steps_between(self.settings, self.epoch_steps)

    @cached_property
    def validated_after(self) -> frozenset[int]:
        """How many steps are done where a validation follows."""
        return frozenset(validated_after(self.settings, self.epoch_steps))

    @property
    def epoch_ends(self) -> list[int]:
        """How many steps are done at the end of each epoch."""
        return list(accumulate(self.epoch_steps))


def fit(run: Run, bar: Bar, watchers: Sequence[Callable[[Progress], None]] = ()) -> Progress:
    """Train until the last step or until validation stops it; the first rank's model ends with the best weights.

    One that lies in parts ends with its last ones, and `checkpoint.load_best` gives the best to a whole model.

    ``watchers`` are handed the progress after each step, and change nothing in it. They come before its checkpoint: a
    step that a kill parts from what they do is done again.

    Raises:
        DataError: if a step would do harm (see `guard`) and the recipe does not leave it out.
    """
    model = run.loaded.model
    if run.compiled:
        compile_layers(model, first=run.skipped_layers)
    factors = rate_factors(model, run.settings.schedule)  # looks for depths, for which a model must be whole
    if run.sharded:
        run = shard(run)
    weights = run.learning.weights
    optimizer = build_optimizer(model, run.settings, factors, run.new_tokens)
    optimizer.register_step_post_hook(run.learning.held.put_back)
    average = Average.of(run.settings.regularise, weights, run.total_steps)
    progress = load_checkpoint(run.folder, weights, optimizer, average) or Progress()
    bar.advance(progress.step)
    started_s, spent_s, saved_s = monotonic_s(), progress.seconds, monotonic_s()
    for step, rows in steps_from(run, progress.step):
        if progress.stopped_by:
            break
        began_s, tokens, read = monotonic_s(), progress.tokens, progress.read_tokens
        update(run, optimizer, step, rows, progress)
        seconds = monotonic_s() - began_s
        progress.timed.append([step + 1, progress.tokens - tokens, progress.read_tokens - read, seconds])
        if average is not None and "skipped" not in progress.metrics[-1]:
            average.see(step)
        progress.step = step + 1
        progress.seconds = spent_s + monotonic_s() - started_s
        if progress.step in run.validated_after:
            with average.in_place() if average else contextlib.nullcontext():
                validate(run, progress)
            saved_s = -math.inf
        bar.advance(1, **_facts(progress))
        for watch in watchers:
            watch(progress)
        if run.writers and run.writers.told(monotonic_s() - saved_s > CHECKPOINT_EVERY_S):
            save_checkpoint(run.folder, weights, optimizer, progress, average, run.writers)
            saved_s = monotonic_s()
    progress.stopped_by = progress.stopped_by or "last step"
    _end_with_best(run, progress, average)
    if run.states:
        run.states.delete()
    model.eval()
    return progress


def _end_with_best(run: Run, progress: Progress, average: Average | None) -> None:
    weights = run.learning.weights
    if progress.best.step < 0 and average is not None:
        average.settle()
    if run.sharded and progress.best.step < 0:
        save_best(run.folder, weights, run.ranks)
    if run.ranks.first and not run.sharded:
        load_best(run.folder, weights)


def steps_from(run: Run, start: int) -> Iterator[tuple[int, list[int]]]:
    """Yield (step, indices of sequences) from a step on; skipping costs nothing but the epoch's permutation."""
    first = 0
    for epoch, count in enumerate(run.epoch_steps):
        if first + count > start:
            steps = steps_of_epoch(*step_sizes(run.settings, run.train.num_targets), run.seed, epoch)
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
    tokens = sum(len(run.train.rendered[i].ids) for i in rows)
    batches = micro_batches(run.train, rows, run.shortcuts, run.ranks.row_tokens(run.row_tokens, tokens))
    with gathered(run.loaded.model):
        step_loss = run.objective.of_step(run, rows, batches)
    loss, norm = _gradients(run, step_loss, batches, step)
    if why := harm(run, loss, norm, progress):
        optimizer.zero_grad(set_to_none=True)
        leave_out(run, step, rows, why, progress)
        return
    if share := run.settings.regularise.gradient_noise:
        learnt = trainable(run.loaded.model)
        add_noise(learnt.values(), share, step, run.seed, sum(map(run.learning.held.numel, learnt)))
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    targets = sum(run.train.rendered[i].num_targets for i in rows)
    progress.tokens += tokens
    progress.read_tokens += sum(batch.row.ids_BT.numel() for batch in batches)
    progress.target_tokens += targets
    facts = {"loss": loss, "lr": rate, "grad_norm": norm, "target_tokens": targets, **step_loss.facts()}
    progress.metrics.append({"step": step + 1, **facts})


def _gradients(run: Run, step_loss: StepLoss, batches: Sequence[Batch], step: int) -> tuple[float, float]:
    """Make a step's gradients and clip them; return the loss and the gradient's norm before clipping."""
    model, ranks = run.loaded.model, run.ranks
    shares = ranks.shares(batches)
    own = shares[ranks.rank]
    total = torch.zeros((), device=model.device)
    for number in own:
        torch.manual_seed((run.seed * 1_000_003 + step) * 4_099 + number)  # dropout is a function of these three
        if model.device.type == "cpu":
            give_back_where_scarce()
        given = run.states.train.entered(batches[number]) if run.states else batches[number]
        total += _pass(run, partial(step_loss, given))
    for _ in range(max(map(len, shares)) - len(own) if run.sharded else 0):
        _pass(run, partial(_of_nothing, run, batches[0]))
    weights = trainable(model).values()
    if not run.sharded:
        ranks.sum_gradients(weights)
    run.learning.held.drop_gradients()
    norm: Any = torch.nn.utils.clip_grad_norm_(weights, run.settings.regularise.clip)
    return ranks.sum(float(total))[0], float(norm.full_tensor() if run.sharded else norm)


def _pass(run: Run, loss: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Add the gradients of one forward pass and its backward pass; return the loss."""
    with compute_in(run.precision, run.loaded.model.device):
        made = within(run.loaded.model, loss)
    torch.autograd.backward(made)
    return made.detach()


def _of_nothing(run: Run, batch: Batch) -> torch.Tensor:
    """Return a loss without weight through the whole model, read as often as in a pass, for a rank that has none."""
    model = run.loaded.model
    batch = replace(batch, weights_N=torch.zeros_like(batch.weights_N)).to(model.device)
    return supervised_loss(model, batch, run.shortcuts, Terms.of(run.settings.regularise))


def _facts(progress: Progress) -> dict[str, float | str]:
    recent = [row["loss"] for row in progress.metrics[-20:] if "loss" in row]
    facts: dict[str, float | str] = {"loss": sum(recent) / len(recent)} if recent else {}
    if progress.best.step >= 0:
        facts["best valid"] = abs(progress.best.value)
    return facts
