"""``peak: auto``: short runs choose the peak, leave nothing behind, and a killed search goes on where it was."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from killed import killed_after
from made import make_dataset, make_preferences
from tunesmith.cli.plan import _show
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe, Schedule
from tunesmith.text.prompts import prompts_of
from tunesmith.train import finder, memory, stage
from tunesmith.train.batches import TokenSet
from tunesmith.train.finder import MOST_TRIED, descend, find_peak, lowest, steps_each
from tunesmith.train.loop import Run
from tunesmith.train.optimizer import trainable
from tunesmith.train.plan import estimate
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.schedule import drawn_together, multiplier
from tunesmith.train.sets import tokenise

pytestmark = pytest.mark.slow

PAIRS = [(f"my card {n} is lost", "card") for n in range(24)] + [
    (f"money back for {n} please", "refund") for n in range(24)
]
TRIPLES = [(f"how do I stop order {n}", "call us", "no idea") for n in range(10)] + [
    (f"where is order number {n} that I paid for", f"on its way {n}", "what") for n in range(10)
]


def recipe(base: Any, peak: Any = "auto", task: Any = "classify", **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1}
    settings |= {"schedule": {"peak": peak} | train.pop("schedule", {}), "regularise": {"dropout": 0.1}}
    return Recipe(name="made", task=task, base=str(base), data={"train": "x"}, train={**settings, **train})


@pytest.fixture
def dataset(workspace: Workspace) -> Artifact:
    return make_dataset(workspace, PAIRS[::2], PAIRS[1::2])


def data_of(task: str, workspace: Workspace) -> Artifact:
    if task == "preference":
        return make_preferences(workspace, TRIPLES[::2], TRIPLES[1::2])
    return make_dataset(workspace, PAIRS[::2], PAIRS[1::2])


def prepared(base: Path, dataset: Artifact, folder: Path, of: Recipe) -> Run:
    loaded = load_model(str(base))
    sets = tokenise(of, dataset, prompts_of(of, dataset), loaded)
    folder.mkdir(parents=True, exist_ok=True)
    return prepare_run(of, loaded, sets.train, sets.valid, folder)


def differing(one: Artifact, other: Artifact) -> set[str]:
    ours, theirs = one.manifest["files"], other.manifest["files"]
    return {name for name in ours | theirs if ours.get(name) != theirs.get(name)}


KINDS = {
    "full": ("classify", {}),
    "lora": ("classify", {"method": "lora", "lora": {"dropout": 0.1}}),
    "unfreezing": (
        "classify",
        {"freeze": {"unfreeze": "gradual"}, "schedule": {"layer_decay": 0.5, "rates": {"layers.1.mlp": 4}}},
    ),
    "frozen": ("classify", {"freeze": {"layers": "0:1"}}),
    "a mean and a pull": ("classify", {"regularise": {"ema": 0.8, "l2sp": 0.1, "gradient_noise": 0.01}}),
    "plateau": ("classify", {"schedule": {"shape": "plateau", "warmup": 2}, "eval_every": 2}),
    "dpo": ("preference", {"batch_tokens": 64}),
    "kto": ("preference", {"batch_tokens": 64, "objective": "kto", "freeze": {"layers": "0:1"}}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_auto_ends_in_the_bytes_of_the_peak_it_found(workspace, tiny, kind):
    """Lets through: weights, moments, marks of what learns or groups that a trial changed; a peak told and not used."""
    task, changes = KINDS[kind]
    data = data_of(task, workspace)
    auto = stage.train(recipe(tiny, "auto", task, **changes), data, workspace)
    peak = auto.result["peak_learning_rate"]
    assert peak == auto.result["peak_search"]["peak"]
    given_it = stage.train(recipe(tiny, peak, task, **changes), data, workspace)
    assert given_it.result["peak_search"] is None and given_it.id != auto.id
    assert differing(auto, given_it) <= {"train.html"}  # which shows the trials
    rates = [json.loads(line)["lr"] for line in (auto.path / "metrics.jsonl").read_text().splitlines()]
    assert max(rates) <= peak * 1.000001


@pytest.mark.parametrize(("task", "changes"), [KINDS["full"], KINDS["kto"]])
def test_a_search_killed_anywhere_goes_on_to_the_same_bytes(tmp_path, workspace, tiny, monkeypatch, task, changes):
    """Lets through: a search begun anew with trained weights, a choice that hangs on the kill, peaks tried twice."""
    undisturbed = stage.train(recipe(tiny, "auto", task, **changes), data_of(task, workspace), workspace)
    elsewhere = Workspace(tmp_path / "elsewhere")
    same = data_of(task, elsewhere)

    def again() -> Artifact:
        return stage.train(recipe(tiny, "auto", task, **changes), same, elsewhere)

    each, tried = (undisturbed.result["peak_search"][name] for name in ("steps_each", "tried"))
    monkeypatch.setattr("tunesmith.train.loop.CHECKPOINT_EVERY_S", 0.0)
    for at in (0, 1, each, each // 2 + 1):  # before the first, in a trial, between two, in another
        killed_after(at, again)
    left = len(tried) * each - (1 + each + each // 2 + 1)
    killed_after(left + 2, again)  # in the run itself; more steps than these are left if something was tried twice
    assert len(json.loads(next(elsewhere.root.rglob("peaks.json")).read_text())) == len(tried)
    monkeypatch.setattr(finder, "_loss", lambda *_: pytest.fail("tried again"))
    model = again()
    assert model.result["peak_search"] == undisturbed.result["peak_search"]
    assert differing(model, undisturbed) <= {"train.html"}


def test_a_search_leaves_everything_as_it_was(workspace, tiny, dataset, tmp_path):
    """Lets through: random numbers used up, gradients or checkpoints left, a weight that no longer learns."""
    run = prepared(tiny, dataset, tmp_path / "run", recipe(tiny, freeze={"unfreeze": "gradual"}))
    model = run.loaded.model
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    marks = {name: weight.requires_grad for name, weight in model.named_parameters()}
    random = torch.get_rng_state()
    assert find_peak(run)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == marks
    assert all(weight.grad is None for weight in model.parameters())
    assert [path.name for path in run.folder.iterdir()] == ["peaks.json"]


@pytest.mark.parametrize("start", [0.0003, 1.0])
def test_a_bad_start_is_left(workspace, tiny, dataset, tmp_path, start):
    """Lets through: a search that goes the wrong way, or prefers the default."""
    run = replace(prepared(tiny, dataset, tmp_path / "run", recipe(tiny, epochs=8)), peak=start)
    search = find_peak(run)
    assert search is not None
    assert search.peak > 2 * start if start < 0.01 else search.peak < start
    assert min(loss for _, loss in search.tried) < 0.9 * dict(search.tried)[start]


def test_without_validation_unseen_training_examples_judge(workspace, tiny, dataset, tmp_path):
    """Lets through: a search without numbers, or by the loss of examples that the trial has learnt by heart."""
    run = replace(prepared(tiny, dataset, tmp_path / "run", recipe(tiny, epochs=20)), valid=TokenSet([], []))
    assert steps_each(run) <= run.epoch_steps[0]
    search = find_peak(run)
    assert search is not None and search.measured == "train_loss" and len({loss for _, loss in search.tried}) > 1


def test_where_every_peak_does_harm_the_default_is_taken_and_told(workspace, tiny, dataset, tmp_path, capsys):
    """Lets through: the first of several infinities as a choice, an error about a run that was only a trial."""
    run = prepared(tiny, dataset, tmp_path / "run", recipe(tiny, epochs=8, guard={"spike": 1.0001}))
    search = find_peak(run)
    assert search is not None
    assert search.peak == pytest.approx(run.peak, rel=0.05) and len(search.tried) == MOST_TRIED
    assert {loss for _, loss in search.tried} == {math.inf}
    assert "every peak tried diverged" in capsys.readouterr().err
    json.dumps(search.as_dict(), allow_nan=False)


def test_the_search_is_planned_told_and_shown(workspace, tiny, dataset, capsys):
    """Lets through: a plan that forgets the search or disagrees with it, a choice nobody can look up."""
    auto, plain = (estimate(recipe(tiny, peak), dataset, workspace) for peak in ("auto", None))
    _show(auto)
    model = stage.train(recipe(tiny), dataset, workspace)
    told, search = capsys.readouterr().err, model.result["peak_search"]
    assert plain["peak_search"] is None
    assert auto["peak_search"]["steps_each"] == search["steps_each"]
    assert 3 <= len(search["tried"]) <= MOST_TRIED == auto["peak_search"]["steps_at_most"] / search["steps_each"]
    assert f"runs of {search['steps_each']} steps" in told and f"peak rate {search['peak']:.2g}: valid_loss" in told
    page = (model.path / "train.html").read_text()
    assert all(f"{one['loss']:.4f}" in page for one in search["tried"]) and f"Peak {search['peak']:g}" in page


def test_the_start_that_is_kept_counts_as_memory(workspace, tiny, dataset, tmp_path):
    """Lets through: a copy of all weights that nobody made room for."""
    auto, plain = (prepared(tiny, dataset, tmp_path / str(peak), recipe(tiny, peak)) for peak in ("auto", None))
    learning = sum(one.numel() * 4 for one in trainable(plain.loaded.model).values())
    more = memory.needed_bytes(auto, tried=False) - memory.needed_bytes(plain, tried=False)
    assert more == pytest.approx(learning, rel=0.01)


@given(st.floats(-3.4, 4.4), st.floats(0.01, 10))
def test_the_lowest_place_of_a_valley_is_found(place, steep):
    """Lets through: a parabola the wrong way round, a search that stops one too early."""
    found = lowest(descend(lambda at: steep * (at - place) ** 2))
    assert found == pytest.approx(place, abs=1e-6)


@given(st.dictionaries(st.integers(-9, 9), st.floats(0, 9) | st.just(math.inf)))
def test_any_losses_give_a_place_near_the_lowest_tried(losses):
    """Lets through: a place out of nowhere, the neighbour of a divergence, more trials than were planned."""
    tried = descend(lambda at: losses.get(at, 1.0))
    assert 3 <= len(tried) <= MOST_TRIED and sorted(tried) == list(range(min(tried), max(tried) + 1))
    found = lowest(tried)
    if found is None:
        assert set(tried.values()) == {math.inf}
        return
    best = min(tried.values())
    assert min(abs(found - at) for at, loss in tried.items() if loss == best) <= 0.5
    assert all(abs(found - at) >= 0.5 for at, loss in tried.items() if math.isinf(loss))


SHAPES: list[dict[str, Any]] = [
    {"shape": "cosine", "warmup": 80},
    {"shape": "linear", "warmup": "4000 tokens"},
    {"shape": "cyclic", "mode": "exp_range", "gamma": 0.99},
    {"shape": "one_cycle"},
    {"shape": "wsd", "warmup": 0.1},
    {"shape": "inverse_sqrt", "warmup": 80},
    {"shape": "polynomial"},
    {"shape": "constant", "warmup": 200},
]


@pytest.mark.parametrize("settings", SHAPES, ids=lambda one: one["shape"])
def test_a_short_run_has_the_whole_runs_curve(settings):
    """Lets through: a trial that is all warm-up, or one that never sees the end of the schedule."""
    whole = Schedule(**settings)
    short = drawn_together(whole, 800, 100, 50)
    apart = [
        abs(multiplier(short, step, 100, batch_tokens=50) - multiplier(whole, 8 * step + 4, 800, batch_tokens=50))
        for step in range(100)
    ]
    assert sum(apart) / 100 < 0.02  # of one; a step more or less
