"""Adapters learnt beside a base in four bits: what is quantised, what is written, and the same bytes after a kill."""

from __future__ import annotations

import json
import math

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from families import family_base
from killed import killed_after
from made import CARDS, make_dataset, make_preferences
from tiny import tiny_base, tiny_config
from tunesmith.models.load import load_model
from tunesmith.models.quantised import BITS, QuantisedLinear, num_weights, quantise, weight_bytes, whole_bytes
from tunesmith.recipe import Recipe
from tunesmith.train import loop, stage

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def recipe(base, method="qlora", **train):
    settings = {"epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1, "schedule": {"peak": 0.02}}
    task = "preference" if train.get("objective") == "dpo" else "classify"
    return Recipe(
        name="four", task=task, base=str(base), data={"train": "x"}, train={**settings, "method": method, **train}
    )


def logits_of(model):
    with torch.no_grad():
        return model(torch.arange(7, 40)[None]).logits


def rows_of(model):
    return [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]


def test_layers_lie_in_four_bits_and_the_rest_as_it_was():
    """Would let through: a head in four bits, a tie that is cut, weights or bytes that are miscounted."""
    model = AutoModelForCausalLM.from_config(tiny_config(hidden_size=256, intermediate_size=512))
    count, size = num_weights(model), weight_bytes(model)
    inside = sum(one.numel() for one in model.model.layers.parameters() if one.ndim == 2)
    quantise(model, CPU)
    assert type(model.lm_head) is torch.nn.Linear and model.lm_head.weight is model.model.embed_tokens.weight
    kinds = {type(one) for one in model.model.layers.modules() if isinstance(one, torch.nn.Linear)}
    assert kinds == {QuantisedLinear}
    assert num_weights(model) == count and whole_bytes(model) == size
    assert weight_bytes(model) == pytest.approx(size - inside * (4 - BITS / 8), rel=0.04)  # each has tables of its own


def test_a_look_between_two_steps_changes_no_gradient():
    """Would let through: four bits repacked for answering where the processor can, and no gradient ever after."""
    torch.manual_seed(0)
    layer = QuantisedLinear(torch.randn(256, 256), torch.randn(256), CPU)
    bits, inputs = layer.weight.data.clone(), torch.randn(5, 256, requires_grad=True)

    def gradient():
        return torch.autograd.grad(layer.train()(inputs).square().sum(), inputs)[0]

    before = gradient()
    with torch.no_grad():
        answered = layer.eval()(inputs.detach())
    assert torch.equal(answered, layer(inputs).detach())
    assert torch.equal(gradient(), before) and torch.equal(layer.weight.data, bits)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_adapter_is_one_for_the_whole_base(tmp_path, workspace, dataset, family):
    """Would let through: files that PEFT reads otherwise, or that say the base lies as its four bits do."""
    base = family_base(tmp_path, family)
    folder = stage.train(recipe(base, max_steps=3), dataset, workspace).path / "model"
    beside = stage.train(recipe(base, "lora", max_steps=3), dataset, workspace).path / "model"
    config, expected = (json.loads((one / "adapter_config.json").read_text()) for one in (folder, beside))
    assert config == expected
    assert (
        load_file(folder / "adapter_model.safetensors").keys() == load_file(beside / "adapter_model.safetensors").keys()
    )
    theirs = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder)
    assert torch.equal(logits_of(theirs), logits_of(load_model(folder, device="cpu").model))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["llama-untied", "gpt2"])
def test_merged_weights_are_those_of_the_whole_base_and_the_adapter(tmp_path, workspace, dataset, family, precision):
    """Would let through: a base rounded to four or sixteen bits in the merged model, a delta the wrong way round."""
    base = family_base(tmp_path, family)
    settings = {
        "max_steps": 3,
        "precision": precision,
        "lora": {"targets": ["c_proj" if family == "gpt2" else "up_proj"]},
    }
    adapter = stage.train(recipe(base, **settings), dataset, workspace).path / "model"
    merged = stage.train(recipe(base, save="merged", **settings), dataset, workspace).path / "model"
    whole, plain = (AutoModelForCausalLM.from_pretrained(one, dtype=torch.float32) for one in (merged, base))
    wanted = logits_of(load_model(adapter, device="cpu").model)
    torch.testing.assert_close(logits_of(whole), wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits_of(plain), wanted, atol=1e-3)
    same = {name: torch.equal(one, whole.get_parameter(name)) for name, one in plain.named_parameters()}
    assert {name for name, equal in same.items() if not equal} == {
        name for name in same if name.endswith(f"{settings['lora']['targets'][0]}.weight")
    }


@pytest.mark.parametrize(
    "train",
    [
        {"precision": "float32"},
        {"precision": "bfloat16", "save": "merged"},
        {"tokens": {"add": {"<|refund|>": "money back"}}, "freeze": {"layers": "0:2"}},
    ],
    ids=["float32", "merged", "tokens and frozen layers"],
)
def test_killed_it_ends_in_the_same_bytes(tmp_path, workspace, base, dataset, train, monkeypatch):
    """Would let through: another quantisation after a kill, or adapters that go on from the start."""
    config = recipe(base, eval_every=2, **train)
    undisturbed = stage.train(config, dataset, workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same = make_dataset(elsewhere, CARDS[::2], CARDS[1::2])
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
    killed_after(3, lambda: stage.train(config, same, elsewhere))
    files = stage.train(config, same, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}


def test_states_of_frozen_quantised_layers_are_those_that_the_layers_give(tmp_path, workspace, base, dataset):
    """Would let through: states of the base as it was before it was quantised."""
    settings = {"freeze": {"layers": "0:2"}, "regularise": {"dropout": 0}}
    kept = stage.train(recipe(base, **settings), dataset, workspace)
    again = stage.train(recipe(base, shortcuts={"frozen_cache": False}, **settings), dataset, workspace)
    for one, other in zip(rows_of(kept), rows_of(again), strict=True):
        assert other == pytest.approx(one, rel=1e-3, abs=1e-5)
    [trained] = {tuple(one) for one in [load_file(kept.path / "model" / "adapter_model.safetensors")]}
    assert not any(".layers.0." in name or ".layers.1." in name for name in trained)


def test_preferences_are_compared_with_the_base_in_four_bits(workspace, base):
    """Would let through: a reference in full precision, from which the model differs before it has learnt anything."""
    triples = [(f"my card {n} is lost", "we block it", "no") for n in range(8)]
    dataset = make_preferences(workspace, triples, triples[:2])
    model = stage.train(recipe(base, objective="dpo", regularise={"dropout": 0}, max_steps=3), dataset, workspace)
    assert rows_of(model)[0]["loss"] == pytest.approx(math.log(2), rel=1e-5)


def test_training_goes_on_from_a_merged_model(tmp_path, workspace, dataset):
    """Would let through: a merged Model that is no base for the next round."""
    first = stage.train(recipe(tiny_base(tmp_path), save="merged", max_steps=3), dataset, workspace)
    second = stage.train(recipe(first.id, max_steps=3), dataset, workspace)
    assert not torch.equal(*(logits_of(load_model(one.path / "model", device="cpu").model) for one in (first, second)))
