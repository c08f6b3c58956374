"""Who was better on which row, and which rows are shown."""

from __future__ import annotations

import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.shown import word_changes
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.changed import SHOWN_EACH, WORST_SHOWN, against, outcomes, pick, tally, worst
from tunesmith.evaluate.compare import Contestant

words = st.lists(st.sampled_from(["a", "b", "the", "End", ".", "é", "<i>", "\n", "7"]), max_size=14).map(" ".join)


def system(name, right, sure, rows=None, overlap=None):
    columns = {"correct": np.array(right, dtype=bool)}
    if overlap is not None:
        columns["overlap"] = np.array(overlap)
    count = len(right)
    answers = Answers(["x"] * count, list(sure), [0.0] * count, [0] * count)
    return Contestant(name, list(range(count)) if rows is None else rows, answers, columns, {})


@given(st.data(), st.integers(1, 30))
def test_every_row_has_one_outcome_and_swapped_it_is_the_opposite(data, count):
    """Bug: a row is won and lost, or counted twice; or the sides are mixed up."""
    flags = st.lists(st.booleans(), min_size=count, max_size=count)
    one, other = ({"correct": np.array(data.draw(flags))} for _ in range(2))
    there, back = outcomes(one, other), outcomes(other, one)
    assert tally(there).total() == count
    assert all((a, b) in {("won", "lost"), ("lost", "won")} or a == b for a, b in zip(there, back, strict=True))
    assert tally(there)["won"] - tally(there)["lost"] == one["correct"].sum() - other["correct"].sum()


def test_of_free_text_the_closer_answer_wins():
    """Bug: a chat model's answers are all both wrong, and the page tells nothing."""
    ours = {"correct": np.array([False, False, True, False]), "overlap": np.array([0.5, 0.2, 1.0, 0.0])}
    theirs = {"correct": np.array([False, False, False, False]), "overlap": np.array([0.4, 0.3, 1.0, 0.0])}
    assert outcomes(ours, theirs).tolist() == ["won", "lost", "won", "both wrong"]


def test_the_surest_errors_come_first_and_the_seed_decides_between_equals():
    """Bug: the page shows errors in the order of the file, or other ones at each run."""
    ours = system("tuned", [True, *[False] * 40], [1.0, *[0.5] * 38, 0.6, 0.9])
    assert worst(ours, 0)[:2] == [40, 39] and 0 not in worst(ours, 0)
    assert worst(ours, 0) == worst(ours, 0) != worst(ours, 1)
    assert [one.row for one in pick(ours, [], 0)] == worst(ours, 0)[:WORST_SHOWN]


def test_rows_of_a_sample_are_compared_with_their_own_answers():
    """Bug: a baseline on some of the rows is compared with our answers to others."""
    ours = system("tuned", [True, False, True, False], [0.9] * 4)
    other = system("base", [True, False], [0.9] * 2, rows=[3, 2])
    assert against(ours, other).tolist() == ["lost", "won"]
    by_row = {one.row: one.outcomes for one in pick(ours, [other], 0)}
    assert by_row[3] == {"base": "lost"} and by_row[2] == {"base": "won"} and by_row[1] == {} and 0 not in by_row


def test_no_outcome_is_shown_more_than_it_may_be_and_none_is_forgotten():
    """Bug: a page of a large test set is too large to open, or shows only what was lost."""
    count = 400
    ours = system("tuned", [row % 2 == 0 for row in range(count)], np.linspace(0, 1, count))
    other = system("base", [row % 4 < 2 for row in range(count)], np.linspace(1, 0, count))
    picked = pick(ours, [other], 0)
    kinds = [one.outcomes["base"] for one in picked]
    assert len(picked) <= WORST_SHOWN + 3 * SHOWN_EACH and len({one.row for one in picked}) == len(picked)
    assert kinds.count("won") == SHOWN_EACH and min(kinds.count("lost"), kinds.count("both wrong")) >= SHOWN_EACH


@given(words, words)
def test_marked_words_hold_both_texts(right, answer):
    """Bug: a word of an answer is lost, doubled or run by the browser where it is marked."""
    marked = word_changes(right, answer, 10_000)

    def without(tag):
        return html.unescape(re.sub("<[^>]+>", "", re.sub(f"<{tag}>.*?</{tag}>", "", marked, flags=re.DOTALL))).split()

    if "·" not in marked and "↵" not in marked:  # of texts that differ in spaces alone, spaces are shown
        assert "".join(without("del")) == "".join(answer.split())
        if "<del>" in marked or "<ins>" in marked:
            assert "".join(without("ins")) == "".join(right.split())
    assert "<i>" not in marked


@pytest.mark.parametrize(
    ("answer", "marked"),
    [
        ("The Eagle is cheap.", "The Eagle is cheap."),
        ("The Eagle is dear.", "The Eagle is <del>cheap</del><ins>dear</ins>."),
        ("The Eagle is very cheap.", "The Eagle is <ins>very</ins> cheap."),
        ("nothing in common here", "nothing in common here"),
    ],
)
def test_words_that_differ_are_marked_and_no_others(answer, marked):
    """Bug: all is marked where one word differs, or texts without a word in common are striped."""
    assert word_changes("The Eagle is cheap.", answer) == marked
