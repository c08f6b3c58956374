"""The number that an answer ends in, and whether two answers end in the same one.

Owns how numbers are written and which of an answer's numbers is its result. Does not own the metric (`text_columns`).
"""

from __future__ import annotations

import re
from fractions import Fraction

_MOST_DIGITS = 1000
_GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)|\d+"
NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)\]}}.])[-+\u2212]\s?)?[$€£¥₹]?\s?(?P<minus>(?<=[$€£¥₹])-)?"
    rf"(?P<whole>{_GROUPED})?(?P<part>\.\d+)?(?P<power>[eE][-+]?\d{{1,3}}(?!\w))?(?:\s?/\s?(?P<below>\d+(?:\.\d+)?))?"
)
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*([-+]?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}")
_BOX = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_MARK = re.compile(r"####\s*(.+)")
_SAID = re.compile(
    r"(?:\banswer\s*(?:is|:|=|would be|will be)|^[^\S\n]*A[^\S\n]*:)\s*:?(.*)", re.IGNORECASE | re.MULTILINE
)


def last_number(answer: str) -> Fraction | None:
    r"""Return the number that an answer gives as its result, exactly; None if it has none.

    It is looked for in the last ``\boxed{}``, else in the line after the last ``####``, else after the last
    "answer is", "answer:" or ``A:`` in its line (there the first number, or the first after the last ``=``), else it is
    the last number of the whole. A number may have a sign, a sign of money before it, thousands in groups of three by
    commas, a decimal point, a power (``1e6``) and a divisor (``1/2``); percent signs and units are not looked at.
    """
    text = _FRACTION.sub(r" \1/\2 ", answer)
    for pattern in (_BOX, _MARK):
        if (found := pattern.findall(text)) and (inside := _numbers(found[-1])):
            return inside[-1]
    if (said := _SAID.findall(text)) and (inside := _numbers(said[-1].rpartition("=")[2])):
        return inside[0]
    numbers = _numbers(text)
    return numbers[-1] if numbers else None


def same_number(expected: str, answer: str) -> bool:
    """Return whether two answers give the same number; False if either gives none."""
    right = last_number(expected)
    return right is not None and right == last_number(answer)


def _numbers(text: str) -> list[Fraction]:
    found = (_value(match) for match in NUMBER.finditer(text) if match["whole"] or match["part"])
    return [value for value in found if value is not None]


def _value(match: re.Match[str]) -> Fraction | None:
    digits = (match["whole"] or "0").replace(",", "") + (match["part"] or "") + (match["power"] or "")
    if len(digits) > _MOST_DIGITS:
        return None
    value = Fraction(digits)
    if match["below"]:
        below = Fraction(match["below"][:_MOST_DIGITS])
        if below == 0:
            return None
        value /= below
    negative = (match["sign"] or "").strip() in ("-", "\u2212") or match["minus"]
    return -value if negative else value
