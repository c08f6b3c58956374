"""``prompts``: how ``tunesmith prompts`` searches for the words around an example; no other command looks at it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PrivateAttr, field_validator, model_validator

from tunesmith.recipe.prompt import Shots
from tunesmith.recipe.section import Section
from tunesmith.recipe.service import Service

LEAST_ROWS = 20
"""Fewer validation rows choose and report nothing: a half of them is ten."""


class Writer(Service):
    """A language model that proposes prompts. It is shown rows of train, never of validation or test."""

    _setting: str = PrivateAttr("prompts.writer")

    max_tokens: Annotated[int, Field(ge=16, le=100_000)] = Field(4096, description="of an answer, all proposals in it")


class Prompts(Section):
    """A search for a better prompt, by ``tunesmith prompts``; no other command looks at it."""

    writer: Writer | None = Field(None, description="who proposes prompts; None: nobody, prompt.candidates alone")
    proposals: Annotated[int, Field(ge=1, le=50)] = Field(6, description="prompts that the writer is asked for a round")
    rounds: Annotated[int, Field(ge=1, le=20)] = Field(
        2,
        description="of proposals: in the first the writer sees examples of train, in later ones what the best prompt "
        "so far gets wrong there",
    )
    gepa: Annotated[int, Field(ge=20, le=1_000_000)] | None = Field(
        None,
        description="let GEPA (extra gepa) evolve the system message in place of the writer's later rounds; so many "
        "answers to rows of train it may ask for; None: rounds",
    )
    templates: bool = Field(True, description="try the instructions that come with the task, too")
    shots: list[Shots] = Field(
        default_factory=lambda: [0, 2, 4, 8],
        description="numbers of examples of train that the best few wordings are tried with; empty: that of prompt",
    )
    rows: Annotated[int, Field(ge=LEAST_ROWS)] = Field(
        400,
        description="most validation rows that are asked, a seeded sample: one half chooses, the other reports; the "
        "difference of two prompts has an interval of +-4 to 8 points at 400",
    )
    metric: str | None = Field(
        None, description="by which prompts are compared; None: evaluate.gate.metric, or what decides for the task"
    )

    @model_validator(mode="after")
    def _gepa_has_a_writer(self) -> Prompts:
        if self.gepa is not None and self.writer is None:
            raise ValueError("gepa has nobody to word its proposals; name a model in writer")
        return self

    @field_validator("shots", mode="after")
    @classmethod
    def _each_once(cls, shots: list[int]) -> list[int]:
        if len(set(shots)) < len(shots):
            raise ValueError(f"{shots} names a number twice; leave one out")
        return shots
