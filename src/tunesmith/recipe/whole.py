"""The recipe as a whole: its sections, what they refuse together, and what needs an engine that comes later."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Field,
    model_validator,
)

from tunesmith.core.errors import did_you_mean
from tunesmith.recipe.data import Data
from tunesmith.recipe.distill import Distill
from tunesmith.recipe.fit import refuse_idle, refuse_unfit_objective
from tunesmith.recipe.prompt import Prompt
from tunesmith.recipe.prompts import Prompts
from tunesmith.recipe.provider import SERVICES, Provider, service_of
from tunesmith.recipe.section import (
    Later,
    Section,
    Task,
)
from tunesmith.recipe.sweep import Sweep
from tunesmith.recipe.systems import refuse_unknown_rivals
from tunesmith.recipe.train import Train
from tunesmith.recipe.use import Evaluate, Monitor, Serve, Update


class Recipe(Section):
    """The whole recipe. `load_recipe` reads one from YAML; in Python: ``Recipe(name=..., task=..., data=...)``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case name; ids begin with it")
    task: Task
    base: str = Field(
        "nano",
        min_length=1,
        description="nano, a folder, a Hugging Face name, a Model's id, or "
        "openai:, azure: or bedrock: and the service's name of it",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    data: Data
    prompt: Prompt = Prompt()
    train: Train = Train()
    provider: Provider | None = Field(None, description="the service that tunes a hosted base; None: its defaults")
    evaluate: Evaluate = Evaluate()
    serve: Serve = Serve()
    monitor: Monitor = Monitor()
    update: Update = Update()
    sweep: Sweep = Sweep()
    prompts: Prompts = Prompts()
    distill: Distill | None = Field(None, description="whose answers `tunesmith distill` makes examples of")

    @model_validator(mode="after")
    def _nothing_from_the_future(self) -> Recipe:
        for path, later in _set_too_early(self):
            raise ValueError(f"{path} needs {later.topic}, which this version does not have yet; remove it")
        return self

    @model_validator(mode="after")
    def _nothing_unheard(self) -> Recipe:
        refuse_unfit_objective(self)
        refuse_idle(self)
        refuse_unknown_rivals(self)
        return self

    @model_validator(mode="after")
    def _something_to_distill(self) -> Recipe:
        if self.distill is None:
            return self
        if self.task == "preference":
            raise ValueError("distill: a teacher gives answers, and preference learns from pairs; remove distill")
        if self.task == "chat" and self.distill.samples > 1:
            raise ValueError("distill.samples: free answers have no most frequent one; remove samples")
        return self

    @model_validator(mode="after")
    def _somebody_tunes(self) -> Recipe:
        if self.provider is not None and not self.service:
            raise ValueError(
                f"provider is for a base that a service tunes, and {self.base} is not; "
                "remove provider, or base: openai:... (azure:, bedrock:)"
            )
        word, colon, _ = self.base.partition(":")
        meant = did_you_mean(word, SERVICES) if colon and not self.service else ""
        if meant.startswith("did"):
            raise ValueError(f"base: {self.base}: no service is called {word}; {meant}")
        if self.service and not self.base.split(":", 1)[1].strip():
            raise ValueError(f"base: {self.base} names no model; base: {self.base}gpt-4.1-mini-2025-04-14")
        if self.service == "azure" and (self.provider is None or self.provider.base_url is None):
            raise ValueError(
                "provider.base_url is missing, and azure has no address of its own; "
                "provider: {base_url: https://RESOURCE.openai.azure.com/openai/v1}"
            )
        return self

    @model_validator(mode="after")
    def _something_to_balance_by(self) -> Recipe:
        balance, data = self.data.balance, self.data
        if balance is not None and balance.by == "target" and self.task != "classify":
            raise ValueError(
                f"data.balance.by: target is for labels, and {self.task} has none; choose topic or another"
            )
        grouped = data.split.group_by or (data.columns and data.columns.group)
        if balance is not None and balance.by == "group" and not grouped:
            raise ValueError("data.balance.by: group is a column of yours; name it in data.columns.group")
        return self

    @property
    def objective(self) -> str:
        """What training makes small: as set, or by the task."""
        return self.train.objective or ("dpo" if self.task == "preference" else "sft")

    @property
    def service(self) -> str:
        """The service that tunes the base: ``openai``, ``azure`` or ``bedrock``; empty if this machine does."""
        return service_of(self.base)

    @property
    def hosting(self) -> Provider:
        """``provider`` as in force."""
        return self.provider or Provider()

    def given(self) -> dict[str, Any]:
        """Return what the user set, without defaults, JSON-able."""
        return self.model_dump(mode="json", exclude_unset=True)


def _set_too_early(section: Section, prefix: str = "") -> list[tuple[str, Later]]:
    """Return the settings that were given although their engine comes later."""
    found: list[tuple[str, Later]] = []
    for name in section.model_fields_set:
        info, value = type(section).model_fields[name], getattr(section, name)
        if value == info.get_default(call_default_factory=True):
            continue
        if later := next((mark for mark in info.metadata if isinstance(mark, Later)), None):
            found.append((prefix + name, later))
        elif isinstance(value, Section):
            found += _set_too_early(value, f"{prefix}{name}.")
    return found
