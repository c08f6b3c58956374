"""Frozen lowest layers run once: the same training as when they run in every epoch, on disk only while it lasts."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from killed import Killed
from made import CARDS, make_dataset
from tunesmith.models.layers import decoder_layers
from tunesmith.recipe import Recipe
from tunesmith.train import frozen_cache, loop, stage
from tunesmith.train.plan import estimate

pytestmark = pytest.mark.slow

LONG = "You sort what people write to a bank into card and refund. "
"""Longer than the beginnings that are read once, so that rows share it."""


def recipe(base, *, cached: bool = True, **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 3, "batch_tokens": 12, "precision": "float32", "threads": 1}
    settings |= {"freeze": {"layers": "0:3"}, "schedule": {"peak": 0.02}, "regularise": {"dropout": 0.1}}
    settings["shortcuts"] = {"frozen_cache": cached}
    return Recipe(name="made", task="classify", base=str(base), data={"train": "x"}, train={**settings, **train},
                  prompt={"system": LONG})  # fmt: skip


def weights(model) -> dict[str, torch.Tensor]:
    [file] = (model.path / "model").glob("*.safetensors")
    return load_file(file)


def losses(model) -> list[float]:
    rows = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    return [row[key] for row in rows for key in ("loss", "valid_loss") if key in row]


@pytest.mark.parametrize(
    "train",
    [
        {},
        {"freeze": {"layers": ":"}},
        {"method": "lora", "lora": {"dropout": 0.1}},
        {"freeze": {"layers": "0:3", "unfreeze": {0.4: "1:3"}}},
        {"shortcuts": {"packed": False}},
        {"shortcuts": {"head": False}},
    ],
    ids=["full", "norm alone", "lora", "unfreezing", "padded", "plain head"],
)
def test_training_is_the_same_with_states_that_are_kept(workspace, dataset, base, train):
    """Catches dropout in frozen layers, draws in another order, states of another example, a layer left out too many."""
    cached, plain = (
        stage.train(recipe(base, **{**train, "shortcuts": {**train.get("shortcuts", {}), "frozen_cache": kept}}),
                    dataset, workspace)
        for kept in (True, False)
    )  # fmt: skip
    assert cached.id != plain.id
    assert losses(cached) == pytest.approx(losses(plain), rel=1e-5)
    wanted = weights(plain)
    largest = max(float(one.abs().max()) for one in wanted.values())
    for name, one in weights(cached).items():
        assert float((one - wanted[name]).abs().max()) <= 1e-5 * largest, name


def test_bfloat16_states_take_half_the_room_and_train_about_the_same(workspace, dataset, base):
    """Catches bits of bfloat16 read as other numbers."""
    cached, plain = (
        stage.train(recipe(base, precision="bfloat16", cached=kept), dataset, workspace) for kept in (True, False)
    )
    assert losses(cached) == pytest.approx(losses(plain), rel=2e-2, abs=2e-3)
    planned = {precision: estimate(recipe(base, precision=precision), dataset, workspace)["frozen_cache"]["bytes"]
               for precision in ("float32", "bfloat16")}  # fmt: skip
    assert planned["float32"] == 2 * planned["bfloat16"]


def test_frozen_layers_run_over_each_token_once(workspace, dataset, base, monkeypatch):
    """Catches states that are kept and not read, and a beginning that all examples share kept for each of them."""
    seen = {"frozen": 0, "learning": 0}
    sizes: list[int] = []
    real = loop.fit

    def watched(run, bar, watchers):
        sizes.extend(file.stat().st_size for file in run.folder.glob("*.states"))
        for at, layer in enumerate(decoder_layers(run.loaded.model)):
            place = "frozen" if at < 3 else "learning"
            layer.register_forward_hook(
                lambda m, _i, _o, place=place: seen.update({place: seen[place] + ("forward" not in vars(m))})
            )
        progress = real(run, bar, watchers)
        assert not list(run.folder.glob("*.states"))
        return progress

    monkeypatch.setattr(loop, "fit", watched)
    planned = estimate(recipe(base), dataset, workspace)
    stage.train(recipe(base), dataset, workspace)
    assert seen["frozen"] == 0 and seen["learning"] > 0
    assert (
        len(sizes) == 2
        and sum(sizes) == planned["frozen_cache"]["bytes"] < 0.5 * 4 * 32 * planned["tokens_per_epoch"]["total"] * 2
    )


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"epochs": 1, "eval_every": 1000}, "would save 0%"),
        ({"shortcuts": {"frozen_cache": False}}, r"frozen_cache: false"),
        ({"freeze": {"layers": "1:3"}}, "^$"),
        ({"freeze": {"unfreeze": "gradual"}}, "^$"),
        ({}, r"the 3 lowest of 4 layers, which are frozen, run once: \d+ kB on disk save \d\d% of the work"),
    ],
    ids=["read once", "switched off", "no beginning", "learns later", "pays"],
)
def test_plan_says_whether_states_are_kept_and_why(workspace, dataset, base, train, told):
    """Catches a pass and a disk full of states for nothing, and states of layers that learn later."""
    cache = estimate(recipe(base, **train), dataset, workspace)["frozen_cache"]
    assert re.search(told, cache["told"])
    assert cache["kept"] == ("run once" in cache["told"])


def test_without_room_on_the_disk_the_layers_run_in_every_epoch(workspace, dataset, base, monkeypatch, capsys):
    """Catches a run that fills the disk that its checkpoints need."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=30_000))
    stage.train(recipe(base), dataset, workspace)
    assert "of disk are free" in capsys.readouterr().err


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("passes", [0, 1, 2], ids=["at the first pass", "between the two files", "before training"])
def test_killed_while_states_are_made_and_still_the_same_bytes(
    workspace, dataset, base, monkeypatch, tmp_path, passes, precision
):
    """Catches a file of states that is half written and read as whole, or read as another type than it came out in."""
    mine = recipe(base, precision=precision)
    undisturbed = stage.train(mine, dataset, workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same = make_dataset(elsewhere, CARDS[::2], CARDS[1::2])
    real, left = frozen_cache._computed, iter(range(passes))

    def dies(*arguments):
        for states in real(*arguments):
            if next(left, None) is None:
                yield states[: len(states) // 2]
                raise Killed
            yield states

    monkeypatch.setattr(frozen_cache, "_computed", dies)
    if passes == 2:
        monkeypatch.setattr(loop, "fit", lambda *_: dies_at_once())
    with pytest.raises(Killed):
        stage.train(mine, same, elsewhere)
    monkeypatch.undo()
    files = stage.train(mine, same, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}


def dies_at_once() -> None:
    raise Killed
