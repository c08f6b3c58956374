"""What a recipe asks for and its base, its data, the length of the run or the disk cannot give.

Owns refusals for which the base or the run must be known; each says what would do instead. Does not own what a recipe
refuses by itself (`recipe`), what learns (`freeze`), the schedule's own (`schedule`) nor memory (`memory`).
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from dataclasses import replace
from difflib import get_close_matches
from shutil import disk_usage
from typing import TYPE_CHECKING

import torch

from tunesmith.core.disk import disk_size
from tunesmith.core.errors import RecipeError, Refusals, SetupError
from tunesmith.models.load import locate
from tunesmith.models.quantised import num_weights
from tunesmith.text.chat import prompt_ids
from tunesmith.train.adapters import LOW_RANK
from tunesmith.train.freeze import refuse_thaw_at_once
from tunesmith.train.guard import FEWEST_STEPS
from tunesmith.train.schedule import LONGER_RUN
from tunesmith.train.validate import validated_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import EarlyStopping, Recipe, Train
    from tunesmith.text.chat import Rendered
    from tunesmith.text.task import TaskSpec
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.freeze import Learning

LONGEST_MEAN = 4
"""In a run this many times shorter than an exponential mean looks back, all of the mean is its own warm-up."""

COPIES_ON_DISK = 2
"""A checkpoint is replaced when the new one is whole, so both are there for a moment."""


def refuse_quantised(name: str, base: str) -> None:
    """Refuse a base whose weights are quantised, before it is loaded.

    Raises:
        RecipeError: with what to take instead.
    """
    file = (folder / "config.json") if (folder := locate(base)) else None
    if file is None or not file.is_file():
        return
    settings = json.loads(file.read_text(encoding="utf-8"))
    if kind := settings.get("quantization_config"):
        raise RecipeError(
            f"base: the weights of {name} are quantised ({kind.get('quant_method', 'by an unnamed method')}), "
            "and this version trains none that are",
            expected="weights in float32, bfloat16 or float16",
            hint=f"base: {settings.get('_name_or_path') or 'the model that was quantised'}, which export can quantise "
            "after training",
        )


def refuse_unfit_base(recipe: Recipe, loaded: LoadedModel) -> None:
    """Refuse what the base cannot give, all at once.

    Raises:
        RecipeError: if examples may be longer than the base reads, or adapters do not fit it.
    """
    refusals = Refusals()
    longest, context = recipe.train.max_tokens, loaded.context_tokens
    with refusals:
        if longest and longest > context:
            raise RecipeError(
                f"train.max_tokens: {longest:,} is more than the {context:,} tokens that {recipe.base} reads",
                hint=f"train.max_tokens: {context}, or a base with a longer context",
            )
    if recipe.train.method in LOW_RANK and recipe.train.lora.earlier == "merged":
        maps = _linear_maps(loaded.model)
        for target in recipe.train.lora.targets:
            with refusals:
                _refuse_target(target, maps, loaded)
        with refusals:
            _refuse_rank(recipe.train.lora.rank, recipe.train.lora.targets, maps)
    refusals.tell()


def refuse_unfit_run(settings: Train, train: TokenSet, epoch_steps: Sequence[int]) -> None:
    """Refuse settings that would do nothing in a run of this length, all at once.

    Raises:
        RecipeError: for what is too long for the run, or too short for its steps.
    """
    refusals, total_steps = Refusals(), sum(epoch_steps)
    validations = len(validated_after(settings, epoch_steps)) - 1
    with refusals:
        _refuse_batch(settings, sum(train.num_targets), total_steps)
    for check in (_refuse_mean, _refuse_cycles, _refuse_spike):
        with refusals:
            check(settings, total_steps)
    with refusals:
        _refuse_eval_every(settings, total_steps)
        _refuse_patience(settings, total_steps, validations)
    with refusals:
        _refuse_plateau(settings, total_steps, validations)
    with refusals:
        refuse_thaw_at_once(settings.freeze, epoch_steps)
    refusals.tell()


def refuse_undropped(settings: Train, learning: Learning) -> None:
    """Refuse to compare two draws of dropout where nothing is dropped: below what learns there is none.

    Raises:
        RecipeError: if only what lies above the layers learns.
    """
    above_all = learning.all_at_once().lowest(0) >= learning.num_layers
    if settings.regularise.r_drop and above_all and not settings.adapter_dropout:
        raise RecipeError(
            "train.regularise.r_drop compares two draws of dropout, which acts in layers that learn, and none does",
            hint="train.freeze.layers: ':-1', with which the top layer learns too, or leave r_drop out",
        )


def refuse_small_disk(settings: Train, weights: Mapping[str, nn.Parameter], model: nn.Module, folder: Path) -> None:
    """Refuse a run whose checkpoints, best weights and Model do not fit on the disk.

    Raises:
        SetupError: with what it takes and what is free.
    """
    learnt = sum(one.numel() * one.element_size() for one in weights.values())
    whole = 4 * num_weights(model)
    mean = bool(settings.regularise.ema or settings.regularise.average)
    checkpoint, best = COPIES_ON_DISK * (3 + mean) * learnt, COPIES_ON_DISK * learnt
    written = whole if settings.method == "full" or settings.save == "merged" else learnt
    place = next(one for one in (folder, *folder.parents) if one.exists())
    needed, free = checkpoint + best + written, disk_usage(place).free
    if needed > free:
        raise SetupError(
            f"checkpoints, the best weights and the Model take {disk_size(needed)} of disk, and "
            f"{disk_size(free)} are free in {place}",
            hint="tunesmith clean, --home on a larger disk"
            + (", or train.method: lora, which keeps adapters alone" if settings.method == "full" else ""),
        )


def _linear_maps(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shape of each matrix that an adapter can lie beside, by the name of its module."""
    from transformers.pytorch_utils import Conv1D

    kinds = (torch.nn.Linear, Conv1D, torch.nn.Embedding)
    return {name: tuple(one.weight.shape) for name, one in model.named_modules() if isinstance(one, kinds)}


