"""``data``: what becomes of the rows before anything is trained on them. Every setting, its default and the reason."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from tunesmith.recipe.section import (
    Action,
    Bytes,
    Frac,
    Judged,
    OpenFrac,
    Section,
    StrList,
)


def _as_label(value: Any) -> Any:
    """Return a number that names a label as text, as it stands in the data; a truth value may stand there as 'yes'."""
    if isinstance(value, bool):
        raise ValueError(
            "yes, no, on, off, true and false are truth values in YAML; put labels such as 'yes' in quotes"
        )
    return str(value) if isinstance(value, int | float) else value


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

    names: list[Annotated[str, BeforeValidator(_as_label)]] | None = Field(
        None, description="the allowed labels; None: those that occur in the data"
    )
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
    language: Judged = Field(
        "flag",
        description="an answer in another language than its question, translations stay; of classify and extract an "
        "input in none of languages",
    )
    truncated: Judged = Field("flag", description="an answer that stops in a sentence, list, bracket or code block")
    placeholder: Judged = Field("flag", description="'{name}', '[Insert date]', lorem ipsum; templates may have them")
    missing_attachment: Judged = Field("remove", description="'<image>', 'the attached file': the answer is invented")
    image_request: Judged = Field("flag", description="asks for a picture; a description may be the wanted answer")
    unread_link: Judged = Field("remove", description="asks what a linked page says: the answer is invented")
    url_answer: Judged = Field("flag", description="nothing but a link, or one to example.com, as the answer")
    echo: Judged = Field("remove", description="the question again as its answer")
    injection: Judged = Field("flag", description="'ignore previous instructions' in a question; some data want them")
    mismatch: Judged = Field("flag", description="question and answer have no word in common: maybe another's answer")
    arithmetic: Judged = Field("flag", description="'3 + 4 = 8', or 'half of 30 is 14', in an answer")
    tool_calls: Judged = Field("remove", description="a call of a tool that is not given, or against its JSON Schema")
    answer_schema: dict[str, Any] | None = Field(
        None,
        description="JSON Schema that answers must keep (all tasks but classify); rows that do not are removed by rule "
        "schema",
    )
    languages: list[Annotated[str, Field(pattern="^[a-z]{2}$")]] | None = Field(
        None,
        min_length=1,
        description="ISO 639-1 codes of the languages that answers, or inputs of classify and extract, may be in; "
        "None: that of the question",
    )


class Dedup(Section):
    """Duplicates: like prompts with like answers. The same prompt with another answer is a conflict."""

    exact: bool = Field(
        True, description="remove rows equal up to case and whitespace; of fully equal ones the first stays"
    )
    near: Annotated[float, Field(ge=0.5, le=1.0)] | None = Field(
        0.7, description="Jaccard similarity of 5-word shingles, verified, from which prompt and answer are the same"
    )
    semantic: Annotated[float, Field(ge=0.5, le=1.0)] | Literal["auto"] | None = Field(
        None,
        description="cosine of embeddings from which prompts are the same; auto: midway between what random pairs of "
        "your rows stay below and 1, at least 0.9; None: off",
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
        None,
        description="most rows kept of one template (prompts alike to dedup.near, or in all but the words of a few "
        "slots); None: all",
    )
    max_cluster_frac: Frac = Field(
        0.01, description="a cluster of near or semantic duplicates over this share of the rows stops and asks"
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
        min_length=1,
        description="files of target texts, such texts themselves, a description in one line, or valid: the validation "
        "files",
    )
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="share of the domain that stays, with 90 % confidence; resample: share of rows drawn"
    )
    action: Literal["remove", "flag", "resample"] = Field(
        "remove", description="remove or flag rows below the threshold, or draw rows by how near they are"
    )


class Balance(Section):
    """Evening out labels, topics, languages, sources or lengths of train, by weights in the loss."""

    by: Literal["target", "topic", "language", "source", "length", "group"] = Field(
        "target",
        description="target, topic, language, source, length, or group (a column of yours: data.columns.group)",
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


class Canaries(Section):
    """Secrets of our own making, planted into train to see whether the model gives them away. For trials: a model that
    is to be released learns better things.
    """

    secrets: Annotated[int, Field(ge=1, le=1000, strict=True)] = Field(
        20,
        description="how many are planted; as many are drawn and kept out as a control. 20 that are all given away "
        "put the share between 0.84 and 1",
    )
    repeats: Annotated[int, Field(ge=1, le=1000, strict=True)] = Field(
        8, description="rows of each in train, so each is seen that often in every epoch"
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
        "auto", "openai", "openai_preference", "chosen_rejected", "sharegpt", "alpaca", "prompt_completion",
        "bedrock_claude", "bedrock_converse", "columns",
    ] = "auto"  # fmt: skip
    columns: Columns | None = Field(None, description="mapping for plain columns; None: recognise")
    keep: StrList = Field(
        default_factory=list,
        description="columns that go along with each row for graders and metrics, as they are: no rule looks at them, "
        "also not those of privacy",
    )
    labels: Labels = Labels()
    clean: Clean = Clean()
    dedup: Dedup = Dedup()
    privacy: Privacy = Privacy()
    relevance: Relevance | None = Field(None, description="compare train with a target domain; None: not checked")
    balance: Balance | None = Field(None, description="even out train by weights in the loss; None: as it is")
    size: Size | None = Field(None, description="learn from fewer rows of train; None: from all")
    split: Split = Split()
    canaries: Canaries | None = Field(
        None, description="plant made-up secrets into train (chat, extract), for the suite memorised; None: none"
    )
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
