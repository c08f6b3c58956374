"""Rows that are alike and teach two things: a value changed in question and answer both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.duplicates.changes import spelled_alike, two_facts

ASK = "which of the rooms in our house by the sea costs a {} sum for a night with breakfast for two"
TELL = "the room that costs a {} sum for a night with breakfast for two is the one with the {} door on the first floor"

TWINS = [
    (("low", "average"), ("low|blue", "average|blue"), True),
    (("low", "average"), ("low|blue", "low|red"), True),
    (("approved", "rejected"), ("low|blue", "low|red"), True),
    (("low", "low but honest"), ("low|blue", "low but honest|blue"), True),
    (("low", "low"), ("low|blue", "low|red"), False),
    (("low", "modest"), ("low|blue", "low|blue"), False),
    (("lowered", "lower"), ("low|blue", "low|red"), False),
    (("honest", "honest"), ("honest|colours", "honest|colors"), False),
    (("fair", "fair and of course"), ("low|blue", "low|red"), False),
    (("here is a low", "here's a low"), ("here is|blue", "here's|blue"), False),
    (("low", "low please"), ("low|blue", "low bluish|blue"), False),
]


@pytest.mark.parametrize(("asked", "answered", "two"), TWINS)
def test_a_value_changed_on_both_sides_is_another_fact(asked, answered, two):
    """Bug: 'a low-priced pub' and 'an average-priced pub' with their two answers are one row, or a copy with a word of
    noise, another spelling or another wording of the question alone is learnt twice.
    """
    questions = ASK.format(asked[0]), ASK.format(asked[1])
    answers = TELL.format(*answered[0].split("|")), TELL.format(*answered[1].split("|"))
    assert two_facts(questions, answers) is two
    assert two_facts(questions[::-1], answers[::-1]) is two


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("colour", "color", True), ("centre", "center", True), ("receive", "recieve", True), ("rated", "rates", True),
        ("organise", "organize", True), ("pub", "pubs", True), ("block", "black", False), ("cheap", "cheat", False),
        ("tuesday", "thursday", False), ("interest", "internet", False), ("known", "unknown", False),
        ("low", "slow", False), ("red", "blue", False),
    ],
)  # fmt: skip
def test_another_spelling_is_the_same_word_and_another_letter_is_not(one, other, alike):
    """Bug: 'block' and 'black' pass for a typing error, so two facts become one; or 'color' is no 'colour'."""
    assert spelled_alike(one, other) is spelled_alike(other, one) is alike


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_one_question_has_one_fact_and_any_text_is_taken(asked, one, other):
    """Bug: an odd sign ends in a traceback, or two answers to one question count as two facts and not as a conflict."""
    assert not two_facts((asked, asked), (one, other))
    assert not two_facts((one, other), (asked, asked))
