"""``prompt``: the words around every example, the examples shown before it, and the prompt that a model learns to do
without.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from tunesmith.recipe.section import Frac, Section


def _has_input(template: str) -> str:
    if template.count("{input}") != 1:
        raise ValueError("template must contain {input} exactly once")
    return template


def _is_pattern(pattern: str) -> str:
    try:
        nothing = re.compile(pattern).fullmatch("")
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if nothing:
        raise ValueError(f"{pattern!r} matches where nothing is; + in place of * matches something")
    return pattern


Pattern = Annotated[str, AfterValidator(_is_pattern)]
Shots = Annotated[int, Field(ge=0, le=1000)]
Template = Annotated[str, AfterValidator(_has_input)]


class Variant(Section):
    """Other words around an example."""

    system: str | None = Field(None, description="system message; None: that of prompt; '': none")
    template: Template | None = Field(
        None, description="wraps the user's message; None: that of prompt; '{input}': none"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Variant:
        if self.system is None and self.template is None:
            raise ValueError("a variant without words is prompt itself; give it system or template")
        return self


def _as_variant(value: Any) -> Any:
    """Return a text as the system message of other words."""
    return {"system": value} if isinstance(value, str) else value


Candidate = Annotated[Variant, BeforeValidator(_as_variant, json_schema_input_type=str | Variant)]


class Teacher(Section):
    """The prompt with which the base is asked, and which the model learns to do without."""

    system: str | None = Field(None, description="system message; None: that of prompt; '': none")
    template: Template | None = Field(
        None, description="wraps the user's message; None: that of prompt; '{input}': none"
    )
    shots: Shots | None = Field(None, description="examples of train that the teacher is shown; None: as prompt.shots")


class Prompt(Section):
    """The words around every example, the same in training, evaluation and serving."""

    system: str | None = Field(None, description="system message put before every conversation that has none")
    template: Template | None = Field(None, description="wraps the user's message; must contain {input}")
    shots: Shots = Field(
        0,
        description="examples of train shown before every conversation, in training, evaluation and serving; of "
        "classify as many of each label as of any other. None is shown its own answer; docs: training",
    )
    variants: list[Variant] = Field(
        default_factory=list,
        description="other words to learn with: in every epoch each example draws one of them or those of prompt. "
        "Validation, evaluation and serving use those of prompt",
    )
    teacher: Teacher | None = Field(
        None,
        description="a longer prompt to do without: the model learns to answer as its base does with the teacher's "
        "prompt (prompt distillation); None: it learns the answers of train; docs: training",
    )
    candidates: list[Candidate] = Field(
        default_factory=list,
        description="other prompts that `tunesmith prompts` compares with this one on validation rows: system "
        "messages, or {system, template}. No other command looks at them",
    )
    prompt_loss_weight: Frac = Field(
        0.0,
        description="weight of a prompt token in the loss of training, where one of an answer has 1. Above 0 the model "
        "learns inputs too; docs: training",
    )
    answer_weights: dict[Pattern, Annotated[float, Field(ge=0, le=10)]] = Field(
        default_factory=dict,
        description="regular expression to the weight in the loss of the tokens that it matches in answers, where "
        "others have 1: {'(?s)<think>.*?</think>': 0.1}. 0: not learnt; docs: training",
    )

    @property
    def wordings(self) -> list[tuple[str | None, str | None]]:
        """System message and template of prompt itself, and then of each variant."""
        return [(self.system, self.template), *map(self.filled, self.variants)]

    def filled(self, other: Variant | Teacher) -> tuple[str | None, str | None]:
        """Return system message and template of other words, with those of prompt where they have none."""
        system = self.system if other.system is None else other.system or None
        return system, self.template if other.template is None else other.template

    @property
    def teacher_shots(self) -> int:
        """How many examples the teacher is shown."""
        shown = self.teacher.shots if self.teacher else None
        return self.shots if shown is None else shown

    @model_validator(mode="after")
    def _variants_differ(self) -> Prompt:
        names: dict[tuple[str | None, str | None], str] = {}
        for number, wording in enumerate(self.wordings):
            if wording in names:
                raise ValueError(f"variants.{number - 1} has the words of {names[wording]}; leave it out")
            names[wording] = f"variants.{number - 1}" if number else "prompt itself"
        return self

    @model_validator(mode="after")
    def _teacher_knows_more(self) -> Prompt:
        if self.teacher and (self.filled(self.teacher), self.teacher_shots) == (self.wordings[0], self.shots):
            raise ValueError("teacher has the prompt of the model itself; give it system, template or shots of its own")
        return self
