"""Rows that belong together say less than as many rows of their own."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t

from tunesmith.core.clustered import clustered_paired_proportions, clustered_proportion, sign_flip
from tunesmith.core.clusters import Clusters
from tunesmith.core.estimates import (
    Estimate,
    bootstrap,
    chance_of,
    mcnemar,
    paired_statistic,
    tango_bounds,
    wilson,
    wilson_bounds,
)
from tunesmith.core.student import t_chance, t_quantile


def copies(values, times):
    """Return every value so many times, and the clusters of the copies."""
    return np.repeat(values, times), Clusters(np.repeat(np.arange(len(values)), times))


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(2, 6))
def test_copies_of_rows_say_no_more_than_the_rows(values, times):
    """Counted as rows, thirty questions asked ten times would look like three hundred."""
    rows, clusters = copies(values, times)
    found = clustered_proportion(rows, clusters)
    few = wilson_bounds(float(np.mean(values)), len(values), t_quantile(0.95, len(values) - 1))
    assert (found.low, found.high) == pytest.approx(few)
    assert found.n == len(values) * times and found.clusters == len(values)
    assert found.low <= wilson(int(rows.sum()), len(rows)).low


def test_pairs_of_copies_say_no_more_than_the_pairs():
    ours, clusters = copies([True] * 12 + [False] * 4 + [True] * 4, 5)
    theirs, _ = copies([False] * 12 + [True] * 4 + [True] * 4, 5)
    found = clustered_paired_proportions(ours, theirs, clusters)
    assert (found.low, found.high) == pytest.approx(tango_bounds(12, 4, 20, t_quantile(0.95, 19)))
    assert found.p == pytest.approx(mcnemar([True] * 12 + [False] * 4, [False] * 12 + [True] * 4))
    assert found.p > mcnemar(ours, theirs), "of copies taken for rows it would be tiny"


def test_systems_that_never_differ_are_as_sure_as_there_are_clusters():
    rows, clusters = copies([True] * 30, 10)
    found = clustered_paired_proportions(rows, rows, clusters)
    assert found.p == 1 and found.high == pytest.approx(tango_bounds(0, 0, 30, t_quantile(0.95, 29))[1])


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_signs_are_counted_exactly(sums):
    far = [abs(sum(s * one for s, one in zip(signs, sums, strict=True))) >= abs(sum(sums))
           for signs in product((-1, 1), repeat=len(sums))]  # fmt: skip
    assert sign_flip(sums) == pytest.approx(np.mean(far))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_of_single_rows_it_is_mcnemars_test(pairs):
    assert sign_flip([int(a) - int(b) for a, b in pairs]) == pytest.approx(
        mcnemar(*zip(*pairs, strict=True)) if pairs else 1.0
    )


def test_whole_clusters_are_drawn():
    """Rows drawn alone would make the bootstrap as sure as if they were independent."""
    of = np.array([0, 1, 0, 2, 2, 2])
    draw, generator = Clusters(of).resampler(), np.random.default_rng(0)
    for _ in range(50):
        rows = draw(generator)
        times = np.bincount(rows, minlength=6)
        assert times[0] == times[2] and times[3] == times[4] == times[5]
        assert times[0] + times[1] + times[3] == 3


@pytest.mark.parametrize("paired", [False, True])
def test_the_bootstrap_of_copies_is_that_of_the_rows(paired):
    values = np.random.default_rng(3).normal(size=40)
    rows, clusters = copies(values, 6)
    of = paired_statistic if paired else bootstrap
    few = of(lambda i: float(values[i].mean()), 40, seed=1, expanded=True)
    found = of(lambda i: float(rows[i].mean()), 240, seed=1, clusters=clusters, expanded=True)
    assert (found.low, found.high) == pytest.approx((few.low, few.high)) and found.clusters == 40


def test_rows_without_a_name_stand_alone():
    assert Clusters.named(["a", "b", None]) is None, "no cluster has two rows"
    assert Clusters.named(["a", "a"]) is None, "one cluster says nothing about another"
    assert Clusters.named([]) is None and Clusters.named([None, None]) is None
    assert Clusters.named(["a", None, "a", None]).of.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize("freedom", [4, 9, 30, 400])
def test_students_t_is_scipys(freedom):
    assert t_quantile(0.95, freedom) == pytest.approx(t.ppf(0.975, freedom), rel=0.01)
    assert t_chance(2.5, freedom) == pytest.approx(2 * t.sf(2.5, freedom), rel=0.03)


def test_few_cases_widen_the_bootstrap_as_students_t_does():
    """Plain percentiles of twenty cases hold the truth 92 times in 100 where they promise 95."""
    values = norm.ppf((np.arange(20) + 0.5) / 20)
    found = bootstrap(lambda i: float(values[i].mean()), 20, resamples=20_000, expanded=True)
    half = t.ppf(0.975, 19) * values.std(ddof=1) / np.sqrt(20)
    assert (found.low, found.high) == pytest.approx((-half, half), rel=0.02)


def test_the_expanded_p_value_is_a_twentieth_where_the_interval_ends():
    values = norm.ppf((np.arange(15) + 0.5) / 15)
    edge = bootstrap(lambda i: float(values[i].mean()), 15, resamples=20_000, expanded=True).high
    shifted = values + edge
    found = paired_statistic(lambda i: float(shifted[i].mean()), 15, resamples=20_000, expanded=True)
    assert found.low == pytest.approx(0, abs=0.01) and found.p == pytest.approx(0.05, abs=0.005)


def test_a_p_value_read_off_an_interval_is_a_twentieth_at_its_ends():
    found = wilson(45, 50)
    assert chance_of(found, found.low) == pytest.approx(0.05) and chance_of(found, found.high) == pytest.approx(0.05)
    assert chance_of(found, found.value) == 1 and chance_of(found, 0.5) < 1e-6


def test_a_p_value_read_off_few_clusters_is_students():
    """Read off as if four clusters were a crowd, Holm's correction of ten criteria would be passed by luck."""
    found = Estimate(0.5, 0.4, 0.6, 400, "bootstrap, clustered", clusters=4)
    expected = 2 * t.sf(2 * t.ppf(0.975, 3), 3)
    assert chance_of(found, 0.3) == pytest.approx(expected, rel=0.15) and expected > 0.005


def test_cases_all_alike_prove_no_more_than_their_number():
    """One row's score has an interval of no width: it would pass any minimum with p = 0."""
    for n, p in ((1, 1.0), (2, 0.5), (6, 1 / 32)):
        alike = bootstrap(lambda index: 4.0, n, expanded=True)
        assert chance_of(alike, 3.0) == chance_of(alike, 5.0) == p and chance_of(alike, 4.0) == 1
    assert chance_of(bootstrap(lambda index: 4.0, 0), 3.0) == 1
