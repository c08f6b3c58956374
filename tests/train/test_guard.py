"""A step that would do harm moves no weight, is named, and is dealt with as the recipe says."""

from __future__ import annotations

import math

import pytest
import torch

from killed import killed_after
from tunesmith.core.errors import DataError
from tunesmith.core.progress import steps
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered
from tunesmith.train import loop
from tunesmith.train.batches import TokenSet
from tunesmith.train.prepare_run import prepare_run

FLAT = {"shape": "constant", "warmup": 0, "peak": 0.001}


def run_of(tiny, folder, weights, regularise=None, **guard):
    """Return a run of 16 examples, one in each step, and of these weights."""
    recipe = Recipe.model_validate({
        "name": "guard", "task": "chat", "base": str(tiny), "data": {"train": "x"},
        "train": {"method": "full", "epochs": 1, "batch_tokens": 1, "precision": "float32", "threads": 1, "guard": guard,
                  "schedule": FLAT, "regularise": {"dropout": 0, **(regularise or {})}},
    })  # fmt: skip
    rendered = [
        Rendered([3, 10 + n, 4, 40 + n, 5], [False, False, False, True, True], 1, 0) for n in range(len(weights))
    ]
    tokens = TokenSet(rendered, weights, [f"a.csv:{n + 2}" for n in range(len(weights))])
    return prepare_run(recipe, load_model(str(tiny)), tokens, TokenSet([], []), folder)


def fit(run, *watchers):
    with steps("training", run.total_steps) as bar:
        return loop.fit(run, bar, watchers)


def weights_with(value, at, count=16):
    return [value if n in at else 1.0 for n in range(count)]


def test_a_loss_that_is_no_number_stops_and_names_the_example(tiny, tmp_path):
    """Would let through: weights that are no numbers, a message that leaves the user to search."""
    run = run_of(tiny, tmp_path, weights_with(math.nan, {7}))
    with pytest.raises(DataError, match=r"no longer a number(?s:.)*at step \d+, with a\.csv:9"):
        fit(run)
    assert all(bool(one.isfinite().all()) for one in run.loaded.model.parameters())


@pytest.mark.parametrize("action", ["skip", "back_off"])
def test_a_step_is_left_out_counted_and_told(action, tiny, tmp_path, capsys):
    """Would let through: a step that is half done, one that nobody hears of, a rate that is not lowered or for good."""
    run = run_of(tiny, tmp_path, weights_with(math.nan, {7, 11}), action=action)
    progress = fit(run)
    left = [row for row in progress.metrics if "skipped" in row]
    assert [row["examples"] for row in left] in ([["a.csv:9"], ["a.csv:13"]], [["a.csv:13"], ["a.csv:9"]])
    assert capsys.readouterr().err.count("left out: ") == 2
    assert all(bool(one.isfinite().all()) for one in run.loaded.model.parameters())
    rates = [row["lr"] for row in progress.metrics if "skipped" not in row]
    assert len(rates) == 14 and rates[0] == 0.001
    assert rates[-1] == pytest.approx(0.001 if action == "skip" else 0.00025)


def test_five_in_a_row_stop_whatever_is_set(tiny, tmp_path):
    """Would let through: a run that ends well and has learnt nothing."""
    with pytest.raises(DataError, match="fewer than 5 such steps in a row"):
        fit(run_of(tiny, tmp_path, weights_with(math.nan, range(16)), action="skip"))


def test_a_spike_is_left_out_and_smaller_ones_are_not(tiny, tmp_path, monkeypatch):
    """Would let through: a spike that moves the weights, or an ordinary step taken for one."""
    spikes_at(monkeypatch, 100.0, (5, 14))
    progress = fit(run_of(tiny, tmp_path, weights_with(1.0, ()), action="skip", spike=20))
    assert [row["step"] for row in progress.metrics if "skipped" in row] == [14]  # at step 5 nothing is usual yet
    assert "times the usual" in progress.metrics[13]["skipped"]


def spikes_at(monkeypatch, times, numbers):
    """Let the gradient norm of these steps, from 1, be so many times what it is."""
    norms, real = [], torch.nn.utils.clip_grad_norm_

    def spiky(parameters, clip):
        norms.append(1)
        return real(parameters, clip) * (times if len(norms) in numbers else 1.0)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spiky)


def test_a_spike_that_stops_says_so(tiny, tmp_path, monkeypatch):
    """Would let through: a user who looks for a loss that is no number, where all numbers were finite."""
    spikes_at(monkeypatch, 100.0, (14,))
    with pytest.raises(DataError, match=r"the gradient norm \S+ is \S+ times the usual .* at step 14, with") as caught:
        fit(run_of(tiny, tmp_path, weights_with(1.0, ()), spike=20))
    assert "a norm of at most 20 times the usual" in caught.value.expected and "no longer" not in str(caught.value)
    assert "raise train.guard.spike, or train.guard.action: skip" in caught.value.hint


def test_a_norm_that_is_no_number_is_told_apart_from_the_loss(tiny, tmp_path, monkeypatch):
    """Would let through: "the loss is no longer a number (loss 5.6)", and advice to do what is done already."""
    spikes_at(monkeypatch, math.inf, range(17))
    with pytest.raises(DataError, match=r"the gradient norm is no longer a number \(loss \d") as caught:
        fit(run_of(tiny, tmp_path, weights_with(1.0, ())))
    assert caught.value.expected == "a loss and gradients that are numbers" and "spike" not in caught.value.hint
    with pytest.raises(DataError, match="fewer than 5 such steps in a row") as caught:
        fit(run_of(tiny, tmp_path, weights_with(1.0, ()), action="skip"))
    assert caught.value.hint.endswith("or lower train.schedule.peak")


def flat(run):
    return torch.cat([one.detach().flatten() for one in run.loaded.model.parameters()])


@pytest.mark.parametrize("mean", [{"ema": 0.9}, {"average": 0.5}], ids=["ema", "average"])
def test_a_step_that_is_left_out_is_in_no_mean(mean, tiny, tmp_path, monkeypatch):
    """Would let through: weights counted twice for a step that did not happen, or a run that goes on and counts anew."""
    left_out = {8, 9, 12}  # the plain mean begins with step 8
    monkeypatch.setattr(loop, "harm", lambda _run, _loss, _norm, progress: "bad" if progress.step in left_out else "")

    def run_at(place):
        return run_of(tiny, tmp_path / place, weights_with(1.0, ()), mean, action="skip")

    run, seen = run_at("undisturbed"), []
    wanted = flat(run)
    fit(run, lambda progress: seen.append(None if "skipped" in progress.metrics[-1] else flat(run)))
    assert {step for step, weights in enumerate(seen) if weights is None} == left_out
    for number, weights in enumerate(one for one in seen["average" in mean and 8 :] if one is not None):
        wanted.lerp_(
            weights, 1 - (number / (number + 1) if "average" in mean else min(0.9, (1 + number) / (10 + number)))
        )
    torch.testing.assert_close(flat(run), wanted)
    with monkeypatch.context() as often:
        often.setattr(loop, "CHECKPOINT_EVERY_S", -1.0)
        killed_after(10, lambda: fit(run_at("killed")))
    resumed = run_at("killed")
    fit(resumed)
    assert torch.equal(flat(resumed), flat(run))
