"""Dropout acts on every family while training, and on none while answering."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from families import family_config
from tunesmith.models.dropout import set_dropout

FAMILIES = ["llama", "qwen3", "gemma2", "gemma3", "mistral", "phi", "gpt2"]
IDS = torch.arange(1, 13).reshape(1, 12)


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
