"""``train``: how the base becomes the model. Every setting, its default and the reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from tunesmith.recipe.schedule import Schedule
from tunesmith.recipe.section import (
    OpenFrac,
    Section,
    Steps,
    StrList,
    Trackers,
)


class EarlyStopping(Section):
    """When to stop before the last epoch."""

    metric: str = Field(
        "valid_loss",
        description="what stops, and chooses the weights that are kept: valid_loss, or a metric of evaluate such as "
        "accuracy, which answers all validation rows each time",
    )
    patience: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="validations without gain before stopping")
    min_delta: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        0.0, description="gain that counts, in the metric's unit; auto: one standard error of the gain, by these rows"
    )


class Regularise(Section):
    """What keeps the model from learning the examples by heart."""

    dropout: OpenFrac = Field(0.05, description="attention, residual and embedding dropout, also on modern decoders")
    weight_decay: Annotated[float, Field(ge=0, le=10)] = Field(0.01, description="decoupled; never on norms and biases")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm of a step")
    early_stopping: EarlyStopping | None = EarlyStopping()
    label_smoothing: OpenFrac = Field(
        0.0, description="share of the wanted probability spread over all tokens; 0.1 keeps answers from being oversure"
    )
    neftune: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="noise on input embeddings, alpha / sqrt(tokens x width); 5 is usual, for chats above all"
    )
    r_drop: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="weight of the divergence between two draws of dropout; 1 to 5 are usual. Twice the time"
    )
    l2sp: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="pull of every weight to its value in the base, decoupled like weight decay; method full alone"
    )
    gradient_noise: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="norm of Gaussian noise on the gradient, as a share of the gradient's; falls with the steps"
    )
    ema: OpenFrac = Field(
        0.0, description="what an exponential mean of the weights keeps in a step: 0.99 to 0.9999. The mean is "
        "validated, kept and saved in place of the last weights"
    )  # fmt: skip
    average: OpenFrac = Field(
        0.0, description="share of the steps, at the end, whose weights are averaged; otherwise as ema"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Regularise:
        if self.ema and self.average:
            raise ValueError("ema and average are two means of the weights; give one")
        return self


class Lora(Section):
    """Low-rank adapters."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Annotated[float, Field(gt=0)] = Field(32.0, description="scale is alpha / rank")
    dropout: OpenFrac = 0.0
    rank_stabilised: bool = Field(False, description="scale by alpha / sqrt(rank), so that large ranks go on learning")
    targets: StrList = Field(
        default_factory=lambda: ["all-linear"], min_length=1, description="module names, or all-linear"
    )
    earlier: Literal["merged", "continued"] = Field(
        "merged",
        description="of a base that is itself an adapter. merged: made part of its base's weights, before a new one; "
        "continued: it goes on learning, with its own targets and tokens",
    )

    @model_validator(mode="after")
    def _all_is_all(self) -> Lora:
        if len(self.targets) > 1 and "all-linear" in self.targets:
            raise ValueError("targets: all-linear stands for every linear map; give it alone, or the names without it")
        return self


LayerRange = Annotated[str, Field(pattern=r"^(-?\d+)?:(-?\d+)?$")]
Epochs = Annotated[str, Field(pattern=r"^\d+(\.\d+)? epochs?$")]


