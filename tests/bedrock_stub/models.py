"""Foundation models: what each is, how long it lives, which hyper-parameters it takes. Set per test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Range = tuple[float, float]
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0:200k"
NOVA = "amazon.nova-micro-v1:0:128k"
LLAMA = "meta.llama3-3-70b-instruct-v1:0:128k"


@dataclass
class FoundationModel:
    id: str
    name: str
    provider: str
    form: str  # of a training row: claude or converse
    takes: dict[str, Range]
    records: tuple[int, int]  # least and most in the training file
    most_valid: int
    status: str = "ACTIVE"
    ends: datetime | None = None
    deployable: bool = True  # may a tune of it be deployed on demand
    tunable: bool = True
    region: str = "us-east-1"
    inference: list[str] = field(default_factory=lambda: ["PROVISIONED"])

    @property
    def arn(self) -> str:
        return f"arn:aws:bedrock:{self.region}::foundation-model/{self.id}"

    def summary(self) -> dict[str, Any]:
        life: dict[str, Any] = {"status": self.status}
        if self.ends is not None:
            life["endOfLifeTime"] = self.ends
        return {
            "modelArn": self.arn, "modelId": self.id, "modelName": self.name, "providerName": self.provider,
            "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "responseStreamingSupported": True,
            "customizationsSupported": ["FINE_TUNING"] if self.tunable else [],
            "inferenceTypesSupported": self.inference, "modelLifecycle": life,
        }  # fmt: skip


def claude() -> FoundationModel:
    takes = {
        "epochCount": (1, 10), "batchSize": (4, 256), "learningRateMultiplier": (0.1, 2),
        "earlyStoppingThreshold": (0, 0.1), "earlyStoppingPatience": (1, 10),
    }  # fmt: skip
    return FoundationModel(
        CLAUDE, "Claude 3 Haiku", "Anthropic", "claude", takes, (32, 10_000), 1_000, deployable=False
    )


def nova() -> FoundationModel:
    takes = {"epochCount": (1, 5), "learningRate": (1e-6, 1e-4), "learningRateWarmupSteps": (0, 100)}
    return FoundationModel(NOVA, "Nova Micro", "Amazon", "converse", takes, (8, 20_000), 20_000)


def llama() -> FoundationModel:
    takes = {"epochCount": (1, 10), "batchSize": (1, 1), "learningRate": (5e-6, 0.1)}
    return FoundationModel(LLAMA, "Llama 3.3 70B Instru", "Meta", "converse", takes, (8, 10_000), 10_000)


def served(model: str) -> FoundationModel:
    """Return the same model as it is asked, without the suffix that only training has."""
    base = {"claude": claude, "nova": nova, "llama": llama}[model]()
    base.id = ":".join(base.id.split(":")[:-1])
    base.tunable, base.inference = False, ["ON_DEMAND"]
    return base
