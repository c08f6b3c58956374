"""The base's own learning curve: trained on nested subsets from the start each time, told before, gone on with after a kill."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Recipe
from tunesmith.train import loop
from tunesmith.train.progress import Progress
from tunesmith.train.subsets import Subsets

pytestmark = pytest.mark.slow

TRAIN = {
    "method": "full",
    "epochs": 3,
    "batch_tokens": 64,
    "precision": "float32",
    "threads": 1,
    "schedule": {"peak": 0.02},
}


def project_of(folder: Path, base: Any, task: str = "classify", **train: Any) -> flow.Project:
    words = {"card": "card lost stolen pin", "refund": "money back paid twice"}
    draw = np.random.default_rng(0)
    with (folder / "a.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["question", "answer"])
        table.writerows(
            (" ".join([*draw.permutation(own.split())[:2], str(n)]), label)
            for n in range(60)
            for label, own in words.items()
        )
    data = {"train": "a.csv", "dedup": {"near": None}, "split": {"valid": 0.3, "test": 0.1}, "labels": {"fix": "off"}}
    recipe = Recipe(name="t", task=task, base=str(base), data=data, train={**TRAIN, **train})  # type: ignore[arg-type]
    return flow.Project(recipe, folder, Workspace(folder / "home"))


@pytest.mark.parametrize(("task", "score"), [("classify", "accuracy"), ("chat", "bits a token")])
def test_the_base_is_measured_on_nested_subsets(tmp_path, tiny, task, score, capsys):
    """Bug: the cheap probe's figures are shown as the base's; sizes are not told before; the answer has other units."""
    result = flow.curve(project_of(tmp_path, tiny, task), base=True)
    rows = result["all"]["rows"]
    assert [one["rows"] for one in result["sizes"]] == [round(rows / 8), round(rows / 4), round(rows / 2), rows]
    assert (result["probe"], result["score"]) == (str(tiny), score)
    scores = [one["score"] for one in result["sizes"]]
    assert scores[-1] > scores[0] + 0.1 if task == "classify" else scores[-1] < scores[0], scores
    assert (
        f"is trained on {', '.join(str(one['rows']) for one in result['sizes'])} rows: about" in capsys.readouterr().err
    )
    json.dumps(result, allow_nan=False)


def test_a_killed_curve_goes_on_and_a_finished_one_is_not_measured_again(tmp_path, tiny, monkeypatch):
    """Bug: an hour of training is lost to a kill, or the resumed curve is another one."""
    project = project_of(tmp_path, tiny)
    whole = flow.curve(project, base=True)
    folder = next((tmp_path / "home" / "work").glob("curve-*"))
    assert sorted(file.suffix for file in folder.iterdir()) == [".json"] * 4
    largest = max(folder.iterdir(), key=lambda file: int(file.stem))
    largest.unlink()
    trained: list[int] = []
    real = Subsets._learn
    monkeypatch.setattr(Subsets, "_learn", lambda own, rows, at: trained.append(len(rows)) or real(own, rows, at))
    assert flow.curve(project, base=True) == whole
    assert trained == [int(largest.stem)]
    assert flow.curve(project, base=True) == whole and len(trained) == 1


def subsets_of(folder: Path, base: Any, **train: Any) -> Subsets:
    project = project_of(folder, base, **train)
    return Subsets(project.recipe, flow.prepare(project), project.workspace)


@pytest.mark.parametrize(
    ("train", "validations"),
    [
        ({"schedule": {"peak": 0.02, "shape": "plateau"}, "eval_every": 2}, 2),
        ({"eval_every": 5, "regularise": {"early_stopping": {"metric": "accuracy", "patience": 1}}}, 0),
        ({"regularise": {"ema": 0.95}}, 0),
    ],
    ids=["plateau", "early stopping", "ema"],
)
def test_a_part_is_trained_with_what_all_rows_are_long_enough_for(tmp_path, tiny, monkeypatch, train, validations):
    """Bug: a curve refused for what `train` takes, a rate that cannot follow, rows that judge and choose the weights."""
    seen: list[Progress] = []
    real = loop.fit
    monkeypatch.setattr(loop, "fit", lambda *given: seen.append(real(*given)) or seen[-1])
    subsets = subsets_of(tmp_path, tiny, **train)
    assert subsets.seconds([9, len(subsets._train)]) > 0
    assert len(subsets.losses(range(9), subsets.bits)) == len(subsets.held)
    [progress] = seen
    assert (progress.stopped_by, progress.best.step, len(progress.validations)) == ("last step", -1, validations)


def test_what_a_part_cannot_do_is_refused_with_its_rows(tmp_path, tiny):
    """Bug: a point of the curve whose rate never reached its peak, or a refusal that fits the recipe's own run only."""
    subsets = subsets_of(tmp_path, tiny, schedule={"warmup": 12})
    with pytest.raises(
        RecipeError, match=r"schedule\.warmup: 12 is 12 of .* steps .in a training on 9 of the \d+ rows"
    ):
        subsets.seconds([9, len(subsets._train)])
    with pytest.raises(RecipeError, match=r"train\.regularise\.ema: 0\.9999"):  # as `train` does
        subsets_of(tmp_path, tiny, regularise={"ema": 0.9999}).seconds([9, len(subsets._train)])


@pytest.mark.parametrize("wanted", [True, False])
def test_a_curve_is_as_deterministic_as_the_recipe_says(tmp_path, tiny, wanted):
    """Bug: a recipe whose model has no deterministic kernel can be trained and has no curve."""
    seen: list[bool] = []

    def judge(loaded: Any) -> np.ndarray:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return np.zeros(3)

    subsets_of(tmp_path, tiny, deterministic=wanted, max_steps=1).losses(range(9), judge)
    assert seen == [wanted]


@pytest.mark.soak
def test_nano_learns_more_of_banking77_from_more_rows(tmp_path, shared_data: Callable[[str], Path]):
    """Bug: the subsets are trained with other settings than `tunesmith train` has, and learn nothing."""
    with (shared_data("banking77") / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["category"] for row in rows})[:4]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "category"])
        table.writerows((row["text"], row["category"]) for row in rows if row["category"] in names)
    data = {"train": "a.csv", "split": {"valid": 0.2, "test": 0.1}}
    train = {"method": "full", "epochs": 4, "batch_tokens": 128, "schedule": {"peak": 0.0004}}
    recipe = Recipe(name="t", task="classify", base="nano", data=data, train=train)
    result = flow.curve(flow.Project(recipe, tmp_path, Workspace(tmp_path / "home")), base=True)
    first, *_, last = (one["score"] for one in result["sizes"])
    assert last > 0.85 and last > first + 0.1
