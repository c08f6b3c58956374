"""A recipe's settings as Bedrock's hyper-parameters, whose values are texts.

Owns the mapping, of early stopping too. Does not own which settings are refused (`capabilities`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tunesmith.providers.bedrock_models import Family
    from tunesmith.providers.bedrock_rows import Written
    from tunesmith.recipe import Recipe


@dataclass(frozen=True)
class Settings:
    """What a job is told, and what was changed on the way, for people."""

    hyper: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """At most."""
        return int(self.hyper["epochCount"])


def settings_of(recipe: Recipe, family: Family, train: Written, valid: Written) -> Settings:
    """Return the hyper-parameters of a job; only what the recipe says or has by default and the family takes."""
    hyper: dict[str, str] = {}
    notes: list[str] = []
    batch = _batch(recipe, family, train, notes)
    if batch is not None:
        hyper["batchSize"] = str(batch)
    hyper = {"epochCount": str(_epochs(recipe, family, len(train.lines), batch, notes)), **hyper}
    hyper |= _rate(recipe, family)
    hyper |= _stopping(recipe, family, bool(valid.lines), notes)
    return Settings(hyper, tuple(notes))


def _epochs(recipe: Recipe, family: Family, examples: int, batch: int | None, notes: list[str]) -> int:
    span, steps = family.takes["epochCount"], recipe.train.max_steps
    wanted = float(recipe.train.epochs)
    if steps is not None:
        an_epoch = math.ceil(examples / (batch or family.takes["batchSize"].default)) if _has_batches(family) else None
        if an_epoch is not None:
            wanted = min(wanted, steps / an_epoch)
    epochs = min(max(math.ceil(wanted), int(span.low)), int(span.high))
    if epochs != wanted:
        notes.append(f"{epochs} whole epochs are made, for {wanted:.3g}")
    return epochs


def _has_batches(family: Family) -> bool:
    return "batchSize" in family.takes


def _batch(recipe: Recipe, family: Family, train: Written, notes: list[str]) -> int | None:
    """Return the examples of a step with about as many target tokens as the recipe says; None: the service's own."""
    span, wanted = family.takes.get("batchSize"), _wanted_batch(recipe, train)
    if span is None or wanted is None:
        return None
    batch = min(max(wanted, int(span.low)), int(span.high))
    if batch != wanted or recipe.train.batch_examples is None:
        notes.append(f"{batch} examples a step, for {wanted:,}; allowed are {span.low:g} to {span.high:g}")
    return batch


def _wanted_batch(recipe: Recipe, train: Written) -> int | None:
    """Return the examples of a step as the recipe has them, or by their target tokens; None if it does not say."""
    tokens = recipe.train.batch_tokens
    if recipe.train.batch_examples is not None:
        return recipe.train.batch_examples
    if "batch_tokens" not in recipe.train.model_fields_set or not isinstance(tokens, int):
        return None
    mean = sum(line.target_tokens for line in train.lines) / max(1, len(train.lines))
    return round(tokens / max(1.0, mean))


def _rate(recipe: Recipe, family: Family) -> dict[str, str]:
    schedule = recipe.train.schedule
    factor = schedule.peak_factor
    if "learningRateMultiplier" in family.takes:
        said = "peak_factor" in schedule.model_fields_set
        return {"learningRateMultiplier": f"{factor:g}"} if said else {}
    span = family.takes["learningRate"]
    if isinstance(schedule.peak, int | float):
        return {"learningRate": f"{schedule.peak * factor:g}"}
    return {} if factor == 1 else {"learningRate": f"{span.default * factor:g}"}


def _stopping(recipe: Recipe, family: Family, validated: bool, notes: list[str]) -> dict[str, str]:
    """Return how the service stops early, which it does by the validation loss, looking after each epoch."""
    asked = recipe.train.regularise.early_stopping
    if "earlyStoppingPatience" not in family.takes:
        if asked is not None:
            notes.append(f"{family.title} makes all its epochs on Bedrock: it has no early stopping there")
        return {}
    if not validated:
        return {}
    if asked is None:
        return {"earlyStoppingPatience": f"{family.takes['earlyStoppingPatience'].high:g}"}
    if asked.min_delta == "auto":
        return {"earlyStoppingPatience": str(asked.patience)}
    return {"earlyStoppingPatience": str(asked.patience), "earlyStoppingThreshold": f"{asked.min_delta:g}"}
