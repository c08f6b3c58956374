"""Regularisers do what their papers say, on every shortcut, and a killed run with them ends in the same bytes."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, kl_div

from killed import killed_after
from made import make_dataset
from switches import SWITCHES, VOCABULARY, models_of
from tunesmith.core.progress import steps
from tunesmith.models.dropout import set_dropout
from tunesmith.models.load import load_model
from tunesmith.models.shortcuts import ALL
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered
from tunesmith.train import loop, stage
from tunesmith.train.average import Average
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.loss import Terms, supervised_loss
from tunesmith.train.optimizer import build_optimizer, set_rate, trainable
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.pull import add_noise
from tunesmith.train.start import load_start

pytestmark = pytest.mark.slow

PAIRS = [(f"card {n} is lost", "card") for n in range(8)] + [(f"give {n} back", "refund") for n in range(8)]
SMOOTH = 0.2


def some_tokens(seed: int = 0) -> TokenSet:
    """Return four examples, two of which begin alike."""
    random = np.random.default_rng(seed)
    beginning = random.integers(0, VOCABULARY, 20).tolist()
    ids = [[*(beginning if n < 2 else []), *random.integers(0, VOCABULARY, 6 + 3 * n).tolist()] for n in range(4)]
    rendered = [Rendered(one, [False, *[i % 2 == 0 for i in range(len(one) - 1)]], 1, 0) for one in ids]
    return TokenSet(rendered, [1.0, 2.0, 0.5, 1.0])


def loss_and_gradients(model: Any, tokens: TokenSet, shortcuts: Any, terms: Terms) -> tuple[float, dict[str, Any]]:
    total = 0.0
    for batch in micro_batches(tokens, range(len(tokens)), shortcuts, 4096):
        loss = supervised_loss(model, batch, shortcuts, terms)
        loss.backward()
        total += float(loss.detach())
    gradients = {name: one.grad for name, one in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return total, gradients


def assert_near(got: tuple[float, dict[str, Any]], wanted: tuple[float, dict[str, Any]], where: str) -> None:
    assert got[0] == pytest.approx(wanted[0], rel=1e-5), where
    largest = max(float(one.abs().max()) for one in wanted[1].values())
    for name, gradient in wanted[1].items():
        assert float((got[1][name] - gradient).abs().max()) <= 1e-5 * largest, (where, name)


@pytest.mark.parametrize("family", ["llama", "llama-padded", "phi", "gpt2"])
def test_label_smoothing_is_torchs(family):
    """Would let through: smoothing that the chunked head forgets, or spreads without the right token."""
    plain, ours = models_of(family)
    tokens, total = some_tokens(), 0.0
    for one, weight in zip(tokens.rendered, tokens.weights, strict=True):
        ids, wanted = torch.tensor(one.ids), torch.tensor(one.targets)[1:]
        logits = plain(input_ids=ids[None], use_cache=False).logits[0, :-1]
        loss = weight * cross_entropy(logits[wanted], ids[1:][wanted], reduction="sum", label_smoothing=SMOOTH)
        loss.backward()
        total += float(loss.detach())
    gradients = {name: one.grad for name, one in plain.named_parameters()}
    plain.zero_grad(set_to_none=True)
    for switch, shortcuts in SWITCHES.items():
        got = loss_and_gradients(ours, tokens, shortcuts, Terms(label_smoothing=SMOOTH))
        assert_near(got, (total, gradients), switch)


def test_r_drop_is_the_mean_loss_and_the_divergence_of_two_draws():
    """Would let through: one draw used twice, a divergence of one direction, a weight off by two."""
    _, model = models_of("llama")
    model = deepcopy(model).train()
    undo = set_dropout(model, 0.3)
    [batch] = micro_batches(some_tokens(), range(4), SWITCHES["packed"], 4096)
    results = []
    for switch in ("all", "head", "packed"):
        torch.manual_seed(3)
        results.append(loss_and_gradients_of(model, supervised_loss(model, batch, SWITCHES[switch], Terms(r_drop=2.0))))
    torch.manual_seed(3)
    logs = [model_logits(model, batch).log_softmax(-1) for _ in range(2)]
    assert not torch.allclose(*logs)
    losses = sum(cross_entropy(log, batch.labels_N, reduction="none") for log in logs) / 2
    both = sum(kl_div(a, b, log_target=True, reduction="none").sum(-1) for a, b in (logs, logs[::-1])) / 2
    slow = loss_and_gradients_of(model, ((losses + 2.0 / 2 * both) * batch.weights_N).sum())
    for result in results[1:]:  # the last layer at fewer places draws other dropout
        assert_near(result, slow, "slow")
    undo()
    without = supervised_loss(model, batch, ALL, Terms(r_drop=2.0))
    torch.testing.assert_close(without, supervised_loss(model, batch, ALL))


@pytest.mark.parametrize("switch", ["head", "packed"])
@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_smoothed_labels_and_r_drop_are_both_in_the_loss(family, switch):
    """Would let through: two draws whose cross-entropy forgets the smoothing, or a divergence that is smoothed too."""
    model = deepcopy(models_of(family)[1]).double().train()
    set_dropout(model, 0.3)
    [batch] = micro_batches(some_tokens(), range(4), SWITCHES["packed"], 4096)
    torch.manual_seed(3)
    terms = Terms(label_smoothing=SMOOTH, r_drop=2.0)
    got = loss_and_gradients_of(model, supervised_loss(model, batch, SWITCHES[switch], terms))
    torch.manual_seed(3)
    draws, loss = [model_logits(model, batch).log_softmax(-1) for _ in range(2)], torch.zeros((), dtype=torch.float64)
    for at, (label, weight) in enumerate(zip(batch.labels_N, batch.weights_N, strict=True)):
        one, other = (log[at] for log in draws)
        wanted = torch.full_like(one, SMOOTH / len(one))
        wanted[label] += 1 - SMOOTH
        likelihood = -(wanted @ one + wanted @ other) / 2
        apart = (one.exp() @ (one - other) + other.exp() @ (other - one)) / 2
        loss = loss + weight * (likelihood + 2.0 / 2 * apart)
    assert_near(got, loss_and_gradients_of(model, loss), "slow")


def test_r_drop_compares_draws_of_an_adapters_dropout_alone(tiny, tmp_path):
    """Would let through: two equal passes at twice the time, where only LoRA's dropout is asked for."""
    recipe = full(tiny, method="lora", lora={"dropout": 0.3}, regularise={"r_drop": 1.0, "dropout": 0})
    run = prepare_run(recipe, load_model(str(tiny)), some_tokens(), TokenSet([], []), tmp_path)
    model = run.loaded.model.train()
    for name, weight in trainable(model).items():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    losses = []
    for weight in (1e-9, 100.0):
        torch.manual_seed(3)
        losses.append(loss_and_gradients(model, run.train, run.shortcuts, Terms(r_drop=weight))[0])
    assert losses[1] > 1.01 * losses[0]  # with equal passes both are the same


