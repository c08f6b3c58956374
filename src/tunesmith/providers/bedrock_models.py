"""What Bedrock tunes, by family: how rows are written, which hyper-parameters there are, how much is taken.

Owns these tables, from the vendor's pages. Does not own whether a model can be tuned today: only the service knows
(`bedrock_available`).

Source: Amazon Bedrock user guide, "Custom model hyperparameters" and "Prepare data for fine-tuning your models".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Literal

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Span:
    """What a hyper-parameter may be, and what it is if nothing is said."""

    low: float
    high: float
    default: float


@dataclass(frozen=True)
class Family:
    """Models that are tuned in one way.

    Args:
        begins: what their names begin with.
        title: for people.
        form: of a row: ``claude`` (plain texts) or ``converse`` (lists of parts).
        takes: the service's name of a hyper-parameter to what it may be.
        train: least and most examples of training.
        valid: most examples of validation.
        tokens: most tokens of an example; None: not told.
        reserved: what no question and no instruction may begin with.
        on_demand: whether a tune can be asked without throughput bought for it.
    """

    begins: str
    title: str
    form: Literal["claude", "converse"]
    takes: Mapping[str, Span]
    train: tuple[int, int]
    valid: int
    tokens: int | None = None
    reserved: tuple[str, ...] = ()
    on_demand: bool = True


FAMILIES = (
    Family(
        "anthropic.claude", "Claude", "claude",
        {
            "epochCount": Span(1, 10, 2), "batchSize": Span(4, 256, 32), "learningRateMultiplier": Span(0.1, 2, 1),
            "earlyStoppingThreshold": Span(0, 0.1, 0.001), "earlyStoppingPatience": Span(1, 10, 2),
        },
        train=(32, 10_000), valid=1_000, tokens=32_000, on_demand=False,
    ),
    Family(
        "amazon.nova", "Nova", "converse",
        {
            "epochCount": Span(1, 5, 2), "learningRate": Span(1e-6, 1e-4, 1e-5),
            "learningRateWarmupSteps": Span(0, 100, 10),
        },
        train=(8, 20_000), valid=20_000, tokens=32_000,
        reserved=("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]"),
    ),
    Family(
        "meta.llama", "Llama", "converse",
        {"epochCount": Span(1, 10, 5), "batchSize": Span(1, 1, 1), "learningRate": Span(5e-6, 0.1, 1e-4)},
        train=(1, 10_000), valid=10_000,
    ),
)  # fmt: skip

ENDED = {"anthropic.claude-3-haiku-20240307-v1:0": date(2026, 9, 10)}
"""Models that were tuned once, and their end of life; the service says nothing of models that are gone."""


def family(base: str) -> Family:
    """Return how a base is tuned.

    Args:
        base: the service's id, the ARN of a foundation model, or that of a model tuned before.

    Raises:
        RecipeError: for a base of another family.
    """
    name = base.split("/", 1)[1] if base.startswith("arn:") and "/" in base else base
    found = next((one for one in FAMILIES if name.startswith(one.begins)), None)
    if found is None:
        raise RecipeError(
            f"base: bedrock:{base} is of no family whose rows and hyper-parameters are known here",
            expected=" or ".join(f"bedrock:{one.begins}..." for one in FAMILIES),
            hint="base: an open model, which is tuned on this machine",
        )
    return found


def without_window(base: str) -> str:
    """Return a base's id without the suffix of its window (``:200k``), which only training names have."""
    return ":".join(base.split(":")[:2]) if base.count(":") == 2 else base
