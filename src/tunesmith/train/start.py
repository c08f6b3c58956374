"""The model that training starts from: the recipe's base, an earlier adapter made part of it, new tokens added.

Owns everything between the name in the recipe and a model ready for tokenising. Does not own what then learns
(`adapters`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError
from tunesmith.models.load import load_model
from tunesmith.models.save import is_adapted, merge_adapter
from tunesmith.train.tokens import add_tokens
from tunesmith.train.unfit import refuse_quantised, refuse_unfit_base

if TYPE_CHECKING:
    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe


def load_start(recipe: Recipe, base: str) -> LoadedModel:
    """Return the model that training starts from; ``base`` is the recipe's base as a reference.

    One whose matrices are still to be quantised (`adapters`) lies in the machine's memory, for a GPU may not hold it.

    Raises:
        RecipeError: for an adapter on top of an adapter, or what does not fit the base.
    """
    refuse_quantised(recipe.base, base)
    loaded = load_model(base, device="cpu" if recipe.train.method == "qlora" else "auto")
    if recipe.train.lora.earlier == "continued":
        return _continued(recipe, loaded)
    if is_adapted(loaded.model) and recipe.train.method != "full" and recipe.train.save != "merged":
        fits = recipe.train.method in ("lora", "dora") and recipe.train.freeze is None and recipe.train.tokens is None
        raise RecipeError(
            f"base: {recipe.base} is itself an adapter, and train.method is {recipe.train.method}",
            hint=("train.lora.earlier: continued, " if fits else "")
            + "train.method: full, train.save: merged, or the adapter's own base as base",
        )
    merge_adapter(loaded)
    if recipe.train.tokens is not None:
        add_tokens(loaded, recipe.train.tokens)
    refuse_unfit_base(recipe, loaded)
    return loaded


def _continued(recipe: Recipe, loaded: LoadedModel) -> LoadedModel:
    if not is_adapted(loaded.model):
        raise RecipeError(
            f"train.lora.earlier: continued: {recipe.base} is no adapter",
            expected="a Model of train.method: lora or dora with train.save: adapter, or a PEFT adapter's folder",
            hint="leave it out, and a new adapter is put beside the base",
        )
    from tunesmith.train.continued import refuse_other_adapter

    refuse_other_adapter(recipe, loaded.model)
    refuse_unfit_base(recipe, loaded)
    return loaded
