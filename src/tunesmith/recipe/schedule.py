"""``train.schedule``: the learning rate over the steps. Every setting, its default and the reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from tunesmith.recipe.section import Frac, OpenFrac, Section, Steps

TargetTokens = Annotated[str, Field(pattern=r"^[1-9]\d* tokens$")]

Shape = Literal[
    "cosine", "linear", "constant", "restarts", "cyclic", "one_cycle", "wsd", "inverse_sqrt", "polynomial", "plateau"
]  # fmt: skip

_SHAPE_USES: dict[Shape, frozenset[str]] = {
    "constant": frozenset({"warmup"}),
    "linear": frozenset({"warmup", "floor"}),
    "cosine": frozenset({"warmup", "floor"}),
    "restarts": frozenset({"warmup", "floor", "cycles", "growth", "shrink"}),
    "cyclic": frozenset({"floor", "cycles", "mode", "gamma"}),
    "one_cycle": frozenset({"floor", "rise", "start"}),
    "wsd": frozenset({"warmup", "floor", "decay"}),
    "inverse_sqrt": frozenset({"warmup", "floor"}),
    "polynomial": frozenset({"warmup", "floor", "power"}),
    "plateau": frozenset({"warmup", "floor", "factor", "patience"}),
}
_OF_NO_SHAPE = frozenset({"shape", "peak", "peak_factor", "layer_decay", "rates"})


class Schedule(Section):
    """The learning rate over the steps. A setting that the shape does not use is an error."""

    shape: Shape = Field("cosine", description="cosine falls late and ends low, right for a run of known length")
    warmup: OpenFrac | Steps | TargetTokens = Field(
        0.06,
        description="steps that ramp up: a share (below 1), steps (a whole number) or '20000 tokens' (targets); "
        "protects Adam's first estimates. cyclic and one_cycle rise by themselves",
    )
    peak: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] | None = Field(
        None,
        description="highest learning rate; None: by method and width of the model; auto: found by three to six short "
        "runs before training, which take about half as long as the run (docs: training)",
    )
    peak_factor: Annotated[float, Field(gt=0, le=1000)] = Field(
        1.0,
        description="times the peak that is given or by default; the one way to set the rate of a hosted base, whose "
        "own is secret",
    )
    floor: Frac = Field(0.1, description="lowest multiplier after the peak; constant has none")
    cycles: Annotated[int, Field(ge=1, le=100)] = Field(3, description="restarts, cyclic: how many fill the run")
    growth: Annotated[float, Field(gt=0, le=10)] = Field(
        1.0, description="restarts: length of a cycle over that of the one before; below 1 they get shorter"
    )
    shrink: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="restarts: height of a cycle over that of the one before"
    )
    mode: Literal["triangular", "triangular2", "exp_range"] = Field(
        "triangular", description="cyclic: all cycles alike, each half as high as the one before, or falling by gamma"
    )
    gamma: Annotated[float, Field(gt=0, le=1)] = Field(
        0.999, description="cyclic, exp_range: factor on the height after each step"
    )
    rise: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="one_cycle: share of steps that rise")
    start: Annotated[float, Field(gt=0, le=1)] = Field(0.04, description="one_cycle: multiplier of the first step")
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="wsd: share of steps that fall at the end; longer gains little"
    )
    power: Annotated[float, Field(gt=0, le=10)] = Field(2.0, description="polynomial: 1 is linear")
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="plateau: multiplier when validation stalls")
    patience: Annotated[int, Field(ge=0, le=1000)] = Field(
        1, description="plateau: validations without gain that are borne; less than that of early stopping"
    )

    layer_decay: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="each layer's rate over that of the layer above it, the embeddings' lowest: what is low is general "
        "and needs less change. 0.8 to 0.95 is usual",
    )
    rates: dict[str, Annotated[float, Field(gt=0, le=1000)]] = Field(
        default_factory=dict,
        description="factor on the rate of weights by whole parts of their names, as in freeze.patterns: {norm: 0.1}; "
        "{lora_B: 16} is LoRA+",
    )

    def uses(self, name: str) -> bool:
        """Tell whether the shape looks at a setting."""
        return name in _SHAPE_USES[self.shape] or name in _OF_NO_SHAPE

    @property
    def warmup_tokens(self) -> int:
        """Target tokens of a warm-up that is given in tokens; 0 for the others."""
        return int(self.warmup.split()[0]) if isinstance(self.warmup, str) else 0

    @model_validator(mode="after")
    def _nothing_unused(self) -> Schedule:
        for name in sorted(self.model_fields_set):
            if not self.uses(name):
                theirs = ", ".join(sorted(_SHAPE_USES[self.shape]))
                raise ValueError(f"{name} means nothing to shape {self.shape}, which has {theirs}")
        if self.peak == "auto" and self.peak_factor != 1:
            raise ValueError("peak: auto finds the peak by itself; remove peak_factor")
        if "gamma" in self.model_fields_set and self.mode != "exp_range":
            raise ValueError(f"gamma means nothing to mode {self.mode}; mode: exp_range uses it")
        if self.shape == "cyclic" and self.floor == 0:
            raise ValueError("floor 0 would give a cyclic rate of 0 where cycles begin, from the first step on")
        return self

    @model_serializer(mode="wrap")
    def _what_counts(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what the shape does not use, so that a dump can be read again."""
        unused = {"gamma"} if self.mode != "exp_range" else set()
        if self.peak_factor == 1:  # as before there was one: a Model's id stays
            unused.add("peak_factor")
        return {name: value for name, value in handler(self).items() if self.uses(name) and name not in unused}
