"""The table: what each provider makes of each setting of a recipe.

``docs/providers.md`` is written from it (``tools/providers_reference.py``). Does not own what is done by it
(`capabilities`) nor what a setting means (`recipe`).

A new setting of ``train``, ``prompt`` or ``provider`` needs its own line; in the other sections ``section.*`` may stand
for all. ``tests/providers/test_capabilities.py`` fails until there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.providers.capability_limits import (
    batch,
    bedrock_batch,
    bedrock_rate,
    bedrock_stopping,
    beta,
    deployed,
    each_epoch,
    epochs,
    objective,
    probable,
    seed,
    sigmoid,
    steps_known,
    stops_by,
    suites,
    taken,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.recipe import Recipe

How = Literal["honoured", "approximated", "refused"]
COLUMNS = ("local", "openai", "bedrock")
"""Who tunes; Azure honours what OpenAI does."""


@dataclass(frozen=True)
class Cell:
    """What one provider makes of one setting.

    Args:
        how: honoured as the recipe says; approximated; or refused.
        why: how it is approximated, or why it is refused; of what is honoured, what else is to be known.
        instead: what to do instead of what is refused.
        limit: looks at a recipe and returns why its value is refused although others are not; empty if it is not.
        zero: of what is refused, whether 0 asks for nothing, which everybody honours.
    """

    how: How
    why: str = ""
    instead: str = ""
    limit: Callable[[Recipe], str] | None = None
    zero: bool = False


Cells = tuple[Cell, Cell, Cell]

_H = Cell("honoured")


def _approx(how: str) -> Cell:
    return Cell("approximated", how)


def _no(why: str, instead: str = "leave it out", *, zero: bool = False) -> Cell:
    return Cell("refused", why, instead, zero=zero)


def _only_local(why: str, instead: str = "leave it out", *, zero: bool = False) -> Cells:
    return _H, _no(why, instead, zero=zero), _no(why, instead, zero=zero)


_WEIGHTS_ARE_THEIRS = "which weights learn is the service's own affair"
_SCHEDULE_IS_THEIRS = "the service has a schedule of its own, which cannot be set"
_OPTIMISER_IS_THEIRS = "the service has an optimiser of its own, which cannot be set"
_LOSS_IS_THEIRS = "the service has a loss of its own, which cannot be set"
_NO_WEIGHTS = "the weights stay at the service"
_NO_MACHINE = _approx("about this machine, which does not train; nothing to do")
_EARLY = (
    "checkpoints: all epochs are made, and of those whose checkpoint is kept, the last three, that with the lowest "
    "validation loss is taken; chain: "
    "a job of one epoch after the other, and the learning rate begins anew with each; watch: the job is cancelled, "
    "which may leave no model. provider.stopping chooses"
)
_EARLY_CLAUDE = "done by the service, which looks after each epoch; Nova and Llama make all their epochs"
_HERE = (_H, _H, _H)
_ANSWERS = _approx("the tuned model is asked through the service, which gives no probabilities of labels")


def _answers(*setting: str) -> Cells:
    """Return the line of a setting of ``evaluate`` that names metrics."""
    there = Cell("approximated", "metrics of answers alone, none of probabilities", limit=probable(*setting))
    return _H, there, there


_LATER = _approx("looked at when the Model is served, not when it is tuned")
_HOSTED_ONLY = "this machine tunes"
_OF_BEDROCK = (_no(_HOSTED_ONLY), _no("a setting of Bedrock"), _H)

TABLE: dict[str, Cells] = {
    "name": _HERE,
    "task": (_H, _H, Cell("honoured", "all but preference: answers are learnt, no pairs", limit=objective("sft"))),
    "base": _HERE,
    "seed": (
        _H,
        Cell("honoured", "as well as the service can: it promises no more", limit=seed),
        _approx("draws splits, samples and wordings; the service's own draws cannot be set"),
    ),
    "data.*": _HERE,
    "data.canaries": _only_local("what is uploaded are the rows alone: nothing is planted among them"),
    "data.balance.*": _only_local(
        "it weighs examples in the loss, and the service knows no weights of examples",
        "leave it out, or data.size with select: coverage",
    ),
    "data.columns.weight": _only_local("the service knows no weights of examples"),
    "prompt.system": _HERE,
    "prompt.template": _HERE,
    "prompt.shots": (
        _H,
        _H,
        _no("answers that are shown would be learnt too: no turn can be left out of the loss", zero=True),
    ),
    "prompt.variants": (
        _H,
        _approx("each example is written in one of the wordings, drawn by the seed, the same in all epochs"),
        _approx("each example is written in one of the wordings, drawn by the seed, the same in all epochs"),
    ),
    "prompt.teacher": _only_local("the service learns from answers, not from probabilities of a teacher"),
    "prompt.candidates": _HERE,
    "prompt.prompt_loss_weight": _only_local("the service learns answers alone", zero=True),
    "prompt.answer_weights": _only_local("the service weighs the tokens of an answer alike"),
    "train.objective": (
        _H,
        Cell("honoured", "sft and dpo", limit=objective("sft", "dpo")),
        Cell("honoured", "sft alone", limit=objective("sft")),
    ),
    "train.method": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.save": _only_local(_NO_WEIGHTS),
    "train.epochs": (
        _H,
        Cell("honoured", "whole epochs, 1 to 50", limit=epochs(50)),
        Cell(
            "honoured",
            "whole epochs, 1 to 10, of Nova 1 to 5",
            limit=taken("epochCount", lambda recipe: recipe.train.epochs, "whole epochs, "),
        ),
    ),
    "train.max_steps": (
        _H,
        Cell(
            "approximated",
            "as many whole epochs as have so many steps, rounded up; needs train.batch_examples, to know steps",
            limit=steps_known,
        ),
        Cell(
            "approximated",
            "as many whole epochs as have so many steps, rounded up; not of Nova, whose steps nobody knows",
            limit=taken("batchSize", lambda _: None),
        ),
    ),
    "train.batch_tokens": (
        _H,
        _approx("as many examples a step as have so many target tokens on average, 1 to 256; auto: the service's own"),
        Cell(
            "approximated",
            "as many examples a step as have so many target tokens on average, 4 to 256; auto: the service's own; "
            "Llama has 1, Nova's own cannot be set",
            limit=bedrock_batch,
        ),
    ),
    "train.batch_examples": (
        _H,
        Cell("honoured", "1 to 256", limit=batch(1, 256)),
        Cell(
            "honoured",
            "4 to 256, of Llama 1; Nova's own cannot be set",
            limit=taken("batchSize", lambda recipe: recipe.train.batch_examples),
        ),
    ),
    "train.max_tokens": (
        _H,
        _approx("tokens are estimated; longer examples are left out and counted"),
        _approx("tokens are estimated; longer examples are left out and counted"),
    ),
    "train.eval_every": (
        _H,
        Cell("honoured", "epoch alone", limit=each_epoch),
        Cell("honoured", "epoch alone", limit=each_epoch),
    ),
    "train.precision": _only_local("the service computes as it likes"),
    "train.threads": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.schedule.shape": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.warmup": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.peak": (
        _H,
        _no(
            "the base's own learning rate is secret, so none can be set as a number",
            "train.schedule.peak_factor, a factor on the service's own",
        ),
        Cell(
            "honoured",
            "as learningRate, of Nova 1e-6 to 1e-4, of Llama 5e-6 to 0.1; Claude's own is secret: peak_factor",
            limit=bedrock_rate,
        ),
    ),
    "train.schedule.peak_factor": (
        _H,
        Cell("honoured", "as learning_rate_multiplier"),
        Cell(
            "honoured", "as learningRateMultiplier, 0.1 to 2; of Nova and Llama times learningRate", limit=bedrock_rate
        ),
    ),
    "train.schedule.floor": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.cycles": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.growth": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.shrink": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.mode": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.gamma": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.rise": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.start": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.decay": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.power": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.factor": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.patience": _only_local(_SCHEDULE_IS_THEIRS),
    "train.schedule.layer_decay": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.schedule.rates": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.regularise.dropout": _only_local(_OPTIMISER_IS_THEIRS),
    "train.regularise.weight_decay": _only_local(_OPTIMISER_IS_THEIRS),
    "train.regularise.clip": _only_local(_OPTIMISER_IS_THEIRS),
    "train.regularise.early_stopping": (_H, _approx(_EARLY), Cell("honoured", _EARLY_CLAUDE, limit=bedrock_stopping)),
    "train.regularise.early_stopping.metric": (
        _H,
        Cell("honoured", "valid_loss alone", limit=stops_by),
        Cell("honoured", "valid_loss alone; not of Nova and Llama", limit=bedrock_stopping),
    ),
    "train.regularise.early_stopping.patience": (
        _H,
        _approx("epochs without gain, by chain and watch; checkpoints chooses the best epoch and needs none"),
        Cell("honoured", "as earlyStoppingPatience, 1 to 10 epochs; not of Nova and Llama", limit=bedrock_stopping),
    ),
    "train.regularise.early_stopping.min_delta": (
        _H,
        _approx("by chain and watch; checkpoints chooses the best epoch and needs none; auto: 0"),
        Cell(
            "honoured",
            "as earlyStoppingThreshold, at most 0.1; auto: the service's own; not of Nova and Llama",
            limit=bedrock_stopping,
        ),
    ),
    "train.regularise.label_smoothing": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.regularise.neftune": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.regularise.r_drop": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.regularise.l2sp": _only_local(_OPTIMISER_IS_THEIRS, zero=True),
    "train.regularise.gradient_noise": _only_local(_OPTIMISER_IS_THEIRS, zero=True),
    "train.regularise.ema": _only_local(_OPTIMISER_IS_THEIRS, zero=True),
    "train.regularise.average": _only_local(_OPTIMISER_IS_THEIRS),
    "train.lora.rank": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.lora.alpha": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.lora.dropout": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.lora.rank_stabilised": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.lora.targets": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.lora.earlier": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.guard.action": _only_local(_OPTIMISER_IS_THEIRS),
    "train.guard.spike": _only_local(_OPTIMISER_IS_THEIRS),
    "train.shortcuts.packed": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.shortcuts.shared": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.shortcuts.last_layer": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.shortcuts.head": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.shortcuts.frozen_cache": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.compile": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.activation_checkpointing": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.deterministic": _only_local("the service promises the same bytes to nobody"),
    "train.shard": (_H, _NO_MACHINE, _NO_MACHINE),
    "train.preference.variant": (
        _H,
        Cell("honoured", "sigmoid alone", limit=sigmoid),
        _no("the service compares no answers", "base: nano, or task: chat"),
    ),
    "train.preference.beta": (
        _H,
        Cell("honoured", "above 0, at most 2", limit=beta),
        _no("the service compares no answers", "base: nano, or task: chat"),
    ),
    "train.preference.label_smoothing": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.preference.nll_weight": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.preference.margin": _only_local(_LOSS_IS_THEIRS, zero=True),
    "train.preference.desirable_weight": _only_local(_LOSS_IS_THEIRS),
    "train.preference.undesirable_weight": _only_local(_LOSS_IS_THEIRS),
    "train.freeze": _only_local(_WEIGHTS_ARE_THEIRS),
    "train.tokens": _only_local("the vocabulary is the service's own", "leave it out; write such tokens as words"),
    "train.track": (
        _H,
        Cell("honoured", "what the job tells of its steps is passed on as it comes"),
        _approx("the curves are passed on when the job has ended, which is when Bedrock tells them"),
    ),
    "provider.base_url": (_no(_HOSTED_ONLY), _H, Cell("honoured", "of Bedrock; S3 and IAM stay where AWS has them")),
    "provider.key_env": (_no(_HOSTED_ONLY), _H, _no("AWS has credentials of its own: aws configure")),
    "provider.price": (_no(_HOSTED_ONLY), _H, _H),
    "provider.max_usd": (_no(_HOSTED_ONLY), _H, _H),
    "provider.poll_s": (_no(_HOSTED_ONLY), _H, _H),
    "provider.timeout_s": (_no(_HOSTED_ONLY), _H, _H),
    "provider.retries": (_no(_HOSTED_ONLY), _H, _H),
    "provider.suffix": (_no(_HOSTED_ONLY), _H, _H),
    "provider.stopping": (_no(_HOSTED_ONLY), _H, _no("the service stops by itself, after each epoch")),
    "provider.clean_up": (_no(_HOSTED_ONLY), _H, _H),
    "provider.region": _OF_BEDROCK,
    "provider.role_arn": _OF_BEDROCK,
    "provider.bucket": _OF_BEDROCK,
    "provider.quota_examples": _OF_BEDROCK,
    "provider.deployment": (
        *_OF_BEDROCK[:2],
        Cell("honoured", "on_demand not of Claude, whose tunes are asked through throughput alone", limit=deployed),
    ),
    "provider.model_units": _OF_BEDROCK,
    "provider.confirm_hourly_usd": _OF_BEDROCK,
    "distill.*": _HERE,
    "evaluate.*": (_H, _ANSWERS, _ANSWERS),
    "evaluate.metrics": _answers("metrics"),
    "evaluate.gate.metric": _answers("gate", "metric"),
    "evaluate.gate.metrics": _answers("gate", "metrics"),
    "evaluate.gate.minimum": _answers("gate", "minimum"),
    "evaluate.gate.maximum": _answers("gate", "maximum"),
    "evaluate.served": (_H, *(_approx("nothing is written here that could differ from what was evaluated"),) * 2),
    "evaluate.suites": (
        _H,
        *(Cell("honoured", "slices; the others look into a model's probabilities", limit=suites),) * 2,
    ),
    "serve.*": (_H, _LATER, _LATER),
    "monitor.*": (_H, _LATER, _LATER),
    "update.*": (_H, _LATER, _LATER),
    "sweep.*": (_H, *(_approx("looked at by tunesmith sweep, which searches no hosted base"),) * 2),
    "prompts.*": (_H, *(_approx("looked at by tunesmith prompts, which searches for no hosted base"),) * 2),
}
"""Setting to what each of `COLUMNS` makes of it; a section's name stands for all that is in it."""
