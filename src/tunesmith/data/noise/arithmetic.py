"""Wrong arithmetic in worked answers: calculator marks ``<<48/2=24>>`` and sums in running text, ``3 + 4 = 8``.

Owns the rule ``arithmetic``. Does not own whether the right sum was done, nor algebra: an expression with a letter in
it is left alone. Rounded results are right, to the digits that are written.
"""

from __future__ import annotations

import ast
import operator
import re
from typing import TYPE_CHECKING, Any

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
    r"|sin|cos|tan|mod|root|of|power|minus|plus|times|over)\s*$|\\\w+[{(]?\s*$"
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
TOLERANCE = 0.005
"""Relative slack beside rounding: worked answers carry on with results rounded to two digits."""
LONGEST_EXPRESSION_CHARS = 120


def arithmetic(exchange: Exchange) -> dict[str, Any] | None:
    """Return the first wrong sum of an answer: what is written, and what it comes to. Code is not looked at."""
    text = exchange.answer.text
    if "=" not in text and "equals" not in exchange.answer.unique:
        return None
    if "<<" in text and (fault := wrong_mark(text)) is not None:
        return fault
    if (exchange.answer.shows_code and "==" in text) or "`" in text:
        return None
    return wrong_sum(_MARK.sub("", text) if "<<" in text else text)


def wrong_mark(text: str) -> dict[str, Any] | None:
    """Return the first wrong ``<<expression=result>>``, or None."""
    for found in _MARK.finditer(text):
        value, stated = evaluate(found[1]), evaluate(found[2])
        if value is not None and stated is not None and not same(value, found[2], stated):
            return {"span": found[0], "stated": found[2].strip(), "value": round(value, 6)}
    return None


def wrong_sum(text: str) -> dict[str, Any] | None:
    """Return the first wrong sum in running text, or None."""
    for found in _SUM.finditer(text):
        if _BEFORE.search(text[max(0, found.start() - 12) : found.start()]) or _AFTER.match(text, found.end()):
            continue
        left, right = _plain(_FRACTION.sub(r"(\g<0>)", found["left"])), found["right"].translate(_SIGNS)
        if left is None or ("%" in right and "%" not in found["left"]):
            continue
        value, stated = evaluate(left), evaluate(right.rstrip("%"))
        if (
            value is None
            or stated is None
            or same(value, right.rstrip("%"), stated)
            or _excused(found, value, stated, text)
        ):
            continue
        return {"span": found[0].strip(), "stated": found["right"].strip(), "value": round(value, 6)}
    return None


def _plain(expression: str) -> str | None:
    """Return an expression without units and signs of money; None if dashes make it a range or a date."""
    if re.search(r"\d\s?%", expression) or _CLOCK.search(expression):
        return None
    if re.fullmatch(r"\d+/\d+\s[a-z ]+", expression.strip()):
        return None  # '1/4 cup = 60 ml' is a conversion
    if re.fullmatch(r"\d{1,4}[-–/]\d{1,2}(?:[-–/]\d{2,4})?", expression.strip()):
        return None
    bare = re.sub(r"(?<!\w)(?!x\b)[a-z°]{1,12}(?: [a-wyz][a-z]{1,11})?(?!\w)|°", "", expression)
    return bare.translate(_SIGNS)


def _excused(found: re.Match[str], value: float, stated: float, text: str) -> bool:
    """Whether a sum that does not hold is another way of writing: mixed numbers, percentages, a sum carried on."""
    percent = (
        abs(value * 100 - stated) <= abs(stated) * TOLERANCE or abs(value - stated * 100) <= abs(value) * TOLERANCE
    )
    return percent or _runs_on(found, value, text) or bool(re.search(r"\d\s+\d+/\d", found["left"]))


def _runs_on(found: re.Match[str], value: float, text: str) -> bool:
    """Whether the number after '=' begins the next sum: '3 + 4 = 7 + 2 = 9' is sloppy, not wrong."""
    return text[found.end() :].lstrip()[:1] in ("+", "-", "*", "/", "×", "÷")


def same(value: float, written: str, stated: float) -> bool:
    """Whether a stated result is a value, as exact as it is written: 0.33 is a third, and so is 0.3."""
    decimals = len(written.split(".")[1].rstrip(" %")) if "." in written else 0
    unit = 10.0**-decimals
    return abs(value - stated) <= max(
        unit * 1.001 if not float(value).is_integer() else unit * 0.501 * (decimals > 0),
        abs(value) * TOLERANCE if decimals else 1e-9,
    )


def evaluate(expression: str) -> float | None:
    """Return what a sum of numbers with ``+ - * / ( )`` comes to; None if it is anything else, or divides by zero."""
    text = expression.translate(_SIGNS).replace("%", "/100")
    if len(text) > LONGEST_EXPRESSION_CHARS or not re.fullmatch(r"[\d.+*/()-]+", text):
        return None
    text = re.sub(r"(?<![\d.])0+(?=\d)", "", text)
    try:
        return _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        result: float = _OPERATIONS[type(node.op)](_value(node.left), _value(node.right))
        return result
    raise ValueError("no sum of numbers")
