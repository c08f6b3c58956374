"""The recipe: what the user wants, typed and strict, one section per topic of the craft.

Owns every setting, its default and the reason for it; reading recipes from YAML with line-numbered errors; the
JSON Schema for editors. Does not own what the stages do with a setting.

A setting whose engine is not in this version yet is marked with `Later`: the recipe knows it, so that a recipe
written today stays valid, but setting it is an error that says so; it is never ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.yaml_lines import YamlDocument, parse_yaml

Baseline = Literal["base", "prompt", "linear", "majority"]
Task = Literal["classify", "extract", "chat", "preference"]
Action = Literal["repair", "remove", "flag", "off"]
Judged = Literal["remove", "flag", "off"]


@dataclass(frozen=True)
class Later:
    """Marks a setting whose engine comes in a later version; ``topic`` names the work it belongs to."""

    topic: str


CURATION = Later("dataset curation")
ENGINE = Later("the full training engine")
EVALUATION = Later("deeper evaluation")
OPERATIONS = Later("serving and operations")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_UNITS = {"MB": 10**6, "GB": 10**9, "MiB": 1 << 20, "GiB": 1 << 30}


def bytes_of(text: str) -> int:
    """Return the number of bytes that a text such as ``1.5GiB`` says.

    Raises:
        ValueError: if it says none.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(MB|GB|MiB|GiB)", text)
    if found is None:
        raise ValueError(f"{text!r} is no amount of memory; write it as 800MiB or 2GiB")
    return int(float(found[1]) * _UNITS[found[2]])


def _says_bytes(text: str) -> str:
    bytes_of(text)
    return text


