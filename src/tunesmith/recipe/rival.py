"""``evaluate.rivals``: language models elsewhere to compare with; each default with its reason."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from tunesmith.recipe.service import Service


class RivalModel(Service):
    """A language model of a service, asked the test rows."""

    as_tuned: bool = Field(
        False, description="asked as a tuned model is, in the task's own prompt; for one that was tuned to this task"
    )
    shots: Annotated[int, Field(ge=0, le=100)] = Field(
        8, description="training examples shown beside an instruction; as many as the prompted base gets"
    )

    @model_validator(mode="after")
    def _asked_in_one_way(self) -> RivalModel:
        if self.as_tuned and "shots" in self.model_fields_set:
            raise ValueError("a model asked as_tuned is shown no examples; remove shots")
        return self
