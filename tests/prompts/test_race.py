"""Who goes on in a race, and which rows choose and report."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.prompts.race import FINALISTS, FIRST_ROWS, ladder, race
from tunesmith.prompts.rows import halved
from tunesmith.text.examples import Example


@given(st.integers(1, 5000))
def test_rounds_double_and_end_with_all_rows(rows):
    """Bug: a prompt is dropped by a handful of rows, or the best are never asked on all of them."""
    steps = ladder(rows)
    assert steps[-1] == rows and steps[0] < 2 * FIRST_ROWS
    assert all(first >= FIRST_ROWS for first in steps[:-1])
    assert all(before * 2 - 1 <= after <= before * 2 for before, after in pairwise(steps))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(10, 600), st.data())
def test_the_best_wins_and_the_reference_is_asked_on_all_rows(scores, rows, data):
    """Bug: the winner is not the best, the recipe's own prompt is dropped, or one that was dropped is asked on."""
    reference = data.draw(st.integers(0, len(scores) - 1))
    asked = Counter()

    def score(one, count):
        asked[one] = max(asked[one], count)
        return (scores[one],)

    found = race(range(len(scores)), rows, score, reference)
    assert sorted(one.one for one in found) == list(range(len(scores)))
    assert found[0].score == (max(scores),) and found[0].rows == rows
    assert all(one.rows == asked[one.one] for one in found)
    assert next(one for one in found if one.one == reference).rows == rows
    steps = len(ladder(rows))
    most = max(FINALISTS, -(-len(scores) // 2 ** (steps - 1)) + 1)
    assert sum(one.rows == rows for one in found) <= most


def test_half_are_dropped_at_each_step():
    """Bug: all are asked on all rows, which is what halving is there to save."""
    spent = sum(one.rows for one in race(range(16), 200, lambda one, count: (float(one),), 0))
    assert ladder(200) == [25, 50, 100, 200]
    assert spent == 8 * 25 + 4 * 50 + 4 * 200


def example(number, group):
    return Example([{"role": "user", "content": str(number)}], row_id=str(number), group=group)


@given(
    st.lists(st.none() | st.integers(0, 12).map(str), min_size=1, max_size=120), st.integers(1, 150), st.integers(0, 9)
)
def test_no_row_and_no_group_both_chooses_and_reports(groups, most, seed):
    """Bug: the winner is reported on rows, or on customers, that chose it; or rows are lost."""
    rows = [example(number, group) for number, group in enumerate(groups)]
    found = halved(rows, most, seed)
    chosen, reported = ([one.row_id for one in half] for half in (found.choosing, found.reporting))
    assert not set(chosen) & set(reported)
    wanted = min(most, len(rows))
    assert len({*chosen, *reported}) == len(chosen) + len(reported) <= wanted
    assert max(len(chosen), len(reported)) <= (wanted + 1) // 2
    assert set(groups) != {None} or len(chosen) + len(reported) == wanted
    of_groups = [{one.group for one in half if one.group is not None} for half in (found.choosing, found.reporting)]
    assert not of_groups[0] & of_groups[1]
    assert halved(rows, most, seed) == found


@pytest.mark.parametrize("count", [20, 41, 400])
def test_rows_without_groups_are_halved_evenly(count):
    """Bug: one half is so small that nothing shows on it."""
    found = halved([example(number, None) for number in range(count)], count, 0)
    assert abs(len(found.choosing) - len(found.reporting)) <= 1


def test_a_large_group_leaves_room_and_the_first_rows_are_of_many():
    """Bug: one customer fills all rows, so that none report; or half of the prompts are dropped by one customer's rows."""
    rows = [example(number, "large" if number < 150 else None) for number in range(400)]
    for seed in range(20):
        found = halved(rows, 100, seed)
        assert len(found.choosing) == len(found.reporting) == 50
    found = halved([example(number, str(number // 40)) for number in range(400)], 400, 0)
    assert len({one.group for one in found.choosing[:25]}) == 5
