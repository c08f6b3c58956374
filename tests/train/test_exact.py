"""Every shortcut gives the loss and the gradients of plain `transformers` on the same examples."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from bitsandbytes.nn import Linear4bit
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from families import FAMILIES, ODD, family_base, family_config
from switches import FOUND, SWITCHES, TRACING, VOCABULARY, models_of
from tunesmith.models.compiled import compile_layers
from tunesmith.models.head import compile_head, head_loss
from tunesmith.models.load import LoadedModel, load_model
from tunesmith.models.precision import compute_in
from tunesmith.models.score import nll
from tunesmith.models.shortcuts import ALL, Shortcuts, exact_shortcuts
from tunesmith.recipe import Recipe, Regularise
from tunesmith.text.chat import Rendered
from tunesmith.train import adapters
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.frozen_cache import keep
from tunesmith.train.loss import Supervised, supervised_loss
from tunesmith.train.prepare_run import prepare_run

pytestmark = pytest.mark.slow

ROW_TOKENS = 160


@st.composite
def examples(draw: st.DrawFn) -> TokenSet:
    """Return examples of 2 to 90 tokens, some beginning alike, with targets anywhere; windows here are 16."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    beginning = random.integers(0, VOCABULARY, draw(st.integers(16, 70)))
    rendered = []
    for own, alike in draw(st.lists(st.tuples(st.integers(2, 20), st.booleans()), min_size=1, max_size=5)):
        ids = np.concatenate([beginning if alike else [], random.integers(0, VOCABULARY, own)]).astype(int).tolist()
        targets = [*(random.random(len(ids) - 1) < draw(st.sampled_from([0.1, 0.5, 1.0]))), True]
        rendered.append(Rendered(ids, targets, turns=1, untrained_turns=0))
    return TokenSet(rendered, random.choice([0.5, 1.0, 2.0], len(rendered)).tolist())


@st.composite
def weighed(draw: st.DrawFn) -> TokenSet:
    """Return examples whose targets have weights of their turns, and whose other tokens the weight of prompts."""
    tokens = draw(examples())
    prompt = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rendered = []
    for one in tokens.rendered:
        turns = random.choice([0.25, 1.0], len(one.ids))
        weights = [float(turn) if target else prompt for turn, target in zip(turns, one.targets, strict=True)]
        rendered.append(replace(one, weights=weights))
    return replace(tokens, rendered=rendered)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    """Return the gradients by name and forget them."""
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def plain(model: Any, tokens: TokenSet) -> tuple[float, dict[str, torch.Tensor]]:
    """Return loss and gradients as anyone would compute them: one example at a time, all logits."""
    total = 0.0
    for one, weight in zip(tokens.rendered, tokens.weights, strict=False):
        ids = torch.tensor(one.ids)
        logits = model(input_ids=ids[None], use_cache=False).logits[0]
        wanted = torch.tensor(one.targets)[1:]
        loss = weight * torch.nn.functional.cross_entropy(logits[:-1][wanted], ids[1:][wanted], reduction="sum")
        loss.backward()
        total += float(loss.detach())
    return total, gradients(model)


def plain_weighed(model: Any, tokens: TokenSet, smoothing: float) -> tuple[float, dict[str, torch.Tensor]]:
    """Return the weighted mean over all tokens and its gradients, by plain `transformers`."""
    losses, whole = [], 0.0
    for one, weight in zip(tokens.rendered, tokens.weights, strict=True):
        ids, weights = torch.tensor(one.ids), weight * torch.tensor(one.weights)[1:]
        logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
        nats = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none", label_smoothing=smoothing)
        losses.append((nats * weights).sum())
        whole += float(weights.sum())
    loss = torch.stack(losses).sum() / whole
    loss.backward()
    return float(loss.detach()), gradients(model)


def ours(model: Any, tokens: TokenSet, shortcuts: Shortcuts) -> tuple[float, dict[str, torch.Tensor]]:
    """Return loss and gradients of the training engine."""
    total = 0.0
    for batch in micro_batches(tokens, range(len(tokens)), shortcuts, ROW_TOKENS):
        loss = supervised_loss(model, batch, shortcuts)
        loss.backward()
        total += float(loss.detach())
    return total, gradients(model)


def assert_exact(family: str, tokens: TokenSet, switches: dict[str, Shortcuts]) -> None:
    """Compare loss and gradients under some switches with those of plain `transformers`."""
    one, other = models_of(family)
    loss, wanted = plain(one, tokens)
    for switch, shortcuts in switches.items():
        assert_same(ours(other, tokens, shortcuts), (loss, wanted), switch)


