"""Values that a service does not take of a setting that it honours otherwise: why, in words; empty if it takes them.

Owns these looks at a recipe, for `capability_table`. Does not own what happens then (`capabilities`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.providers.bedrock_models import Family, family

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.recipe import Recipe

PROBABILITIES = ("nll", "perplexity", "bits_per_byte", "ece")
"""Metrics of what a service does not tell."""


def epochs(most: int) -> Callable[[Recipe], str]:
    """Return what looks for whole epochs up to a number."""

    def limit(recipe: Recipe) -> str:
        epochs = recipe.train.epochs
        fits = epochs <= most and epochs == int(epochs)
        return "" if fits else f"whole epochs there, 1 to {most}, and {epochs:g} are asked for"

    return limit


def batch(low: int, high: int) -> Callable[[Recipe], str]:
    """Return what looks whether a step's examples are in a span."""

    def limit(recipe: Recipe) -> str:
        size = recipe.train.batch_examples or low
        return "" if low <= size <= high else f"{low} to {high} there, and {size} are asked for"

    return limit


def bedrock_family(recipe: Recipe) -> Family:
    """Return how Bedrock tunes the recipe's base; Claude, if that is not one of Bedrock's."""
    return family(recipe.base.split(":", 1)[1].strip() if recipe.service == "bedrock" else "anthropic.claude")


def taken(key: str, value: Callable[[Recipe], float | None], whole: str = "") -> Callable[[Recipe], str]:
    """Return what looks whether Bedrock takes a value as a hyper-parameter; None is left to the service."""

    def limit(recipe: Recipe) -> str:
        kind, asked = bedrock_family(recipe), value(recipe)
        span = kind.takes.get(key)
        if span is None:
            return f"{kind.title} has no {key} there"
        fits = asked is None or (span.low <= asked <= span.high and not (whole and asked != int(asked)))
        return "" if fits else f"{whole}{span.low:g} to {span.high:g} there, and {asked:g} is asked for"

    return limit


def bedrock_batch(recipe: Recipe) -> str:
    """Look whether Bedrock takes a batch of so many tokens; auto is its own."""
    own = recipe.train.batch_tokens == "auto"
    return "" if own else taken("batchSize", lambda _: None)(recipe)


def bedrock_rate(recipe: Recipe) -> str:
    """Look at the rate that Bedrock would get: a factor on Claude's, a number for Nova and Llama."""
    kind, schedule = bedrock_family(recipe), recipe.train.schedule
    if "learningRate" not in kind.takes:
        if schedule.peak is not None:
            return "the base's own learning rate is secret, so none can be set as a number"
        return taken("learningRateMultiplier", lambda _: schedule.peak_factor)(recipe)
    if schedule.peak == "auto":
        return "nothing can be tried out there"
    peak = kind.takes["learningRate"].default if schedule.peak is None else float(schedule.peak)
    return taken("learningRate", lambda _: peak * schedule.peak_factor)(recipe)


def bedrock_stopping(recipe: Recipe) -> str:
    """Look at early stopping as Bedrock would get it."""
    stopping = recipe.train.regularise.early_stopping
    if stopping is None:
        return ""
    delta = None if stopping.min_delta == "auto" else float(stopping.min_delta)
    waits = taken("earlyStoppingPatience", lambda _: stopping.patience)(recipe)
    return waits or taken("earlyStoppingThreshold", lambda _: delta)(recipe) or stops_by(recipe)


def each_epoch(recipe: Recipe) -> str:
    """Look whether validation comes when epochs end."""
    return "" if recipe.train.eval_every == "epoch" else "it validates when epochs end, and otherwise as it likes"


def seed(recipe: Recipe) -> str:
    """Look whether the seed fits into the service's number."""
    return "" if recipe.seed < 2**31 else f"below 2,147,483,648 there, and {recipe.seed} is asked for"


def objective(*known: str) -> Callable[[Recipe], str]:
    """Return what looks whether the objective is one of some."""

    def limit(recipe: Recipe) -> str:
        return "" if recipe.objective in known else f"{recipe.objective} is not done there, but {', '.join(known)}"

    return limit


def stops_by(recipe: Recipe) -> str:
    """Look whether early stopping goes by the validation loss."""
    stopping = recipe.train.regularise.early_stopping
    metric = stopping.metric if stopping else "valid_loss"
    return "" if metric == "valid_loss" else f"only valid_loss is measured there, and {metric} is asked for"


def deployed(recipe: Recipe) -> str:
    """Look whether a tune of the base can be kept ready in the way asked for."""
    kind = bedrock_family(recipe)
    if recipe.hosting.deployment == "on_demand" and not kind.on_demand:
        return f"tunes of {kind.title} are asked through provisioned throughput alone"
    return ""


def beta(recipe: Recipe) -> str:
    """Look at the strength of preferences."""
    beta = recipe.train.preference.strength
    return "" if beta <= 2 else f"at most 2 there, and {beta:g} is asked for"


def steps_known(recipe: Recipe) -> str:
    """Look whether a recipe says how many examples a step has."""
    train = recipe.train
    by_tokens = "batch_tokens" in train.model_fields_set and train.batch_tokens != "auto"
    known = train.max_steps is None or train.batch_examples is not None or by_tokens
    return "" if known else "how many examples a step has is the service's own choice; set train.batch_examples"


def sigmoid(recipe: Recipe) -> str:
    """Look at the form of DPO."""
    variant = recipe.train.preference.variant
    return "" if variant == "sigmoid" else f"only sigmoid is done there, and {variant} is asked for"


def suites(recipe: Recipe) -> str:
    """Look for suites that ask the model anew; slices look at the answers that are there."""
    found = [name for name in recipe.evaluate.suites if name != "slices"]
    return f"{', '.join(found)}: asks for probabilities, which the service does not tell" if found else ""


def probable(*path: str) -> Callable[[Recipe], str]:
    """Return what looks for metrics of probabilities in a setting of ``evaluate``."""

    def limit(recipe: Recipe) -> str:
        named: object = recipe.evaluate
        for name in path:
            named = getattr(named, name)
        asked = [named] if isinstance(named, str) else list(named or ())  # type: ignore[call-overload]
        found = [name for name in asked if name in PROBABILITIES]
        return f"{', '.join(found)}: made of probabilities, which the service does not tell" if found else ""

    return limit
