"""Numbers in text that are somebody's: cards, accounts, identities, phones, IPv4 addresses, keys.

Owns where such a number may begin and in which order it is tried for what it could be. Does not own what each kind
looks like (`checksums`, `identifiers`, `phones`, `network`, `secrets`) nor the words before it (`context`).

A text is searched once, for a digit from which a long enough number or word with digits goes on; only there is
anything else tried. So a text with a few years and prices costs next to nothing, whatever the number of kinds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tunesmith.text.checksums import IBAN_CHARS, base58_check, bech32_check, iban_is_valid, luhn
from tunesmith.text.context import named
from tunesmith.text.identifiers import ALONE, BY_NAME, Identifier
from tunesmith.text.network import IPV4, is_ipv4, mac_end
from tunesmith.text.phones import phone_end
from tunesmith.text.secrets import is_random, vendor_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[int, int, str]

_DASHES = "\u00a0\u2010\u2011\u2013"
_START = re.compile(
    r"[0-9](?<![0-9][0-9])"
    r"(?!(?<![A-Za-z_\-].)[0-9]{0,3}+,? [A-Za-z])(?:"  # a year or a small number between words is none
    rf"(?:[ ().\-/{_DASHES}A-Za-z]{{0,3}}[0-9]){{5}}"  # six digits, little between them
    r"|[0-9]{0,2}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"  # 10.0.0.1
    r"|(?<=[A-Za-z]{2}[0-9])[0-9](?:[ -]?[A-Za-z0-9]){11}"  # an account that is mostly letters
    r"|(?<=[A-Za-z]{5}[0-9])[0-9]{3}[A-Za-z](?![A-Za-z0-9])"  # ABCPE1234F
    r"|(?<=[A-Za-z0-9_\-]{8}[0-9])(?<=[A-Z0-9_\-]{2}.)[A-Za-z0-9_\-]{7}|[A-Za-z0-9_\-]{15}"
    r"|(?<=[A-Za-z0-9_\-]{15}[0-9])"  # a token
    r")"
)
_WORD_CHARS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN = re.compile(r"[A-Za-z0-9_\-]{0,400}")
_DOTTED = re.compile(r"[A-Za-z0-9_.:\-]{0,400}")
_TOKEN_BEFORE = re.compile(r"[A-Za-z0-9_.\-]{0,200}")
_LETTER = re.compile(r"[A-Za-z]")
_LETTERS_APART = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{1,3}[ -]$")
_IBAN = re.compile(r"[A-Za-z]{2} ?[0-9]{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_CARD = re.compile(r"[0-9]{4}(?:[ .\u00a0-]?[0-9]){8,15}(?![A-Za-z0-9_]|[-][0-9])")
_BITCOIN = re.compile(
    r"[13][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])|(?:bc|BC"
    r"|tb)1[0-9A-Za-z]{25,87}(?![A-Za-z0-9])"
)
_ETHER = re.compile(r"0x[0-9a-fA-F]{40}(?![A-Za-z0-9])")
_ETHER_WORDS = re.compile(
    r"\b(?:wallet|eth|ether|ethereum|erc-?20|usdt|usdc|metamask|deposit|send|donat\w+|address)\b[^\n]{0,40}$",
    re.IGNORECASE,
)
_MAX_TOKEN_CHARS = 200

# Card lengths by the digits a number begins with. Source: ISO/IEC 7812 issuer ranges as the schemes publish them.
_CARD_RANGES = (
    (re.compile(r"4"), (16, 19)),
    (re.compile(r"5[1-5]|2(?:2(?:2[1-9]|[3-9])|[3-6]|7[01]|720)"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"6(?:011|4[4-9]|5|2)"), (16, 17, 18, 19)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),
    (re.compile(r"3(?:0[0-59]|[689])"), (14,)),
    (re.compile(r"2131|1800"), (15,)),
)


def numbers(text: str) -> Iterator[Found]:
    """Yield what is personal among the numbers of a text, in order and without overlap: ``(start, end, kind)``."""
    position = 0
    last: Found = (0, 0, "")
    while found := _START.search(text, position):
        first = found.start()
        start = first
        while start > position and text[start - 1] in _WORD_CHARS and first - start < 40:
            start -= 1
        hit = _secret_at(text, first, position) or _number_at(text, start, last, position)
        if hit is None:
            position = _after(text, start, found)
            continue
        yield hit
        last, position = hit, hit[1]


def _after(text: str, start: int, found: re.Match[str]) -> int:
    """Return where to look next: behind a word with letters in it, else behind the first run of digits."""
    word = _TOKEN.match(text, start)
    assert word is not None
    if _LETTER.search(word[0]):
        return max(word.end(), found.start() + 1)
    return found.start() + 1


def _secret_at(text: str, first: int, floor: int) -> Found | None:
    """Return the key that the digit at ``first`` is part of."""
    start = first - len(_TOKEN_BEFORE.match(text[max(floor, first - _MAX_TOKEN_CHARS) : first][::-1])[0])  # type: ignore[index]
    while text[start] in "-.":
        start += 1
    whole = _DOTTED.match(text, start)
    if whole is None or whole.end() - start < 16 or not _LETTER.search(whole[0]):
        return None
    inner = max(start, text.rfind(".", start, first) + 1)
    for begin in (start, inner):
        end = vendor_token(text, begin)
        if end > first:
            return begin, end, "SECRET"
    start = inner
    word = _TOKEN.match(text, start)
    if word is not None and word.end() - start >= 20 and is_random(word[0]) and "secret" in named(text, start):
        return start, word.end(), "SECRET"
    return None


def _number_at(text: str, start: int, last: Found, floor: int) -> Found | None:
    """Return what begins with the word at ``start``, the surest kinds first."""
    before = text[start - 1 : start]
    if before == "_":
        return None
    apart = _LETTERS_APART.search(text, max(floor, start - 5), start)
    hit = _iban_at(text, start) or _coin_at(text, start)
    if hit is None and apart is not None:
        hit = _iban_at(text, apart.start())
    if hit is None and before not in (".", "#"):
        hit = _address_at(text, start)
    if hit is not None:
        return hit
    called = named(text, start)
    if (
        not called
        and last[1]
        and start - last[1] <= 6
        and re.fullmatch(r"[ ,;/&]*(?:or |and )?\(?", text[last[1] : start])
    ):
        called = frozenset({last[2].lower()})  # one more of the same: "phones: 5550123, 5550145"
    hit = _card_at(text, start, called) or _identity_at(text, start, called, floor)
    if hit is not None:
        return hit
    opened = start - 1 if before in ("(", "+") and before else start
    if opened < start and text[opened - 1 : opened] == "(" and before == "+":
        opened -= 1
    end = phone_end(text, opened, called, text[max(0, opened - 1) : opened]) if opened >= floor else -1
    return None if end < 0 else (opened, end, "PHONE")


def _iban_at(text: str, start: int) -> Found | None:
    """Return as many characters as the country's account numbers have, if the checksum is right."""
    found = _IBAN.match(text, start)
    if found is None:
        return None
    run, wanted = found[0], IBAN_CHARS.get(found[0][:2].upper(), 0)
    end = taken = 0
    while end < len(run) and taken < wanted:
        taken += run[end].isalnum()
        end += 1
    follows = text[start + end : start + end + 1]
    if taken != wanted or not wanted or follows.isalnum() or not iban_is_valid(re.sub(r"[ \u00a0-]", "", run[:end])):
        return None
    return start, start + end, "IBAN"


