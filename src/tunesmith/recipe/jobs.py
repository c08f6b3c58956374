"""``serve.jobs`` and ``serve.webhooks``: fine-tuning jobs that clients send; each default with its reason."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tunesmith.recipe.section import Bytes, Section


def _named(value: Any) -> Any:
    """Return a list of names as names of themselves."""
    return {one: one for one in value} if isinstance(value, list) else value


Bases = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(min_length=1)]],
    BeforeValidator(_named, json_schema_input_type=dict[str, str] | list[str]),
]


class Webhooks(Section):
    """Who is told when a job ends, as OpenAI tells: signed, again until it is heard."""

    url: Annotated[str, Field(pattern=r"^https?://[^@]+$", description="where to; POST, JSON")]
    secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] = Field(
        "OPENAI_WEBHOOK_SECRET",
        description="environment variable with the secret to sign with, which the receiver has too; whsec_ and base64, "
        "or any text",
    )


class Jobs(Section):
    """Fine-tuning jobs that clients send to the server, as they would to OpenAI."""

    at_once: Annotated[int, Field(ge=0, le=64)] = Field(
        1, description="jobs that train at a time, each in a process of its own; the others wait. 0: none are taken"
    )
    per_key: Annotated[int, Field(ge=1, le=100_000)] = Field(
        10, description="jobs of one key that are not finished; one more is refused with 429"
    )
    bytes_per_key: Bytes = Field(
        "20GB", description="files of one key, and what its open uploads may become; one more is refused"
    )
    max_hours: Annotated[float, Field(gt=0)] | None = Field(
        None, description="a job that has been trained for longer, pauses included, fails; its checkpoints stay"
    )
    bases: Bases = Field(
        default_factory=dict,
        description="what clients may tune besides nano and the Models of the workspace: their name for it to a "
        "folder, a Hugging Face name or a Model's id: {gpt-4o-mini-2024-07-18: Qwen/Qwen3-0.6B}; or a list of such",
    )
