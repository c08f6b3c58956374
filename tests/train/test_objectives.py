"""Each objective's loss and gradients are those of the slow way: every logit, one answer at a time, autograd through all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from families import FAMILIES, ODD
from pairs import pairs, random_pairs, slow_kto, slow_logps, slow_loss
from switches import FOUND, SWITCHES, models_of
from tunesmith.models.shortcuts import ALL
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.likelihood import sequence_logps
from tunesmith.train.objectives import VARIANTS, Likelihoods, Settings, dpo, kto

pytestmark = pytest.mark.slow

ROW_TOKENS = 130
NUMBERS = {
    "sigmoid": {"beta": 0.3, "label_smoothing": 0.1, "nll_weight": 0.5},
    "ipo": {"beta": 0.3},
    "hinge": {"beta": 0.3},
    "robust": {"beta": 0.3, "label_smoothing": 0.1},
    "exo": {"beta": 0.3, "label_smoothing": 0.01},
    "apo_zero": {"beta": 0.3},
    "apo_down": {"beta": 0.3},
    "simpo": {"beta": 2.0, "margin": 0.7},
    "orpo": {"beta": 0.2},
}

Found = tuple[float, dict[str, torch.Tensor]]


def reference_of(tokens: TokenSet) -> list[float]:
    """Return log-probabilities near to those of a random model, as if by another one."""
    random = np.random.default_rng(len(tokens))
    return [-(5.6 + float(random.normal()) / 3) * one.num_targets for one in tokens.rendered]


def slow(model: Any, tokens: TokenSet, variant: str) -> Found:
    logps, reference = slow_logps(model, tokens), reference_of(tokens)
    lengths = [one.num_targets for one in tokens.rendered]
    total = sum(
        tokens.weights[at]
        * slow_loss(variant, logps[at : at + 2], reference[at : at + 2], lengths[at : at + 2], **NUMBERS[variant])
        for at in range(0, len(tokens), 2)
    )
    return found(model, total)


def ours(model: Any, tokens: TokenSet, variant: str, shortcuts: Any, row_tokens: int = ROW_TOKENS) -> Found:
    numbers = {**NUMBERS[variant]}
    nll_weight = numbers.pop("nll_weight", 0.0)

    def loss(chosen: Likelihoods, rejected: Likelihoods) -> torch.Tensor:
        return dpo(chosen, rejected, variant, Settings(**numbers), nll_weight)

    return by_batches(model, tokens, shortcuts, loss, row_tokens)


def by_batches(model: Any, tokens: TokenSet, shortcuts: Any, loss: Any, row_tokens: int = ROW_TOKENS) -> Found:
    total, reference = 0.0, torch.tensor(reference_of(tokens), dtype=torch.float64)
    for batch in micro_batches(tokens, range(len(tokens)), shortcuts, row_tokens):
        at = torch.tensor(list(batch.places))
        assert at[::2].tolist() == (at[1::2] - 1).tolist(), "a pair was parted"
        logps = sequence_logps(model, batch, shortcuts)
        chosen, rejected = (
            Likelihoods(logps[own::2], reference[at[own::2]], batch.counts_S[own::2].double()) for own in (0, 1)
        )
        weights = torch.tensor([tokens.weights[one] for one in at[::2]])
        own = (loss(chosen, rejected) * weights).sum()
        own.backward()
        total += float(own.detach())
    return found(model, torch.tensor(total))


def found(model: Any, total: torch.Tensor) -> Found:
    if total.requires_grad:
        total.backward()
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad(set_to_none=True)
    return float(total.detach()), gradients


def assert_same(got: Found, wanted: Found, where: Any, largest: float | None = None) -> None:
    """Compare two losses and their gradients, as shares of the largest.

    A loss near 0 is what is left of terms near 1 (hinge: a margin less a difference), each right to rounding alone.
    """
    assert got[0] == pytest.approx(wanted[0], rel=1e-5, abs=1e-6), where
    assert got[1].keys() == wanted[1].keys(), where
    largest = largest or max(float(gradient.abs().max()) for gradient in wanted[1].values())
    for name, gradient in wanted[1].items():
        assert float((got[1][name] - gradient).abs().max()) <= 1e-5 * largest, (where, name)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=10)
@given(tokens=pairs())
def test_every_variant_gives_the_loss_and_gradients_of_the_slow_way(variant: str, tokens: TokenSet) -> None:
    """Lets through: a sign, a length that does not divide, a pair's weight lost, a coefficient on the wrong answer."""
    plain, packed = models_of("llama-untied")
    wanted = slow(plain, tokens, variant)
    for switch, shortcuts in SWITCHES.items():
        assert_same(ours(packed, tokens, variant, shortcuts), wanted, switch)


