"""Everything the loop needs, from a recipe, a loaded base and tokens: what learns, dropout, precision, peak, objective.

Owns the order in which these are chosen, and that what does not fit is told together. Does not own the loop (`loop`),
nor what each of them is (their own modules).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError, Refusals

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe
    from tunesmith.train.batches import TokenSet
    from tunesmith.train.freeze import Learning
    from tunesmith.train.loop import Objective, Run


def prepare_run(
    recipe: Recipe,
    loaded: LoadedModel,
    train: TokenSet,
    valid: TokenSet,
    folder: Path,
    asked: tuple[TokenSet, TokenSet] | None = None,
    *,
    part: bool = False,
) -> Run:
    """Choose what learns, set dropout, and return everything the loop needs.

    ``asked`` are both splits as the teacher is asked, if the recipe has one. With ``part`` the rows are some of those
    the recipe is written for: what merely does nothing in so short a run is let be.

    Raises:
        RecipeError: for what does not fit the base, the run's length or the memory; what is found together is told so.
        SetupError: if the disk is too small.
    """
    from tunesmith.models.activation_checkpointing import checkpoint_activations
    from tunesmith.models.compiled import cannot
    from tunesmith.models.dropout import set_dropout
    from tunesmith.models.precision import choose_precision, halve_frozen
    from tunesmith.models.shortcuts import Shortcuts, exact_shortcuts
    from tunesmith.train.batches import plan_steps, step_sizes
    from tunesmith.train.distil import refuse_unfit_teacher
    from tunesmith.train.loop import Run
    from tunesmith.train.memory import refuse_unfit, row_tokens
    from tunesmith.train.optimizer import rate_factors
    from tunesmith.train.ranks import here
    from tunesmith.train.schedule import check_schedule
    from tunesmith.train.sharded import shards
    from tunesmith.train.unfit import refuse_small_disk, refuse_undropped, refuse_unfit_run

    settings, ranks = recipe.train, here()
    sizes, step_size = step_sizes(settings, train.num_targets)
    epoch_steps = plan_steps(sizes, step_size, recipe.seed, settings.epochs, settings.max_steps)
    batch_tokens = max(1, round(step_size * sum(train.num_targets) / max(1, sum(sizes))))
    refusals = Refusals()
    with refusals:
        if not part:
            refuse_unfit_run(settings, train, epoch_steps)
    with refusals:
        check_schedule(settings.schedule, sum(epoch_steps), batch_tokens, validated=len(valid) > 0)
    with refusals:
        learning = _choose_what_learns(recipe, loaded, epoch_steps)
        rate_factors(loaded.model, settings.schedule)
        refuse_undropped(settings, learning)
        refuse_small_disk(settings, learning.weights, loaded.model, folder)
    with refusals:
        if settings.compile == "always" and (why := cannot(loaded.model.device)):
            raise RecipeError(f"train.compile: always: {why}", hint="train.compile: never, or install one")
    refusals.tell()
    set_dropout(loaded.model, settings.regularise.dropout)
    device = loaded.model.device
    precision = choose_precision(settings.precision, device)
    halve_frozen(loaded.model, precision)
    checkpoint = partial(checkpoint_activations, loaded.model, learning.frozen_layers)
    if settings.activation_checkpointing == "always" and not checkpoint():
        raise RecipeError(
            f"train.activation_checkpointing: always: no layer of {recipe.base} can compute its activations again",
            hint="train.activation_checkpointing: auto",
        )
    shortcuts = Shortcuts(**settings.shortcuts.model_dump()) & exact_shortcuts(
        loaded.model, precision, learning.frozen_layers
    )
    parts = ranks.count if shards(settings, device) else 1
    run = Run(
        loaded=loaded,
        learning=learning,
        train=train,
        valid=valid,
        settings=settings,
        peak=_peak(recipe, loaded),
        precision=precision,
        seed=recipe.seed,
        batch_tokens=batch_tokens,
        epoch_steps=epoch_steps,
        shortcuts=shortcuts,
        row_tokens=row_tokens(loaded, train, shortcuts, settings, precision, parts, checkpoint),
        folder=folder,
        objective=_objective(recipe, asked),
        ranks=ranks,
    )
    refuse_unfit_teacher(run)
    refuse_unfit(run)
    return run


def _objective(recipe: Recipe, asked: tuple[TokenSet, TokenSet] | None) -> Objective:
    from tunesmith.train.distil import Distilling
    from tunesmith.train.loss import Supervised
    from tunesmith.train.preference import Preferring

    if asked is not None:
        return Distilling(*asked)
    return Supervised() if recipe.objective == "sft" else Preferring(recipe.objective, recipe.train.preference)


def _peak(recipe: Recipe, loaded: LoadedModel) -> float:
    """Return the highest learning rate: the recipe's, or that of the method, the objective and the model's width.

    With ``auto`` the latter is where `finder` begins.
    """
    from tunesmith.train.adapters import rate_of
    from tunesmith.train.schedule import default_peak

    peak, factor = recipe.train.schedule.peak, recipe.train.schedule.peak_factor
    if isinstance(peak, float | int):
        return float(peak) * factor
    hidden = int(loaded.model.config.get_text_config().hidden_size)
    return default_peak(rate_of(recipe.train.method), hidden, recipe.objective) * factor


def _embeddings_learn(loaded: LoadedModel) -> bool:
    return any(weight.requires_grad for weight in loaded.model.get_input_embeddings().parameters())


def _choose_what_learns(recipe: Recipe, loaded: LoadedModel, epoch_steps: list[int]) -> Learning:
    """Freeze what the recipe freezes and put adapters beside the rest, if it trains adapters.

    Raises:
        RecipeError: if added tokens could not learn.
    """
    from tunesmith.models.layers import EMBEDDINGS, decoder_layers
    from tunesmith.train.adapters import with_adapter
    from tunesmith.train.freeze import Learning, first_steps, freeze, rows_to_hold
    from tunesmith.train.tokens import ids_of, rows_needed

    settings = recipe.train.freeze
    starts = first_steps(settings, len(decoder_layers(loaded.model)), epoch_steps)
    freeze(loaded.model, settings, starts)
    if recipe.train.tokens and recipe.train.method == "full" and not _embeddings_learn(loaded):
        where, instead = "patterns", "no pattern that names them"
        if EMBEDDINGS not in starts:
            where, instead = "layers", "a range that begins at 1"
        raise RecipeError(
            f"train.freeze.{where} freezes the embeddings, so the rows of train.tokens would learn nothing",
            hint=f"train.method: lora, which trains new rows beside frozen ones, or {instead}",
        )
    rows: list[int] = []
    if settings and settings.rows:
        new = ids_of(loaded.tokenizer, recipe.train.tokens.add) if recipe.train.tokens else []
        count = int(loaded.model.get_input_embeddings().weight.shape[0])
        rows = rows_to_hold(settings.rows, rows_needed(loaded.tokenizer, new), count, new)
    loaded.model = with_adapter(recipe, loaded)
    return Learning.of(loaded.model, starts, rows)
