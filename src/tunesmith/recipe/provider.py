"""``provider``: the service that tunes a hosted base; every setting, its default and the reason.

Owns what a base's prefix means. Does not own which other settings a service honours (`providers.capabilities`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tunesmith.recipe.section import Section

SERVICES = ("openai", "azure", "bedrock")
HOSTED = tuple(f"{name}:" for name in SERVICES)
"""What a base begins with that a service tunes."""


def service_of(base: str) -> str:
    """Return the service that tunes a base, ``openai``, ``azure`` or ``bedrock``; empty for one on this machine."""
    return base.split(":", 1)[0] if base.startswith(HOSTED) else ""


class TuningPrice(Section):
    """What the service takes, by its own price list; no price is known here, since all of them change."""

    training: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD for a million tokens of training, each epoch counted"
    )
    hour: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD an hour, where the tuned model is paid by the hour while it is kept ready"
    )
    input: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD for a million tokens that the tuned model reads"
    )
    output: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD for a million tokens that the tuned model writes"
    )


class Provider(Section):
    """Where and how a hosted base (openai:, azure:, bedrock:) is tuned."""

    base_url: str | None = Field(
        None,
        pattern=r"^https?://[^@/]+(/[^@]*)?$",
        description="where the service is, if not at its vendor's, as https://host/openai/v1; azure needs it",
    )
    key_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the key, which a recipe never holds; None: OPENAI_API_KEY, of azure "
        "AZURE_OPENAI_API_KEY",
    )
    price: TuningPrice | None = Field(None, description="to tell the cost in money before anything is spent")
    max_usd: Annotated[float, Field(ge=0)] | None = Field(
        None, description="training that may cost more, or whose cost cannot be told for want of a price, is not begun"
    )
    poll_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        15.0, description="seconds between looks at how far a job is"
    )
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = Field(120.0, description="for an answer of the service")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(
        6, description="more tries after 429, 5xx or a broken connection, of what may be asked twice: a job never is"
    )
    suffix: str | None = Field(
        None, min_length=1, max_length=64, description="part of the tuned model's name; None: the recipe's name"
    )
    stopping: Literal["checkpoints", "chain", "watch"] = Field(
        "checkpoints",
        description="how early stopping is done. checkpoints: all epochs are made, and the best of the last three is "
        "taken; chain: a job for each epoch, on top of the one before, until none gains; watch: look at the curve and "
        "cancel, which may leave no model",
    )
    clean_up: bool = Field(True, description="delete the files that were uploaded when they are not needed any more")
    region: str | None = Field(
        None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="of bedrock, as us-east-1; None: AWS_REGION, or AWS's own"
    )
    role_arn: str | None = Field(
        None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$",
        description="the role in which Bedrock reads and writes the bucket, as arn:aws:iam::123456789012:role/tuner",
    )
    bucket: str | None = Field(
        None,
        pattern=r"^(s3://)?[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](/[-!_*'().a-zA-Z0-9]+)*/?$",
        description="S3 bucket of the region, and a folder in it if you like, for examples and curves",
    )
    quota_examples: Annotated[int, Field(ge=1)] | None = Field(
        None, description="examples of training and validation that the account may use; None: AWS's default quota"
    )
    deployment: Literal["none", "provisioned", "on_demand"] = Field(
        "none",
        description="what is bought when the model is tuned, without which it does not answer. provisioned: throughput "
        "by the hour, until deleted; on_demand: by the token, which Claude's tunes have not",
    )
    model_units: Annotated[int, Field(ge=1, le=100)] = Field(1, description="of provisioned throughput")
    confirm_hourly_usd: Annotated[float, Field(ge=0)] | None = Field(
        None, description="the most that you agree to pay an hour for deployment; without it nothing is bought"
    )