def assert_same(
    got: tuple[float, dict[str, torch.Tensor]], wanted: tuple[float, dict[str, torch.Tensor]], switch: str
) -> None:
    """Compare two losses and their gradients, the latter as shares of the largest."""
    assert got[0] == pytest.approx(wanted[0], rel=1e-5), switch
    assert got[1].keys() == wanted[1].keys(), switch
    largest = max(float(gradient.abs().max()) for gradient in wanted[1].values())
    for name, gradient in wanted[1].items():
        assert float((got[1][name] - gradient).abs().max()) <= 1e-5 * largest, (switch, name)


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=8, deadline=None)
@given(tokens=examples())
def test_a_shortcut_changes_neither_loss_nor_gradients(family: str, tokens: TokenSet) -> None:
    """Lets through: attention across examples, a target lost or counted twice, a beginning's gradient not summed."""
    assert_exact(family, tokens, SWITCHES)


@pytest.mark.parametrize("family", ["qwen3", "gemma2"])
@settings(max_examples=8, deadline=None)
@given(tokens=weighed(), smoothing=st.sampled_from([0.0, 0.2]), row_tokens=st.sampled_from([60, 160, 1000]))
def test_weights_of_tokens_are_those_of_a_plain_weighted_mean(
    family: str, tokens: TokenSet, smoothing: float, row_tokens: int
) -> None:
    """Lets through: a prompt read once for several examples that counts once, a divisor of targets alone or of each
    micro-batch, a weight of a turn that its example's replaces.
    """
    one, other = models_of(family)
    wanted = plain_weighed(one, tokens, smoothing)
    for switch, shortcuts in (SWITCHES if family == "qwen3" else {"found": FOUND[family]}).items():
        batches = micro_batches(tokens, range(len(tokens)), shortcuts, row_tokens)
        regularise = Regularise(label_smoothing=smoothing)
        run = SimpleNamespace(
            loaded=SimpleNamespace(model=other), shortcuts=shortcuts, settings=SimpleNamespace(regularise=regularise)
        )
        step = Supervised().of_step(run, range(len(tokens)), batches)
        total = 0.0
        for batch in batches:
            loss = step(batch)
            loss.backward()
            total += float(loss.detach())
        assert_same((total, gradients(other)), wanted, switch)


@pytest.mark.parametrize("family", ODD)
@settings(max_examples=4, deadline=None)
@given(tokens=examples())
def test_where_a_shortcut_is_not_exact_the_plain_way_is_taken(family: str, tokens: TokenSet) -> None:
    """Lets through: state that leaks along a row, a soft cap or a scale after the head that is left out, a crash."""
    assert_exact(family, tokens, {"found": FOUND[family]})


@pytest.mark.parametrize("family", [*FAMILIES, *ODD])
@settings(max_examples=4, deadline=None)
@given(tokens=st.one_of(examples(), weighed()), frozen=st.integers(1, 3), order=st.randoms())
def test_states_of_frozen_layers_that_are_kept_change_neither_loss_nor_gradients(
    family: str, tokens: TokenSet, frozen: int, order: Any
) -> None:
    """Lets through: another token's states, positions that begin at the wrong place, states of a row's padding, a
    family that does something with the ids above its embeddings.
    """
    loaded = LoadedModel(deepcopy(models_of(family, 3)[0]), None, family)
    train = {"method": "full", "freeze": {"layers": f"0:{frozen}"}, "precision": "float32", "epochs": 3}
    recipe = Recipe(name="exact", task="chat", data={"train": "x"}, train=train)
    with TemporaryDirectory() as folder:
        run = prepare_run(recipe, loaded, tokens, tokens, Path(folder))
        kept = keep(run, range(len(tokens)), range(len(tokens)))
        found = FOUND.get(family, ALL)
        assert run.shortcuts == replace(found, frozen_cache=True)
        whole, entered = (0.0, {}), (0.0, {})
        rows = order.sample(range(len(tokens)), len(tokens))
        for batch in micro_batches(tokens, rows, found, 97):  # other rows than those the states were made in
            loss = supervised_loss(loaded.model, batch, found)
            loss.backward()
            whole = (whole[0] + float(loss.detach()), gradients_beside(loaded.model, whole[1]))
            loss = supervised_loss(loaded.model, kept.train.entered(batch), found)
            loss.backward()
            entered = (entered[0] + float(loss.detach()), gradients_beside(loaded.model, entered[1]))
        assert_same(entered, whole, "kept")
        ids, targets = [one.ids for one in tokens.rendered], [one.targets for one in tokens.rendered]
        exactly = partial(nll, loaded, ids, targets, precision="float32")
        plainly, begun = exactly(), exactly(entry_of=kept.valid.padded)
        assert [one.nats for one in begun] == pytest.approx([one.nats for one in plainly], rel=1e-5)


