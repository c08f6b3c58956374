"""Personal data out of text: e-mail, phone, card, bank account, IP address, each to a typed placeholder.

The same function cleans training data and captured traffic. Numbers with a checksum must pass it, so that order
numbers, dates and prices stay. Does not own names and street addresses, which need a model to find.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}+@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@])")
CARD = re.compile(r"(?<![\w-])(?<!\d[ .,])\d(?:[ -]?\d){12,18}(?![\w-])")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}", re.IGNORECASE)
IPV4 = re.compile(
    r"(?<![\w.-])(?<!version )(?<!Version )(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}"
    r"(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)"
)
PHONE = re.compile(
    r"(?<![\w#/.-])(?:"
    r"(?:\+|00(?=[1-9]))\d{1,3}(?:[ ./-]?\(\d{1,5}\))?(?:[ ./-]?\d){5,12}"  # international
    r"|\(0?\d{2,5}\)[ -]?\d{3,5}(?:[ -]?\d{2,5}){0,3}"  # area code in brackets
    r"|[2-9]\d{2}([ .-])\d{3}\1\d{4}"  # North American, 3-3-4
    r"|0[1-9]\d{1,3}[ /-]\d{3,8}(?:[ -]\d{2,6}){0,3}"  # national, with leading zero
    r"|0[1-9]\d{8,9}"
    r")(?![\w-]|[.,]\d)"
)
NAMED_PHONE = re.compile(
    r"(?P<before>\b(?:phone|telephone|tel|mobile|cell|whatsapp|fax"
    r"|call me (?:on|at)|reach me (?:on|at))"
    r"\b\.?(?: number)?(?: is)?[:\s]{1,3})(?P<number>\d(?:[ .()/-]{0,2}\d){6,13})(?![\w-])",
    re.IGNORECASE,
)
_MAYBE = re.compile(r"[@]|\d.*\d.*\d.*\d", re.DOTALL)
_PHONE_DIGITS = range(7, 16)

# Length of an IBAN by country. Source: ISO 13616 registry (SWIFT), release 98.
IBAN_CHARS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
    "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip

# Card lengths by the digits a number begins with. Source: ISO/IEC 7812 issuer ranges as the schemes publish them.
_CARD_RANGES = (
    (r"4", (16, 19)),
    (r"5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720)", (16,)),
    (r"3[47]", (15,)),
    (r"6(?:011|4[4-9]|5|2)", (16, 17, 18, 19)),
    (r"35", (16,)),
    (r"3[0689]", (14,)),
)


def redact(text: str) -> tuple[str, dict[str, int]]:
    """Replace personal data by ``[EMAIL] [PHONE] [CARD] [IBAN] [IP]`` and count what was replaced, by kind.

    Redacting twice changes nothing more. An empty text stays empty, with no counts.
    """
    counts: Counter[str] = Counter()
    if not _MAYBE.search(text):
        return text, {}
    while True:
        before = text
        for pattern, replacement in _RULES:
            text = pattern.sub(lambda found, rule=replacement: rule(found, counts), text)  # type: ignore[misc]
        if text == before:
            return text, dict(counts)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def luhn(digits: str) -> bool:
    """Tell whether a card number's check digit is right.

    Source: ISO/IEC 7812-1, annex B.
    """
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def iban_is_valid(account: str) -> bool:
    """Tell whether an account number without spaces has its country's length and checksum.

    Source: ISO 13616-1, ISO 7064 (mod 97-10).
    """
    account = account.upper()
    if not account.isascii() or IBAN_CHARS.get(account[:2]) != len(account):
        return False
    return int("".join(str(int(letter, 36)) for letter in account[4:] + account[:4])) % 97 == 1


def _email(found: re.Match[str], counts: Counter[str]) -> str:
    counts["EMAIL"] += 1
    return "[EMAIL]"


def _ip(found: re.Match[str], counts: Counter[str]) -> str:
    counts["IP"] += 1
    return "[IP]"


def _card(found: re.Match[str], counts: Counter[str]) -> str:
    """Replace the longest beginning of a run of digits that is a card number."""
    run = found[0]
    for end in range(len(run), 13, -1):
        candidate = run[:end]
        if candidate[-1].isdigit() and (end == len(run) or not run[end].isdigit()) and _is_card(_digits(candidate)):
            counts["CARD"] += 1
            return "[CARD]" + run[end:]
    return run


def _is_card(digits: str) -> bool:
    fits = any(re.match(start, digits) and len(digits) in lengths for start, lengths in _CARD_RANGES)
    return fits and luhn(digits)


def _iban(found: re.Match[str], counts: Counter[str]) -> str:
    """Replace as many characters as the country's account numbers have, if the checksum is right."""
    run = found[0]
    wanted = IBAN_CHARS.get(run[:2].upper(), 0)
    end = taken = 0
    while end < len(run) and taken < wanted:
        taken += run[end].isalnum()
        end += 1
    follows = found.string[found.start() + end : found.start() + end + 1]
    if taken != wanted or not wanted or follows.isalnum() or not iban_is_valid(re.sub(r"[ -]", "", run[:end])):
        return run
    counts["IBAN"] += 1
    return "[IBAN]" + run[end:]


def _phone(found: re.Match[str], counts: Counter[str]) -> str:
    if len(_digits(found[0])) not in _PHONE_DIGITS:
        return found[0]
    counts["PHONE"] += 1
    return "[PHONE]"


def _named_phone(found: re.Match[str], counts: Counter[str]) -> str:
    counts["PHONE"] += 1
    return found["before"] + "[PHONE]"


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Counter[str]], str]], ...] = (
    (EMAIL, _email),
    (IBAN, _iban),
    (CARD, _card),
    (IPV4, _ip),
    (NAMED_PHONE, _named_phone),
    (PHONE, _phone),
)
