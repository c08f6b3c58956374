"""Wrong arithmetic in worked answers: calculator marks ``<<48/2=24>>`` and sums in running text, ``3 + 4 = 8``.

Owns the rule ``arithmetic``, and when a written result is right. Does not own sums told in words (`word_sums`), whether
the right sum was done, nor algebra: an expression with a letter in it is left alone.
"""

from __future__ import annotations

import ast
import operator
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise import word_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.data.noise.exchange import Exchange

_MARK = re.compile(r"<<([^<>=]{1,80})=([^<>=]{1,30})>>")
_NUMBER = r"(?:[$€£]\s?)?\d[\d,]*(?:\.\d+)?|(?:[$€£]\s?)?\.\d+"
_UNIT = r"(?:\s?%|\s?°|\s[a-z]{2,12}(?:\s[a-z]{2,12})?)?"
_SUM = re.compile(
    rf"(?P<left>-?\(*(?:{_NUMBER}){_UNIT}\)*(?:\s*(?:[-+*/×÷·−–]|\bx\b)\s*\(*(?:{_NUMBER}){_UNIT}\)*){{1,12}})"
    rf"\s*(?:=|\bequals\b)\s*(?P<right>[-−–]?\s?(?:{_NUMBER})(?:\s?%)?)"
)
_BEFORE = re.compile(
    r"[\w.^)\]}/*×÷·,$€£%=√∛!|_\\-]$|[\d^)\]}/*×÷·%=√∛|\\]\s$|\b[A-Za-z]\s$|\d\s+and\s*$|[-+−–]\s*$|\b(?:sqrt|log|ln"
    r"|sin|cos|tan|mod|root|of|power|minus|plus|times|over)\s*$|\\\w+[{(]?\s*$|\d[,x]\s+$|\s\.\s$"
    r"|[-+*/×÷·−–]\s+(?:his|her|its|my|our|the|their|your)\s$|\b(?:day|week|month|year|step|part|grade|room|page|number)\s$"
)
_AFTER = re.compile(
    r"\s*(?:[-+*/×÷·^(]|\bx\b\s*\d|[−–]\s*\d|\d|[a-z]\^|\\|mod\b|r(?:emainder)?\.?\s*\d|:\d|/|\.\.\.|…|recurring"
    r"|repeating)|[a-z]\b(?!\w)|\.\d",
    re.IGNORECASE,
)
_SIGNS = str.maketrans(
    {"×": "*", "÷": "/", "·": "*", "−": "-", "–": "-", "x": "*", "$": "", "€": "", "£": "", ",": "", " ": ""}
)
_FRACTION = re.compile(r"(?<=[-+*/×÷·x]\s)\d+/\d+(?![\d.])")
_CLOCK = re.compile(r"\b0\d{3}\b")
_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_SLIPPED_COMMA = re.compile(r"(?<![\d,])(?!\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d))\d+,\d[\d,]*")
"""A comma that does not group digits: of a decimal fraction, or a slip. What the number is, nobody knows."""
_RUNS_ON = re.compile(r"(?:\s[a-z]{2,12})?\s*[-+*/×÷−–]\s*[\d$€£(]")
_PERCENT = re.compile(r"\s?(?:%|per ?cent)")
_CENTS = re.compile(r"\s?(?:cents?\b|¢)")
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}
LONGEST_EXPRESSION_CHARS = 120
FLOAT_NOISE = Fraction(1, 10**14)
"""Relative error of sums that a machine worked out in binary fractions of 53 bits: 54.00000000000001."""


def arithmetic(exchange: Exchange) -> dict[str, Any] | None:
    """Return the first wrong sum of an answer: what is written, and what it comes to. Code is not looked at."""
    answer = exchange.answer
    text = answer.text
    if "=" in text or "equals" in answer.unique:
        if "<<" in text and (fault := wrong_mark(text)) is not None:
            return fault
        if (answer.shows_code and "==" in text) or "`" in text:
            return None
        if (fault := wrong_sum(_MARK.sub("", text) if "<<" in text else text)) is not None:
            return fault
    told = "%" in text or not answer.unique.isdisjoint(word_sums.TRIGGERS)
    return wrong_told_sum(text) if told else None


def wrong_mark(text: str) -> dict[str, Any] | None:
    """Return the first wrong ``<<expression=result>>``, or None."""
    for found in _MARK.finditer(text):
        value, stated = evaluate(found[1]), evaluate(found[2])
        if value is not None and stated is not None and not same(value, found[2], stated, whole="/" in found[1]):
            return _fault(found[0], found[2], value)
    return None


