"""Dropout acts on every family while training, and on none while answering."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForCausalLM

from families import family_config
from tunesmith.models.dropout import set_dropout
from tunesmith.models.forward import Row, call_on
from tunesmith.models.layers import decoder_layers
from tunesmith.models.packed import Packing, attend_packed

FAMILIES = ["llama", "qwen3", "gemma2", "gemma3", "mistral", "phi", "gpt2"]
IDS = torch.arange(1, 13).reshape(1, 12)
RATE = 0.3


def logits(model, seed):
    torch.manual_seed(seed)
    with torch.no_grad():
        return model(IDS).logits


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_reaches_every_family(family):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family))
    plain = logits(model.eval(), 1)
    undo = set_dropout(model, 0.3)
    model.train()
    assert not torch.allclose(logits(model, 1), logits(model, 2), atol=1e-4)
    assert torch.equal(logits(model, 1), logits(model, 1))
    assert torch.allclose(logits(model.eval(), 1), plain)
    undo()
    torch.manual_seed(0)
    set_dropout(model, 0.0)
    assert torch.allclose(logits(model.train(), 1), logits(model.train(), 2))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_of_the_three_kinds_acts_alone(family):
    """A model whose dropout reached only one place would still differ between seeds; this looks at each place."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family))
    set_dropout(model, 0.5)
    seen = {}
    embedding = model.get_input_embeddings()
    layers = max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)
    layers[0].register_forward_pre_hook(
        lambda _m, inputs, kw: seen.update(first=(inputs or [kw["hidden_states"]])[0]), with_kwargs=True
    )
    logits(model.train(), 3)
    entered = seen["first"]
    assert 0.2 < (entered == 0).float().mean() < 0.8  # embedding dropout
    model.eval()
    assert embedding(IDS).abs().min() > 0
    probabilities = [
        getattr(m, "attention_dropout", getattr(getattr(m, "attn_dropout", None), "p", None))
        for layer in layers
        for m in layer.modules()
    ]
    assert {p if isinstance(p, float) else p.p for p in probabilities if p is not None} == {0.5}


def added(layer, model, seed=0):
    """Return what a layer adds to the stream for some ids."""
    seen = []
    handle = layer.register_forward_hook(
        lambda _m, args, kw, out: seen.append(
            (out[0] if isinstance(out, tuple) else out) - (args[0] if args else kw["hidden_states"])
        ),
        with_kwargs=True,
    )
    torch.manual_seed(seed)
    with torch.no_grad():
        model(torch.arange(200).reshape(2, 100))
    handle.remove()
    return seen[0]


@pytest.mark.parametrize(
    "silent", [("mlp", "feed_forward"), ("self_attn", "self_attention", "attn")], ids=["attention", "mlp"]
)
@pytest.mark.parametrize("family", [*FAMILIES, "granite", "bloom", "falcon-h1"])
def test_what_a_block_adds_to_the_stream_is_dropped_or_scaled(family, silent):
    """Catches dropout before a norm, which scales what is kept anew, a block without any, and any in evaluation."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family)).double().eval()
    layer = decoder_layers(model)[0]
    for name, weight in layer.named_parameters():
        if name.split(".")[0] in (*silent, "mamba"):
            weight.data.zero_()
    wanted = added(layer, model)
    set_dropout(model, RATE)
    for name, module in layer.named_modules():  # on attention it is another test's
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
        if name.endswith(("attn_dropout", "attention_dropout")):
            module.p = 0.0
    assert torch.equal(added(layer, model), wanted)
    layer.train()
    got = added(layer, model)
    kept = got.abs() > 1e-12
    assert 1 - float(kept.double().mean()) == pytest.approx(RATE, abs=0.03)
    torch.testing.assert_close(got[kept], wanted[kept] / (1 - RATE))
    assert not torch.equal(kept, added(layer, model, seed=1).abs() > 1e-12)


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("family", [one for one in FAMILIES if one != "gemma2"])  # its soft cap is not packed
def test_attention_is_dropped_at_its_rate_while_training_alone(family, packed, monkeypatch):
    """Catches packed rows whose attention forgets dropout, drops in evaluation, or leaves what is kept as it was."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(family_config(family))
    set_dropout(model, RATE)
    if packed:
        attend_packed(model)
    lengths = (20, 12, 16, 9)
    ids = torch.arange(sum(lengths))[None]
    row = Row(ids, ids[0], Packing(lengths, (-1, 0, 0, -1))) if packed else Row(ids, ids[0])
    weights = []

    def read(query, key, value, dropout_p=0.0, **given):
        each = torch.eye(key.shape[2]).expand(*key.shape[:2], -1, -1)  # in place of values, it gives what weighs them
        whole = scaled_dot_product_attention(query, key, each, **given)
        weights.append((whole, scaled_dot_product_attention(query, key, each, dropout_p=dropout_p, **given)))
        return scaled_dot_product_attention(query, key, value, dropout_p=dropout_p, **given)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", read)
    with torch.no_grad():
        call_on(model.eval(), row)
        assert len(weights) == 2 * (len(lengths) if packed else 1)
        assert all(torch.equal(*both) for both in weights)
        weights.clear()
        call_on(model.train(), row)
    seen = torch.cat([whole[whole > 0] for whole, _ in weights])
    got = torch.cat([dropped[whole > 0] for whole, dropped in weights])
    assert float((got == 0).float().mean()) == pytest.approx(RATE, abs=0.03)
    torch.testing.assert_close(got[got > 0], seen[got > 0] / (1 - RATE))
