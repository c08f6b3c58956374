"""When training stops, and which weights are kept."""

from tunesmith.recipe import EarlyStopping
from tunesmith.train.stop import BestSoFar


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