class Freeze(Section):
    """Which weights stay as they are: no gradients, no optimiser state, no backward pass where nothing below learns."""

    layers: LayerRange | None = Field(
        None,
        description="decoder layers, as a slice: '0:9' the lowest nine, ':-2' all but the top two. With layer 0 go the "
        "input embeddings, and a head that is tied to them",
    )
    patterns: StrList = Field(
        default_factory=list,
        description="weights by whole parts of their names, with * ? and [0-3]: norm, layers.3.mlp, q_proj. "
        "They stay whatever is unfrozen",
    )
    rows: LayerRange | None = Field(
        None,
        description="rows of the embeddings, and of a head that is not tied to them, as a slice of the base's token "
        "numbers: ':-8' all but the last eight. Rows of added tokens learn whatever it says",
    )
    unfreeze: Literal["never", "gradual"] | dict[OpenFrac, LayerRange] = Field(
        "never",
        description="gradual: the frozen layers begin to learn one by one from the top down, the embeddings last "
        "(layers is then ':-1' unless given); or share of the run to layers: {0.3: '6:9', 0.6: '0:6'}",
    )
    pace: OpenFrac | Steps | Epochs | None = Field(
        None,
        description="gradual: how long until one layer more: a share of the run (below 1), steps (a whole number) or "
        "'1 epoch'; None: all learn from the middle of the run on",
    )

    @model_validator(mode="after")
    def _nothing_unused(self) -> Freeze:
        if self.pace is not None and self.unfreeze != "gradual":
            raise ValueError("pace means nothing without unfreeze: gradual")
        if self.pace is not None and float(str(self.pace).split()[0]) == 0:
            raise ValueError("pace 0 freezes nothing")
        if isinstance(self.unfreeze, dict) and not self.layers:
            raise ValueError("unfreeze names layers, but layers freezes none")
        if self.unfreeze == "never" and not self.layers and not self.patterns and not self.rows:
            raise ValueError("freezes nothing; give layers, patterns, rows or unfreeze")
        return self


class Tokens(Section):
    """Tokens added to the vocabulary, for control words, tools, and names that would fall to pieces."""

    add: dict[str, str] = Field(
        min_length=1,
        description="token to the words whose mean embedding it starts from: a token that means something learns from "
        "fewer examples than a random one",
    )
    stops: StrList = Field(
        default_factory=list,
        description="tokens, added here or known to the base, that end an answer and are not shown",
    )

    @field_validator("add")
    @classmethod
    def _tokens_and_descriptions_say_something(cls, add: dict[str, str]) -> dict[str, str]:
        if odd := [token for token in add if token != token.strip() or not token]:
            raise ValueError(f"{odd[0]!r} is empty or has spaces at its ends, which text seldom keeps")
        if mute := [token for token, text in add.items() if not text.strip()]:
            raise ValueError(f"the description of {mute[0]!r} is empty; say in a few words what the token means")
        return add


class Guard(Section):
    """What is done with a step that would do harm, before it does: the weights do not move by it."""

    action: Literal["stop", "skip", "back_off"] = Field(
        "stop",
        description="where the loss or its gradient is no number: stop and name the examples, skip the step and count "
        "it, or skip it and halve the rate of all later ones. Five such steps in a row stop training in any case",
    )
    spike: Annotated[float, Field(gt=1)] | None = Field(
        None,
        description="gradient norm, as a multiple of the last hundred steps' median, from which a step does harm too",
    )


class Shortcuts(Section):
    """Work left out because the result is the same without it; each is tried on the base and used where it is exact."""

    packed: bool = Field(True, description="lay sequences end to end without padding")
    shared: bool = Field(True, description="read a beginning that sequences share once per row")
    last_layer: bool = Field(True, description="do the last layer's work only where a target is predicted")
    head: bool = Field(True, description="make logits and their gradients a chunk of positions at a time")
    frozen_cache: bool = Field(
        True,
        description="run frozen lowest layers once and keep what comes out of them on disk for later epochs, where "
        "freeze leaves some and plan says that it pays",
    )


