"""Phone numbers: which runs of digits are one.

Owns the forms of phone numbers, international and national. A form that means nothing else (country code, area code in
brackets, 3-3-4, a leading zero) stands for itself; other runs must be called a phone. Does not own finding runs
(`numbers`) nor the words that call them so (`context`).
"""

from __future__ import annotations

import re
from itertools import pairwise

# Country calling codes of two digits; 1 and 7 have one, all others three. Source: ITU-T E.164 list, 2016-11-15.
_TWO_DIGITS = re.compile(r"2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
_THREE_DIGITS = re.compile(r"2[1-69]|3[578]|42|5[09]|6[7-9]|8[0578]|9[679]")
_GAP = "[ .()\u00a0\u2010\u2011\u2013/-]{0,3}"
RUN = re.compile(
    rf"(?:\+|\(\+?)?[0-9](?:{_GAP}[0-9]){{5,15}}"
    r"(?P<extension>(?:,? ?(?:x|ext\.?|extension|Ext\.?|#) ?[0-9]{1,6})?)(?![0-9A-Za-z_])",
    re.ASCII,
)
_LABEL_AFTER = re.compile(
    r"\s?[-–,]?\s?[(\[]?(?:office|fax|mobile|cell|home|work|tel|phone|voice|direct|landline"
    r"|whatsapp)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:19|20)\d\d([-/. ]?)(?:0?[1-9]|1[0-2])\1(?:[0-2]?\d|3[01])(?!\d)|(?:[0-2]?\d|3[01])([-/.])(?:[0-2]?\d"
    r"|3[01])\2(?:19|20)\d\d(?!\d)"
)
_YEARS = re.compile(r"\(?(?:1[5-9]|20)\d\d\)?(?: ?[-/–] ?| )\(?(?:1[5-9]|20)\d\d\)?(?: .*)?")
_GOES_ON = re.compile(r"[-./:,][0-9]|\s?[=*%]|[eE][-+]?[0-9]")
_CUT = re.compile(r"[ /\u00a0]+")
_MAY_BEGIN = re.compile(r"[+(0]|1?[ .-]?[2-9][0-9]{2}[ ./-]|1[ .-]?\(")
_DECIMAL = re.compile(r"\d+\.\d+")
_LOCAL = re.compile(r"\d{3}\.\d{4}")
_PAIRS = re.compile(r"\d\d([ -])\d\d\1\d\d|\d{3}[ -]\d{3}")
_FORMS = tuple(
    re.compile(form)
    for form in (
        r"(?:1[ .-]?)?\([2-9]\d\d\)[ .-]?\d{3}[ .-]?\d{4}",  # (415) 555-0123
        r"(?:1([.-]))?[2-9]\d\d([.-])\d{3}\2\d{4}",  # 415-555-0123
        r"(?:1 )?[2-9]\d\d [2-9]\d\d \d{4}",
        r"[2-9]\d\d[/-][2-9]\d\d[-.]\d{4}",
        r"[2-9]\d\d [2-9]\d\d-\d{4}",
        r"\(0\d{0,5}\)[ -]?\d{2,8}(?:[ -]\d{2,6}){0,3}",  # (021) 0025-967
        r"\(\d{2,3}\)[ -]?\d{3,5}[ -]\d{3,5}",  # (88) 684-334
        r"0[1-9]\d{1,4}(?:[ /-]|\) ?)\d{2,8}(?:[ -]\d{2,6}){0,4}",  # 020 7946 0958
        r"0[1-9](?:[ -]\d{3,4}){2}",  # 02 9374 4000
        r"0[1-9]-\d{8}",
        r"0[1-9]([ .-])\d\d(?:\1\d\d){3}",  # 01.84.17.61.18
        r"0[1-9]\d{0,2}\.\d{3,4}\.\d{3,4}",
        r"0[1-9]\d{8,9}",
    )
)  # fmt: skip


def phone_end(text: str, start: int, named: frozenset[str], before: str) -> int:
    """Return where the phone number that begins at ``start`` ends, or -1 if there is none.

    ``named`` is what the text before calls it (`context.named`), ``before`` the character before it.
    """
    found = RUN.match(text, start)
    if found is None or (before and before in "/#.-=_$€£<") or before.isdigit():
        return -1
    run = found[0][: len(found[0]) - len(found["extension"])]
    called = bool(named & {"phone", "call"}) or _LABEL_AFTER.match(text, found.end()) is not None
    if not called and not _MAY_BEGIN.match(run):
        return -1
    if _is_phone(run, called, "code" in named) and not _goes_on(text, found.end()):
        return found.end()
    for cut in list(_CUT.finditer(run))[:7][::-1]:  # a shorter one, without what follows a space
        shorter = run[: cut.start()].rstrip(" -/(.")
        if len(shorter) < 7:
            break
        if _is_phone(shorter, called, "code" in named):
            return start + len(shorter)
    return -1


def _goes_on(text: str, end: int) -> bool:
    return _GOES_ON.match(text, end) is not None


def _is_phone(run: str, called: bool, is_code: bool) -> bool:
    digits = re.sub(r"\D", "", run)
    if not 6 <= len(digits) <= 15 or _is_other(run, called):
        return False
    if run.startswith(("+", "(+")) or (digits.startswith("00") and not is_code and (called or not run.isdigit())):
        return _is_international(digits.removeprefix("00"), run)
    if called and not is_code:
        return len(digits) >= 7 or _PAIRS.fullmatch(run) is not None
    plain = run.replace("\u00a0", " ").replace("\u2010", "-").replace("\u2011", "-").replace("\u2013", "-")
    if is_code or len(digits) < 8 or not _has_size(plain, digits):
        return False
    return any(form.fullmatch(plain) for form in _FORMS)


def _is_other(run: str, called: bool) -> bool:
    """Tell whether a run is a date, a range of years, a decimal number or a list that counts up."""
    if not called and (_DECIMAL.fullmatch(run) or _counts_up(run)):
        return True
    decimal = _DECIMAL.fullmatch(run) and not _LOCAL.fullmatch(run)
    return bool(decimal or _DATE.match(run) or _YEARS.fullmatch(run))


def _has_size(run: str, digits: str) -> bool:
    return 9 <= len(digits) <= 12 if run.startswith("0") else len(digits) <= 13


def _is_international(digits: str, run: str) -> bool:
    """Tell whether digits begin with a country's code and have a length its numbers may have."""
    if run.count(".") == 1 and not re.search(r"[ /()-]", run):
        return False  # a decimal number with its sign
    if digits[0] in "17":
        return len(digits) == 11
    known = _TWO_DIGITS.match(digits) or _THREE_DIGITS.match(digits)
    return known is not None and 8 <= len(digits) <= 15


def _counts_up(run: str) -> bool:
    """Tell whether a run is a list or a row of digits (01 02 03 04 05, 0123456789), as in tables and code."""
    groups = [int(group) for group in re.findall(r"\d+", run)]
    if len(groups) == 1:
        return run in "01234567890123456789" or run in "9876543210987654321" or len(set(run)) == 1
    return len(groups) > 3 and len({after - before for before, after in pairwise(groups)}) == 1
