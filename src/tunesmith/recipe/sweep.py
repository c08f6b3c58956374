"""``sweep``: which settings are searched, among which values, and how long.

Owns the section itself. Does not own whether the settings exist and take the values (`sweep.space`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tunesmith.recipe.section import Section

_POWER = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""A number such as 1e-4, which YAML 1.1 reads as text."""


def _number(value: Any) -> Any:
    """Return a number that YAML left as text, such as 1e-4, as what it is."""
    return float(value) if isinstance(value, str) and _POWER.fullmatch(value) else value


Number = Annotated[int | float, BeforeValidator(_number)]


class Range(Section):
    """All numbers from a lowest to a highest one, both of them included."""

    low: Number = Field(description="lowest value")
    high: Number = Field(description="highest value")
    log: bool = Field(
        False, description="values are spread evenly over the powers of ten, as for rates; low must be above 0"
    )
    step: Number | None = Field(None, description="distance of neighbouring values; None: any number")

    @model_validator(mode="after")
    def _makes_sense(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"log: true has no value of 0 or below, and low is {self.low:g}; a low such as 1e-5")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; leave step out")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step {self.step:g} does not lie between 0 and the length of the range")
        return self


Choices = list[Any]
Values = Range | Choices


def _as_range_or_list(value: Any) -> Any:
    if not isinstance(value, dict | list | Range):
        raise ValueError("neither a list of values nor a range; [4, 8, 16] or {low: 1e-4, high: 1e-2, log: true}")
    return value


class Sweep(Section):
    """A search over settings of the recipe, by ``tunesmith sweep``; no other command looks at it."""

    fields: dict[str, Annotated[Values, BeforeValidator(_as_range_or_list)]] = Field(
        default_factory=dict,
        description="setting, as train.lora.rank, to a list of values, or to a range: {low, high, log, step}",
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] = Field(
        20, description="trainings to try; those that are stopped early count. More of them later go on from these"
    )
    pruning: Literal["median", "hyperband", "off"] = Field(
        "median",
        description="when a trial is stopped early. median: it is worse at a validation than half of the trials before "
        "it; hyperband: by brackets of trials that are halved; off: never",
    )
    seeds: Annotated[int, Field(ge=1, le=100)] = Field(
        3, description="seeds on which the winner and the recipe as it is are trained again and compared"
    )
    metric: str | None = Field(
        None,
        description="what is searched for on validation; None: what chooses the weights that are kept, which is "
        "valid_loss or train.regularise.early_stopping.metric",
    )
    keep: bool = Field(False, description="keep the Models of all trials, not their scores alone")

    @field_validator("pruning", mode="before")
    @classmethod
    def _yes_and_no(cls, value: Any) -> Any:
        """Take ``true`` for median, ``false`` for off."""
        return {True: "median", False: "off"}.get(value, value) if isinstance(value, bool) else value

    @field_validator("fields", mode="after")
    @classmethod
    def _something_to_choose(cls, fields: dict[str, Any]) -> dict[str, Any]:
        found = {name: [_number(one) for one in values] if isinstance(values, list) else values
                 for name, values in fields.items()}  # fmt: skip
        for name, values in found.items():
            if isinstance(values, list) and len(values) < 2:
                count = f"{len(values)} value{'' if len(values) == 1 else 's'}"
                raise ValueError(f"{name} has {count}, which leaves no choice; two or more")
            if isinstance(values, list) and any(one in values[:at] for at, one in enumerate(values)):
                raise ValueError(f"{name} names a value twice; leave one out")
        return found
