"""Tuning by a service: what every vendor's tuner is asked and answers, and what is kept of a model that lies there.

Owns the protocol, the words for states, and ``hosted.json``. Does not own a vendor's calls (`openai_tuning`), what a
service honours of a recipe (`capabilities`), nor the Model artifact (`train.hosted`).
"""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tunesmith.core.errors import ArtifactError, RecipeError, RemoteError
from tunesmith.models.load import HOSTED_FILE
from tunesmith.recipe.provider import service_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.providers.journal import Journal
    from tunesmith.recipe import Recipe
    from tunesmith.recipe.provider import Provider
    from tunesmith.text.examples import Example
    from tunesmith.text.task import TaskSpec

FILE = HOSTED_FILE

Row = dict[str, Any]
"""A row of ``metrics.jsonl`` as local runs have them: ``step``, and of ``loss``, ``valid_loss`` and others what the
service tells. A step's validation stands in the same row as its loss."""

TUNERS: dict[str, tuple[str, str]] = {
    "openai": ("tunesmith.providers.openai_tuning", "OpenAITuner"),
    "azure": ("tunesmith.providers.openai_tuning", "OpenAITuner"),
    "bedrock": ("tunesmith.providers.bedrock_tuning", "BedrockTuner"),
}
"""Service to the module and the class in it that tunes there."""

Status = Literal["waiting", "running", "succeeded", "failed", "cancelled", "unknown"]
"""What a remote job is at; the last is a word we do not know, which says nothing about how the job does."""

LAST_STEP = "last step"
"""What ends a run that nothing else ends; the word of local runs."""
ENDED = ("succeeded", "failed", "cancelled")


def status_of(word: str | None, known: Mapping[str, Status]) -> Status:
    """Return what a service's word for a status means; ``unknown``, and never ``failed``, for one not known."""
    return known.get(word or "", "unknown")


@dataclass(frozen=True)
class Availability:
    """Whether a service tunes a base now, as far as it says.

    Args:
        state: ``tunable``; ``legacy`` (runs, but is not tuned any more); ``ended`` (end of life: does not even run);
            ``unavailable`` (this account or region has no such model); ``unknown`` (the service does not say).
        sentence: for people, with dates and, where tuning is not to be had, the way out.
        legacy_on: when it becomes or became legacy.
        ends_on: when it, and models tuned from it, stop running.
    """

    state: Literal["tunable", "legacy", "ended", "unavailable", "unknown"]
    sentence: str
    legacy_on: date | None = None
    ends_on: date | None = None

    @property
    def may_tune(self) -> bool:
        """Whether to try."""
        return self.state in ("tunable", "unknown")


@dataclass(frozen=True)
class Estimate:
    """What tuning will take, before anything is spent.

    ``usd`` is None if it cannot be told, and ``missing`` then says which setting would tell it. ``usd_an_hour`` is what
    the tuned model costs while it is kept ready, where it is billed so. ``notes`` are sentences that belong to it.
    """

    examples: int
    valid_examples: int
    tokens_per_epoch: int
    epochs: int
    usd: float | None = None
    missing: str = ""
    usd_an_hour: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def trained_tokens(self) -> int:
        """Tokens that are billed: of all epochs."""
        return self.tokens_per_epoch * self.epochs


