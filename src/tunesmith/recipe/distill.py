"""``distill``: a stronger model's answers to your questions, to learn from; each default with its reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tunesmith.recipe.rival import RivalModel
from tunesmith.recipe.section import Frac, Section, StrList


class Distill(Section):
    """Whom `tunesmith distill` asks, what, and which answers become examples."""

    teacher: RivalModel = Field(description="the model whose answers are learnt; as_tuned for one tuned to this task")
    questions: StrList = Field(
        default_factory=list,
        description="files of questions, their answers left out; empty: the questions of the recipe's train split",
    )
    traffic: bool = Field(
        False,
        description="answer what users asked the release of this name, as it was captured; beside questions, or alone",
    )
    to: Annotated[str, Field(min_length=1, pattern=r"\.jsonl$")] = Field(
        "distilled.jsonl", description="the file of examples that is written, which data.train then names"
    )
    rows: Annotated[int, Field(ge=1)] | None = Field(None, description="ask a seeded sample of so many; None: all")
    samples: Annotated[int, Field(ge=1, le=25)] = Field(
        1, description="answers to each question, of which the most frequent is learnt; classify and extract"
    )
    agreement: Frac = Field(
        0.5, description="least share of the samples that must give the answer; a question below it is left out"
    )

    @model_validator(mode="after")
    def _known_by_its_place(self) -> Distill:
        self.teacher.name("distill.teacher")
        if self.samples > 1 and self.teacher.api == "local":
            raise ValueError("a local model is greedy and says the same every time; remove samples")
        if self.samples == 1 and "agreement" in self.model_fields_set:
            raise ValueError("agreement is among several samples; set samples: 5")
        return self
