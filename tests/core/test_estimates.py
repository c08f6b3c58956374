"""Intervals and tests against published or computable values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tunesmith.core.estimates import bootstrap_mean, mcnemar, paired_bootstrap, wilson


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(case):
    successes, n = case
    ours = wilson(successes, n)
    theirs = binomtest(successes, n).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low, abs=1e-9)
    assert ours.high == pytest.approx(theirs.high, abs=1e-9)


def test_wilson_of_nothing_knows_nothing():
    assert (wilson(0, 0).low, wilson(0, 0).high, wilson(0, 0).n) == (0.0, 1.0, 0)
    with pytest.raises(ValueError, match="5 successes of 3"):
        wilson(5, 3)


def test_bootstrap_covers_the_normal_interval():
    values = np.random.default_rng(0).normal(3.0, 2.0, 500)
    estimate = bootstrap_mean(values, seed=1)
    half = 1.96 * values.std() / math.sqrt(500)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(values.mean() - half, abs=0.03)
    assert estimate.high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_mean(values, seed=1) == estimate


def test_paired_bootstrap_sees_a_small_constant_gain_that_unpaired_noise_hides():
    base = np.random.default_rng(0).normal(0, 10, 300)
    delta = paired_bootstrap(base + 0.5, base)
    assert delta.low == pytest.approx(0.5) and delta.high == pytest.approx(0.5) and delta.p < 0.01
    assert paired_bootstrap(base, base + 0.5).value == pytest.approx(-0.5)


def test_paired_bootstrap_refuses_unpaired_samples():
    with pytest.raises(ValueError, match="3 and 2"):
        paired_bootstrap([1, 2, 3], [1, 2])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_mcnemar_is_the_exact_binomial_test(pairs):
    ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
    won = sum(a and not b for a, b in pairs)
    lost = sum(b and not a for a, b in pairs)
    expected = binomtest(won, won + lost, 0.5).pvalue if won + lost else 1.0
    assert mcnemar(ours, theirs) == pytest.approx(expected)
    assert mcnemar(theirs, ours) == pytest.approx(expected)
