"""Models that are kept on the way: at each epoch's end, by who looks on from outside."""

from __future__ import annotations

import pytest
import torch

from killed import killed_after
from made import CARDS, make_dataset
from tunesmith.core.errors import RecipeError
from tunesmith.models.load import load_model
from tunesmith.models.save import merge_adapter
from tunesmith.recipe import Recipe, Schedule
from tunesmith.train import stage

pytestmark = pytest.mark.slow


def recipe(tiny):
    settings = {"epochs": 3, "batch_examples": 4, "eval_every": "epoch", "threads": 1, "schedule": {"peak": 0.01}}
    return Recipe(name="t", task="classify", base=str(tiny), data={"train": "a.csv"}, train=settings)


def keeping(kept):
    """Return who keeps a Model at the end of each epoch."""

    def along(run):
        def see(progress):
            if progress.step in run.epoch_ends:
                kept[progress.step] = run.keep(progress)

        return see

    return along


def weights(model):
    return (model.path / "model" / "adapter_model.safetensors").read_bytes()


def test_each_epoch_leaves_a_model_that_loads(workspace, tiny):
    """Catches a model kept without its words, one that changes the run, two epochs under one id."""
    dataset, kept = make_dataset(workspace, CARDS[::2], CARDS[1::2]), {}
    plain = stage.train(recipe(tiny), dataset, workspace)
    elsewhere = type(workspace)(workspace.root.with_name("other"))
    same = make_dataset(elsewhere, CARDS[::2], CARDS[1::2])
    seen = stage.train(recipe(tiny), same, elsewhere, along=keeping(kept))
    assert sorted(kept) == [2, 4, 6] and len({one.id for one in kept.values()}) == 3
    assert seen.id == plain.id and weights(seen) == weights(plain)
    assert weights(kept[6]) != weights(kept[2])
    assert load_model(kept[2].path / "model").tokenizer is not None
    assert kept[2].manifest["config"]["kept_at_step"] == 2 and kept[2].result["steps"] == 2
    assert sorted(path.name for path in (kept[2].path / "model").iterdir()) == sorted(
        path.name for path in (seen.path / "model").iterdir()
    )


def test_a_kill_after_an_epoch_loses_no_model(workspace, tiny):
    """Catches an epoch whose model is never kept, because its checkpoint came first."""
    dataset, kept = make_dataset(workspace, CARDS[::2], CARDS[1::2]), {}
    stage.train(recipe(tiny), dataset, workspace, along=keeping(kept))
    elsewhere = type(workspace)(workspace.root.with_name("other"))
    same, again = make_dataset(elsewhere, CARDS[::2], CARDS[1::2]), {}

    def dies(run):
        def see(progress):
            if progress.step == 4:
                raise KeyboardInterrupt

        return see

    with pytest.raises(KeyboardInterrupt):
        stage.train(recipe(tiny), same, elsewhere, along=dies)
    killed_after(1, lambda: stage.train(recipe(tiny), same, elsewhere, along=keeping(again)))
    stage.train(recipe(tiny), same, elsewhere, along=keeping(again))
    assert {step: weights(one) for step, one in again.items()} == {step: weights(kept[step]) for step in (4, 6)}


def test_on_an_earlier_adapter_a_whole_model_is_made(workspace, tiny):
    """Catches an earlier adapter that is lost in the next model, or in what is kept on the way."""
    dataset, kept = make_dataset(workspace, CARDS[::2], CARDS[1::2]), {}
    first = stage.train(recipe(tiny), dataset, workspace)
    still = recipe(tiny).train.model_copy(update={"save": "merged", "schedule": Schedule(peak=1e-12)})
    second = stage.train(
        recipe(tiny).model_copy(update={"base": first.id, "train": still}), dataset, workspace, along=keeping(kept)
    )
    wanted = load_model(first.path / "model")
    merge_adapter(wanted)
    for model in (second, *kept.values()):
        found = dict(load_model(model.path / "model").model.named_parameters())
        for name, weight in wanted.model.named_parameters():
            torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-5)
    with pytest.raises(RecipeError, match="itself an adapter"):
        stage.train(recipe(tiny).model_copy(update={"base": first.id}), dataset, workspace)


def test_frozen_weights_are_kept_as_exact_as_they_came(workspace, tiny):
    """Catches a Model on the way whose frozen matrices are the rounded ones that training multiplies with."""
    dataset, kept = make_dataset(workspace, CARDS[::2], CARDS[1::2]), {}
    one = recipe(tiny)
    train = {**one.given()["train"], "method": "full", "freeze": {"layers": "0:1"}, "precision": "bfloat16"}
    train["schedule"] = {"peak": 1e-12}
    full = Recipe(**{**one.given(), "train": train})
    last = stage.train(full, dataset, workspace, along=keeping(kept))
    wanted = dict(load_model(str(tiny)).model.named_parameters())
    for model in (last, *kept.values()):
        for name, weight in load_model(model.path / "model").model.named_parameters():
            assert torch.allclose(weight, wanted[name], rtol=0, atol=1e-9), (model.id, name)