def model_logits(model: Any, batch: Any) -> torch.Tensor:
    from tunesmith.models.forward import call_on

    logits: torch.Tensor = call_on(model, batch.row).logits.flatten(0, 1)[batch.row.wanted_N]
    return logits


def loss_and_gradients_of(model: Any, loss: torch.Tensor) -> tuple[float, dict[str, Any]]:
    loss.backward()
    gradients = {name: one.grad for name, one in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    return float(loss.detach()), gradients


@pytest.mark.parametrize("switch", ["none", "packed", "all"])
def test_neftune_noise_goes_by_the_length_of_each_example(switch):
    """Would let through: noise by the length of the packed row, noise of padding, none, or noise in evaluation."""
    _, model = models_of("llama")
    model, width, alpha = deepcopy(model), 16, 5.0
    tokens, seen = some_tokens(), []
    embeddings = model.get_input_embeddings()
    for batch in micro_batches(tokens, range(4), SWITCHES[switch], 4096):
        clean = embeddings(batch.row.ids_BT).detach()
        layer = model.get_decoder().layers[0]
        handle = layer.register_forward_pre_hook(lambda _m, args, c=clean: seen.append(args[0].detach() - c))
        supervised_loss(model, batch, SWITCHES[switch], Terms(neftune=alpha))
        handle.remove()
        lengths, noise = batch.row.lengths_BT(), seen.pop()
        most = alpha / (lengths * width).sqrt()
        assert bool((noise.abs() <= most[..., None] + 1e-6).all())
        share = float((noise / most[..., None]).std())
        assert share == pytest.approx(1 / math.sqrt(3), rel=0.1)
        if switch == "none":
            assert {int(n) for n in lengths.unique()} <= {len(one.ids) for one in tokens.rendered}
        elif switch == "packed":
            assert lengths[0].tolist() == [n for one in tokens.rendered for n in [len(one.ids)] * len(one.ids)]
        elif batch.row.packing is not None and max(batch.row.packing.parents) == 0:
            assert lengths[0].tolist() == [27.5] * 20 + [26] * 6 + [29] * 9
    plain = supervised_loss(model, batch, SWITCHES[switch])
    torch.testing.assert_close(plain, supervised_loss(model, batch, SWITCHES[switch]))


def test_l2sp_pulls_every_weight_to_its_start(tiny):
    """Would let through: a pull through Adam's scaling, to zero, or to where a resumed run began."""
    paths, rate, strength = [], 0.01, 4.0
    for pull in (0.0, strength):
        model = load_model(str(tiny)).model
        start = torch.cat([one.detach().flatten() for one in model.parameters()])
        optimizer = build_optimizer(model, full(regularise={"l2sp": pull, "weight_decay": 0}).train)
        paths.append([torch.zeros_like(start)])
        for step in range(3):
            set_rate(optimizer, rate)
            for number, weight in enumerate(trainable(model).values()):
                wave = torch.sin(torch.arange(weight.numel(), dtype=torch.float32) + number + step)
                weight.grad = wave.view_as(weight)
            optimizer.step()
            paths[-1].append(torch.cat([one.detach().flatten() for one in model.parameters()]) - start)
    free, pulled = paths
    for step in range(3):  # Adam's own move is the same in both, for the gradients are
        wanted = (pulled[step] + free[step + 1] - free[step]) * (1 - rate * strength)
        torch.testing.assert_close(pulled[step + 1], wanted, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("kind", "value"), [("ema", 0.9), ("average", 0.4)])
def test_the_mean_is_that_of_the_steps(kind, value):
    """Would let through: a first step counted twice, a start that never fades, a mean of the wrong end."""
    weight = torch.nn.Parameter(torch.zeros(3))
    settings = full(regularise={kind: value}).train.regularise
    average = Average.of(settings, {"w": weight}, total_steps=20)
    values = [torch.tensor([1.0, -2.0, 0.5]) * step**1.5 for step in range(20)]
    wanted, decay = torch.zeros(3), 0.0
    for step, one in enumerate(values):
        weight.data.copy_(one)
        average.see(step)
        if kind == "ema":
            decay = min(value, (1 + step) / (10 + step))
            wanted = decay * wanted + (1 - decay) * one
    if kind == "average":
        wanted = torch.stack(values[12:]).mean(0)
    with average.in_place():
        torch.testing.assert_close(weight.data, wanted)
    torch.testing.assert_close(weight.data, values[-1])


@pytest.mark.parametrize(
    "train",
    [
        {"method": "lora"},
        {"method": "tokens", "tokens": {"add": {"<|a|>": "a"}}},
        {"method": "full", "freeze": {"unfreeze": "gradual", "pace": 2}},
        {"method": "lora", "tokens": {"add": {"<|a|>": "a"}}, "freeze": {"unfreeze": "gradual", "pace": 2}},
    ],
    ids=["lora", "tokens", "unfreezing", "all"],
)
def test_the_mean_is_of_all_that_ever_learns(train, tiny, tmp_path):
    """Would let through: a mean without adapters, without new rows, or of what was frozen when the run began."""
    recipe = full(tiny, regularise={"ema": 0.8}, schedule={"peak": 0.01}, eval_every=1, max_steps=8, epochs=20, **train)
    loaded = load_start(recipe, str(tiny))
    new = loaded.tokenizer.convert_tokens_to_ids("<|a|>") if "tokens" in train else 7
    tokens = TokenSet([replace(one, ids=[new, *one.ids[1:]]) for one in some_tokens().rendered], [1.0] * 4)
    run = prepare_run(recipe, loaded, tokens, tokens, tmp_path)
    means = [{name: weight.detach().double() for name, weight in run.learning.weights.items()}]
    lasts = []

    def watch(progress):
        keep = min(0.8, progress.step / (9 + progress.step))
        lasts.append({name: weight.detach().double() for name, weight in run.learning.weights.items()})
        means.append({name: keep * one + (1 - keep) * lasts[-1][name] for name, one in means[-1].items()})

    with steps("training", run.total_steps) as bar:
        progress = loop.fit(run, bar, [watch])
    assert progress.best.step > 4
    for name, weight in run.learning.weights.items():
        torch.testing.assert_close(weight.detach().double(), means[progress.best.step][name], atol=1e-6, rtol=1e-5)
        assert not torch.equal(weight.detach().double(), means[0][name]), name
        assert not torch.equal(weight.detach().double(), lasts[progress.best.step - 1][name]), name


def test_noise_has_its_share_of_the_gradients_norm_and_falls():
    """Would let through: noise that grows with the model, that is the same in every step, or never falls."""
    weights = [torch.nn.Parameter(torch.zeros(4000)), torch.nn.Parameter(torch.zeros(200, 30))]
    noises = []
    for step in (0, 0, 99):
        for weight in weights:
            weight.grad = torch.full_like(weight, 0.02)
        before = math.sqrt(sum(float(weight.grad.norm()) ** 2 for weight in weights))
        add_noise(weights, 0.5, step, seed=1)
        noises.append(torch.cat([weight.grad.flatten() - 0.02 for weight in weights]))
        assert float(noises[-1].norm()) == pytest.approx(0.5 * before * (1 + step) ** -0.275, rel=0.03)
    assert torch.equal(noises[0], noises[1])
    assert abs(float(torch.nn.functional.cosine_similarity(noises[0], noises[2], dim=0))) < 0.05


def test_what_is_held_takes_no_share_of_the_noise():
    """Would let through: weights that learn with a tenth of the noise, because most of the embeddings are held."""
    weight = torch.nn.Parameter(torch.zeros(10_000))
    weight.grad = torch.cat([torch.full((1000,), 0.02), torch.zeros(9000)])
    before = float(weight.grad.norm())
    add_noise([weight], 0.5, 0, seed=1, held=9000)
    assert float((weight.grad[:1000] - 0.02).norm()) == pytest.approx(0.5 * before, rel=0.05)


def full(base: Any = "nano", **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 3, "batch_tokens": 16, "precision": "float32", "threads": 1}
    return Recipe.model_validate(
        {"name": "made", "task": "classify", "base": str(base), "data": {"train": "x"}, "train": {**settings, **train}}
    )


@pytest.mark.parametrize(
    "regularise",
    [{"ema": 0.9}, {"average": 0.5}, {"l2sp": 0.5}, {"gradient_noise": 0.3}, {"neftune": 5.0}, {"r_drop": 1.0, "dropout": 0.1}],
    ids=lambda one: next(iter(one)),
)  # fmt: skip
def test_a_killed_run_ends_in_the_same_bytes(regularise, tiny, workspace, tmp_path):
    """Would let through: a mean or a start that a resumed run begins anew, noise drawn from the state of a generator."""
    recipe = full(tiny, regularise=regularise, eval_every=2)
    plain = stage.train(full(tiny, eval_every=2), make_dataset(workspace, PAIRS[::2], PAIRS[1::2]), workspace)
    undisturbed = stage.train(recipe, make_dataset(workspace, PAIRS[::2], PAIRS[1::2]), workspace).manifest["files"]
    assert undisturbed["model/model.safetensors"] != plain.manifest["files"]["model/model.safetensors"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    dataset = make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2])
    killed_after(2, lambda: stage.train(recipe, dataset, elsewhere))
    files = stage.train(recipe, dataset, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}


