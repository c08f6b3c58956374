"""The winner beside the recipe as it is: arithmetic over seeds, and a sentence that claims no more than they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.sweep.compare import compared, gain_over_seeds

NAMES = ("winner", "default")
scores = st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=6)


def outcomes(values, test=None):
    return [{"seed": at + 1, "valid": value, "test": test} for at, value in enumerate(values)]


@given(scores)
def test_the_other_way_round_is_the_opposite(pairs):
    """Bug: the sign depends on which arm comes first, or on which direction is better, but not on both."""
    ours, theirs = zip(*pairs, strict=True)
    one = gain_over_seeds(ours, theirs, higher_is_better=True)
    other = gain_over_seeds(theirs, ours, higher_is_better=True)
    less = gain_over_seeds(ours, theirs, higher_is_better=False)
    assert one["value"] == pytest.approx(-other["value"])
    assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]))
    assert (less["value"], less["low"], less["high"]) == pytest.approx((other["value"], other["low"], other["high"]))


def test_the_interval_is_students_over_the_pairs():
    """Bug: the spread of the arms, which share their seeds, is taken for that of their difference; or z for t."""
    gain = gain_over_seeds([1.0, 2.0, 3.0, 4.0, 5.0], [0.9, 1.7, 2.9, 3.6, 4.9], higher_is_better=True)
    # differences 0.1 0.3 0.1 0.4 0.1: mean 0.2, sd 0.141421; t(4) at 95 % is 2.776445
    assert gain["value"] == pytest.approx(0.2)
    assert gain["high"] - gain["value"] == pytest.approx(2.776445 * 0.1414214 / 5**0.5, rel=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ([0.5, 0.51, 0.49], [0.7, 0.71, 0.69], "better, and by more than seeds differ"),
        ([0.5, 0.8, 0.4], [0.7, 0.71, 0.69], "do not exclude that it is luck"),
        ([0.9, 0.91, 0.89], [0.7, 0.71, 0.69], "keep that"),
        ([0.5], [0.7], "do not exclude that it is luck"),
    ],
)
def test_the_sentence_claims_what_the_seeds_say(ours, theirs, words):
    """Bug: a winner by luck, or by one seed, is called better; a loser is recommended."""
    found = compared(NAMES, [outcomes(ours), outcomes(theirs)], False, "valid_loss")
    assert words in found.sentence()
    assert found.as_dict()["test"] is None
