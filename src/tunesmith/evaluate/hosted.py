"""A tuned model that lies at a service, its base, and its prompted base, asked as rivals are.

Owns how each is asked: the tuned one and its base in the task's own prompt, the prompted base with instruction and
examples, all at temperature 0, as models on this machine are. Does not own asking (`rivals`) nor where the model lies
(`providers.hosted`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate.baselines import SHOTS
from tunesmith.providers.bedrock_models import without_window
from tunesmith.providers.hosted_chat import chat_settings
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
    return _at(hosted, recipe, model=without_window(hosted.base), **shots)


def _at(hosted: HostedModel, recipe: Recipe, model: str | None = None, **how: Any) -> RivalModel:
    at = recipe.provider
    price = at.price if at else None
    limits: dict[str, Any] = {"max_tokens": max(16, recipe.evaluate.max_new_tokens), "temperature": 0.0}
    if at is not None:
        limits |= {"timeout_s": at.timeout_s, "retries": at.retries}
    if price is not None and price.input is not None and price.output is not None:
        limits["price"] = {"input": price.input, "output": price.output}
    made = RivalModel(**{**limits, **chat_settings(hosted, model), **how})
    made.name("provider")
    return made


def check_hosted(recipe: Recipe) -> None:
    """Refuse a task that cannot be measured where the weights lie at a service; settings are in the capability table.

    Raises:
        RecipeError: for pairs of answers.
    """
    if recipe.service and recipe.task == "preference":
        raise RecipeError(
            f"task: preference is evaluated by how probable answers are, and {recipe.base} tells nothing of that",
            expected="a base on this machine",
            hint="tunesmith train tunes it all the same; to measure it, ask it as a rival of a chat recipe",
        )
