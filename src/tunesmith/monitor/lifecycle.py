"""Which models elsewhere a recipe and what was released of it depend on, and how long each goes on answering.

Owns the list and the levels of alarm. Does not own what a service says (`providers.lifecycle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import TunesmithError
from tunesmith.providers.chat import connect
from tunesmith.providers.hosted import HostedModel
from tunesmith.providers.hosted_chat import chat_settings
from tunesmith.recipe.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from tunesmith.recipe import Recipe

ALARMS_DAYS = (30, 90, 180)
"""Days before the end at which there is an alarm, the loudest first."""


@dataclass(frozen=True)
class Dependence:
    """A model elsewhere that a recipe uses.

    Args:
        setting: where the recipe names it, or the alias of what was released.
        model: the service's name of it.
        state: ``active``, ``deprecated``, ``gone``, ``unknown``.
        ends_on: the day it stops answering, if that is announced.
        days_left: until then; negative if it is past.
        alarm: the least of `ALARMS_DAYS` that ``days_left`` does not exceed, 0 if it is gone; None if there is none.
        why: why nothing is known; empty otherwise.
    """

    setting: str
    model: str
    state: str
    ends_on: date | None
    days_left: int | None
    alarm: int | None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it with its date as text."""
        return {**self.__dict__, "ends_on": None if self.ends_on is None else self.ends_on.isoformat()}


def lifecycle(recipe: Recipe, today: date, released: Mapping[str, HostedModel] | None = None) -> list[Dependence]:
    """Ask each service about the models that a recipe uses, and about released ones by alias, the most urgent first.

    A service that cannot be asked does not keep the others from being told: its models are ``unknown``, and why.
    """
    retries = recipe.hosting.retries
    tuned = ((alias, Service(**chat_settings(one), retries=retries)) for alias, one in (released or {}).items())
    found = [_ask(setting, service, today) for setting, service in (*services_of(recipe), *tuned)]
    return sorted(found, key=lambda one: (one.alarm is None, one.alarm or 0, one.setting))


def services_of(recipe: Recipe) -> Iterator[tuple[str, Service]]:
    """Yield where a recipe names a model of OpenAI's or Anthropic's protocol, and the model."""
    named: list[tuple[str, Service | None]] = [
        ("evaluate.judge", recipe.evaluate.judge),
        *((f"evaluate.rivals.{name}", one) for name, one in recipe.evaluate.rivals.items()),
        *((f"serve.upstreams.{name}", one) for name, one in recipe.serve.upstreams.items()),
        ("prompts.writer", recipe.prompts.writer),
        ("distill.teacher", recipe.distill.teacher if recipe.distill else None),
    ]
    yield from ((setting, one) for setting, one in named if one is not None and one.api != "local")
    if recipe.service:
        at, model = recipe.hosting, recipe.base.split(":", 1)[1].strip()
        base = HostedModel(recipe.service, model, model, at.base_url, at.key_env, options=_region(recipe))
        yield "base", Service(**chat_settings(base), retries=at.retries)


def _region(recipe: Recipe) -> dict[str, Any]:
    return {"region": recipe.hosting.region} if recipe.service == "bedrock" else {}


def _ask(setting: str, service: Service, today: date) -> Dependence:
    service.name("provider" if setting == "base" else setting)
    try:
        chat = connect(service, None)
        try:
            life = chat.life(service.model)
        finally:
            chat.close()
    except TunesmithError as error:
        return Dependence(setting, service.model, "unknown", None, None, None, error.message)
    left = None if life.ends_on is None else (life.ends_on - today).days
    return Dependence(setting, service.model, life.state, life.ends_on, left, _alarm(life.state, left))


def _alarm(state: str, left: int | None) -> int | None:
    if state == "gone":
        return 0
    return None if left is None else next((days for days in ALARMS_DAYS if left <= days), None)
