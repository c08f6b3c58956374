"""An adapter that goes on learning where it ended, rows of its own tokens included.

Owns what of a recipe such an adapter decides itself, and that the recipe says nothing else. Does not own adapters that
are new (`adapters`), nor one that is made part of its base first (`models.save`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from tunesmith.core.errors import RecipeError, Refusals
from tunesmith.models.token_rows import learn_rows_only, take_rows_out

if TYPE_CHECKING:
    from tunesmith.recipe import Recipe

_OF_AN_ADAPTER = {"rank": "r", "alpha": "lora_alpha", "rank_stabilised": "use_rslora"}


def refuse_other_adapter(recipe: Recipe, model: Any) -> None:
    """Refuse a recipe that says of the adapter what it is not.

    Raises:
        RecipeError: with what to write instead.
    """
    config = model.peft_config["default"]
    plain = config.peft_type == "LORA" and config.bias == "none" and not config.modules_to_save
    if not plain:
        raise RecipeError(
            f"train.lora.earlier: continued: {recipe.base} is not an adapter of LoRA or DoRA alone",
            expected="one without biases and whole modules that learn beside it",
            hint="train.lora.earlier: merged, with train.save: merged",
        )
    refusals = Refusals()
    method = "dora" if config.use_dora else "lora"
    with refusals:
        if recipe.train.method != method:
            raise RecipeError(
                f"train.method: {recipe.train.method}, and {recipe.base}, which goes on learning, is of {method}",
                hint=f"train.method: {method}",
            )
    for setting in sorted(_OF_AN_ADAPTER.keys() & recipe.train.lora.model_fields_set):
        name = _OF_AN_ADAPTER[setting]
        given, own = getattr(recipe.train.lora, setting), getattr(config, name)
        with refusals:
            if given != own:
                raise RecipeError(
                    f"train.lora.{setting} is {given}, and that of {recipe.base}, which goes on learning, is {own}",
                    hint=f"train.lora.{setting}: {own}",
                )
    targets, its = recipe.train.lora.targets, sorted(config.target_modules)
    with refusals:
        if targets != ["all-linear"] and sorted(targets) != its:
            raise RecipeError(
                f"train.lora.targets is {', '.join(targets)}, and that of {recipe.base}, which goes on learning, is "
                f"{', '.join(its[:4])}{' …' if len(its) > 4 else ''}",
                hint="leave train.lora.targets out: an adapter that goes on keeps its own",
            )
    refusals.tell()


def go_on(recipe: Recipe, model: Any) -> Any:
    """Return the loaded adapter as one that learns, and nothing of its base with it."""
    take_rows_out(model)
    learn_rows_only(model)
    config = model.peft_config["default"]
    config.lora_dropout = recipe.train.lora.dropout
    model.requires_grad_(requires_grad=False)
    model.base_model.set_adapter("default")
    for module in model.modules():
        if hasattr(module, "lora_dropout"):
            dropped = nn.Dropout(config.lora_dropout) if config.lora_dropout else nn.Identity()
            module.lora_dropout["default"] = dropped
    return model
