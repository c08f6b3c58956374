"""Graders in OpenAI's forms: what a fine-tuning job's or an eval's grader says, word for word.

Owns the forms. Does not own what they compute (`evaluate.graders`).

Source: OpenAI's API reference, "Graders": https://platform.openai.com/docs/api-reference/graders
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from tunesmith.recipe.section import Section

Name = Annotated[str, Field(min_length=1, max_length=100, description="name of the grader, and of its metric")]
Template = Annotated[str, Field(description="text with {{ item.… }} and {{ sample.output_text }} in it")]


Measure = Literal[
    "fuzzy_match", "bleu", "gleu", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l", "meteor", "cosine",
]  # fmt: skip


class StringCheck(Section):
    """1 or 0: the input is the reference (``eq``), is not (``ne``), or has it in it (``like``; any case: ``ilike``)."""

    type: Literal["string_check"]
    name: Name
    input: Template
    reference: Template
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(Section):
    """0 to 1: how alike two texts are."""

    type: Literal["text_similarity"]
    name: Name
    input: Template
    reference: Template
    evaluation_metric: Measure
    pass_threshold: float | None = Field(None, description="the metric is then the share of rows that reach it")


class PythonGrader(Section):
    """What ``grade(sample, item)`` of some Python code returns, run in a closed process."""

    type: Literal["python"]
    name: Name
    source: str
    image_tag: str | None = Field(None, description="ignored: the code runs in this Python")
    pass_threshold: float | None = None


class ScoreModel(Section):
    """What another model says of an answer, as a number."""

    type: Literal["score_model"]
    name: Name
    model: str
    input: list[dict[str, Any]]
    range: tuple[float, float] = (0.0, 1.0)
    pass_threshold: float | None = None
    sampling_params: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _rises(self) -> ScoreModel:
        if self.range[0] >= self.range[1]:
            raise ValueError(f"the range {list(self.range)} does not rise; write the least score first")
        return self


class LabelModel(Section):
    """1 if another model gives an answer one of the passing labels, else 0."""

    type: Literal["label_model"]
    name: Name
    model: str
    input: list[dict[str, Any]]
    labels: list[str]
    passing_labels: list[str]

    @model_validator(mode="after")
    def _known(self) -> LabelModel:
        if strange := set(self.passing_labels) - set(self.labels):
            raise ValueError(f"passing_labels has {min(strange)!r}, which is not in labels {self.labels}")
        return self


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, dict) else getattr(value, "type", None)


Single = (
    Annotated[StringCheck, Tag("string_check")]
    | Annotated[TextSimilarity, Tag("text_similarity")]
    | Annotated[PythonGrader, Tag("python")]
    | Annotated[ScoreModel, Tag("score_model")]
    | Annotated[LabelModel, Tag("label_model")]
)


class Multi(Section):
    """A sum, or another formula, of what several graders say."""

    type: Literal["multi"]
    name: Name
    graders: Annotated[Single, Discriminator(_type_of)] | dict[str, Annotated[Single, Discriminator(_type_of)]]
    calculate_output: str = Field(description="a formula of the graders' keys, as 0.7 * right + 0.3 * short")
    pass_threshold: float | None = None


Grader = Annotated[Single | Annotated[Multi, Tag("multi")], Discriminator(_type_of)]
