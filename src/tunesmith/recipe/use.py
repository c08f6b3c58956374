"""``evaluate``, ``serve``, ``monitor`` and ``update``: what becomes of the model; each default with its reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from tunesmith.recipe.graders import Grader
from tunesmith.recipe.jobs import Jobs, Webhooks
from tunesmith.recipe.judge import Judge
from tunesmith.recipe.rival import RivalModel
from tunesmith.recipe.section import (
    OPERATIONS,
    Baseline,
    Frac,
    Name,
    OpenFrac,
    Rival,
    Section,
    StrList,
    as_list,
)
from tunesmith.recipe.service import Service

Suite = Literal["retention", "memorised", "robustness", "safety", "format", "slices"]
Suites = Annotated[list[Suite], BeforeValidator(as_list)]
UNCHANGED = "unchanged"
"""The questions as they were, beside changed ones: a rival that the suite robustness has."""

Kept = Annotated[list[Rival], BeforeValidator(as_list)]


class Rule(Section):
    """What must hold of one metric before a model is promoted, in the metric's own unit."""

    over: Kept = Field(default_factory=list, description="whom to be better than; for what tuning is to improve")
    by: Annotated[float, Field(ge=0)] = Field(0.0, description="by more than how much")
    not_worse_by: Annotated[float, Field(gt=0)] | None = Field(
        None, description="how much worse still counts as not worse; for what tuning must not harm"
    )
    not_worse_than: Kept = Field(
        ["base", "production"],
        description="than whom, if `not_worse_by` is set; robustness has `unchanged`, too: its "
        "answers to questions as they were",
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Rule:
        if not self.over and not self.kept_to:
            raise ValueError("this asks for nothing; set over: [base], or not_worse_by: 0.02")
        if self.not_worse_by is None and "not_worse_than" in self.model_fields_set:
            raise ValueError("not_worse_than needs to know by how much; set not_worse_by: 0.02")
        if not self.over and "by" in self.model_fields_set:
            raise ValueError("by needs to know over whom; set over: [base], or not_worse_by instead of by")
        return self

    @property
    def kept_to(self) -> Kept:
        """Whom it must not be worse than."""
        return [] if self.not_worse_by is None else self.not_worse_than


class Gate(Section):
    """What must hold before a model is promoted."""

    metric: str | None = Field(None, description="the metric that decides; None: the task's main metric")
    against: list[Rival] = Field(
        ["base", "production"],
        description="must be beaten (base) or not be worse than (production, when there is one)",
    )
    minimum: dict[str, float] = Field(
        default_factory=dict, description="metric to the least value its interval may start at"
    )
    maximum: dict[str, float] = Field(
        default_factory=dict, description="metric where less is better to the most its interval may end at"
    )
    metrics: dict[str, Rule] = Field(
        default_factory=dict, description="metric to what must hold of it, besides: over, by, not_worse_by"
    )
    suites: bool = Field(
        True,
        description="whether suites gate by themselves: each not worse than the base and the model in "
        "production by its own margin",
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
        ["base", "prompt", "linear", "nearest", "majority", "length"],
        description="what to compare with; those that the task does not have are left out",
    )
    baseline_rows: Annotated[int, Field(ge=10)] = Field(
        500, description="test rows on which the slow baselines are measured; +-4 points at 500"
    )
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] = 128
    served: Annotated[int, Field(ge=0)] = Field(
        32,
        description="test rows that are asked through the server, too: what users get must be what was measured; "
        "0: none",
    )
    gate: Gate = Gate()
    suites: Suites = Field(
        default_factory=list,
        description="what else to look at, for the base and the model in production too: retention (what was "
        "forgotten), memorised (secrets of data.canaries, and training rows), "
        "robustness (typos, case, other words around a question), safety (refusals of "
        "harmful and of safe requests, injected instructions, personal data), "
        "format (the shape of answers), slices (on which kinds of rows it is worse)",
    )
    suite_rows: Annotated[int, Field(ge=10)] = Field(
        200, description="test rows, and training rows, that suites look at; +-7 points at 200"
    )
    judge: Judge | None = Field(None, description="a language model that judges answers of extract and chat")
    rivals: dict[Name, RivalModel] = Field(
        default_factory=dict,
        description="language models elsewhere to compare with, by a name of yours that gate and judge may use; asked "
        "as many rows as the slow baselines",
    )

    @model_validator(mode="after")
    def _rivals_know_their_place(self) -> Evaluate:
        for name, rival in self.rivals.items():
            rival.name(f"evaluate.rivals.{name}")
        return self


class Serve(Section):
    """How the model answers."""

    capture: bool = Field(True, description="keep redacted requests and answers for monitor and update")
    max_new_tokens: Annotated[int, Field(ge=1, le=100_000)] = 256
    queue: Annotated[int, Field(ge=1, le=100_000)] = Field(64, description="requests waiting before 429")
    upstreams: dict[Name, Service] = Field(
        default_factory=dict,
        description="models elsewhere (ChatGPT, Claude, another server) that answer here under a name of yours, with "
        "this server's keys, capture and feedback",
    )
    jobs: Jobs = Jobs()
    webhooks: Webhooks | None = Field(None, description="who is told when a fine-tuning job ends; None: nobody")
    guards: Annotated[dict[str, Any] | None, OPERATIONS] = None
    limits: Annotated[dict[str, Any] | None, OPERATIONS] = None
    canary: Annotated[Frac | None, OPERATIONS] = None

    @model_validator(mode="after")
    def _upstreams_are_elsewhere(self) -> Serve:
        for name, service in self.upstreams.items():
            service.name(f"serve.upstreams.{name}")
            if service.api == "local":
                raise ValueError(f"upstreams.{name}: a model on this machine is served under its own name; remove it")
        return self


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
