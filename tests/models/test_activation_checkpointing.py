"""Layers that compute their activations twice give the same gradients and keep less."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from families import FAMILIES
from switches import VOCABULARY, models_of
from tunesmith.models.activation_checkpointing import checkpoint_activations, checkpointed, keeping
from tunesmith.models.dropout import set_dropout, train_from
from tunesmith.models.precision import compute_in
from tunesmith.models.shortcuts import ALL
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.loss import supervised_loss
from tunesmith.train.memory import _kept_bytes

pytestmark = pytest.mark.slow

LAYERS = 4


def tokens():
    """Return examples some of which begin alike, so that rows have segments with a parent."""
    random = np.random.default_rng(0)
    beginning = random.integers(0, VOCABULARY, 40).tolist()
    ids = [[*(beginning if i % 2 else []), *random.integers(0, VOCABULARY, 12 + i).tolist()] for i in range(6)]
    rendered = [Rendered(one, [False] * 8 + [True] * (len(one) - 8), turns=1, untrained_turns=0) for one in ids]
    return TokenSet(rendered, [1.0] * len(rendered))


BATCHES = micro_batches(tokens(), range(6), ALL, 4096)


def gradients(model, precision, depth=0):
    torch.manual_seed(7)  # of dropout
    train_from(model, depth)
    total = 0.0
    for batch in BATCHES:
        with compute_in(precision, torch.device("cpu")):
            loss = supervised_loss(model, batch, ALL)
        loss.backward()
        total += float(loss.detach())
    found = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return total, found


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_same_to_the_last_bit(family, precision):
    """Would let through: other dropout the second time, attention across the examples of a row, products in float32."""
    model = deepcopy(models_of(family, LAYERS)[1])
    set_dropout(model, 0.2)
    loss, wanted = gradients(model, precision)
    assert checkpoint_activations(model) == LAYERS - 1
    calls = []
    model.get_decoder().get_submodule("h" if family == "gpt2" else "layers")[1].mlp.register_forward_pre_hook(
        lambda *_: calls.append(1)
    )
    again, found = gradients(model, precision)
    assert again == loss
    assert len(calls) == 2 * len(BATCHES)
    assert any(batch.row.packing.parents[-1] >= 0 for batch in BATCHES)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_what_is_kept_is_a_fraction():
    """Would let through: layers that keep everything all the same, or go on computing twice where they need not."""
    model = deepcopy(models_of("llama", 8)[1]).train()

    def kept():
        return _kept_bytes(model, lambda: supervised_loss(model, BATCHES[0], ALL))

    whole = kept()
    checkpoint_activations(model)
    assert checkpointed(model) == 7
    assert kept() < 0.4 * whole
    with keeping(model):
        assert kept() == whole
    assert kept() < 0.4 * whole


def test_frozen_layers_below_are_left_alone():
    """Would let through: a backward pass through layers below everything that learns."""
    model = deepcopy(models_of("llama", LAYERS)[1])
    for layer in model.model.layers[:2]:
        layer.requires_grad_(requires_grad=False)
    model.model.embed_tokens.requires_grad_(requires_grad=False)
    loss, wanted = gradients(model, "float32", 2)
    assert checkpoint_activations(model, 2) == 1
    again, found = gradients(model, "float32", 2)
    assert again == loss
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