Bytes = Annotated[str, AfterValidator(_says_bytes)]
StrList = Annotated[list[str], BeforeValidator(_as_list)]
Frac = Annotated[float, Field(ge=0.0, le=1.0)]
OpenFrac = Annotated[float, Field(ge=0.0, lt=1.0)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, values are never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` where a number is meant: Pydantic would take it for 1."""
        if isinstance(value, bool) and "bool" not in str(cls.model_fields[str(info.field_name)].annotation):
            raise ValueError("true and false are no value of this setting")
        return value


class Columns(Section):
    """Which columns hold what, for files of plain columns."""

    input: StrList = Field(
        min_length=1, description="column(s) with what the user says; several become 'first\\nname: value' lines"
    )
    target: str = Field(description="column with the right answer; an object or list becomes JSON")
    group: str | None = Field(None, description="column whose equal values must stay on one side of the split")
    weight: str | None = Field(None, description="column with the weight of the example in the loss")


class Labels(Section):
    """The closed set of answers of a classification, and what to do with labels that are probably wrong."""

    names: list[str] | None = Field(None, description="the allowed labels; None: those that occur in the data")
    fix: Literal["off", "flag", "remove", "relabel"] = Field(
        "flag",
        description="what to do with probably wrong labels of train, found by out-of-fold confident learning; relabel "
        "replaces those whose right label is all but sure, and flags the others",
    )

    @field_validator("names")
    @classmethod
    def _names_tell_apart(cls, names: list[str] | None) -> list[str] | None:
        if names is None:
            return None
        if len(set(names)) < 2:
            raise ValueError(f"a classification needs at least two different labels, got {names}")
        if twice := [name for index, name in enumerate(names) if name in names[:index]]:
            raise ValueError(f"{twice[0]!r} is named twice")
        if odd := [name for name in names if name != name.strip() or not name]:
            raise ValueError(f"{odd[0]!r} is empty or has spaces at its ends, which labels of rows never have")
        return names


class Clean(Section):
    """Noise: what to do with each kind. ``repair`` mends what can be mended; ``flag`` keeps the row and notes it.

    A rule removes by default only where a hit leaves no doubt that the row teaches something wrong; what may be
    right in some data is flagged.
    """

    encoding: Action = Field("repair", description="mojibake such as 'CafÃ©'; letters lost for good are flagged")
    html: Action = Field("repair", description="tags, entities and BBCode left over from a web form")
    control: Action = Field("repair", description="control and zero-width characters; '\\n' written out")
    whitespace: Action = Field("repair", description="runs of spaces and blank lines, spaces at the ends")
    furniture: Action = Field("repair", description="lines of the web page around a text: cookie notice, share buttons")
    turns: Action = Field(
        "repair", description="two turns of one role in a row: merged; turns after the last answer: cut"
    )
    no_input: Action = Field(
        "repair", description="'<noinput>' where an input would be: cut, the question stands alone"
    )
    merged: Action = Field(
        "repair", description="a second instruction run into the row: cut off the answer; in a question: flagged"
    )
    code_fence: Action = Field("repair", description="a block of code left open: closed, if the code is whole")
    almost_json: Action = Field(
        "repair", description="extract: JSON in a code block or with a comma too many; no JSON at all is always removed"
    )
    no_answer: Judged = Field("remove", description="'<no output>', 'N/A', 'TODO' as the answer: teaches not to answer")
    ai_disclaimer: Judged = Field("remove", description="'as an AI language model': another model's words")
    refusal: Judged = Field("flag", description="'I'm sorry, but I cannot': right or wrong depends on the question")
    repetition: Judged = Field("remove", description="a word, phrase or line over and over: teaches loops")
    gibberish: Judged = Field("flag", description="letters at random, symbol soup; may be a code or a rare language")
    language: Judged = Field("flag", description="an answer in another language than its question; translations stay")
    truncated: Judged = Field("flag", description="an answer that stops in a sentence, list, bracket or code block")
    placeholder: Judged = Field("flag", description="'{name}', '[Insert date]', lorem ipsum; templates may have them")
    missing_attachment: Judged = Field("remove", description="'<image>', 'the attached file': the answer is invented")
    image_request: Judged = Field("flag", description="asks for a picture; a description may be the wanted answer")
    unread_link: Judged = Field("remove", description="asks what a linked page says: the answer is invented")
    url_answer: Judged = Field("flag", description="nothing but a link, or one to example.com, as the answer")
    echo: Judged = Field("remove", description="the question again as its answer")
    injection: Judged = Field("flag", description="'ignore previous instructions' in a question; some data want them")
    mismatch: Judged = Field("flag", description="question and answer have no word in common: maybe another's answer")
    arithmetic: Judged = Field("flag", description="'3 + 4 = 8' in an answer")
    tool_calls: Judged = Field("remove", description="a call of a tool that is not given, or against its JSON Schema")
    answer_schema: dict[str, Any] | None = Field(
        None, description="extract: JSON Schema that answers must keep; rows that do not are removed by rule schema"
    )
    languages: list[str] | None = Field(
        None, description="ISO 639-1 codes of the languages answers may be in; None: that of the question"
    )


class Dedup(Section):
    """Duplicates: like prompts with like answers. The same prompt with another answer is a conflict."""

    exact: bool = Field(
        True, description="remove rows equal up to case and whitespace; of fully equal ones the first stays"
    )
    near: Annotated[float, Field(ge=0.5, le=1.0)] | None = Field(
        0.7, description="Jaccard similarity of 5-word shingles, verified, from which prompt and answer are the same"
    )
    semantic: Annotated[float, Field(ge=0.5, le=1.0)] | None = Field(
        None, description="cosine of embeddings from which prompts are the same; None: off. 0.95 is a place to start"
    )
    embedding: str | None = Field(
        None, description="sentence-transformers model for semantic; None: the input embeddings of the base"
    )
    conflicts: Literal["flag", "remove", "majority", "newest", "pairs"] = Field(
        "flag",
        description="same prompt, different answers: report, drop all, keep the most frequent or the last answer; "
        "pairs: keep the most frequent and write the others to preference_pairs.jsonl",
    )
    max_template_rows: Annotated[int, Field(ge=1)] | None = Field(
        None, description="most rows kept of one template (same words, other slots); None: all"
    )
    max_cluster_frac: Frac = Field(
        0.01, description="a cluster of near duplicates over this share of the rows stops and asks"
    )


class Originals(Section):
    """Where the secret is that redacted texts are encrypted with. The secret itself never stands in a recipe."""

    key_env: str | None = Field(None, description="name of the environment variable that holds it, in capitals")
    key_file: str | None = Field(None, description="file that holds it; relative to the recipe")

    @model_validator(mode="after")
    def _one_place(self) -> Originals:
        if (self.key_env is None) == (self.key_file is None):
            raise ValueError("one of key_env and key_file says where the secret is")
        if self.key_env is not None and not re.fullmatch("[A-Z_][A-Z0-9_]{0,63}", self.key_env):
            raise ValueError("key_env is the name of a variable, in capitals; the secret itself is never written here")
        return self


class Privacy(Section):
    """Personal data and secrets."""

    pii: Literal["redact", "flag", "off"] = Field(
        "redact", description="e-mail, phone, card, account and identity numbers, network addresses, dates of birth"
    )
    secrets: Literal["redact", "remove", "flag", "off"] = Field(
        "redact", description="keys, tokens and passwords; remove drops the row by rule secret"
    )
    ner: str | None = Field(
        None,
        min_length=1,
        description="spaCy pipeline, an installed package or a folder, that finds names of people; street addresses "
        "are then looked for too. None: neither, since a model takes many times as long as all the rest",
    )
    originals: Originals | None = Field(
        None,
        description="keep what was redacted, encrypted with the secret in {key_env: VARIABLE} or {key_file: PATH}; "
        "None: it is kept nowhere",
    )

    @model_validator(mode="after")
    def _keep_what_is_redacted(self) -> Privacy:
        if self.originals is not None and self.pii != "redact" and self.secrets not in ("redact", "remove"):
            raise ValueError("originals keeps what is redacted, and neither pii nor secrets are")
        if self.ner is not None and self.pii == "off":
            raise ValueError("ner finds personal data, and pii is off")
        return self


class Relevance(Section):
    """How close the examples are to the target domain."""

    to: StrList = Field(
        min_length=1, description="files of target texts, such texts themselves, or valid: the validation files"
    )
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="share of the target's own held-out texts above the threshold; resample: share of rows drawn"
    )
    action: Literal["remove", "flag", "resample"] = Field(
        "remove", description="remove or flag rows below the threshold, or draw rows by how near they are"
    )


class Balance(Section):
    """Evening out labels, topics, languages, sources or lengths of train, by weights in the loss."""

    by: str = Field(
        "target", description="target, topic, language, source, length, or group (the column of data.columns.group)"
    )
    temperature: Frac = Field(0.5, description="0 makes all groups alike, 1 leaves their shares as they are")
    cap: Annotated[int, Field(ge=1)] | None = Field(None, description="most rows of a group; None: all")


class Size(Section):
    """How many rows of train to learn from, and which; the others leave by rule size. No label loses all of its."""

    max_examples: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="most rows of train; auto: the fewest that reach 98 % of what all reach, by a learning curve",
    )
    select: Literal["random", "diverse", "coverage"] = Field(
        "coverage",
        description="coverage: every row has a like one among those kept (facility location, lazy greedy); diverse: no "
        "row is far from those kept (k-center, greedy: takes odd rows first); random: drawn by the seed. "
        "benchmarks/selection.py: at a tenth of BANKING77 0.720, 0.610, 0.655 accurate; at half they are alike",
    )


class Split(Section):
    """Shares held out. Equal prompts and equal groups never straddle a split."""

    valid: OpenFrac = Field(0.1, description="share of rows for early stopping; 0.1 gives +-3 points on 1,000 rows")
    test: OpenFrac = Field(0.1, description="share of rows for the scorecard; not used when data.test is given")
    group_by: str | None = Field(None, description="column to keep whole (same as data.columns.group)")

    @model_validator(mode="after")
    def _leave_something_to_train_on(self) -> Split:
        if self.valid + self.test >= 1:
            raise ValueError(f"valid + test = {self.valid + self.test:g} leaves nothing to train on")
        return self


class Data(Section):
    """Where the examples are and how to prepare them."""

    train: StrList = Field(min_length=1, description="files, folders, globs, or hf:<dataset>")
    valid: StrList = Field(default_factory=list, description="files to validate on instead of a share of train")
    test: StrList = Field(default_factory=list, description="files to test on instead of a share of train")
    format: Literal[
        "auto", "openai", "openai_preference", "sharegpt", "alpaca", "prompt_completion", "bedrock_claude",
        "bedrock_converse", "columns",
    ] = "auto"  # fmt: skip
    columns: Columns | None = Field(None, description="mapping for plain columns; None: recognise")
    labels: Labels = Labels()
    clean: Clean = Clean()
    dedup: Dedup = Dedup()
    privacy: Privacy = Privacy()
    relevance: Relevance | None = Field(None, description="compare train with a target domain; None: not checked")
    balance: Balance | None = Field(None, description="even out train by weights in the loss; None: as it is")
    size: Size | None = Field(None, description="learn from fewer rows of train; None: from all")
    split: Split = Split()
    processes: Annotated[int, Field(ge=1, le=256)] | None = Field(
        None, description="processes that read and judge rows; None: one a core. Changes no byte of the result"
    )
    memory: Bytes | None = Field(
        None,
        description="most memory of all processes while preparing, such as 2GiB; None: no bound. Says how many "
        "processes read at once; too little for the rows is an error before work starts. Changes no byte of the result",
    )
    decontaminate: StrList = Field(
        default_factory=list, description="evaluation files whose items must not occur in the training rows"
    )


class Prompt(Section):
    """The words around every example, the same in training, evaluation and serving."""

    system: str | None = Field(None, description="system message put before every conversation that has none")
    template: str | None = Field(None, description="wraps the user's message; must contain {input}")
    candidates: Annotated[list[str], EVALUATION] = Field(default_factory=list)
    prompt_loss_weight: Annotated[Frac, ENGINE] = Field(0.0, description="weight of prompt tokens in the loss")

    @model_validator(mode="after")
    def _template_has_input(self) -> Prompt:
        if self.template is not None and self.template.count("{input}") != 1:
            raise ValueError(f"template must contain {{input}} exactly once, got {self.template!r}")
        return self


class Schedule(Section):
    """The learning rate over the steps."""

    shape: (
        Literal["cosine", "linear", "constant"]
        | Annotated[Literal["restarts", "cyclic", "one_cycle", "wsd", "inverse_sqrt", "polynomial", "plateau"], ENGINE]
    ) = "cosine"
    warmup: OpenFrac = Field(0.06, description="share of steps that ramp up; protects Adam's first estimates")
    peak: Annotated[float, Field(gt=0, le=1)] | Annotated[Literal["auto"], ENGINE] | None = Field(
        None, description="highest learning rate; None: by method and width of the model (docs: training)"
    )
    floor: Frac = Field(0.1, description="lowest multiplier after the peak")


class EarlyStopping(Section):
    """When to stop before the last epoch."""

    metric: Literal["valid_loss"] = "valid_loss"
    patience: Annotated[int, Field(ge=1, le=1000)] = Field(3, description="validations without gain before stopping")
    min_delta: Annotated[float, Field(ge=0)] = Field(0.0, description="gain that counts, in nats per target token")


class Regularise(Section):
    """What keeps the model from learning the examples by heart."""

    dropout: OpenFrac = Field(0.05, description="attention, residual and embedding dropout, also on modern decoders")
    weight_decay: Annotated[float, Field(ge=0, le=10)] = Field(0.01, description="decoupled; never on norms and biases")
    clip: Annotated[float, Field(gt=0)] = Field(1.0, description="largest gradient norm of a step")
    early_stopping: EarlyStopping | None = EarlyStopping()
    label_smoothing: Annotated[OpenFrac, ENGINE] = 0.0
    neftune: Annotated[float, ENGINE] = 0.0
    l2sp: Annotated[float, ENGINE] = 0.0
    ema: Annotated[OpenFrac, ENGINE] = 0.0


class Lora(Section):
    """Low-rank adapters."""

    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    alpha: Annotated[float, Field(gt=0)] = Field(32.0, description="scale is alpha / rank")
    dropout: OpenFrac = 0.0
    rank_stabilised: bool = Field(False, description="scale by alpha / sqrt(rank), so that large ranks go on learning")
    targets: StrList = Field(default_factory=lambda: ["all-linear"], description="module names, or all-linear")


class Freeze(Section):
    """Which weights stay as they are."""

    layers: str | None = None
    patterns: StrList = Field(default_factory=list)
    unfreeze: Literal["never", "gradual"] = "never"
    layer_decay: Frac = 1.0


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


class Train(Section):
    """How the base becomes the model."""

    method: Literal["full", "lora", "tokens"] | Annotated[Literal["dora", "qlora", "layers"], ENGINE] = Field(
        "lora",
        description="full: every weight; lora: small adapters beside frozen weights; tokens: nothing but the rows of "
        "train.tokens",
    )
    save: Literal["adapter", "merged"] = Field(
        "adapter",
        description="adapter: what was learnt, small, beside its base; merged: the whole model, which vLLM and other "
        "servers load where they refuse an adapter (new tokens, DoRA). Full fine-tuning always writes the whole model",
    )
    epochs: Annotated[float, Field(gt=0, le=1000)] = 3
    max_steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    batch_tokens: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        512, description="target tokens per step, so that the learning rate carries over between data sets"
    )
    max_tokens: Annotated[int, Field(ge=8, le=1_000_000)] | None = Field(
        None, description="longest example in tokens, prompt and answer; None: what the base allows. Longer ones are "
        "an error by count, never cut"
    )  # fmt: skip
    eval_every: Annotated[int, Field(ge=1)] | None = Field(
        None, description="steps between validations; None: twice an epoch"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="compute type of the matrix products; weights that train are float32"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(None, description="CPU threads; None: all cores")
    schedule: Schedule = Schedule()
    regularise: Regularise = Regularise()
    lora: Lora = Lora()
    freeze: Annotated[Freeze | None, ENGINE] = None
    tokens: Tokens | None = Field(None, description="tokens to add; None: the vocabulary of the base")

    @model_validator(mode="after")
    def _tokens_alone_needs_tokens(self) -> Train:
        if self.method == "tokens" and self.tokens is None:
            raise ValueError("method: tokens trains the rows of train.tokens.add, and no tokens are added")
        return self


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
    baselines: list[Baseline] = Field(["base", "prompt", "linear", "majority"], description="what to compare with")
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


class Recipe(Section):
    """The whole recipe. `load_recipe` reads one from YAML; in Python: ``Recipe(name=..., task=..., data=...)``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case name; ids begin with it")
    task: Task
    base: str = Field("nano", min_length=1, description="nano, a folder, a Hugging Face name, or a Model's id")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    data: Data
    prompt: Prompt = Prompt()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    serve: Serve = Serve()
    monitor: Monitor = Monitor()
    update: Update = Update()

    @model_validator(mode="after")
    def _nothing_from_the_future(self) -> Recipe:
        for path, later, choices in _set_too_early(self):
            instead = f"choose one of {', '.join(choices)}" if choices else "remove it"
            raise ValueError(f"{path} needs {later.topic}, which this version does not have yet; {instead}")
        return self

    def given(self) -> dict[str, Any]:
        """Return what the user set, without defaults, JSON-able."""
        return self.model_dump(mode="json", exclude_unset=True)


def _set_too_early(section: Section, prefix: str = "") -> list[tuple[str, Later, list[str]]]:
    """Return the settings that were given although their engine comes later, with the words they can be today."""
    found: list[tuple[str, Later, list[str]]] = []
    for name in section.model_fields_set:
        info, value = type(section).model_fields[name], getattr(section, name)
        if value == info.get_default(call_default_factory=True):
            continue
        if later := next((mark for mark in info.metadata if isinstance(mark, Later)), None):
            found.append((prefix + name, later, []))
        elif late := _late_choice(info.annotation, value):
            found.append((prefix + name, late, _words(info.annotation)))
        elif isinstance(value, Section):
            found += _set_too_early(value, f"{prefix}{name}.")
    return found


def _late_choice(annotation: Any, value: Any) -> Later | None:
    """Return the mark of the member of a union that holds ``value``, if that member is for later."""
    for member in getattr(annotation, "__args__", ()):
        marks = [mark for mark in getattr(member, "__metadata__", ()) if isinstance(mark, Later)]
        if marks and value in getattr(member.__origin__, "__args__", ()):
            return marks[0]
    return None


def _words(annotation: Any) -> list[str]:
    """Return the words a union allows today."""
    literals = [one for one in getattr(annotation, "__args__", ()) if getattr(one, "__origin__", None) is Literal]
    return [word for literal in literals for word in literal.__args__]


def load_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Raises:
        RecipeError: with file, line, the offending key and value, what was expected and the nearest known key.
    """
    if path.is_dir():
        raise RecipeError(f"{path} is a folder", expected="a recipe file", hint=f"{path / 'recipe.yaml'}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RecipeError(
            f"no recipe at {path}", hint="tunesmith init --task classify --data FILE writes one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text ({error})", expected="a YAML file in UTF-8") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "recipe") -> Recipe:
    """Read a recipe from YAML text; ``where`` names it in errors.

    Raises:
        RecipeError: as `load_recipe`.
    """
    document = parse_yaml(text, where)
    if not isinstance(document.value, dict):
        kind = "empty" if document.value is None else f"a {type(document.value).__name__}"
        raise RecipeError(f"{where}: the recipe is {kind}", expected="keys such as name, task, base, data")
    try:
        return Recipe.model_validate(document.value)
    except ValidationError as error:
        raise _explained(error, document, where) from error


def _explained(error: ValidationError, document: YamlDocument, where: str) -> RecipeError:
    """Turn Pydantic's first error into one that names line, key, value, expectation and the nearest key."""
    problems = sorted(error.errors(), key=lambda one: _line(one, document))
    first = problems[0]
    keys = _user_keys(first, document) or tuple(first["loc"])[:1]  # what << merges in has no line of its own
    dotted = ".".join(map(str, keys)) or "recipe"
    line = document.line_of(keys)
    place = f"{where}:{line}" if line else where
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        known = _section_at(keys[:-1])
        return RecipeError(f"{place}: unknown key {dotted!r}{more}", hint=did_you_mean(str(keys[-1]), known))
    if first["type"] == "missing":
        return RecipeError(
            f"{place}: {dotted!r} is missing{more}", expected=_describe(keys), hint=f"add {keys[-1]}: ..."
        )
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict | list | BaseModel) else f", got {first['input']!r}"
    if isinstance(first["input"], dict) and first["type"] == "value_error":
        return RecipeError(
            f"{place}: {dotted}: {message}{more}" if keys else f"{_place_of(message, document, where)}: {message}"
        )
    return RecipeError(f"{place}: {dotted}: {message}{value}{more}", expected=_describe(keys))


def _line(problem: Any, document: YamlDocument) -> int:
    return document.line_of(tuple(problem["loc"])) or 0


def _place_of(message: str, document: YamlDocument, where: str) -> str:
    """Find the line of the dotted key a message of the whole recipe begins with."""
    line = document.line_of(tuple(message.split(" ", 1)[0].split(".")))
    return f"{where}:{line}" if line else where


def _user_keys(problem: Any, document: YamlDocument) -> tuple[str | int, ...]:
    """Cut Pydantic's location down to keys the user wrote; it goes on with names of types inside unions."""
    loc: tuple[str | int, ...] = problem["loc"]
    depth = next((depth for depth in range(len(loc)) if loc[: depth + 1] not in document.lines), len(loc))
    return loc[: depth + 1] if problem["type"] == "missing" else loc[:depth]


def _section_at(keys: tuple[str | int, ...]) -> list[str]:
    section = _walk_sections(keys)
    return list(section.model_fields) if section else []


def _walk_sections(keys: tuple[str | int, ...]) -> type[Section] | None:
    section: type[Section] | None = Recipe
    for key in keys:
        if section is None or key not in section.model_fields:
            return None
        section = _section_type(section.model_fields[str(key)].annotation)
    return section


def _section_type(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for arg in getattr(annotation, "__args__", ()) if (found := _section_type(arg))), None)


def _describe(keys: tuple[str | int, ...]) -> str:
    """Return the description of a setting, for the ``expected`` line of an error."""
    names = [key for key in keys if isinstance(key, str)]
    section = _walk_sections(tuple(names[:-1])) if names else None
    info = section.model_fields.get(names[-1]) if section else None
    return (info.description or "") if info else ""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe, for editors; ``tunesmith init --schema`` prints it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
