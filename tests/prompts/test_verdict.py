"""What is said of winner and own prompt on the rows that report."""

from __future__ import annotations

import pytest

from tunesmith.core.estimates import Delta, Estimate
from tunesmith.evaluate.metrics import METRICS
from tunesmith.prompts.verdict import Comparison

ACCURACY, PERPLEXITY = METRICS["classify"][0], METRICS["classify"][2]
OWN, WINNER = Estimate(0.5, 0.4, 0.6, 100, "wilson"), Estimate(0.6, 0.5, 0.7, 100, "wilson")


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict", "said"),
    [
        (ACCURACY, 0.02, 0.2, "better", "x is better by 0.110 [0.020, 0.200]"),
        (ACCURACY, -0.02, 0.2, "not told apart", "not told apart (better by 0.090 [-0.020, 0.200]): keep yours"),
        (ACCURACY, -0.2, 0.02, "not told apart", "not told apart (worse by 0.090 [-0.020, 0.200]): keep yours"),
        (ACCURACY, -0.2, -0.02, "worse", "is worse by 0.110 [0.020, 0.200]: keep yours"),
        (PERPLEXITY, -0.2, -0.02, "better", "x is better by 0.110 [0.020, 0.200]"),
        (PERPLEXITY, 0.02, 0.2, "worse", "is worse by 0.110 [0.020, 0.200]: keep yours"),
    ],
)
def test_the_interval_decides_and_says_which_way(metric, low, high, verdict, said):
    """Bug: a lead that may be none is called better, or less perplexity is called worse."""
    delta = Delta((low + high) / 2, low, high, 0.5, 100, "tango")
    found = Comparison(metric, "x", OWN, WINNER, delta)
    assert found.verdict == verdict and said in found.sentence()
    assert found.as_dict()["delta"]["detectable"] == pytest.approx((high - low) / 2 * 1.4294, abs=1e-3)
    told = "would show four times in five" in found.sentence()
    assert told == (verdict == "not told apart")


def test_without_a_better_one_there_is_nothing_to_compare():
    """Bug: the recipe's own prompt is compared with itself and called not told apart."""
    found = Comparison(ACCURACY, "yours", OWN, OWN, None)
    assert found.verdict == "yours" and found.as_dict()["delta"] is None and "keep it" in found.sentence()
