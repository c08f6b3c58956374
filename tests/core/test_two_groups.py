"""Differences of two groups against scipy's, and the correction for asking often."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, fisher_exact, ttest_ind

from tunesmith.core.two_groups import adjusted, fisher, holm, means_differ, proportions_differ


@pytest.mark.parametrize(("n", "m", "shift"), [(30, 30, 0.3), (30, 4000, 0.0), (500, 80, 0.4), (12, 9, 1.0)])
def test_means_differ_as_scipy_says(n, m, shift):
    """Bug: the spread of one group is taken for that of both, or degrees of freedom are lost."""
    random = np.random.default_rng(0)
    ours, theirs = random.normal(shift, 1.0, n), random.normal(0, 2.5, m)
    found, theirs_ = means_differ(ours, theirs), ttest_ind(ours, theirs, equal_var=False)
    low, high = theirs_.confidence_interval()
    assert found.p == pytest.approx(theirs_.pvalue, rel=5e-3)
    assert (found.low, found.high) == pytest.approx((low, high), rel=5e-3, abs=1e-3)


def test_equal_values_do_not_differ():
    same = means_differ(np.ones(30), np.ones(40))
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
       st.integers(1, 90).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))  # fmt: skip
def test_fisher_is_scipys(ours, theirs):
    """Bug: one tail is forgotten, or tables as likely as the one seen."""
    table = [[ours[0], ours[1] - ours[0]], [theirs[0], theirs[1] - theirs[0]]]
    assert fisher(ours, theirs) == pytest.approx(fisher_exact(table).pvalue, abs=1e-9)


def test_newcombe_of_his_own_example():
    """Newcombe 1998, table II: 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    found = proportions_differ((56, 70), (48, 80))
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_adjusted_p_values_are_scipys(chances):
    """Bug: the correction is not monotone, or ranks are turned round."""
    assert adjusted(chances) == pytest.approx(false_discovery_control(chances).tolist())


def test_no_comparisons_need_no_correction():
    assert adjusted([]) == []


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_bonferroni_over_all_sets_that_hold_it(chances):
    """Closed testing: one is believed if each set of claims that it belongs to is rejected."""
    closed = [
        max(
            min(1.0, size * min(some))
            for size in range(1, len(chances) + 1)
            for places in combinations(range(len(chances)), size)
            if one in places
            for some in [[chances[place] for place in places]]
        )
        for one in range(len(chances))
    ]
    assert holm(chances) == pytest.approx(closed)
