"""``evaluate.judge``: the language model that judges answers; each default with its reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

from tunesmith.recipe.section import Rivals, Section
from tunesmith.recipe.service import Service

Criterion = Annotated[str, Field(min_length=1, max_length=20_000)]


class Rubric(Section):
    """Marks on a scale: the judge gives its reasons, then a number."""

    text: Criterion = Field(description="what the marks mean, for the judge to read")
    scale: tuple[float, float] = Field((1.0, 5.0), description="least and best mark")
    reference: bool = Field(False, description="show the judge the right answer of the row")

    @model_validator(mode="after")
    def _rises(self) -> Rubric:
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"the scale {list(self.scale)} does not rise; write the least mark first")
        return self


class Pairwise(Section):
    """The tuned model's answer beside another's: which is better, asked in both orders."""

    text: Criterion = Field(
        "Which answer helps the person who asked more: right, complete, clear, and no longer than needed?",
        description="what better means, for the judge to read",
    )
    reference: bool = Field(False, description="show the judge the right answer of the row")


class Human(Section):
    """Columns of the test rows (see `data.keep`) with what people said, to hold the judge against."""

    pair: tuple[str, str] | None = Field(None, description="columns of two answers that people compared")
    preferred: str | None = Field(None, description="column of the better one of the pair: 1, 2 or tie")
    answer: str | None = Field(None, description="column of an answer that people marked")
    score: str | None = Field(None, description="column of its mark, on the rubric's scale")

    @model_validator(mode="after")
    def _whole(self) -> Human:
        if (self.pair is None) != (self.preferred is None):
            raise ValueError("pair and preferred belong together: two answers, and which was the better one")
        if (self.answer is None) != (self.score is None):
            raise ValueError("answer and score belong together: an answer, and its mark")
        if self.pair is None and self.answer is None:
            raise ValueError("this names no column; set pair and preferred, or answer and score")
        return self


class Judge(Service):
    """A language model that judges answers."""

    _setting: str = PrivateAttr("evaluate.judge")

    rubric: Rubric | None = Field(None, description="marks on a scale: the metric judge_score")
    pairwise: Pairwise | None = Field(None, description="tuned against others: the metric judge_win_rate")
    human: Human | None = Field(None, description="what people said, to hold the judge against")
    against: Rivals = Field(default_factory=list, description="systems that are judged beside tuned; empty: all")
    rows: Annotated[int, Field(ge=10)] = Field(
        200, description="test rows that are judged, a seeded sample; +-7 points of a win rate at 200"
    )
    samples: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="answers of the judge to each question; a local one has 1, as it is greedy"
    )

    @model_validator(mode="after")
    def _fits(self) -> Judge:
        if self.api == "local" and "samples" in self.model_fields_set and self.samples > 1:
            raise ValueError("a local judge is greedy, so more samples are the same; remove samples")
        if self.human is not None and self.human.pair is not None and self.pairwise is None:
            raise ValueError("human.pair is for pairwise, which is not set")
        if self.human is not None and self.human.answer is not None and self.rubric is None:
            raise ValueError("human.answer is for rubric, which is not set")
        return self

    @property
    def times(self) -> int:
        """How often each question is asked."""
        return 1 if self.api == "local" else self.samples