def _coin_at(text: str, start: int) -> Found | None:
    found = _BITCOIN.match(text, start)
    if found is not None:
        good = bech32_check(found[0]) if found[0][0] in "bBt" else base58_check(found[0])
        return (start, found.end(), "CRYPTO") if good else None
    found = _ETHER.match(text, start)
    if found is not None and _ETHER_WORDS.search(text[max(0, start - 60) : start]):
        return start, found.end(), "CRYPTO"
    return None


def _address_at(text: str, start: int) -> Found | None:
    found = IPV4.match(text, start)
    if found is not None:
        return (start, found.end(), "IP") if is_ipv4(text, start, found.end()) else None
    end = mac_end(text, start)
    return None if end < 0 else (start, end, "MAC")


def _card_at(text: str, start: int, called: frozenset[str]) -> Found | None:
    """Return the longest beginning of a run of digits that is a card number."""
    found = _CARD.match(text, start)
    if found is None or text[start - 1 : start] in ("-", ".", "+"):
        return None
    run = found[0]
    bare_code = "code" in called and run.isdigit()
    for end in range(len(run), 11, -1):
        whole = end == len(run) or not run[end].isdigit()
        if (
            whole
            and run[end - 1].isdigit()
            and not bare_code
            and _is_card(re.sub(r"\D", "", run[:end]), "card" in called, run[:end])
        ):
            return start, start + end, "CARD"
    return None


def _is_card(digits: str, called: bool, run: str) -> bool:
    if called and 12 <= len(digits) <= 19 and luhn(digits) and len(set(digits)) > 1:
        return True
    fits = any(len(digits) in lengths and begins.match(digits) for begins, lengths in _CARD_RANGES)
    return fits and (len(digits) <= 16 or not run.isdigit()) and luhn(digits)


def _identity_at(text: str, start: int, called: frozenset[str], floor: int) -> Found | None:
    """Return the identity number that begins at ``start``, or at letters set apart before it (``QQ 12 34 56 C``)."""
    apart = _LETTERS_APART.search(text, max(floor, start - 5), start)
    for begin in (start,) if apart is None else (start, apart.start()):
        if text[begin - 1 : begin] in ("-", ".", "/", "#") and begin and not called:
            continue
        words = called if begin == start else called | named(text, begin)
        for one in (*ALONE, *(BY_NAME[name] for name in words if name in BY_NAME)):
            end = _identifier_end(text, begin, one, words)
            if end:
                return begin, end, one.kind
    return None


def _identifier_end(text: str, start: int, one: Identifier, called: frozenset[str]) -> int:
    if one.name not in called and (not one.alone or "code" in called):
        return 0
    found = one.form.match(text, start)
    if found is None:
        return 0
    number = "".join(letter for letter in found[0] if letter.isalnum()).upper()
    return found.end() if one.check(number) else 0