class Preference(Section):
    """How two answers to one question teach which is better. A setting that the objective does not use is an error."""

    variant: Literal["sigmoid", "ipo", "hinge", "robust", "exo", "apo_zero", "apo_down", "simpo", "orpo"] = Field(
        "sigmoid",
        description="of dpo. sigmoid: as published; robust, exo: for preferences some of which are wrong; apo_zero, "
        "apo_down: for chosen answers better or worse than the base's own; simpo, orpo: without the base as reference",
    )
    beta: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="the larger, the closer to the base; None: 0.1, for simpo 2 (there the scale of the reward)"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.0, description="sigmoid, robust, exo: share of preferences that are the wrong way round"
    )
    nll_weight: Annotated[float, Field(ge=0, le=100)] = Field(
        0.0, description="how much of the chosen answer's loss per token is added, which keeps it from falling too"
    )
    margin: Annotated[float, Field(ge=0, le=100)] = Field(1.0, description="simpo: least difference of the rewards")
    desirable_weight: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="kto: of chosen answers")
    undesirable_weight: Annotated[float, Field(gt=0, le=100)] = Field(1.0, description="kto: of rejected answers")

    @property
    def strength(self) -> float:
        """Beta as in force."""
        return self.beta or (2.0 if self.variant == "simpo" else 0.1)

    @model_validator(mode="after")
    def _makes_sense(self) -> Preference:
        given = {name for name in self.model_fields_set if getattr(self, name) != type(self).model_fields[name].default}
        if "label_smoothing" in given and self.variant not in ("sigmoid", "robust", "exo"):
            raise ValueError(f"label_smoothing means nothing to variant {self.variant}; sigmoid, robust and exo use it")
        if "margin" in given and self.variant != "simpo":
            raise ValueError(f"margin means nothing to variant {self.variant}; simpo uses it")
        if self.variant in ("robust", "exo") and not self.label_smoothing:
            raise ValueError(f"variant {self.variant} needs label_smoothing above 0, such as 0.05")
        if self.variant == "orpo" and self.nll_weight:
            raise ValueError("variant orpo has the chosen answer's loss in it already; leave nll_weight out")
        return self