def wrong_sum(text: str) -> dict[str, Any] | None:
    """Return the first wrong sum in running text, or None."""
    for found in _SUM.finditer(text):
        if _BEFORE.search(text[max(0, found.start() - 12) : found.start()]) or _AFTER.match(text, found.end()):
            continue
        left, right = _plain(_FRACTION.sub(r"(\g<0>)", found["left"])), found["right"].translate(_SIGNS)
        if left is None or ("%" in right and "%" not in found["left"] and "/" not in left):
            continue
        value, stated = evaluate(left), evaluate(right.rstrip("%"))
        if value is None or stated is None or same(value, right, stated, whole="/" in left):
            continue
        if not _excused(found, value, stated, text):
            return _fault(found[0], found["right"], value)
    return None


def wrong_told_sum(text: str) -> dict[str, Any] | None:
    """Return the first wrong sum told in words, or None."""
    for told in word_sums.told_sums(text):
        value, stated = evaluate(told.expression), evaluate(told.stated)
        if (
            value is not None
            and stated is not None
            and not same(value, told.stated, stated, whole="/" in told.expression)
        ):
            return _fault(told.span, told.stated, value)
    return None


def _fault(span: str, stated: str, value: Fraction) -> dict[str, Any]:
    return {"span": span.strip(), "stated": stated.strip(), "value": round(float(value), 6)}


def _plain(expression: str) -> str | None:
    """Return an expression without units and signs of money; None if dashes make it a range or a date."""
    if re.search(r"\d\s?%|[a-z]/\d", expression) or _CLOCK.search(expression) or _SLIPPED_COMMA.search(expression):
        return None
    if re.fullmatch(r"\d+/\d+\s[a-z ]+", expression.strip()):
        return None  # '1/4 cup = 60 ml' is a conversion
    if re.fullmatch(r"\d{1,4}(?:[-–]\d{1,2}|[-–/]\d{1,2}[-–/]\d{2,4})", expression.strip()):
        return None
    bare = re.sub(r"(?<!\w)(?!x\b)[a-z°]{1,12}(?: [a-wyz][a-z]{1,11})?(?!\w)|°", "", expression)
    return bare.translate(_SIGNS)


def _excused(found: re.Match[str], value: Fraction, stated: Fraction, text: str) -> bool:
    """Whether a sum that does not hold is another way of writing: percentages, thousands, mixed numbers, carried on."""
    if _RUNS_ON.match(text, found.end()) or re.search(r"\d\s+\d+/\d", found["left"]):
        return True  # '3 + 4 = 7 + 2 = 9' is sloppy, not wrong
    right = found["right"].translate(_SIGNS)
    if ("%" in right or _PERCENT.match(text, found.end())) and same(value * 100, right, stated):
        return True
    if (_CENTS.match(text, found.end()) and stated == value * 100) or ("$" in found["right"] and stated * 100 == value):
        return True
    return any(stated == value * scale and name in text for name, scale in _SCALES.items())


def same(value: Fraction | float, written: str, stated: Fraction | float, *, whole: bool = False) -> bool:
    """Whether a stated result is a value, rounded to the digits that are written: 0.33 is a third, 0.34 is none.

    A whole number is the value itself if that is whole, else the nearest one; with ``whole``, for quotients, also the
    one below: 50 stickers among 3 friends are 16 each. Exactly half a unit may be rounded up or down.
    """
    decimals = len(written.split(".")[1].rstrip(" %")) if "." in written else 0
    exact = value if isinstance(value, Fraction) else Fraction(repr(value))
    off = abs(exact - (stated if isinstance(stated, Fraction) else Fraction(repr(stated))))
    if off == 0 or (exact.denominator == 1 and not decimals):
        return off == 0
    if whole and not decimals and exact > 0 and stated == exact.__floor__():
        return True
    return off <= max(Fraction(1, 2 * 10**decimals), abs(exact) * FLOAT_NOISE)


def evaluate(expression: str) -> Fraction | None:
    """Return what a sum of numbers with ``+ - * / ( )`` comes to; None if it is anything else, or divides by zero."""
    text = expression.translate(_SIGNS).replace("%", "/100")
    if len(text) > LONGEST_EXPRESSION_CHARS or not re.fullmatch(r"[\d.+*/()-]+", text):
        return None
    text = re.sub(r"(?<![\d.])0+(?=\d)", "", text)
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(repr(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        result: Fraction = _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
        return result
    raise ValueError("no sum of numbers")
