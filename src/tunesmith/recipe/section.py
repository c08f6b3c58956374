"""What every section of the recipe is made of: strict models, the marks of what comes later, and shared types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

Baseline = Literal["base", "prompt", "linear", "nearest", "majority", "length"]
Task = Literal["classify", "extract", "chat", "preference"]
Action = Literal["repair", "remove", "flag", "off"]
Judged = Literal["remove", "flag", "off"]


@dataclass(frozen=True)
class Later:
    """Marks a setting whose engine comes in a later version; ``topic`` names the work it belongs to."""

    topic: str


OPERATIONS = Later("serving and operations")


def as_list(value: Any) -> Any:
    """Return a word as a list of one; anything else as it is."""
    return [value] if isinstance(value, str) else value


_UNITS = {"KB": 10**3, "KiB": 1 << 10, "MB": 10**6, "GB": 10**9, "MiB": 1 << 20, "GiB": 1 << 30}


def bytes_of(text: str) -> int:
    """Return the number of bytes that a text such as ``1.5GiB`` says.

    Raises:
        ValueError: if it says none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(KB|MB|GB|KiB|MiB|GiB)", text)
    if found is None:
        raise ValueError(f"{text!r} is no number of bytes; write it as 800MiB or 2GiB")
    return int(float(found[1]) * _UNITS[found[2]])


def _says_bytes(text: str) -> str:
    bytes_of(text)
    return text


Bytes = Annotated[str, AfterValidator(_says_bytes)]
StrList = Annotated[list[str], BeforeValidator(as_list)]
SYSTEMS = (*get_args(Baseline), "production")
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Rival = Annotated[str, Field(description="a baseline, production, or a name of evaluate.rivals")]
Rivals = Annotated[list[Rival], BeforeValidator(as_list)]
Tracker = Literal["jsonl", "tensorboard", "mlflow", "wandb", "trackio"]
Trackers = Annotated[list[Tracker], BeforeValidator(as_list)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFrac = Annotated[float, Field(ge=0.0, lt=1.0)]
Steps = Annotated[int, Field(ge=0, strict=True)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, values are never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Take the ``off`` of YAML, which reads it as false, for the word; refuse ``true`` where a number is meant:
        Pydantic would take it for 1.
        """
        kind = str(cls.model_fields[str(info.field_name)].annotation)
        if value is False and "'off'" in kind:
            return "off"
        if isinstance(value, bool) and "bool" not in kind:
            raise ValueError("true and false are no value of this setting")
        return value


def section_type(annotation: Any) -> type[Section] | None:
    """Return the section that a setting holds, alone or in a union; None if it holds a value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := section_type(arg))), None)
