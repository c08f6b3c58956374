"""A fine-tuning job as a recipe: what OpenAI's fields mean here.

Rows are taken as given: what cleans, removes or evens out rows is off unless the client asks for it. ``auto`` is our
own default. Does not own the fields (`request`) nor the settings (`tunesmith.recipe`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from tunesmith.recipe import Recipe
from tunesmith.recipe.data import Clean
from tunesmith.serve.errors import ApiError, bad_request
from tunesmith.serve.tuning.request import AUTO

if TYPE_CHECKING:
    from tunesmith.serve.tuning.bases import Base
    from tunesmith.serve.tuning.request import JobRequest

TRAIN_FILE, VALID_FILE = "train.jsonl", "valid.jsonl"

Tree = dict[str, Any]

OPEN: Tree = {
    "task": True,
    "prompt": {
        "system": True, "template": True, "shots": True, "variants": True, "teacher": True, "candidates": True,
        "prompt_loss_weight": True,
    },
    "data": {
        "clean": True, "labels": True, "privacy": {"pii": True, "secrets": True}, "balance": True, "size": True,
        "split": {"valid": True}, "canaries": True, "keep": True,
        "dedup": {
            "exact": True, "near": True, "semantic": True, "conflicts": True, "max_template_rows": True,
            "max_cluster_frac": True,
        },
    },
    "train": {
        "objective": True, "method": True, "save": True, "epochs": True, "max_steps": True, "batch_tokens": True,
        "max_tokens": True, "eval_every": True, "precision": True, "schedule": True, "regularise": True, "lora": True,
        "guard": True, "preference": True, "freeze": True, "tokens": True,
    },
}  # fmt: skip
"""What of a recipe a client may set: nothing that names a file, a place or a process of this machine, and no regular
expression, which may take for ever."""


def recipe_of(asked: JobRequest, name: str, base: Base, seed: int) -> Recipe:
    """Return the recipe of a job.

    Args:
        asked: the request.
        name: of the recipe; the Model's id begins with it.
        base: what the recipe trains; on top of an adapter a whole model is made.
        seed: of everything.

    Raises:
        ApiError: 400, naming the parameter.
    """
    given = asked.tunesmith or {}
    _refuse_closed(given, OPEN, "tunesmith")
    tree = _merged(_merged(_as_given(asked), _hyperparameters(asked)), given)
    try:
        recipe = Recipe(**{**tree, "name": name, "base": base.reference, "seed": seed})
    except ValidationError as error:
        raise _unfit(error) from error
    if base.adapter and recipe.train.method != "full" and recipe.train.lora.earlier == "merged":
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"save": "merged"})})
    return recipe


def _as_given(asked: JobRequest) -> Tree:
    """Return a recipe that takes the rows of the files as they are, and trains on all of them to the end."""
    off = {name for name, info in Clean.model_fields.items() if "'off'" in str(info.annotation)}
    preference = asked.kind == "dpo"
    data: Tree = {
        "train": [TRAIN_FILE],
        "format": "openai_preference" if preference else "openai",
        "clean": dict.fromkeys(sorted(off), "off"),
        "dedup": {"exact": False, "near": None},
        "privacy": {"pii": "off", "secrets": "off"},
        "split": {"valid": 0.0, "test": 0.0},
    }
    train: Tree = {}
    if asked.validation_file:
        data["valid"] = [VALID_FILE]
        train |= {"eval_every": "epoch", "regularise": {"early_stopping": None}}
    return {"task": "preference" if preference else "chat", "data": data, "train": train}


def _hyperparameters(asked: JobRequest) -> Tree:
    """Return what the hyperparameters that are not ``auto`` are in a recipe's section ``train``."""
    wanted = {name: value for name, value in asked.wanted.items() if value != AUTO}
    examples = wanted.get("batch_size")
    train: Tree = {"batch_tokens": "auto"} if examples is None else {"batch_examples": examples}
    if "n_epochs" in wanted:
        train["epochs"] = wanted["n_epochs"]
    if "learning_rate_multiplier" in wanted:
        train["schedule"] = {"peak_factor": wanted["learning_rate_multiplier"]}
    if "beta" in wanted:
        train["preference"] = {"beta": wanted["beta"]}
    return {"train": train}


def _merged(under: Tree, over: Tree) -> Tree:
    """Return settings with others over them, section by section."""
    both = {
        name for name in under.keys() & over.keys() if isinstance(under[name], dict) and isinstance(over[name], dict)
    }
    return {**under, **over, **{name: _merged(under[name], over[name]) for name in both}}


def _refuse_closed(given: Any, allowed: Tree, path: str) -> None:
    """Refuse settings that clients may not set.

    Raises:
        ApiError: 400, naming the first one.
    """
    if not isinstance(given, dict):
        raise bad_request(f"Invalid {path!r}: expected an object, got {type(given).__name__}.", path, "invalid_value")
    for name, value in given.items():
        here = f"{path}.{name}"
        if name not in allowed:
            raise bad_request(
                f"{here!r} is not open to clients. Of a recipe these are: {', '.join(sorted(allowed))}.",
                here,
                "unknown_parameter",
            )
        if isinstance(allowed[name], dict):
            _refuse_closed(value, allowed[name], here)


def _unfit(error: ValidationError) -> ApiError:
    first = error.errors()[0]
    param = ".".join(["tunesmith", *(str(one) for one in first["loc"])])
    return bad_request(f"Invalid {param!r}: {first['msg'].removeprefix('Value error, ')}.", param, "invalid_value")
