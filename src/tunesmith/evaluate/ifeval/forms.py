"""Instructions about an answer's form: marks, lists, titles, JSON, how it begins and ends.

Each function takes an answer and the instruction's arguments and returns whether it was followed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arguments = Mapping[str, Any]

_CONSTRAINED = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_SIX_STARS = "******"
_BULLET = re.compile(r"^[^\S\n]*(?:\*[^*\n]|-).*$", re.MULTILINE)
_TITLE = re.compile(r"<<([^\n]+)>>")
_LIGHT = re.compile(r"\*([^\n*]*)\*")
_BOLD = re.compile(r"\*\*([^\n*]*)\*\*")
_OPENING = re.compile(r"```(?:json)?", re.IGNORECASE)
_INITIALS = re.compile(r"(?:\w\.\s?)+\w?\.?")


def placeholders(text: str, given: Arguments) -> bool:
    """At least ``num_placeholders`` placeholders in square brackets."""
    ends = [piece for line in text.split("\n") for piece in line.split("]")[:-1]]
    return sum("[" in piece for piece in ends) >= int(given["num_placeholders"])


def postscript(text: str, given: Arguments) -> bool:
    """A postscript with the mark ``postscript_marker``, in any case; initials as ``P.S.`` also with spaces between."""
    mark = given["postscript_marker"].strip().lower()
    if not _INITIALS.fullmatch(mark):
        return mark in text.lower()
    letters = [letter for letter in mark if letter.isalnum()]
    last = r"\." if mark.endswith(".") else ""
    return re.search(r"\.\s?".join(map(re.escape, letters)) + last, text.lower()) is not None


def bullets(text: str, given: Arguments) -> bool:
    """Exactly ``num_bullets`` lines that begin with ``*`` or ``-``."""
    return len(_BULLET.findall(text)) == int(given["num_bullets"])


def constrained(text: str, given: Arguments) -> bool:
    """One of the three allowed answers stands in it."""
    return any(one in text for one in _CONSTRAINED)


def highlights(text: str, given: Arguments) -> bool:
    """At least ``num_highlights`` parts between ``*`` or ``**``."""
    count = sum(bool(inner.strip()) for pattern in (_LIGHT, _BOLD) for inner in pattern.findall(text))
    return count >= int(given["num_highlights"])


def sections(text: str, given: Arguments) -> bool:
    """At least ``num_sections`` sections, each after ``section_spliter`` and a number."""
    return len(re.findall(rf"{re.escape(given['section_spliter'])}\s?\d+", text)) >= int(given["num_sections"])


def is_json(text: str, given: Arguments) -> bool:
    """JSON throughout, in a fence or without."""
    bare = text.strip()
    start = _OPENING.match(bare)
    try:
        json.loads((bare[start.end() :] if start else bare).removesuffix("```"))
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str, given: Arguments) -> bool:
    """A title in double angular brackets."""
    return any(inner.strip("<> \t") for inner in _TITLE.findall(text[: text.rfind(">>") + 2]))


def two_responses(text: str, given: Arguments) -> bool:
    """Two different answers, with six stars between them."""
    parts = [part.strip() for part in text.split(_SIX_STARS)]
    if not all(parts[1:-1]):
        return False
    kept = [part for part in parts if part]
    return len(kept) == 2 and kept[0] != kept[1]


def repeats_prompt(text: str, given: Arguments) -> bool:
    """It begins with ``prompt_to_repeat``, case apart."""
    return text.strip().lower().startswith(given["prompt_to_repeat"].strip().lower())


def ends_with(text: str, given: Arguments) -> bool:
    """It ends with ``end_phrase``, case apart, maybe in quotation marks."""
    return text.strip().strip('"').lower().endswith(given["end_phrase"].strip().lower())


def quoted(text: str, given: Arguments) -> bool:
    """The whole in double quotation marks."""
    bare = text.strip()
    return len(bare) > 1 and bare[0] == bare[-1] == '"'
