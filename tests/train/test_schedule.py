"""The learning rate as a function of the step."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.recipe import EarlyStopping, Schedule
from tunesmith.train.schedule import default_peak, multiplier
from tunesmith.train.stop import BestSoFar


@given(st.sampled_from(["cosine", "linear", "constant"]), st.floats(0, 0.9), st.floats(0, 1), st.integers(1, 500))
def test_multiplier_stays_within_zero_and_one_and_never_starts_at_zero(shape, warmup, floor, total):
    schedule = Schedule(shape=shape, warmup=warmup, floor=floor)
    values = [multiplier(schedule, step, total) for step in range(total)]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    warm = round(warmup * total)
    assert values[:warm] == sorted(values[:warm])
    assert values[warm:] == sorted(values[warm:], reverse=True)
    if warm:
        assert values[0] > 0
    if warm < total:
        assert values[warm] == pytest.approx(1.0 if total - 1 - warm or shape == "constant" else values[warm])
        if total - warm > 1 and shape != "constant":
            assert values[-1] == pytest.approx(floor)


def test_cosine_at_a_third_is_the_papers_value():
    schedule = Schedule(shape="cosine", warmup=0, floor=0)
    assert multiplier(schedule, 30, 91) == pytest.approx(0.5 * (1 + math.cos(math.pi / 3)))


def test_default_peaks_of_nano_and_of_a_wide_model():
    assert default_peak("full", 256) == pytest.approx(8e-4)
    assert default_peak("lora", 256) == pytest.approx(2.4e-3)
    assert default_peak("lora", 32) == 3e-3
    assert default_peak("full", 4096) < default_peak("full", 1024)


def test_patience_counts_validations_without_gain():
    settings, best = EarlyStopping(patience=2), BestSoFar()
    stops = []
    for step, value in enumerate([3.0, 2.0, 2.5, 2.1]):
        best.see(step, value, settings)
        stops.append(best.should_stop(settings))
    assert stops == [False, False, False, True]
    assert (best.step, best.value) == (1, 2.0)


def test_gain_below_min_delta_keeps_the_best_but_spends_patience():
    settings, best = EarlyStopping(patience=2, min_delta=0.1), BestSoFar()
    assert best.see(0, 2.0, settings)
    assert best.see(1, 1.95, settings) and not best.should_stop(settings)
    assert best.see(2, 1.91, settings) and best.should_stop(settings)
    assert best.step == 2


def test_nan_is_never_the_best():
    best = BestSoFar()
    assert not best.see(0, float("nan"), None)
    assert not best.should_stop(None)
