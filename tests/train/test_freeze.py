"""What is frozen stays, bit for bit, and costs no backward pass; what is unfrozen later learns from its step on."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from families import FAMILIES, ODD, family_config
from tiny import tiny_base
from tunesmith.core.errors import RecipeError
from tunesmith.models.dropout import set_dropout, train_from
from tunesmith.models.layers import EMBEDDINGS, decoder_layers, depths
from tunesmith.recipe import Freeze, Recipe
from tunesmith.train import loop, stage
from tunesmith.train.freeze import Learning, first_steps, freeze, refuse_thaw_at_once
from tunesmith.train.plan import estimate

pytestmark = pytest.mark.slow

LAYERS = 4
IDS = torch.arange(1, 13).reshape(1, 12)


def recipe(base, **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 2, "batch_tokens": 12, "precision": "float32", "threads": 1}
    settings["schedule"] = {"peak": 0.02, "shape": "constant", "warmup": 0}
    return Recipe(name="made", task="classify", base=str(base), data={"train": "x"}, train={**settings, **train})


def changed(model, base) -> dict[str, bool]:
    """Return for each weight of the base whether the Model has other bits."""
    before, after = load_file(base / "model.safetensors"), load_file(model.path / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    return {name: not torch.equal(before[name], after[name]) for name in before}


# --- which steps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"layers": "0:2"}, {2: 0, 3: 0, 4: 0}),
        ({"layers": "1:3"}, {EMBEDDINGS: 0, 0: 0, 3: 0, 4: 0}),
        ({"layers": ":-1"}, {3: 0, 4: 0}),
        ({"unfreeze": "gradual", "pace": 3}, {4: 0, 3: 0, 2: 3, 1: 6, 0: 9, EMBEDDINGS: 12}),
        ({"unfreeze": "gradual", "pace": 0.25}, {4: 0, 3: 0, 2: 5, 1: 10, 0: 15}),
        ({"unfreeze": "gradual", "pace": "0.5 epochs"}, {4: 0, 3: 0, 2: 4, 1: 8, 0: 14}),
        ({"unfreeze": "gradual"}, {4: 0, 3: 0, 2: 2, 1: 5, 0: 8, EMBEDDINGS: 10}),
        ({"layers": "0:3", "unfreeze": {0.5: "1:3"}}, {4: 0, 3: 0, 2: 10, 1: 10}),
    ],
)  # fmt: skip
def test_each_depth_learns_from_its_step(settings, expected):
    """Catches embeddings left out, an order from the bottom, a pace in the wrong unit, a thaw after the last step."""
    assert first_steps(Freeze(**settings), LAYERS, [8, 12]) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": "0:9"}, r"train\.freeze\.layers: '0:9' is no range .* has 4"),
        ({"layers": "3:3"}, "no range of layers"),
        ({"layers": "-7:2"}, "no range of layers"),
        ({"layers": "0:2", "unfreeze": {0.5: "1:3"}}, r"unfreeze: '1:3' at 0\.5: layer 2 is not frozen"),
        ({"layers": "1:3", "unfreeze": {0.5: "1:3", 0.7: "2:3"}}, r"'2:3' at 0\.7: layer 2 is unfrozen twice"),
    ],
)
def test_ranges_that_fit_no_layer_are_refused(settings, message):
    """Catches Python's slices, which cut what lies outside to what there is, silently."""
    with pytest.raises(RecipeError, match=message):
        first_steps(Freeze(**settings), LAYERS, [8, 12])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"unfreeze": "gradual", "pace": 0.04}, r"pace: 0\.04 is 0\.8 of a step in a run of 20"),
        ({"unfreeze": "gradual", "pace": "0.1 epochs"}, r"pace: 0\.1 epochs is 0\.8 of a step"),
        (
            {"layers": "0:3", "unfreeze": {0.02: "0:1", 0.5: "1:3"}},
            "'0:1' at 0.02 of 20 steps learn from the first step",
        ),
        ({"layers": "0:3", "unfreeze": {0.5: "1:3", 0.98: "0:1"}}, "'0:1' at 0.98 of 20 steps never learn"),
    ],
)
def test_unfreezing_finer_than_a_step_is_refused(settings, message):
    """Catches layers that are frozen in name alone, and one part of several that never learns."""
    with pytest.raises(RecipeError, match=message):
        refuse_thaw_at_once(Freeze(**settings), [8, 12])
    for one in ({"unfreeze": "gradual", "pace": 0.05}, {"layers": "0:3", "unfreeze": {0.05: "0:1", 0.95: "1:3"}}):
        refuse_thaw_at_once(Freeze(**one), [8, 12])


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"freeze": {"patterns": ["layers.1.mlpp"]}}, r"'layers\.1\.mlpp' matches none .*\n.*\n.*layers\.1\.mlp"),
        ({"freeze": {"patterns": ["[9-0]"]}}, "is no pattern"),
        ({"freeze": {"layers": ":", "patterns": ["norm"]}}, "nothing is left to learn"),
        ({"freeze": {"layers": ":", "patterns": ["norm"], "unfreeze": "gradual"}}, "nothing .* in the first step"),
        ({"method": "lora", "freeze": {"layers": ":"}}, "freeze less"),
        ({"freeze": {"layers": ":2"}, "tokens": {"add": {"<a>": "b"}}}, "rows of train.tokens would learn nothing"),
        (
            {"freeze": {"patterns": ["embed_tokens"]}, "tokens": {"add": {"<a>": "b"}}},
            "rows of train.tokens would learn nothing",
        ),
        ({"freeze": {"layers": "0:1", "rows": ":9"}}, r"freeze\.rows says .* the embeddings are frozen"),
        ({"freeze": {"rows": ":"}}, "leaves none to learn"),
        ({"freeze": {"rows": "9:9"}}, r"is no range of them\n.*\n.*freeze\.rows: ':131'"),
        ({"freeze": {"rows": ":900000"}}, "of the base's 263 tokens is no range of them"),
        ({"schedule": {"rates": {"lora_B": 2}}}, r"train\.schedule\.rates: 'lora_B' matches none"),
    ],
)
def test_what_fits_no_weight_is_refused_by_plan(workspace, dataset, base, train, message):
    """Catches a pattern that is ignored, a backward pass without a graph, and PEFT's own words for it."""
    with pytest.raises(RecipeError, match=message):
        estimate(recipe(base, **train), dataset, workspace)


