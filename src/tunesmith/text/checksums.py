"""Check digits of cards, accounts and identity numbers.

Owns the arithmetic only: every function takes the bare characters of a number and says whether they agree. Does not own
where such numbers are looked for (`identifiers`, `numbers`) nor what becomes of them (`redact`).
"""

from __future__ import annotations

import hashlib
from datetime import date

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
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def luhn(digits: str) -> bool:
    """Tell whether a card number's check digit is right.

    Source: ISO/IEC 7812-1, annex B.
    """
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def mod97(characters: str) -> bool:
    """Tell whether letters and digits, the check digits last, leave 1 when divided by 97.

    Source: ISO 7064, mod 97-10.
    """
    return int("".join(str(int(letter, 36)) for letter in characters)) % 97 == 1


def iban_is_valid(account: str) -> bool:
    """Tell whether an account number without spaces has its country's length and checksum.

    Source: ISO 13616-1, ISO 7064 (mod 97-10).
    """
    account = account.upper()
    if not account.isascii() or IBAN_CHARS.get(account[:2]) != len(account):
        return False
    return mod97(account[4:] + account[:4])


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """Return the sum of digits times weights, as far as there are weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def mod11_10(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others.

    Source: ISO 7064, mod 11,10 (German tax id, Croatian OIB).
    """
    product = 10
    for digit in digits[:-1]:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    return (11 - product) % 10 == int(digits[-1])


_TIMES = [[(one + other) % 5 for other in range(5)] + [(one + other) % 5 + 5 for other in range(5)] for one in range(5)]
_TIMES += [
    [(one - other) % 5 + 5 for other in range(5)] + [(one - other) % 5 for other in range(5)] for one in range(5)
]
_SHUFFLE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def verhoeff(digits: str) -> bool:
    """Tell whether the last digit is Verhoeff's check digit (Aadhaar).

    Source: J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of the pentagon, and the permutation
    (1 5 7 6 2 8 3 0 9 4) once for each place.
    """
    state = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(place % 8):
            value = _SHUFFLE[value]
        state = _TIMES[state][value]
    return state == 0


def is_date(year: int, month: int, day: int) -> bool:
    """Tell whether there is such a day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def is_day_of_century(digits: str) -> bool:
    """Tell whether YYMMDD is a day of some century."""
    return any(is_date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6])) for century in (1900, 2000))


def base58_check(address: str) -> bool:
    """Tell whether a Bitcoin address of the old kind ends in the hash of what it names.

    Source: Bitcoin Base58Check: version byte, 20 bytes, 4 bytes of a double SHA-256.
    """
    number = 0
    for letter in address:
        place = _BASE58.find(letter)
        if place < 0:
            return False
        number = number * 58 + place
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def bech32_check(address: str) -> bool:
    """Tell whether a segregated-witness address has its checksum.

    Source: BIP 173 (bech32, constant 1) and BIP 350 (bech32m, constant 0x2bc830a3).
    """
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().rpartition("1")
    if not prefix or any(letter not in _BECH32 for letter in data):
        return False
    head = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    state = 1
    for value in head + [_BECH32.index(letter) for letter in data]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            state ^= generator if top >> bit & 1 else 0
    return state in (1, 0x2BC830A3)
