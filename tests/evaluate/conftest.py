"""A tiny model tuned once per session for each task; tests evaluate copies of its workspace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from made import make_dataset
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.evaluate import stage
from tunesmith.recipe import Recipe
from tunesmith.train import stage as training

CLASSIFY = [
    pair for n in range(14) for pair in ((f"my card {n} is lost", "card"), (f"money back for {n} please", "refund"))
]
MEALS = ("lunch", "supper")
EXTRACT = [(f"{MEALS[n % 2]} for {n}", json.dumps({"at": MEALS[n % 2]})) for n in range(24)]
CHAT = [(f"hello {n}", "hi there") for n in range(24)]
PAIRS = {"classify": CLASSIFY, "extract": EXTRACT, "chat": CHAT}


@dataclass
class Arena:
    """A workspace with a Dataset and a Model of one task."""

    task: str
    base: Path
    workspace: Workspace
    dataset: Artifact
    model: Artifact

    def recipe(self, **evaluate: Any) -> Recipe:
        """Return the recipe with other settings of ``evaluate``."""
        labels = self.task == "classify"
        train = {"method": "full", "precision": "float32", "threads": 1, "epochs": 8 if labels else 20}
        train |= {"batch_tokens": 24 if labels else 36, "schedule": {"peak": 0.02 if labels else 0.01}}
        train["regularise"] = {"dropout": 0, "early_stopping": None}
        return Recipe(
            name="made", task=self.task, base=str(self.base), data={"train": "x"},
            train=train, evaluate={"max_new_tokens": 16, **evaluate},
        )  # fmt: skip

    def evaluate(self, production: Artifact | None = None, **settings: Any) -> Artifact:
        """Return the Scorecard."""
        return stage.evaluate(
            self.recipe(**settings), self.dataset, self.model, self.workspace, production=production
        )  # fmt: skip


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Arena]:
    """Return the arena of a task, its model trained on first use."""
    made: dict[str, Arena] = {}

    def of(task: str) -> Arena:
        if task not in made:
            workspace = Workspace(tmp_path_factory.mktemp(task))
            rows = PAIRS[task]
            dataset = make_dataset(workspace, rows[:12], rows[12:16], rows[16:], classify=task == "classify")
            arena = Arena(task, tiny, workspace, dataset, dataset)
            arena.model = training.train(arena.recipe(), dataset, workspace)
            made[task] = arena
        return made[task]

    return of


@pytest.fixture(scope="session")
def copied(trained: Callable[[str], Arena]) -> Callable[[str, Path], Arena]:
    """Return a copy of a task's arena in a folder that is not there yet."""

    def of(task: str, folder: Path) -> Arena:
        original, workspace = trained(task), Workspace(folder)
        shutil.copytree(original.workspace.root, workspace.root)
        dataset, model = workspace.get(original.dataset.id), workspace.get(original.model.id)
        return Arena(task, original.base, workspace, dataset, model)

    return of


@pytest.fixture
def arena(copied: Callable[[str, Path], Arena], tmp_path: Path) -> Callable[[str], Arena]:
    """Return a fresh copy of a task's arena."""
    numbers = iter(range(100))
    return lambda task: copied(task, tmp_path / f"{task}-{next(numbers)}")