def _is_target(target: str, name: str) -> bool:
    return target == "all-linear" or name == target or name.endswith(f".{target}")


def _refuse_target(target: str, maps: Mapping[str, tuple[int, ...]], loaded: LoadedModel) -> None:
    found = [name for name in maps if _is_target(target, name)]
    if not found:
        last = sorted({name.rsplit(".", 1)[-1] for name in maps})
        near = get_close_matches(target, last, n=3, cutoff=0.4) or last
        raise RecipeError(
            f"train.lora.targets: {target!r} names no linear map of the base",
            expected=", ".join(last),
            hint=f"all-linear fits every model; names near it: {', '.join(near)}",
        )
    model = loaded.model
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    tied = ends[1] is not None and ends[0].weight is ends[1].weight
    if target != "all-linear" and tied and any(one in ends for name, one in model.named_modules() if name in found):
        raise RecipeError(
            f"train.lora.targets: {target} is one matrix with the other end of the base, and an adapter beside "
            "one end would part them",
            hint="leave it out; new tokens learn by train.tokens",
        )


def _refuse_rank(rank: int, targets: list[str], maps: Mapping[str, tuple[int, ...]]) -> None:
    sizes = [min(shape) for name, shape in maps.items() if any(_is_target(one, name) for one in targets)]
    if sizes and rank > max(sizes):
        raise RecipeError(
            f"train.lora.rank: {rank} is more than the {max(sizes)} that the largest matrix beside an adapter has, so "
            "the adapter is larger than what it changes",
            hint=f"train.lora.rank: {max(1, max(sizes) // 4)}, or train.method: full",
        )


def _refuse_batch(settings: Train, whole: int, total_steps: int) -> None:
    wanted = settings.batch_tokens
    if total_steps == 1 and settings.max_steps != 1 and wanted != "auto" and not settings.batch_examples:
        raise RecipeError(
            f"train.batch_tokens: {wanted:,} target tokens a step, and all training examples have {whole:,}: the run "
            "is one step",
            hint=f"train.batch_tokens: auto, which makes about fifty steps of an epoch, or {LONGER_RUN}",
        )


def _refuse_mean(settings: Train, total_steps: int) -> None:
    ema, average = settings.regularise.ema, settings.regularise.average
    if ema and 1 / (1 - ema) > LONGEST_MEAN * total_steps + 1e-6:
        fits = f"train.regularise.ema: {1 - 4 / total_steps:.3g}, " if total_steps > 4 else ""
        raise RecipeError(
            f"train.regularise.ema: {ema} is a mean over {1 / (1 - ema):,.0f} steps, and the run has {total_steps:,}",
            hint=f"{fits}{LONGER_RUN}, or leave it out",
        )
    if average and round(average * total_steps) < 2:
        raise RecipeError(
            f"train.regularise.average: {average} of {total_steps:,} steps is one step, of which there is no mean",
            hint=f"train.regularise.average: {min(0.5, math.ceil(200 / total_steps) / 100)}, or {LONGER_RUN}",
        )


def _refuse_cycles(settings: Train, total_steps: int) -> None:
    schedule = settings.schedule
    if schedule.uses("cycles") and 2 * schedule.cycles > total_steps:
        raise RecipeError(
            f"train.schedule.cycles: {schedule.cycles} cycles in {total_steps:,} steps leave no two for one",
            hint=f"train.schedule.cycles: {max(1, total_steps // 4)}, or {LONGER_RUN}",
        )


def _refuse_eval_every(settings: Train, total_steps: int) -> None:
    if _stopping_asked_for(settings) and isinstance(settings.eval_every, int) and settings.eval_every > total_steps:
        raise RecipeError(
            f"train.eval_every: {settings.eval_every:,} steps, and the run has {total_steps:,}: nothing is validated "
            "before its end, so regularise.early_stopping stops nothing",
            hint=f"train.eval_every: {max(1, total_steps // 4)}, or leave it out: twice an epoch",
        )