# --- what stays and what learns --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [*FAMILIES, *ODD])
def test_the_graph_begins_at_the_first_layer_that_learns(family):
    """Catches weights beside the embeddings (positions, a norm before layer 0) that keep the whole graph alive."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family, LAYERS))
    starts = first_steps(Freeze(layers="0:2"), LAYERS, [10])
    freeze(model, Freeze(layers="0:2"), starts)
    learning = Learning.of(model, starts)
    assert learning.frozen_layers == learning.lowest(0) == 2
    seen: dict[int, bool] = {}
    for at, layer in enumerate(decoder_layers(model)):
        layer.register_forward_pre_hook(lambda _m, args, at=at: seen.update({at: args[0].requires_grad}))
    learning.begin(0)
    train_from(model, learning.lowest(0))
    model(input_ids=IDS, use_cache=False).logits.sum().backward()
    assert seen == {0: False, 1: False, 2: False, 3: True}
    without = {name for name, weight in model.named_parameters() if weight.grad is None}
    assert without == {name for name, depth in depths(model).items() if depth < 2}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_frozen_weights_keep_their_bits_in_the_model(workspace, dataset, base, precision):
    """Catches weight decay on frozen weights, and weights that were halved in memory being written as such."""
    settings = {"layers": "0:2", "patterns": ["layers.3.mlp"]}
    moved = changed(stage.train(recipe(base, freeze=settings, precision=precision), dataset, workspace), base)
    frozen = ("embed_tokens", "layers.0.", "layers.1.", "layers.3.mlp")
    assert {name for name, other in moved.items() if not other} == {
        name for name in moved if any(one in name for one in frozen)
    }


def test_rows_are_counted_in_the_base_s_tokens(workspace, dataset, tmp_path):
    """Catches a slice from the end that begins in rows of no token, or among those of added ones."""
    base = tiny_base(tmp_path, num_hidden_layers=4, vocab_size=280)
    train = {"freeze": {"rows": ":-8"}, "tokens": {"add": {"card": "money"}}, "regularise": {"weight_decay": 0.5}}
    model = stage.train(recipe(base, **train), dataset, workspace)
    before, after = (load_file(path / "model.safetensors") for path in (base, model.path / "model"))
    [name] = [name for name in before if "embed_tokens" in name]
    same = (after[name] == before[name]).all(-1)
    assert [at for at, held in enumerate(same) if not held] == [*range(255, 264)]


@pytest.mark.parametrize("tied", [True, False])
def test_held_rows_keep_their_bits_and_the_others_learn(workspace, dataset, tmp_path, tied):
    """Catches decay, noise, a mean or a moment that moves a row without a gradient; a head whose rows are forgotten; new
    tokens that are held with the rest.
    """
    base = tiny_base(tmp_path, num_hidden_layers=4, tie_word_embeddings=tied)
    regularise = {"weight_decay": 0.5, "gradient_noise": 0.1, "ema": 0.5}
    train = {"freeze": {"rows": "10:"}, "tokens": {"add": {"card": "money"}}, "regularise": regularise}
    planned = estimate(recipe(base, **train), dataset, workspace)
    model = stage.train(recipe(base, **train), dataset, workspace)
    before, after = load_file(base / "model.safetensors"), load_file(model.path / "model" / "model.safetensors")
    ends = ["model.embed_tokens.weight"] + ["lm_head.weight"] * (not tied)
    for name in ends:
        count = len(before[name])
        same = (after[name][:count] == before[name]).all(-1)
        assert same[10:].all() and not same[:10].any(), name
        assert len(after[name]) == count + 1
    assert not any(torch.equal(before[name], after[name]) for name in before if name not in ends)
    held = sum(before[name][10:].numel() for name in ends)
    assert planned["weights"]["learning"] == sum(map(torch.numel, after.values())) - held


def test_held_rows_count_in_no_norm(workspace, dataset, base):
    """Catches gradients that are dropped after the clip: what is held would make the steps of the others short."""

    def first_norm(**freeze: Any) -> float:
        model = stage.train(recipe(base, max_steps=1, freeze=freeze), dataset, workspace)
        return float(json.loads((model.path / "metrics.jsonl").read_text().splitlines()[0])["grad_norm"])

    all_but_one, none = first_norm(rows=":-1"), first_norm(patterns=["embed_tokens"])
    assert all_but_one == pytest.approx(none, rel=0.02) and all_but_one > none
    assert first_norm(rows=":1") > 1.1 * none


def test_adapters_lie_only_beside_what_is_not_frozen(workspace, dataset, base):
    """Catches adapters in frozen layers: they would train, or be written and cost time for nothing."""
    train = {"method": "lora", "freeze": {"layers": "0:2", "patterns": ["layers.3.self_attn"]}}
    model = stage.train(recipe(base, **train), dataset, workspace)
    names = set(load_file(model.path / "model" / "adapter_model.safetensors"))
    places = {".".join(name.split(".")[4:6]) for name in names}
    assert places == {"2.self_attn", "2.mlp", "3.mlp"}
    config = json.loads((model.path / "model" / "adapter_config.json").read_text())
    for names in ("target_modules", "exclude_modules"):  # each process would write a set in an order of its own
        assert config[names] == sorted(config[names])


def test_each_layer_moves_by_its_own_rate(workspace, dataset, base):
    """Catches a rate that the optimiser's groups do not get: Adam's first step is the rate itself, in every number."""
    schedule = {"peak": 0.01, "shape": "constant", "warmup": 0, "layer_decay": 0.5, "rates": {"layers.1.mlp": 4.0}}
    train = {"schedule": schedule, "max_steps": 1, "regularise": {"weight_decay": 0, "dropout": 0}}
    model = stage.train(recipe(base, **train), dataset, workspace)
    before, after = load_file(base / "model.safetensors"), load_file(model.path / "model" / "model.safetensors")

    def moved(ending: str) -> float:
        [name] = [name for name in before if name.endswith(ending)]
        return float((after[name] - before[name]).abs().max()) / 0.01

    expected = {"model.norm.weight": 1, "3.mlp.up_proj.weight": 1, "2.mlp.up_proj.weight": 0.5,
                "1.self_attn.q_proj.weight": 0.25, "1.mlp.up_proj.weight": 1, "0.mlp.up_proj.weight": 0.125,
                "embed_tokens.weight": 0.0625}  # fmt: skip
    assert {ending: moved(ending) for ending in expected} == pytest.approx(expected, rel=1e-2)


def test_layers_unfrozen_on_the_way_move_from_their_step_on(workspace, dataset, base, monkeypatch):
    """Catches layers that thaw too early or late, the embeddings under a tied head, moments of frozen weights."""
    settings = {"layers": "0:3", "unfreeze": {0.5: "1:3"}}
    moved: list[set[int]] = []
    real = loop.update

    def watched(run, optimizer, step, rows, progress):
        before = {name: weight.detach().clone() for name, weight in run.loaded.model.named_parameters()}
        real(run, optimizer, step, rows, progress)
        after, depth = dict(run.loaded.model.named_parameters()), depths(run.loaded.model)
        moved.append({depth[name] for name in before if not torch.equal(before[name], after[name])})
        held = {depth[name] for name, weight in after.items() if optimizer.state[weight]}
        assert held == set.union(*moved)

    monkeypatch.setattr(loop, "update", watched)
    stage.train(recipe(base, freeze=settings), dataset, workspace)
    half = len(moved) // 2
    assert moved == [{3, 4}] * half + [{1, 2, 3, 4}] * (len(moved) - half)


@pytest.mark.parametrize("tied", [True, False])
def test_new_tokens_learn_from_the_start_at_the_whole_rate(workspace, dataset, tmp_path, monkeypatch, tied):
    """Catches rows without a meaning that wait for the embeddings to thaw, or crawl at the rate of the lowest layer."""
    base = tiny_base(tmp_path, num_hidden_layers=4, tie_word_embeddings=tied)
    schedule = {"peak": 0.01, "shape": "constant", "warmup": 0, "layer_decay": 0.5}
    train = {"method": "lora", "tokens": {"add": {"card": "money"}}, "schedule": schedule, "epochs": 20}
    train |= {"freeze": {"unfreeze": "gradual", "pace": 4}, "regularise": {"weight_decay": 0}, "max_steps": 24}
    moved: list[dict[str, float]] = []
    real = loop.update

    def watched(run, optimizer, step, rows, progress):
        before = {name: weight.detach().clone() for name, weight in run.learning.weights.items()}
        real(run, optimizer, step, rows, progress)
        far = {name: float((one.detach() - before[name]).abs().max()) for name, one in run.learning.weights.items()}
        moved.append({name: one for name, one in far.items() if one})

    planned = estimate(recipe(base, **train), dataset, workspace)
    monkeypatch.setattr(loop, "update", watched)
    stage.train(recipe(base, **train), dataset, workspace)
    rows = [name for name in moved[0] if "token_adapter" in name]
    assert len(rows) == (1 if tied else 2)
    assert [moved[0][name] for name in rows] == pytest.approx([0.01] * len(rows), rel=1e-3)
    assert all("layers.3." in name for name in moved[0].keys() - set(rows))
    assert planned["rates"][0] == ("new tokens", 1.0, 1.0)
    assert "embeddings" not in planned["unfreezing"] and "layer 2 from step 4" in planned["unfreezing"]


def test_plan_tells_what_learns_and_at_which_rate(workspace, dataset, base):
    """Catches a plan that counts frozen weights, or is silent about what learns later."""
    train = {"freeze": {"layers": "0:3", "unfreeze": {0.5: "1:3"}}, "schedule": {"layer_decay": 0.5}}
    planned = estimate(recipe(base, **train), dataset, workspace)
    per_layer = sum(w.numel() for n, w in load_file(base / "model.safetensors").items() if ".layers.0." in n)
    assert planned["weights"]["learning"] == 3 * per_layer + 32
    assert planned["weights"]["from_the_start"] == per_layer + 32
    assert planned["unfreezing"] == f"layers 1 to 2 from step {planned['steps'] // 2}"
    assert [rate[:2] for rate in planned["rates"]] == [("layer 1", 0.25), ("layer 2", 0.5), ("layer 3", 1), ("head", 1)]


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "bloom"])
def test_nothing_is_dropped_below_the_first_layer_that_learns(family):
    """Catches dropout in frozen layers or on their embeddings, which would make their output differ between epochs."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family, LAYERS))
    set_dropout(model, 0.3)
    outputs: dict[int, list[torch.Tensor]] = {1: [], 2: []}
    for at, kept in outputs.items():
        decoder_layers(model)[at].register_forward_pre_hook(lambda _m, args, kept=kept: kept.append(args[0]))
    for depth in (2, 1):
        train_from(model, depth)
        for seed in (1, 2):
            torch.manual_seed(seed)
            model(input_ids=IDS, use_cache=False)
    assert torch.equal(outputs[2][0], outputs[2][1])
    assert torch.equal(outputs[1][2], outputs[1][3]) and not torch.equal(outputs[2][2], outputs[2][3])