def test_a_killed_mean_of_adapters_rows_and_thawing_layers_ends_in_the_same_bytes(tiny, workspace, tmp_path):
    """Would let through: a mean that a resumed run takes over for what learnt at the kill alone."""
    train = {"method": "lora", "tokens": {"add": {"card": "a card"}}, "freeze": {"unfreeze": "gradual", "pace": 3}}
    recipe = full(tiny, regularise={"ema": 0.8}, eval_every=2, **train)
    undisturbed = stage.train(recipe, make_dataset(workspace, PAIRS[::2], PAIRS[1::2]), workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    dataset = make_dataset(elsewhere, PAIRS[::2], PAIRS[1::2])
    killed_after(2, lambda: stage.train(recipe, dataset, elsewhere))
    files = stage.train(recipe, dataset, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}


def test_without_validation_the_mean_is_what_is_saved(tiny, tmp_path):
    """Would let through: a mean that is only looked at in validations."""
    finals = []
    for regularise in ({}, {"average": 0.99}):
        recipe = full(tiny, regularise=regularise, schedule={"peak": 0.01})
        loaded = load_model(str(tiny))
        tokens = some_tokens()
        tokens = TokenSet(
            [Rendered([i % 200 for i in one.ids], one.targets, 1, 0) for one in tokens.rendered], tokens.weights
        )
        run = prepare_run(recipe, loaded, tokens, TokenSet([], []), tmp_path / str(len(regularise)))
        with steps("training", run.total_steps) as bar:
            loop.fit(run, bar)
        finals.append(torch.cat([one.detach().flatten() for one in loaded.model.parameters()]))
    start = torch.cat([one.detach().flatten() for one in load_model(str(tiny)).model.parameters()])
    assert float((finals[1] - start).norm()) < 0.9 * float((finals[0] - start).norm())
