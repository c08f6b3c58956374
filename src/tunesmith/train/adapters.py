"""Which weights learn: all, or an adapter beside frozen ones, by the recipe's method.

Everything here is PEFT's, so what is saved loads with PEFT. Does not own which rows tokens have (`tokens`), the dropout
of the base (`models.dropout`) nor how its matrices lie in four bits (`models.quantised`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.models.precision import choose_device
from tunesmith.models.quantised import quantise
from tunesmith.models.save import is_adapted
from tunesmith.train.freeze import frozen_modules
from tunesmith.train.tokens import ids_of

if TYPE_CHECKING:
    from peft import PeftConfig

    from tunesmith.models.load import LoadedModel
    from tunesmith.recipe import Recipe

LOW_RANK = ("lora", "dora", "qlora")
"""Methods that add products of two small matrices."""


def with_adapter(recipe: Recipe, loaded: LoadedModel) -> Any:
    """Return the model with what the method trains; everything else of it is frozen, for qlora in four bits.

    An adapter that is there goes on learning.

    Raises:
        RecipeError: if the adapter does not fit the model.
    """
    if recipe.train.method == "full":
        return loaded.model
    if is_adapted(loaded.model):
        from tunesmith.train.continued import go_on

        model = go_on(recipe, loaded.model)
        _in_one_order(model.peft_config["default"])
        return model
    from peft import get_peft_model

    from tunesmith.models.low_rank import make_direct
    from tunesmith.models.new_tokens import ties_are_kept
    from tunesmith.models.token_rows import learn_rows_only

    config = _config(recipe, loaded)
    transposed = getattr(config, "fan_in_fan_out", False)
    if recipe.train.method == "qlora":
        quantise(loaded.model, choose_device("auto"))
        config.fan_in_fan_out = False  # four bits lie one way
    try:
        with ties_are_kept():
            model = get_peft_model(loaded.model, config)
    except ValueError as error:
        raise RecipeError(
            f"train.lora.targets: {', '.join(recipe.train.lora.targets)}: {str(error).splitlines()[0]}",
            hint="all-linear fits every model"
            if recipe.train.freeze is None
            else "freeze less, or target what is left",
        ) from error
    config = model.peft_config["default"]
    if transposed:
        config.fan_in_fan_out = True  # as the base has it that the adapter is loaded beside
    config.base_model_name_or_path = recipe.base
    _in_one_order(config)
    learn_rows_only(model)
    make_direct(model)
    return model


def _in_one_order(config: PeftConfig) -> None:
    """Make lists of PEFT's sets, which every process writes in another order."""
    for names in ("target_modules", "exclude_modules"):
        if isinstance(value := getattr(config, names, None), set):
            setattr(config, names, sorted(value))


def _config(recipe: Recipe, loaded: LoadedModel) -> PeftConfig:
    """Return PEFT's configuration of the method."""
    return _rows_alone(recipe, loaded) if recipe.train.method == "tokens" else _low_rank(recipe, loaded)


def _low_rank(recipe: Recipe, loaded: LoadedModel) -> PeftConfig:
    from peft import LoraConfig

    lora = recipe.train.lora
    rows = _rows(recipe, loaded)
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        use_rslora=lora.rank_stabilised,
        use_dora=recipe.train.method == "dora",
        target_modules="all-linear" if lora.targets == ["all-linear"] else lora.targets,
        exclude_modules=frozen_modules(loaded.model) or None,
        trainable_token_indices=rows or None,
        fan_in_fan_out=_transposed(loaded.model),
        task_type="CAUSAL_LM",
    )


def _rows_alone(recipe: Recipe, loaded: LoadedModel) -> PeftConfig:
    from peft import TrainableTokensConfig

    rows = _rows(recipe, loaded)
    return TrainableTokensConfig(
        target_modules=list(rows), token_indices=next(iter(rows.values())), task_type="CAUSAL_LM"
    )


def _rows(recipe: Recipe, loaded: LoadedModel) -> dict[str, list[int]]:
    """Return the token ids whose rows learn, by module: the input, and the output unless it is tied.

    Raises:
        RecipeError: if the output has a bias, which PEFT's layer for rows forgets.
    """
    from tunesmith.models.new_tokens import embedding_layers

    if recipe.train.tokens is None:
        return {}
    ids = ids_of(loaded.tokenizer, recipe.train.tokens.add)
    layers = embedding_layers(loaded.model)
    if recipe.train.save == "adapter" and any(getattr(layer, "bias", None) is not None for layer in layers.values()):
        raise RecipeError(
            f"train.tokens: the output of {recipe.base} has a bias, and PEFT's files of new rows lose it",
            hint="train.save: merged, which writes the whole model",
        )
    return dict.fromkeys(layers, ids)


def _transposed(model: Any) -> bool:
    """Tell whether the model keeps its matrices transposed, as GPT-2 does."""
    from transformers.pytorch_utils import Conv1D

    return any(isinstance(module, Conv1D) for module in model.modules())


def rate_of(method: str) -> str:
    """Return the method whose default learning rate fits: of ``lora`` for small adapters, of ``full`` for the rest."""
    return "full" if method == "full" else "lora"
