"""Which number an answer ends in."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.evaluate.numeric import last_number, same_number

CASES = {
    "#### 42": 42,
    "7 apples\n#### -1,000\nnote 3": -1000,
    "$1,234.50": Fraction(2469, 2),
    "it costs $-5": -5,
    "-$5": -5,
    "1/2": Fraction(1, 2),
    r"\boxed{\frac{3}{4}}": Fraction(3, 4),
    r"so \boxed{12}, as 6+7=13 is too many": 12,
    "the answer is 12": 12,
    "The answer is 12, not 13.": 12,
    "The answer is 3 + 4 = 7 apples": 7,
    "Answer: **7**. Checked 2 times": 7,
    "A: 18\nthat is 3 more": 18,
    "3-5": 5,
    "x = -3.5": Fraction(-7, 2),
    "a \u22127": -7,
    "<<3+4=7>>7 apples": 7,
    "1,2345": 2345,
    "from 1 to 3.": 3,
    "1.5e3": 1500,
    "10%": 10,
    "5 / 0": None,
    "no number": None,
    "": None,
}


@pytest.mark.parametrize(("text", "number"), CASES.items())
def test_the_number_an_answer_gives(text, number):
    assert last_number(text) == number


def test_no_number_is_the_same_as_none():
    """Two answers without a number would be called equal if None were compared with None."""
    assert not same_number("x", "x")
    assert same_number("#### 0.50", "1/2")


@given(st.text())
def test_any_text_is_read(text):
    last_number(text)


@given(st.decimals(-(10**12), 10**12, places=3))
def test_numbers_written_in_the_usual_ways_are_read_back(number):
    assert last_number(f"The total is {number:,}.") == Fraction(number)
    assert last_number(f"it is {number}") == Fraction(number)


def test_a_number_of_very_many_digits_is_none():
    """Python refuses to read such a number, with an error that would end the evaluation."""
    assert last_number("1" * 10_000) is None
    assert last_number("1/" + "1" * 10_000) is not None
