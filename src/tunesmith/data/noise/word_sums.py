"""Sums told in words: "twelve plus three is sixteen", "half of 30 is 14", "20 % of 50 is 12".

Owns how numbers and sums are said in English, and when such a sentence is a sum at all. Does not own whether it is
right (`arithmetic`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.data.noise.function_words import word_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TRIGGERS = word_set(
    "plus minus times half third thirds quarter quarters fourth fourths fifth fifths sixth eighth tenth tenths twice "
    "double triple thrice percent cent divided multiplied"
)
"""An answer without any of these words tells no sum in words."""

_UNIT_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TEN_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_UNITS = {word: value for value, word in enumerate(_UNIT_WORDS.split())}
_TENS = {word: 10 * value for value, word in enumerate(_TEN_WORDS.split(), 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}
_SHARES = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "eighth": 8, "tenth": 10,
}  # fmt: skip
_MULTIPLES = {"twice": 2, "double": 2, "triple": 3, "thrice": 3}
_OPERATIONS = {
    "plus": "+", "minus": "-", "times": "*", "multiplied by": "*", "divided by": "/", "+": "+", "-": "-", "−": "-",
    "×": "*", "*": "*", "÷": "/",
}  # fmt: skip


def _any(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_WORD = _any((*_UNITS, *_TENS, *_SCALES))
_NUMBER = (
    rf"(?:(?<![\d.,])(?:[$€£]\s?)?(?:\d{{1,3}}(?:,\d{{3}}){{1,4}}|\d{{1,15}})(?:\.\d{{1,15}})?(?!,?\d)"
    rf"|\b(?:{_WORD})(?:(?:[\s-]|\sand\s)(?:{_WORD})){{0,8}}\b)"
)
_OPERATION = rf"(?:\s(?:{_any(one for one in _OPERATIONS if one[0].isalpha())}|[-−])\s|\s?[+×*÷]\s?)"
_NO_UNITS = _any((*_OPERATIONS, "multiplied", "divided", "is", "are", "equals", "makes", "gives", "of", "and"))
_UNIT = rf"(?:\s(?!(?:{_NO_UNITS})\b)[a-z]{{2,12}})?"
_SHARE = rf"\b(?:(?P<count>an?|{_any(_UNITS)})[\s-])?(?P<share>{_any(_SHARES)})s?\sof\s"
_SAYS = r"\s(?:is|are|equals|makes|gives|is equal to|would be|will be|comes to)\s"
_TOLD = re.compile(
    rf"(?:{_SHARE}(?:the\s)?(?P<shared>{_NUMBER})|\b(?P<multiple>{_any(_MULTIPLES)})\s(?P<multiplied>{_NUMBER})"
    rf"|(?P<percent>{_NUMBER})\s?(?:%|per\s?cent)\sof\s(?P<whole>{_NUMBER})"
    rf"|(?P<chain>{_NUMBER}{_UNIT}(?:{_OPERATION}{_NUMBER}{_UNIT}){{1,12}}?))"
    rf"(?P<unit>{_UNIT}){_SAYS}(?:just\s)?(?P<stated>{_NUMBER})(?P<unit_of_stated>{_UNIT})",
    re.IGNORECASE,
)
_RESULT = re.compile(rf"{_SAYS}(?:just\s)?(?:[$€£]\s?)?(?:\d|(?:{_WORD})\b)", re.IGNORECASE)
"""What every sum in words ends with, and few other sentences have."""
LONGEST_SUM_CHARS, LONGEST_RESULT_CHARS = 200, 80
_LEFT_ALONE = re.compile(
    r"(?:[\w.)\]$€£%/*+×÷=^-]|[\d)\]*/+×÷=^−–-]\s|\b(?:about|almost|around|roughly|nearly|approximately|over|under|than"
    r"|of|by|times|plus|minus|and|if|not|that|whether|suppose|say|says|said|point|hundred|thousand|million|or|to"
    r"|minute|hour|square|cube|root|version|chapter|level|day|step)\s)$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"[\w%:/^–-]|[.,]\d|\s*[-+*/×÷^=%−–(]|\s?x\s?\d|\s(?:of|more|less|fewer|plus|minus|times|per|percent|multiplied|divided|point|to"
    r"|or|over|and\s(?:an?|one|two|three|\d|half)|out|short|half|too|away|higher|lower|bigger|larger|smaller|years)\b"
    r"|\s\d",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ToldSum:
    """A sum told in words: where it stands, the expression it says, and the result, both with digits."""

    span: str
    expression: str
    stated: str


def told_sums(text: str) -> Iterator[ToldSum]:
    """Yield the sums a text tells in words; what is estimated, compared, supposed or goes on is none."""
    for found in _candidates(text):
        end = found.end("stated")
        if _LEFT_ALONE.search(text[max(0, found.start() - 16) : found.start()]) or _GOES_ON.match(text, end):
            continue
        stated = number(found["stated"])
        if stated is None or not _same_unit(found["unit"], found["unit_of_stated"]):
            continue
        if found["stated"].lower() == "one" and text[end : end + 1] not in (".", ",", "!", ";", ""):
            continue  # 'is one way to say it'
        expression = _expression(found)
        if expression is not None:
            yield ToldSum(found[0], expression, stated)


def _candidates(text: str) -> Iterator[re.Match[str]]:
    """Yield what has the form of a sum, looked for only around results: most texts have none."""
    after = 0
    for result in _RESULT.finditer(text):
        begin, end = max(after, result.start() - LONGEST_SUM_CHARS), result.end() + LONGEST_RESULT_CHARS
        for found in _TOLD.finditer(text, begin, end):
            yield found
            after = found.end()


def _same_unit(unit: str, of_stated: str) -> bool:
    """Whether both sides count the same thing: 'half of 1 hour is 30 minutes' does not."""
    ours, theirs = (one.strip().lower().rstrip("s") for one in (unit, of_stated))
    return not ours or not theirs or ours == theirs


def _expression(found: re.Match[str]) -> str | None:
    if found["share"]:
        count = number(found["count"]) if (found["count"] or "a").lower() not in ("a", "an") else "1"
        shared = number(found["shared"])
        return f"{count}*{shared}/{_SHARES[found['share'].lower()]}" if count and shared else None
    if found["multiple"]:
        multiplied = number(found["multiplied"])
        return f"{_MULTIPLES[found['multiple'].lower()]}*{multiplied}" if multiplied else None
    if found["percent"]:
        percent, whole = number(found["percent"]), number(found["whole"])
        return f"{percent}*{whole}/100" if percent and whole else None
    return _chain(found["chain"])


_PART = re.compile(rf"(?P<operation>{_OPERATION})|(?P<number>{_NUMBER})|[a-z]+|\s+", re.IGNORECASE)
_DOZENS = word_set("dozen dozens score scores pair pairs couple couples gross hundred thousand million billion")


def _chain(text: str) -> str | None:
    """Return a chain of numbers and operations with digits and signs; None if a unit multiplies, as a dozen does."""
    parts: list[str] = []
    for found in _PART.finditer(text):
        if found["operation"]:
            parts.append(_OPERATIONS[" ".join(found["operation"].lower().split())])
        elif found["number"]:
            value = number(found["number"])
            if value is None:
                return None
            parts.append(value)
        elif found[0].lower() in _DOZENS:
            return None
    return "".join(parts)


def number(said: str) -> str | None:
    """Return a number, in words or digits, as digits with a decimal point; None if the words make none."""
    if any(one.isdigit() for one in said):
        return re.sub(r"[^\d.]", "", said)
    total, group, place = 0, 0, 1000
    for word in re.findall(r"[a-z]+", said.lower()):
        if word == "hundred":
            group, place = max(group, 1) * 100, 100
        elif word in _SCALES:
            total, group, place = total + max(group, 1) * _SCALES[word], 0, 1000
        elif word in _TENS:
            if place < 100:
                return None  # 'five sixty'
            group, place = group + _TENS[word], 10
        elif word in _UNITS:
            if place < 10 or (place == 10 and _UNITS[word] > 9):
                return None  # 'five six', 'twenty twelve'
            group, place = group + _UNITS[word], 1
    return str(total + group)
