"""An earlier adapter that goes on learning: from where it ended, as the same adapter, on the same base."""

from __future__ import annotations

import json

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from safetensors.torch import load_file

from killed import killed_after
from made import make_dataset
from tunesmith.core.errors import RecipeError
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.recipe.train import Lora
from tunesmith.train import stage

pytestmark = pytest.mark.slow

ADD = {"<|refund|>": "money back", "<|card|>": "a card"}
PAIRS = [(f"<|card|> {n} is lost", "<|card|>") for n in range(8)] + [(f"give {n} back", "<|refund|>") for n in range(8)]
STILL = {"schedule": {"peak": 1e-12}}


def recipe(base, *, lora=None, **train):
    settings = {"method": "lora", "epochs": 3, "batch_tokens": 4, "precision": "float32", "threads": 1}
    settings |= {
        "schedule": {"peak": 0.02},
        "regularise": {"dropout": 0},
        "lora": {"rank": 4, "alpha": 8.0, **(lora or {})},
    }
    return Recipe.model_validate(
        {"name": "made", "task": "classify", "base": str(base), "data": {"train": "x"}, "train": {**settings, **train}}
    )


def continued(base, *, lora=None, **train):
    return recipe(base, lora={"earlier": "continued", **(lora or {})}, **train)


@pytest.fixture
def dataset(workspace):
    return make_dataset(workspace, PAIRS[::2], PAIRS[1::2])


def weights(model):
    return load_file(model.path / "model" / "adapter_model.safetensors")


@pytest.mark.parametrize("method", ["lora", "dora"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_begins_where_it_ended(workspace, dataset, tiny, method, precision):
    """Would let through: a new adapter in place of the old, rows of tokens lost, a base that names the adapter."""
    first = stage.train(recipe(tiny, method=method, tokens={"add": ADD}), dataset, workspace)
    second = stage.train(continued(first.id, method=method, precision=precision, **STILL), dataset, workspace)
    before, after = weights(first), weights(second)
    assert before.keys() == after.keys()
    assert any("token_adapter" in name for name in before)
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, rtol=0, atol=1e-6)
    configs = [json.loads((one.path / "model" / "adapter_config.json").read_text()) for one in (first, second)]
    assert configs[0] == configs[1]
    if precision == "float32":
        assert second.manifest["result"]["best"]["value"] == pytest.approx(first.manifest["result"]["best"]["value"])
    ours, peft = load_model(second.path / "model"), AutoPeftModelForCausalLM.from_pretrained(second.path / "model")
    ids = torch.tensor([ours.tokenizer.encode("<|card|> 3 is <|refund|>")])
    with torch.no_grad():
        torch.testing.assert_close(ours.model(ids).logits, peft.eval()(ids).logits, rtol=1e-5, atol=1e-5)


def test_it_learns_on_and_killed_ends_in_the_same_bytes(tmp_path, workspace, dataset, tiny):
    """Would let through: an adapter that stays as it is, one that a resumed run begins anew, dropout left off."""
    first = stage.train(recipe(tiny, epochs=1, tokens={"add": ADD}), dataset, workspace)
    on = continued(first.id, lora={"dropout": 0.2})
    undisturbed = stage.train(on, dataset, workspace)
    assert undisturbed.manifest["result"]["best"]["value"] < first.manifest["result"]["best"]["value"]
    before, after = weights(first), weights(undisturbed)
    assert all(not torch.equal(before[name], after[name]) for name in before)
    without = stage.train(continued(first.id), dataset, workspace)
    assert any(not torch.equal(weights(without)[name], after[name]) for name in after)
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    stage.train(
        recipe(tiny, epochs=1, tokens={"add": ADD}), make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2]), elsewhere
    )
    same_dataset = elsewhere.find(dataset.id)
    for at in (1, 3):
        killed_after(at, lambda: stage.train(on, same_dataset, elsewhere))
    files = stage.train(on, same_dataset, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed.manifest["files"][name]} <= {"train.html"}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_saved_whole_it_is_what_the_adapter_makes_of_its_base(workspace, dataset, tiny, precision):
    """Would let through: frozen matrices as training rounds them, new rows twice or not at all."""
    first = stage.train(recipe(tiny, epochs=1, tokens={"add": ADD}), dataset, workspace)
    apart, whole = (
        stage.train(continued(first.id, save=save, precision=precision), dataset, workspace)
        for save in ("adapter", "merged")
    )
    beside, merged = (load_model(one.path / "model") for one in (apart, whole))
    ids = torch.tensor([beside.tokenizer.encode("<|card|> 3 is <|refund|>")])
    with torch.no_grad():
        torch.testing.assert_close(merged.model(ids).logits, beside.model(ids).logits, rtol=1e-4, atol=1e-4)


def test_what_it_cannot_go_on_as_is_refused_with_what_it_is(workspace, dataset, tiny):
    """Would let through: a rank in the recipe that the adapter does not have, settings that nothing looks at."""
    first = stage.train(recipe(tiny, epochs=1), dataset, workspace)
    with pytest.raises(RecipeError) as caught:
        stage.train(continued(first.id, method="dora", lora={"rank": 8, "alpha": 9.0}), dataset, workspace)
    assert all(one in str(caught.value) for one in ("method: lora", "rank: 4", "alpha: 8"))
    silent = continued(first.id).train.model_copy(update={"lora": Lora(earlier="continued")})
    second = stage.train(continued(first.id).model_copy(update={"train": silent}), dataset, workspace)
    assert weights(second).keys() == weights(first).keys()
    with pytest.raises(RecipeError, match="is no adapter"):
        stage.train(continued(tiny), dataset, workspace)
    with pytest.raises(RecipeError, match=r"lora\.targets is q_proj"):
        stage.train(continued(first.id, lora={"targets": ["q_proj"]}), dataset, workspace)
    for other in ({"method": "full"}, {"tokens": {"add": ADD}}, {"freeze": {"layers": "0:1"}}):
        with pytest.raises(ValueError, match="continued"):
            continued(first.id, **other)
