"""A tuned model that lies at a service, its base, and its prompted base, asked as rivals are.

Owns how each is asked: the tuned one and its base in the task's own prompt, the prompted base with instruction and
examples. Does not own asking (`rivals`) nor where the model lies (`providers.hosted`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.baselines import SHOTS
from tunesmith.providers.hosted_chat import chat_settings
from tunesmith.recipe.provider import service_of
from tunesmith.recipe.rival import RivalModel

if TYPE_CHECKING:
    from tunesmith.providers.hosted import HostedModel
    from tunesmith.recipe import Recipe


def tuned_at(hosted: HostedModel, recipe: Recipe) -> RivalModel:
    """Return the tuned model as something to ask."""
    return _at(hosted, recipe, as_tuned=True)


def baseline_at(name: str, hosted: HostedModel, recipe: Recipe) -> RivalModel:
    """Return the baseline ``base`` or ``prompt`` of a hosted Model as something to ask."""
    shots = {"shots": max(SHOTS, recipe.prompt.shots)} if name == "prompt" else {"as_tuned": True}
    return _at(hosted, recipe, model=hosted.base, **shots)


def _at(hosted: HostedModel, recipe: Recipe, model: str | None = None, **how: Any) -> RivalModel:
    at = recipe.provider
    price = at.price if at else None
    limits: dict[str, Any] = {"max_tokens": max(16, recipe.evaluate.max_new_tokens)}
    if at is not None:
        limits |= {"timeout_s": at.timeout_s, "retries": at.retries}
    if price is not None and price.input is not None and price.output is not None:
        limits["price"] = {"input": price.input, "output": price.output}
    made = RivalModel(**{**limits, **chat_settings(hosted, model), **how})
    made.name("provider")
    return made


PROBABILITIES = ("nll", "perplexity", "bits_per_byte", "ece")
"""Metrics of what a service does not tell."""


def check_hosted(recipe: Recipe) -> None:
    """Refuse what evaluation does with weights alone, where the weights lie at a service.

    Raises:
        RecipeError: naming the setting.
    """
    if not service_of(recipe.base):
        return
    if recipe.evaluate.suites:
        raise RecipeError(
            f"evaluate.suites look into a model's probabilities, and {recipe.base} tells none",
            expected="a base on this machine", hint="remove evaluate.suites, or set another base",
        )  # fmt: skip
    for setting, names in _metrics_named(recipe):
        for name in names:
            if name in PROBABILITIES:
                raise RecipeError(
                    f"{setting}: {name} is made of probabilities, and {recipe.base} tells none",
                    expected="a metric of answers", hint=f"remove {name}, or set a base on this machine",
                )  # fmt: skip
    if recipe.task == "preference":
        raise RecipeError(
            f"task: preference is evaluated by how probable answers are, and {recipe.base} tells nothing of that",
            expected="a base on this machine", hint="tune it as a chat, or set another base",
        )  # fmt: skip


def _metrics_named(recipe: Recipe) -> list[tuple[str, list[str]]]:
    settings, gate = recipe.evaluate, recipe.evaluate.gate
    return [
        ("evaluate.metrics", list(settings.metrics or ())),
        ("evaluate.gate.metric", [gate.metric] if gate.metric else []),
        *((f"evaluate.gate.{name}", list(getattr(gate, name))) for name in ("metrics", "minimum", "maximum")),
    ]
