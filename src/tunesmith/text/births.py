"""Dates of birth with the month in words: "born on 12 March 1984", "geboren am 12. März 1984".

Owns the words that say that a date is one of birth, and how dates are written out. Does not own dates in digits
(`identifiers`). Years before 1900 are of nobody who lives. Each find is ``(start, end, "DATE_OF_BIRTH")``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[int, int, str]

_SIGNS = ("born", "irth", "DOB")
_OTHER_SIGNS = (
    *("Born", "dob", "eboren", "eburt", "eboorte", "aissance", "naci", "Naci", "nascid", "nascim", "nascita"),
    *("nato il", "nata il", "né", "Né"),
)
"""In every text with a date of birth in words is one of these; looked for one by one, which costs little. The others
come with a year of four digits."""
_BEFORE_CHARS, _AFTER_CHARS = 20, 80
_MONTH = (
    r"(?:jan|ene|gen|feb|fév|fev|mar|mär|maa|apr|avr|abr|may|mai|mei|mag|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt"
    r"|ott|out|nov|dec|dez|déc|dic)[a-zéûç]{0,8}\.?"
)
_YEAR = r"(?:19|20)[0-9]{2}(?![0-9])"
_DATE = (
    rf"{_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th|er|\.|º)?(?: of| de)?[ -]{_MONTH}(?:,?[ -]| de ){_YEAR}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?[ -]{_MONTH}[ -][0-9]{{2}}(?![0-9])"
)
_BORN = re.compile(
    r"(?:\b(?:date of birth|birth ?date|birthday|d\.?o\.?b\.?|geburtsdatum|geboren|geboortedatum|date de naissance"
    r"|n[ée]e? le|fecha de nacimiento|nac(?:í|ió|id[oa])|data di nascita|nat[oa]|data de nascimento|nascid[oa])"
    r"|\b(?:i|he|she|we|they|patient|client|member|applicant|claimant|insured)(?:'m| am| was| were| is|,)? born"
    r"|\bborn(?= on\b|\s?:))"
    r"(?:\s?(?:\b(?:is|was|on|the|am|op|el|le|il|em)\b|[:=-])){0,3}\s{0,2}"
    rf"(?P<date>{_DATE})",
    re.IGNORECASE,
)


def births(text: str) -> Iterator[Found]:
    """Yield dates of birth whose month is a word; a date without a word of birth before it is none."""
    yield from _beside(_SIGNS, text)
    if "19" in text or "20" in text:
        yield from _beside(_OTHER_SIGNS, text)


def _beside(signs: tuple[str, ...], text: str) -> Iterator[Found]:
    for sign in signs:
        at = text.find(sign)
        while at >= 0:
            found = _BORN.search(text, max(0, at - _BEFORE_CHARS), at + _AFTER_CHARS)
            if found is not None:
                yield found.start("date"), found.end("date"), "DATE_OF_BIRTH"
            at = text.find(sign, at + 1)
