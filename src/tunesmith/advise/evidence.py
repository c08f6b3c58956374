"""What is known of a run: its artifacts' results, its curve, its answers row by row, and a learning curve if made."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith.core.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.core.artifacts import Artifact, Workspace

Result = dict[str, Any]


@dataclass(frozen=True)
class Evidence:
    """The results of a run's stages; a stage that is not there has an empty one.

    Args:
        task: ``classify``, ``chat``, ...
        dataset, model, scorecard: the results in their manifests.
        given: the recipe as the user wrote it.
        counts: training rows by label; empty where there are no labels.
        steps: lines of ``metrics.jsonl``.
        answers: ``examples.parquet``; None without a Scorecard.
        curve: the result of ``tunesmith curve``, if it was asked for.
    """

    task: str
    dataset: Result
    model: Result = field(default_factory=dict)
    scorecard: Result = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    steps: Sequence[Mapping[str, float]] = ()
    answers: pl.DataFrame | None = None
    curve: Result | None = None

    @property
    def metric(self) -> str:
        """The Scorecard's first metric, which is the task's main one."""
        return str(next(iter(self.scorecard["metrics"])))

    @property
    def validations(self) -> list[tuple[int, float]]:
        """Steps at which there was a validation, and its loss."""
        return [(int(one["step"]), one["valid_loss"]) for one in self.steps if "valid_loss" in one]

    @cached_property
    def wrong(self) -> pl.DataFrame:
        """The answers that were wrong; empty where right and wrong are not told."""
        if self.answers is None or "correct" not in self.answers.columns:
            return pl.DataFrame({"row_id": [], "expected": [], "answer": []})
        return self.answers.filter(~pl.col("correct"))

    @property
    def num_answers(self) -> int:
        """Test rows with an answer."""
        return 0 if self.answers is None else len(self.answers)


def gather(workspace: Workspace, artifact: Artifact, curve: Result | None = None) -> Evidence:
    """Return what is known of the run that an artifact belongs to.

    A Model's newest Scorecard counts too, and a Dataset's newest Model.

    Raises:
        ArtifactError: if the Dataset is no longer there.
    """
    found = _run_of(workspace, artifact)
    dataset = found.get("dataset")
    if dataset is None:
        raise ArtifactError(
            f"{artifact.id}: the dataset it was made from is not here",
            expected=f"its folder in {workspace.artifacts_dir}",
            hint="tunesmith prepare RECIPE makes it again, then ask for advice again",
        )
    results = {stage: one.result for stage, one in found.items()}
    model, card = found.get("model"), found.get("scorecard")
    newest = card or model or dataset
    return Evidence(
        task=dataset.manifest["config"]["task"],
        given=newest.manifest["given"],
        counts=_counts(dataset),
        steps=[] if model is None else _lines(model),
        answers=None if card is None else pl.read_parquet(card.path / "examples.parquet"),
        curve=curve,
        **results,
    )


def _run_of(workspace: Workspace, artifact: Artifact) -> dict[str, Artifact]:
    """Return the artifacts of a run by stage: the one given, what it was made of, and the newest made of it."""
    found = {artifact.stage: artifact}
    for parent in artifact.parents:
        if (one := workspace.find(parent)) is not None:
            found.setdefault(one.stage, one)
    if "model" not in found and (models := _made_of(workspace, "model", artifact.id)):
        found["model"] = models[-1]
    if "scorecard" not in found and "model" in found:
        cards = _made_of(workspace, "scorecard", found["model"].id)
        found |= {"scorecard": cards[-1]} if cards else {}
    return found


def _made_of(workspace: Workspace, stage: str, parent: str) -> list[Artifact]:
    """Return the artifacts of a stage that were made of another, the newest last."""
    made = [one for one in workspace.list(stage) if parent in one.parents]
    return sorted(made, key=lambda one: str(one.manifest["created"]))


def _counts(dataset: Artifact) -> dict[str, int]:
    rows = pl.read_parquet(dataset.path / "train.parquet", columns=["label"])["label"].drop_nulls()
    return {str(one["label"]): int(one["count"]) for one in rows.value_counts().iter_rows(named=True)}


def _lines(model: Artifact) -> list[dict[str, float]]:
    file = model.path / "metrics.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
