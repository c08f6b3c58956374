"""Street addresses: a street with its number, and the unit, town and code that go on from it.

Owns the forms of streets and what may follow them. Does not own which words are places: a model says so (`names`). A
town or a country alone is no address and stays.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Span = tuple[int, int]

_AFTER = (
    r"Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Terrace|Close|Crescent"
    r"|Square|Sq|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Trail|Trl|Loop|Row|Walk|Alley|Mews|Grove|Gardens|Hill|Quay"
)
_BEFORE = (
    r"rue|avenue|boulevard|chemin|impasse|quai|all[ée]e|viale|corso|piazza|strada|vicolo|calle|c/|avenida"
    r"|avda\.?|carrera|paseo|plaza|rua|travessa|largo|pra[çc]a|ul\.|ulica|al\.|os\.|trg|bulevar|ctra\.?"
)
_BEFORE_BIG = r"Place|Via"  # in small letters they are English words
_JOINED = (
    r"stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|gatan|v[äa]gen|vegen|veien|gata|gade|vej|katu|tie|laan|straat|plein"
    r"|kade|gracht|dijk"
)
_APART = r"[Ss]tra(?:ß|ss)e|gate|utca|t[ée]r|[úu]tja|[úu]t|ulica|cesta|u\.|rkp\.|terrasse|tee|k[öo]rút"
_NUMBER = r"[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,4}[A-Za-z]?)?"
_UNIT = r"(?i:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room)\b\.? ?#?(?:[0-9]{1,6}[A-Za-z]?|[A-Z])\b"
_BOX = r"\b(?i:P\. ?O\. ?Box|PO Box) [0-9]{1,7}|\bPSC [0-9]{1,5}, Box [0-9]{1,6}|\b(?i:Unit [0-9]{1,6} Box) [0-9]{1,6}"
_MILITARY = r"\b(?i:FPO|APO|DPO) (?i:A[AEP]) [0-9]{5}\b"
_WORD = r"[^\W\d_][\w'’.-]{0,30}"
_CAPITAL = r"(?:[A-Z\u00c0-\u00de\u0100-\u017f\u0370-\u03ab\u0400-\u042f][\w'’.-]{0,30}|[0-9]{1,3}(?:st|nd|rd|th))"
_BIG = rf"(?:{_CAPITAL}|de|la|del|of|the|van|von|der)"
_CODE = r"(?:[A-Z]{1,2}[- ])?[0-9]{4,6}(?:-[0-9]{3,4})?\b(?![-.]?[0-9])"
_TO_CODE = rf"(?:{_BIG}[\s,>()]{{1,8}}){{1,8}}[0-9]{{5}}\b(?![-.]?[0-9])"
"""Towns, regions and countries, whatever they are, up to their code."""

_FIRST = rf"(?:\b{_NUMBER},? )?"
_STREET = re.compile(
    rf"{_FIRST}\b{_NUMBER} (?:[NSEW]{{1,2}}\.? )?(?:{_BIG} ){{0,3}}{_CAPITAL} (?:{_AFTER})\b\.?"
    rf"|{_FIRST}\b(?:(?i:{_BEFORE})|{_BEFORE_BIG})(?: {_WORD}){{1,5}}? {_NUMBER}\b"
    rf"|\b{_NUMBER},? (?:(?i:{_BEFORE})|{_BEFORE_BIG})(?: (?:{_BIG}|{_WORD}(?= {_BIG}))){{1,5}}"
    rf"|{_FIRST}\b[^\W\d_][\w.-]{{0,30}}(?:{_JOINED}) {_NUMBER}\b"
    rf"|{_FIRST}\b(?:{_BIG} ){{1,3}}(?:{_APART}) {_NUMBER}\b\.?"
    rf"|{_FIRST}(?:{_BOX}|{_MILITARY})"
    rf"|{_FIRST}\b(?:{_BIG} ){{1,4}}{_NUMBER}\b\.?(?=[\s,>]{{1,6}}{_UNIT})"
    rf"|\b{_NUMBER} (?:{_BIG} ){{1,4}}(?=\s{{0,4}}{_UNIT})"
    rf"|\b{_NUMBER} (?:{_BIG} ){{1,4}}{_NUMBER}\b(?=[\s,>]{{1,6}}{_TO_CODE})"
    r"|(?i:\bzip(?: ?code)?(?: is|:)?) (?P<zip>[0-9]{5}(?:-[0-9]{4})?)\b"
)
_GAP = re.compile(r"[\s,>.;|-]{0,12}")
_MORE = re.compile(
    rf"{_UNIT}|{_MILITARY}"
    r"|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}\b"  # a British code
    rf"|{_CODE}|{_TO_CODE}"
    r"|(?:[A-Z]{2}|nan)(?=[\s,>.]|$)"  # a state
)
MOST_PARTS = 8
"""Parts that may follow a street: unit, building, town, region, code, country, and two more."""


def addresses(text: str, places: Sequence[Span] = ()) -> Iterator[Span]:
    """Yield the street addresses of a text, in order, without overlap. ``places``: spans, in order, that name places.

    Places are what carries an address on, so that ``12 Hill Road, Leeds`` is found with its town.
    """
    if not _has_digit(text):
        return
    after = 0
    for found in _STREET.finditer(text):
        if found.start() < after:
            continue
        zip_code = found.start("zip")
        after = found.end() if zip_code >= 0 else _continued(text, found.end(), places)
        yield max(found.start(), zip_code), after


def _has_digit(text: str) -> bool:
    return any(digit in text for digit in "1023456789")


def _continued(text: str, end: int, places: Iterable[Span]) -> int:
    """Return where an address ends that has reached ``end``."""
    spans = list(places)
    for _ in range(MOST_PARTS):
        gap = _GAP.match(text, end)
        start = gap.end() if gap else end
        if "\n\n\n" in text[end:start]:
            return end
        more = _MORE.match(text, start)
        at = bisect_right(spans, (start, len(text))) - 1
        if more:
            end = more.end()
        elif at >= 0 and spans[at][0] <= start < spans[at][1]:
            end = spans[at][1]
        else:
            return end
    return end
