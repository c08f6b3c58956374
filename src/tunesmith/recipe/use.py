"""``evaluate``, ``serve``, ``monitor`` and ``update``: what becomes of the model; each default with its reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
)

from tunesmith.recipe.graders import Grader
from tunesmith.recipe.section import (
    EVALUATION,
    OPERATIONS,
    Baseline,
    Frac,
    OpenFrac,
    Section,
    StrList,
)


class Gate(Section):
    """What must hold before a model is promoted."""

    metric: str | None = Field(None, description="the metric that decides; None: the task's main metric")
    against: list[Baseline | Literal["production"]] = Field(
        ["base", "production"],
        description="must be beaten (base) or not be worse than (production, when there is one)",
    )
    minimum: dict[str, float] = Field(
        default_factory=dict, description="metric to the least value its interval may start at"
    )
    margin: Frac = Field(0.02, description="how much worse than production still counts as not worse")


class Evaluate(Section):
    """How the model is measured."""

    metrics: StrList = Field(default_factory=list, description="empty: those of the task")
    graders: list[Grader] = Field(
        default_factory=list, description="graders in OpenAI's forms, each a metric by its name"
    )
    graders_file: str | None = Field(None, description="a JSON file with more of them, beside the recipe")
    functions: dict[Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")], str] = Field(
        default_factory=dict,
        description="metrics of your own: name to FILE.py:FUNCTION, called with (answer, example), returns 0 to 1; the "
        "file lies beside the recipe and runs in Tunesmith's own process",
    )
    baselines: list[Baseline] = Field(
        ["base", "prompt", "linear", "majority", "length"],
        description="what to compare with; those that the task does not have are left out",
    )
    baseline_rows: Annotated[int, Field(ge=10)] = Field(
        500, description="test rows on which the slow baselines are measured; +-4 points at 500"
    )
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] = 128
    gate: Gate = Gate()
    suites: Annotated[StrList, EVALUATION] = Field(default_factory=list)
    judge: Annotated[dict[str, Any] | None, EVALUATION] = None


class Serve(Section):
    """How the model answers."""

    capture: bool = Field(True, description="keep redacted requests and answers for monitor and update")
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] = 256
    queue: Annotated[int, Field(ge=1, le=100_000)] = Field(64, description="requests waiting before 429")
    guards: Annotated[dict[str, Any] | None, OPERATIONS] = None
    limits: Annotated[dict[str, Any] | None, OPERATIONS] = None
    canary: Annotated[Frac | None, OPERATIONS] = None


class Monitor(Section):
    """What is watched."""

    window_hours: Annotated[float, Field(gt=0)] = 24 * 7
    alerts: Annotated[list[dict[str, Any]], OPERATIONS] = Field(default_factory=list)


class Update(Section):
    """How the next version is made from traffic."""

    replay: Frac = Field(1.0, description="share of the earlier training rows mixed in, against forgetting")
    holdout: OpenFrac = Field(0.3, description="share of the harvested rows kept for the test of the next version")
    when: Annotated[dict[str, Any] | None, OPERATIONS] = None
    rollout: Annotated[dict[str, Any] | None, OPERATIONS] = None
