"""Instructions about words, letters, case and language.

Each function takes an answer and the instruction's arguments and returns whether it was followed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.evaluate.ifeval.relation import holds

if TYPE_CHECKING:
    from collections.abc import Mapping

    Arguments = Mapping[str, Any]

_WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")


def has_keywords(text: str, given: Arguments) -> bool:
    """Every one of ``keywords`` occurs, in any case, also inside a longer word."""
    return all(word.lower() in text.lower() for word in given["keywords"])


def keyword_frequency(text: str, given: Arguments) -> bool:
    """``keyword`` occurs ``frequency`` times, in any case, also inside longer words."""
    return holds(text.lower().count(given["keyword"].strip().lower()), given["relation"], given["frequency"])


def no_forbidden_words(text: str, given: Arguments) -> bool:
    """None of ``forbidden_words`` occurs as a word of its own."""
    found = (re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in given["forbidden_words"])
    return not any(found)


def letter_frequency(text: str, given: Arguments) -> bool:
    """``letter`` (or another sign) occurs ``let_frequency`` times, in any case."""
    return holds(text.lower().count(given["letter"].lower()), given["let_relation"], given["let_frequency"])


def capital_words(text: str, given: Arguments) -> bool:
    """``capital_frequency`` words are in capitals throughout; a single capital letter is one."""
    count = sum(word.isupper() for word in _WORD.findall(text))
    return holds(count, given["capital_relation"], given["capital_frequency"])


def all_capitals(text: str, given: Arguments) -> bool:
    """English, without a small letter."""
    return text.isupper() and language_of(text) in ("en", None)


def all_lowercase(text: str, given: Arguments) -> bool:
    """English, without a capital letter."""
    return text.islower() and language_of(text) in ("en", None)


def in_language(text: str, given: Arguments) -> bool:
    """In the language of the ISO 639-1 code ``language``; a text that has none, as a number, counts as in it."""
    return language_of(text) in (given["language"], None)


def no_comma(text: str, given: Arguments) -> bool:
    """Without a comma."""
    return "," not in text


def check_languages() -> None:
    """Raise `MissingExtraError` if languages cannot be told."""
    language_of("")


def language_of(text: str) -> str | None:
    """Return the language of a text by ``langdetect``, which IFEval was published with; None if it has no letters.

    Raises:
        MissingExtraError: without the ``evaluate`` extra.
    """
    try:
        from langdetect import DetectorFactory, LangDetectException, detect
    except ModuleNotFoundError as error:
        raise MissingExtraError("evaluate", error.name or "langdetect") from error
    DetectorFactory.seed = 0  # it draws at random otherwise
    try:
        return str(detect(text))
    except LangDetectException:
        return None