@pytest.mark.parametrize("family", [*FAMILIES, *ODD])
@settings(max_examples=4)
@given(tokens=pairs())
def test_every_family_gives_the_loss_and_gradients_of_the_slow_way(family: str, tokens: TokenSet) -> None:
    """Lets through: a tied head's or a bias's gradient lost in the second pass over the logits, a window, a soft cap."""
    plain, packed = models_of(family)
    assert_same(ours(packed, tokens, "sigmoid", FOUND.get(family, ALL)), slow(plain, tokens, "sigmoid"), family)


@settings(max_examples=10)
@given(tokens=pairs(), divergence=st.floats(0, 3))
def test_kto_gives_the_loss_and_gradients_of_the_slow_way(tokens: TokenSet, divergence: float) -> None:
    """Lets through: desirable and undesirable swapped, a weight on the wrong one, a gradient through the divergence."""
    plain, packed = models_of("qwen3")
    reference, logps = reference_of(tokens), slow_logps(plain, tokens)
    total = sum(
        tokens.weights[at] * slow_kto(logps[at : at + 2], reference[at : at + 2], divergence, 0.2, 1.5, 0.7)
        for at in range(0, len(tokens), 2)
    )
    wanted = found(plain, total)

    def loss(chosen: Likelihoods, rejected: Likelihoods) -> torch.Tensor:
        yes = torch.ones(len(chosen.model), dtype=torch.bool)
        good, bad = (kto(one, own, divergence, 0.2, 1.5, 0.7) for one, own in ((chosen, yes), (rejected, ~yes)))
        return (good + bad) / 2

    for switch, shortcuts in SWITCHES.items():
        assert_same(by_batches(packed, tokens, shortcuts, loss), wanted, switch)


@pytest.mark.parametrize("shortcuts", [SWITCHES["none"], SWITCHES["packed"], ALL], ids=["none", "packed", "all"])
def test_many_micro_batches_are_one(shortcuts: Any) -> None:
    """Lets through: a mean within a micro-batch, a pair parted where a row is full."""
    _, packed = models_of("llama-untied")
    tokens = random_pairs(3, [(30, 9, 5), (4, 12, 3), (25, 2, 17), (18, 8, 8), (1, 1, 1)], [1.0, 2.0, 0.5, 1.0, 1.0])
    for variant in VARIANTS:
        one = ours(packed, tokens, variant, shortcuts, 10**6)
        assert_same(ours(packed, tokens, variant, shortcuts, 1), one, variant)


def test_both_answers_read_their_question_once() -> None:
    """Lets through: a question of any length that is computed twice a pair."""
    tokens = random_pairs(0, [(100, 7, 5), (200, 3, 3)])
    (batch,) = micro_batches(tokens, range(4), ALL, 10**6)
    assert batch.row.ids_BT.numel() == (100 + 7 + 5) + (200 + 3 + 3)
    assert batch.row.packing.parents == (-1, 0, 0, -1, 3, 3)


@pytest.mark.parametrize("far", [1e-300, 1e-12, 1e-3, 40.0, 800.0])
def test_losses_far_from_zero_stay_numbers(far: float) -> None:
    """Lets through: a logarithm of 0 where the model is all but sure, an exponential that overflows."""
    for variant, numbers in NUMBERS.items():
        values = {name: value for name, value in numbers.items() if name != "nll_weight"}
        logps = torch.tensor([-far, -800 / far if far > 1 else -500.0], dtype=torch.float64, requires_grad=True)
        ones = torch.ones(1, dtype=torch.float64)
        chosen, rejected = (Likelihoods(logps[own : own + 1], -5 * ones, ones) for own in (0, 1))
        loss = dpo(chosen, rejected, variant, Settings(**values)).sum()
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(logps.grad).all(), variant