def _refuse_patience(settings: Train, total_steps: int, validations: int) -> None:
    """Refuse a patience that ``validations`` before the last step cannot use up: the first of them always gains."""
    stopping = _stopping_asked_for(settings)
    if stopping is None or "patience" not in stopping.model_fields_set or validations > stopping.patience:
        return
    often, fits = (total_steps - 1) // (stopping.patience + 1), validations - 1
    instead = [f"train.eval_every: {often}"] * (often > 0) + [f"a patience of {fits}"] * (fits > 0)
    raise RecipeError(
        f"train.regularise.early_stopping.patience: {stopping.patience} validations without gain cannot come before "
        f"the last of the run's {total_steps:,} steps: {validations} come before it, and the first always gains",
        hint=", ".join([*instead, LONGER_RUN]) + ", or leave it out",
    )


def _refuse_plateau(settings: Train, total_steps: int, validations: int) -> None:
    """Refuse a rate that ``validations`` before the last step cannot lower: the first of them always gains."""
    wanted = settings.schedule.patience + 2
    if settings.schedule.shape == "plateau" and validations < wanted:
        often = (total_steps - 1) // wanted
        raise RecipeError(
            f"train.schedule.shape: plateau: the rate falls after {wanted} validations at the earliest, and "
            f"{validations} come before the last of the run's {total_steps:,} steps: it stays constant",
            hint=(f"train.eval_every: {often}, " if often else "") + f"{LONGER_RUN}, or another shape",
        )


def _stopping_asked_for(settings: Train) -> EarlyStopping | None:
    """Return the recipe's early stopping, if it says anything of it."""
    regularise = settings.regularise
    return regularise.early_stopping if "early_stopping" in regularise.model_fields_set else None


def _refuse_spike(settings: Train, total_steps: int) -> None:
    if settings.guard.spike is not None and total_steps <= FEWEST_STEPS:
        raise RecipeError(
            f"train.guard.spike: {settings.guard.spike:g} times the usual gradient norm, which is known after "
            f"{FEWEST_STEPS} steps, and the run has {total_steps:,}",
            hint=f"{LONGER_RUN}, smaller steps (train.batch_tokens, train.batch_examples), or leave it out",
        )


def refuse_long_shots(loaded: LoadedModel, tasks: Sequence[TaskSpec], longest: int, limit: int) -> None:
    """Refuse shots without some of which examples of ``longest`` tokens would fit into ``limit``.

    ``tasks`` are those of `Prompts.all`.

    Raises:
        RecipeError: with how many fit.
    """
    task = max(tasks, key=lambda one: len(one.shots))
    shown = len(task.shots)
    whole = _prompt_tokens(loaded, task, shown)
    left_out = bisect_left(
        range(shown + 1), longest - limit, key=lambda count: whole - _prompt_tokens(loaded, task, shown - count)
    )
    if left_out > shown or longest <= limit:
        return
    key = "prompt.shots" if shown == len(tasks[0].shots) else "prompt.teacher.shots"
    fit = shown - left_out
    raise RecipeError(
        f"{key}: {shown} examples take {whole - _prompt_tokens(loaded, task, 0):,} tokens of every prompt, and "
        f"{longest:,} tokens is then what must fit into {limit:,}",
        hint=f"{key}: {fit}, or a base with a longer context" if fit else f"leave {key} out",
    )


def refuse_slow_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse to weigh parts of answers with a tokenizer that does not tell where its tokens lie.

    Raises:
        RecipeError: if it is one written in Python.
    """
    if not tokenizer.is_fast:
        raise RecipeError(
            f"prompt.answer_weights: the tokenizer of {tokenizer.name_or_path!r} does not tell where its tokens lie",
            hint="a base with a tokenizer.json, or leave answer_weights out",
        )


def refuse_unmatched(parts: Iterable[str], rendered: Sequence[Rendered]) -> None:
    """Refuse weights of parts that no answer of train has.

    Raises:
        RecipeError: for the first pattern that matches nowhere.
    """
    matched = frozenset().union(*(one.matched for one in rendered)) if parts else frozenset()
    for pattern in parts:
        if pattern not in matched:
            raise RecipeError(
                f"prompt.answer_weights: {pattern!r} matches in no answer of train, so it weighs nothing",
                expected="a pattern of what stands in answers; what the chat template puts before one is no part of it",
                hint="(?s) lets . match line breaks, (?i) either case",
            )


def _prompt_tokens(loaded: LoadedModel, task: TaskSpec, count: int) -> int:
    """Return the tokens of a short question's prompt with the first of the task's shots."""
    shown = replace(task, shots=task.shots[:count], spare=None)
    return len(prompt_ids(loaded.tokenizer, shown.prompt([{"role": "user", "content": "?"}])))
