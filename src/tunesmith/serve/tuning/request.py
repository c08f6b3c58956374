"""What a client may ask of a fine-tuning job, in OpenAI's words.

Owns the fields of ``POST /v1/fine_tuning/jobs`` and their ranges. Does not own what they mean here (`recipe`).
Source: https://platform.openai.com/docs/api-reference/fine-tuning/create; ranges from OpenAI's OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from tunesmith.serve.errors import bad_request
from tunesmith.serve.protocol import Body, checked, json_object

SEEDS = 2**31
"""Seeds are below this."""

AUTO = "auto"


def _auto_or(kind: Any, expected: str) -> BeforeValidator:
    """Return a check for ``auto`` or a number, with one sentence for either; null is ``auto``."""
    number: TypeAdapter[Any] = TypeAdapter(kind)

    def check(value: Any) -> Any:
        if value is None or value == AUTO:
            return AUTO
        try:
            return number.validate_python(value, strict=True)
        except ValidationError as error:
            raise ValueError(f"expected 'auto' or {expected}") from error

    return BeforeValidator(check)


Epochs = Annotated[Any, _auto_or(Annotated[int, Field(ge=1, le=50)], "a whole number from 1 to 50")]
BatchSize = Annotated[Any, _auto_or(Annotated[int, Field(ge=1, le=256)], "a whole number from 1 to 256")]
Rate = Annotated[Any, _auto_or(Annotated[float, Field(gt=0, le=1000)], "a number above 0, at most 1000")]
Beta = Annotated[Any, _auto_or(Annotated[float, Field(gt=0, le=2)], "a number above 0, at most 2")]


class Hyperparameters(Body):
    """Of supervised tuning; ``batch_size`` is in examples."""

    n_epochs: Epochs = AUTO
    batch_size: BatchSize = AUTO
    learning_rate_multiplier: Rate = AUTO


class DpoHyperparameters(Hyperparameters):
    """Of DPO."""

    beta: Beta = AUTO


class Supervised(Body):
    """How to learn the answers."""

    hyperparameters: Hyperparameters | None = None


class Dpo(Body):
    """How to learn which of two answers is better."""

    hyperparameters: DpoHyperparameters | None = None


class Method(Body):
    """Which of the methods, with its settings."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Any = None


class JobRequest(Body):
    """The body of ``POST /v1/fine_tuning/jobs``; ``tunesmith`` opens the rest of our recipe (`recipe`)."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    training_file: str
    validation_file: str | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    suffix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Field(ge=0, lt=SEEDS)] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    integrations: list[Any] | None = None
    tunesmith: dict[str, Any] | None = None

    @property
    def kind(self) -> Literal["supervised", "dpo"]:
        """The method; `read_job` refuses others."""
        return "dpo" if self.method is not None and self.method.type == "dpo" else "supervised"

    @property
    def wanted(self) -> dict[str, Any]:
        """The hyperparameters of the method as asked, each a number or ``auto``."""
        if self.kind == "dpo":
            own = self.method.dpo if self.method else None
            return ((own and own.hyperparameters) or DpoHyperparameters()).model_dump()
        supervised = self.method.supervised if self.method else None
        return ((supervised and supervised.hyperparameters) or self.hyperparameters or Hyperparameters()).model_dump()


def read_job(body: bytes) -> JobRequest:
    """Read and check a request for a job.

    Raises:
        ApiError: 400, naming the parameter.
    """
    asked = checked(JobRequest, json_object(body))
    _refuse_unable(asked)
    for key, value in (asked.metadata or {}).items():
        if len(key) > 64 or len(value) > 512:
            raise bad_request(
                f"Invalid 'metadata': keys have 64 characters at most and values 512, and {key[:64]!r} has "
                f"{len(key)} and {len(value)}.",
                "metadata",
                "invalid_value",
            )
    if asked.validation_file == asked.training_file:
        raise bad_request(
            "Invalid 'validation_file': it is the training file, which would say nothing of other rows.",
            "validation_file",
            "invalid_value",
        )
    return asked


def _refuse_unable(asked: JobRequest) -> None:
    """Refuse what this server cannot do, and what says two things."""
    if asked.integrations:
        raise bad_request(
            "This server sends the curves of jobs nowhere. The metrics of each step are in the job's events, and all "
            "of them in its result file.",
            "integrations",
            "unsupported_parameter",
        )
    method = asked.method
    if method is None:
        return
    if method.type == "reinforcement":
        raise bad_request(
            "This server has no method 'reinforcement'; it has 'supervised' and 'dpo'.", "method.type", "invalid_value"
        )
    for name in {"supervised", "dpo", "reinforcement"} - {method.type}:
        if getattr(method, name) is not None:
            raise bad_request(
                f"Invalid 'method.{name}': the method is {method.type!r}.", f"method.{name}", "invalid_value"
            )
    if asked.hyperparameters is not None:
        raise bad_request(
            f"Give 'method.{method.type}.hyperparameters', and 'hyperparameters', which is older, not as well.",
            "hyperparameters",
            "invalid_value",
        )