def gradients_beside(model: Any, before: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the model's gradients added to earlier ones, and forget them."""
    return {name: one + before.get(name, 0) for name, one in gradients(model).items()}


@cache
def beside_four_bits(family: str) -> tuple[Any, Any]:
    """Return the same adapter beside a base in four bits: by `transformers` and PEFT alone, and by the engine."""
    recipe = Recipe(name="exact", task="chat", data={"train": "x"}, train={"method": "qlora"})
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        family_base(Path(folder), family)
        base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, quantization_config=four_bits)
        other = adapters.with_adapter(recipe, load_model(folder, device="cpu")).eval()
    one = get_peft_model(
        base, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    ).eval()
    for layer in base.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False  # its own way to answer, in bfloat16 and without gradients
    assert exact_shortcuts(other, "float32") == ALL
    learnt = {name: weight for name, weight in other.named_parameters() if weight.requires_grad}
    assert learnt.keys() == {name for name, weight in one.named_parameters() if weight.requires_grad}
    for name, weight in learnt.items():
        torch.nn.init.normal_(weight, std=0.1)
        one.get_parameter(name).data.copy_(weight.data)
    return one, other


@pytest.mark.parametrize("family", ["llama", "llama-untied", "qwen3", "phi", "gpt2"])
@settings(max_examples=4, deadline=None)
@given(tokens=examples())
def test_adapters_beside_four_bits_learn_as_those_of_transformers_and_peft(family: str, tokens: TokenSet) -> None:
    """Lets through: other blocks or scales, a matrix that lies the wrong way round, a bias or a head in four bits, a
    shortcut that does not see the quantised matrices of its layer.
    """
    one, other = beside_four_bits(family)
    ids = torch.tensor([tokens.rendered[0].ids])
    with torch.no_grad():
        got, wanted = other(ids).logits, one(ids).logits
    assert float((got - wanted).abs().max()) <= 1e-5 * float(wanted.abs().max())
    loss, grads = plain(one, tokens)
    for switch, shortcuts in SWITCHES.items():
        assert_same(ours(other, tokens, shortcuts), (loss, grads), switch)


@TRACING
def test_compiled_layers_give_the_same_loss_and_gradients() -> None:
    """Lets through: a graph that holds for one row alone. It is run as traced, which needs no C++ compiler."""
    one, other = models_of("qwen3")
    other = deepcopy(other)
    compile_layers(other, backend="aot_eager")
    for seed in range(3):
        random = np.random.default_rng(seed)
        ids = [random.integers(0, VOCABULARY, n).tolist() for n in random.integers(4, 60, 4)]
        rendered = [Rendered(row, [False, *[True] * (len(row) - 1)], 1, 0) for row in ids]
        tokens = TokenSet(rendered, [1.0] * len(ids))
        assert_same(ours(other, tokens, ALL), plain(one, tokens), "compiled")


@TRACING
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("bias", [False, True])
def test_a_compiled_head_gives_the_same_loss_and_gradients(bias: bool, smoothing: float) -> None:
    """Lets through: a label's share that is taken off twice or weighed wrongly. It is run as traced."""
    torch.manual_seed(1)
    head, hidden_ND = torch.nn.Linear(12, VOCABULARY, bias=bias), torch.randn(37, 12)
    labels_N, weights_N = torch.randint(0, VOCABULARY, (37,)), torch.rand(37)

    def made() -> list[torch.Tensor]:
        given_ND = hidden_ND.clone().requires_grad_()
        loss = head_loss(given_ND, head, labels_N, weights_N, smoothing)
        loss.backward()
        return [loss.detach(), given_ND.grad, *gradients(head).values()]

    wanted = made()
    compile_head(head, backend="aot_eager")
    for one, other in zip(made(), wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@TRACING
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_packed_rows_give_the_gradients_of_plain_examples(precision: str, compiled: bool) -> None:
    """Catches flash attention whose causal corner, window or shared beginning is off, and graphs that mix up rows."""
    torch.manual_seed(0)
    plain = AutoModelForCausalLM.from_config(family_config("qwen3")).cuda()
    packed = deepcopy(plain)
    assert exact_shortcuts(packed, precision) == ALL
    if compiled:
        compile_layers(packed)
    random = np.random.default_rng(0)
    beginning = random.integers(0, VOCABULARY, 40).tolist()
    ids = [[*beginning, *random.integers(0, VOCABULARY, 5 + 3 * n).tolist()] for n in range(6)]
    ids += [random.integers(0, VOCABULARY, 9).tolist()]
    rendered = [Rendered(one, [i % 3 == 1 for i in range(len(one))], 1, 0) for one in ids]
    tokens = TokenSet(rendered, [1.0] * len(ids))
    for model, shortcuts in ((plain, Shortcuts()), (packed, ALL)):
        for batch in micro_batches(tokens, range(len(ids)), shortcuts, 200):
            with compute_in(precision, model.device):
                supervised_loss(model, batch.to(model.device), shortcuts).backward()
    off = 1e-5 if precision == "float32" else 3e-2
    largest = max(float(one.grad.abs().max()) for one in plain.parameters())
    for (name, one), other in zip(plain.named_parameters(), packed.parameters(), strict=True):
        assert float((one.grad - other.grad).abs().max()) <= off * largest, name
