"""Steps counted in examples, validations at the ends of epochs, and the factor on the peak: what OpenAI's jobs ask for."""

from __future__ import annotations

from itertools import accumulate

import pytest

from made import make_dataset
from tunesmith.recipe import Recipe
from tunesmith.train import stage
from tunesmith.train.batches import plan_steps, step_sizes, steps_of_epoch

TRAIN = {"name": "t", "task": "chat", "data": {"train": "a.jsonl"}}


def test_a_step_has_so_many_examples_whatever_their_lengths():
    """Catches a batch size that is taken for tokens."""
    settings = Recipe(**TRAIN, train={"batch_examples": 4}).train
    sizes, step_size = step_sizes(settings, [1, 500, 3, 2, 90, 7, 8, 1000, 9, 10])
    assert [len(step) for step in steps_of_epoch(sizes, step_size, 0, 0)] == [4, 4, 2]
    assert plan_steps(sizes, step_size, 0, 2, None) == [3, 3]


def test_tokens_and_examples_are_not_both_the_measure():
    with pytest.raises(ValueError, match="batch_examples and batch_tokens"):
        Recipe(**TRAIN, train={"batch_examples": 4, "batch_tokens": 512})


def test_a_run_validates_when_an_epoch_ends(workspace, tiny):
    """Catches validations in the middle of epochs, and a last epoch without one."""
    pairs = [(f"question {n}", "ab"[n % 2]) for n in range(9)]
    settings = {"method": "full", "epochs": 3, "batch_examples": 2, "eval_every": "epoch", "threads": 1}
    recipe = Recipe(**TRAIN, base=str(tiny), train=settings)
    seen: list[list[int]] = []

    def watch(progress):
        seen.append([row["step"] for row in progress.metrics if "valid_loss" in row])

    model = stage.train(recipe, make_dataset(workspace, pairs[:7], pairs[7:], classify=False), workspace, watch=watch)
    per_epoch = [4] * 3
    assert model.result["steps"] == sum(per_epoch) and seen[-1] == list(accumulate(per_epoch))


def test_the_factor_is_on_the_peak_however_it_is_found(workspace, tiny):
    """Catches a multiplier that is dropped where the peak is our own, or given."""
    dataset = make_dataset(workspace, [("a", "b"), ("c", "d")] * 3, [("e", "f")], classify=False)
    for peak in ({}, {"peak": 0.01}):
        plain, half = (
            stage.train(
                Recipe(**TRAIN, base=str(tiny), train={"method": "full", "epochs": 1, "threads": 1, "batch_examples": 2, "schedule": {**peak, **factor}}),
                dataset,
                workspace,
            ).result["peak_learning_rate"]
            for factor in ({}, {"peak_factor": 0.5})
        )  # fmt: skip
        assert half == plain / 2
    with pytest.raises(ValueError, match="remove peak_factor"):
        Recipe(**TRAIN, train={"schedule": {"peak": "auto", "peak_factor": 2}})