@dataclass(frozen=True)
class Checkpoint:
    """A model as it was at a step, by the name it answers to; ``metrics`` are the service's own."""

    model: str
    step: int
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of tuning.

    Args:
        model: the name the tuned model answers to: the one that early stopping chose.
        jobs: the service's ids of the jobs, in order.
        checkpoints: other models of the same run.
        metrics: the curves, ascending by step.
        trained_tokens: what the service billed; None if it does not say.
        epochs: how many were made.
        stopped_by: `LAST_STEP`, or ``early stopping``.
        best: ``{"step", "metric", "value"}`` of what was chosen; None if nothing was validated.
        options: whatever else is needed to ask the model, such as a region; goes into ``hosted.json``.
        notes: sentences for people: moderation results, what was approximated, what is left at the service.
    """

    model: str
    jobs: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    metrics: Sequence[Row] = ()
    trained_tokens: int | None = None
    epochs: float = 0
    stopped_by: str = LAST_STEP
    best: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """What is tuned on: examples of both splits, the prompt around them, a folder for files to upload, other prompts
    that training examples draw from.
    """

    train: Sequence[Example]
    valid: Sequence[Example]
    task: TaskSpec
    folder: Path
    variants: tuple[TaskSpec, ...] = ()

    def wording(self, example: Example, split: str, seed: int) -> TaskSpec:
        """Return the prompt that is put around an example: of training one of the wordings, drawn by the seed."""
        if split != "train" or not self.variants:
            return self.task
        return random.Random(f"{seed}:{example.row_id}").choice((self.task, *self.variants))


def refuse_dear(estimate: Estimate, at: Provider) -> None:
    """Refuse training that may cost more than the recipe allows, or whose cost nobody can tell.

    Raises:
        RecipeError: if it does.
    """
    most = at.max_usd
    if most is None or (estimate.usd is not None and estimate.usd <= most):
        return
    known = estimate.usd is not None
    what = f"about {estimate.usd:,.2f} USD" if known else "what nobody can tell without a price"
    raise RecipeError(
        f"provider.max_usd: {most:g}, and training would cost {what}",
        hint="a larger provider.max_usd, fewer train.epochs, or data.size"
        if known
        else "provider.price: {training: USD for a million tokens}",
    )


class Tell(Protocol):
    """Shows people how far a job is."""

    def said(self, sentence: str) -> None:
        """Show a sentence, once."""
        ...

    def measured(self, row: Row, total_steps: int | None = None) -> None:
        """Show what was measured at a step; the total, as soon as it is known."""
        ...


class Tuner(Protocol):
    """Tunes at one service; made from a recipe whose base is there. Making one sends nothing."""

    def available(self) -> Availability:
        """Ask the service whether it tunes the base; changes nothing there.

        Raises:
            RecipeError: if the key's environment variable is not set.
            RemoteError: if it refuses or cannot be reached.
        """
        ...

    def estimate(self, rows: Rows) -> Estimate:
        """Return what tuning takes, from the rows alone; sends nothing.

        Raises:
            DataError: for rows that the service would refuse, with their places.
        """
        ...

    def tune(self, rows: Rows, journal: Journal, tell: Tell) -> Outcome:
        """Tune, from wherever the journal says an earlier process came to. Ids are in the journal before they are
        waited for, so that a run killed at any moment makes no second job.

        Raises:
            DataError: for rows that the service refuses.
            RemoteError: if it refuses, fails or cannot be reached.
        """
        ...

    def cancel(self, journal: Journal) -> list[str]:
        """Cancel the jobs of a run that have not ended; returns their ids. The service tells who waits for them.

        Raises:
            RemoteError: if it refuses or cannot be reached.
        """
        ...

    def clean(self, journal: Journal) -> list[str]:
        """Delete what the journal says was left at the service and is not needed; returns what was deleted.

        Raises:
            RemoteError: if it refuses or cannot be reached.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def cleaned(ours: Tuner, journal: Journal) -> str:
    """Delete what was left at a service; return what is told of it if the service refuses, which keeps nobody from a
    model that is paid for, nor from knowing why there is none.
    """
    try:
        ours.clean(journal)
    except RemoteError as error:
        return f"what was uploaded could not be deleted, and is still there: {error.message}"
    return ""


def tuner(recipe: Recipe) -> Tuner:
    """Return what tunes the base of a recipe.

    Raises:
        RecipeError: if no service does, or none that this version knows.
        MissingExtraError: without the vendor's client.
    """
    service = service_of(recipe.base)
    if service not in TUNERS:
        raise RecipeError(
            f"base: {recipe.base} is a hosted model, which this version cannot tune",
            expected="nano, a folder, a Hugging Face name, or a Model's id",
            hint="base: nano, which is here already",
        )
    module, name = TUNERS[service]
    made: Callable[[Recipe], Tuner] = getattr(import_module(module), name)
    return made(recipe)


@dataclass(frozen=True)
class HostedModel:
    """A Model that lies at a service: all that is needed to ask it.

    Args:
        service: ``openai``, ``azure`` or ``bedrock``.
        model: the name it answers to.
        base: what it was tuned from, the service's name.
        base_url: where the service is; None for the vendor's own address.
        key_env: the variable with the key; None for the vendor's usual one.
        jobs: ids of the jobs that made it.
        checkpoints: other models of the same run.
        options: whatever else the service needs, such as a region.
    """

    service: str
    model: str
    base: str
    base_url: str | None = None
    key_env: str | None = None
    jobs: tuple[str, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, base: str, at: Provider, outcome: Outcome) -> HostedModel:
        """Return what is kept of an outcome; ``base`` as the recipe has it, ``at`` its ``provider``."""
        return cls(
            service_of(base), outcome.model, base.split(":", 1)[1], at.base_url, at.key_env, outcome.jobs,
            outcome.checkpoints, outcome.options,
        )  # fmt: skip

    def save(self, folder: Path) -> None:
        """Write ``hosted.json`` into a Model's folder."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")


def hosted_model(artifact: Artifact) -> HostedModel | None:
    """Return where a Model lies and how it is asked; None if its weights are here.

    Raises:
        ArtifactError: if ``hosted.json`` is damaged.
    """
    file = artifact.path / FILE
    if not file.exists():
        return None
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        checkpoints = tuple(Checkpoint(**one) for one in fields.pop("checkpoints"))
        return HostedModel(**{**fields, "jobs": tuple(fields["jobs"]), "checkpoints": checkpoints})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(f"{file}: damaged ({error})", hint=f"tunesmith show {artifact.id} checks it") from error