class Train(Section):
    """How the base becomes the model."""

    objective: Literal["sft", "dpo", "kto"] | None = Field(
        None,
        description="what is learnt. sft: the answers; dpo: chosen over rejected answers, pair by pair; "
        "kto: the same answers one by one, wanted or not. None: dpo for task preference, else sft",
    )

    method: Literal["full", "lora", "dora", "qlora", "tokens"] = Field(
        "lora",
        description="full: every weight that freeze leaves; lora: small adapters beside frozen weights; dora: the same "
        "with each column's length learnt apart; qlora: lora beside weights in four bits, for a base that memory does "
        "not hold (extra qlora); tokens: nothing but the rows of train.tokens",
    )
    save: Literal["adapter", "merged"] = Field(
        "adapter",
        description="adapter: what was learnt, small, beside its base; merged: the whole model, which vLLM and other "
        "servers load where they refuse an adapter (new tokens, DoRA). Full fine-tuning always writes the whole model",
    )
    epochs: Annotated[float, Field(gt=0, le=1000)] = 3
    max_steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    batch_tokens: Annotated[int, Field(ge=1, le=10_000_000)] | Literal["auto"] = Field(
        512, description="target tokens per step, so that the learning rate carries over between data sets; "
        "auto: about fifty steps an epoch, by the number of target tokens alone"
    )  # fmt: skip
    batch_examples: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="examples per step, in place of batch_tokens: what OpenAI and others call batch size"
    )
    max_tokens: Annotated[int, Field(ge=8, le=1_000_000)] | None = Field(
        None, description="longest example in tokens, prompt and answer; None: what the base allows. Longer ones are "
        "an error by count, never cut"
    )  # fmt: skip
    eval_every: Annotated[int, Field(ge=1)] | Literal["epoch"] | None = Field(
        None, description="steps between validations; epoch: at the end of each; None: twice an epoch"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="compute type of the matrix products; weights that train are float32"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="CPU threads; None: all cores")
    schedule: Schedule = Schedule()
    regularise: Regularise = Regularise()
    lora: Lora = Lora()
    guard: Guard = Guard()
    shortcuts: Shortcuts = Shortcuts()
    compile: Literal["auto", "always", "never"] = Field(
        "auto", description="compile the decoder layers; auto: on a GPU, for runs long enough to pay for it"
    )
    activation_checkpointing: Literal["auto", "always", "never"] = Field(
        "auto",
        description="keep only what goes into each layer and compute the rest again for the gradients: a third more "
        "work, the same result; auto: where the run does not fit into memory otherwise",
    )
    deterministic: bool = Field(
        True,
        description="the same bytes every time, also after a kill; false: on a GPU faster, its last bits vary",
    )
    shard: Literal["auto", "always", "never"] = Field(
        "auto", description="with --devices: part weights and optimiser among them; auto: on GPUs, with method full"
    )
    preference: Preference = Preference()
    freeze: Freeze | None = Field(None, description="what stays as it is; None: nothing")
    tokens: Tokens | None = Field(None, description="tokens to add; None: the vocabulary of the base")
    track: Trackers = Field(
        default_factory=list,
        description="where the curves are sent while training: jsonl (a file in the workspace), tensorboard, mlflow, "
        "wandb, trackio; one or several. Changes no byte of the Model",
    )

    def _adapter_goes_on(self) -> None:
        others = {"freeze": self.freeze, "tokens": self.tokens}
        if self.method not in ("lora", "dora"):
            raise ValueError(f"lora.earlier: continued goes with methods lora and dora, not with {self.method}")
        for name, given in others.items():
            if given:
                raise ValueError(
                    f"lora.earlier: continued leaves the adapter as it was made, and {name} makes another; "
                    f"lora.earlier: merged, or leave out {name}"
                )

    @property
    def adapter_dropout(self) -> float:
        """The dropout of LoRA and its kin; 0 for methods without."""
        return 0.0 if self.method in ("full", "tokens") else self.lora.dropout

    @property
    def kept_whole_by(self) -> str:
        """The setting with which a model cannot be parted among devices; empty if there is none."""
        if self.method != "full":
            return f"method: {self.method}"
        others = {
            "freeze": self.freeze,
            "regularise.gradient_noise": self.regularise.gradient_noise,
            "schedule.peak: auto": self.schedule.peak == "auto",
        }
        return next((name for name, value in others.items() if value), "")

    @model_validator(mode="after")
    def _parts_fit(self) -> Train:
        if self.shard == "always" and self.kept_whole_by:
            raise ValueError(f"shard: always parts weights that all learn, not with {self.kept_whole_by}; shard: auto")
        if self.compile == "always" and self.activation_checkpointing == "always":
            raise ValueError("activation_checkpointing: always leaves no layer to compile: always; one of them: auto")
        if self.regularise.r_drop and not self.regularise.dropout and not self.adapter_dropout:
            raise ValueError("regularise.r_drop compares two draws of dropout, and dropout is 0; dropout: 0.05")
        if self.batch_examples and "batch_tokens" in self.model_fields_set:
            raise ValueError("batch_examples and batch_tokens both say how much a step is; give one")
        if self.method == "tokens" and self.tokens is None:
            raise ValueError("method: tokens trains the rows of train.tokens.add, and no tokens are added")
        if self.method != "full" and self.regularise.l2sp:
            raise ValueError(
                f"regularise.l2sp pulls weights to their values in the base, and method: {self.method} moves none of "
                "these; weight_decay pulls what it adds to nothing"
            )
        if self.lora.earlier == "continued":
            self._adapter_goes_on()
        stopping, schedule = self.regularise.early_stopping, self.schedule
        if schedule.shape == "plateau" and stopping is not None and schedule.patience >= stopping.patience:
            raise ValueError(
                f"schedule.patience {schedule.patience} is not less than regularise.early_stopping.patience "
                f"{stopping.patience}, so the run stops before its rate falls; "
                f"regularise.early_stopping.patience: {schedule.patience + 3}"
            )
        if self.method == "tokens" and self.freeze is not None:
            raise ValueError("freeze means nothing to method: tokens, which trains new rows alone")
        if self.method != "full" and self.freeze and self.freeze.rows:
            raise ValueError(
                f"freeze.rows says which rows of the embeddings learn, and beside method: {self.method} none of the "
                "base's do; leave it out, or method: full"
            )
        return self
