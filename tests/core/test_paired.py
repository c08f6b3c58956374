"""Paired differences: intervals that stay honest where a bootstrap would claim certainty."""

import numpy as np
import pytest

from tunesmith.core.estimates import mcnemar, paired_proportions, paired_statistic


def pairs(both: int, ours: int, theirs: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Return two lists of verdicts with the four counts of a paired table."""
    return (
        [True] * both + [True] * ours + [False] * theirs + [False] * neither,
        [True] * both + [False] * ours + [True] * theirs + [False] * neither,
    )


def test_interval_is_tangos():
    """Published: Fagerland et al. 2014, table of airway hyper-responsiveness, n = 21: -0.517 to -0.026."""
    delta = paired_proportions(*pairs(1, 1, 7, 12))
    assert (delta.value, delta.low, delta.high) == pytest.approx((-6 / 21, -0.5172, -0.0260), abs=1e-4)
    assert delta.p == mcnemar(*pairs(1, 1, 7, 12)) == pytest.approx(2 * (1 + 8) / 2**8)


@pytest.mark.parametrize("n", [10, 100, 3000])
def test_systems_that_never_differ_are_not_surely_equal(n):
    """A bootstrap says 0 [0, 0] on ten rows, and the gate would call the model not worse than production."""
    z2 = 1.959964**2
    delta = paired_proportions(*pairs(n // 2, 0, 0, n - n // 2))
    assert delta.value == 0 and delta.p == 1
    assert (-delta.low, delta.high) == pytest.approx((z2 / (n + z2),) * 2, rel=1e-4)


@pytest.mark.parametrize("table", [(5, 3, 1, 2), (0, 10, 0, 0), (40, 30, 5, 25), (0, 1, 0, 0)])
def test_swapping_the_two_mirrors_the_interval(table):
    both, ours, theirs, neither = table
    there, back = paired_proportions(*pairs(*table)), paired_proportions(*pairs(both, theirs, ours, neither))
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-9)
    assert -1 <= there.low <= there.value <= there.high <= 1


def test_no_cases_say_nothing():
    delta = paired_proportions([], [])
    assert (delta.low, delta.high, delta.p, delta.n) == (-1, 1, 1, 0)


def test_unpaired_samples_are_refused():
    with pytest.raises(ValueError):
        paired_proportions([True], [])


def test_any_statistic_is_resampled_the_same_way_for_both():
    """Were the two resampled apart, the difference of equal systems would not be zero."""
    values = [0.1, 0.9, 0.4, 0.7]
    same = paired_statistic(lambda index: sum(values[i] for i in index) - sum(values[i] for i in index), 4, seed=3)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = paired_statistic(lambda index: float(len(index)), 4)
    assert better.value == 4 and better.p == 1 / 2000


def test_arrays_give_the_p_value_of_lists():
    """Bug: with numpy's booleans the powers of two overflow, and every p-value is 1."""
    ours, theirs = [True] * 90 + [False] * 10, [True] * 50 + [False] * 50
    assert mcnemar(np.array(ours), np.array(theirs)) == mcnemar(ours, theirs) < 1e-6
