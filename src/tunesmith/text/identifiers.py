"""Identity numbers of persons: how each country writes them, and which are what they seem.

Owns the table of numbers: form, check digits, and the words that must stand before a number that proves nothing by
itself. Does not own the arithmetic of common check digits (`checksums`), nor finding a number in a text (`numbers`).

A number may stand alone when its form is rare and its check digits let few of that form pass (one in 23 for the
Spanish DNI, which is the least sure); all others need one of their words just before them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.text.checksums import is_date, is_day_of_century, luhn, mod11_10, verhoeff, weighted

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Identifier:
    """A kind of number. ``form`` matches at its first character; ``check`` gets letters (upper case) and digits only.

    ``words`` are a regular expression for lower-cased text; ``alone`` says whether it is recognised without them.
    """

    name: str
    form: re.Pattern[str]
    check: Callable[[str], bool]
    words: str
    alone: bool = False
    kind: str = "ID"


def us_ssn(number: str) -> bool:
    """Tell whether an American social security number, or a taxpayer's (ITIN), is in a range that is given out.

    Source: SSA randomization rules (no area 000, 666, 900-999; no group 00; no serial 0000); IRS, ITIN groups.
    """
    area, group, serial = int(number[:3]), int(number[3:5]), int(number[5:])
    if len(set(number)) == 1:
        return False
    if area >= 900:
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666) and group > 0 and serial > 0


def _uk_nhs(number: str) -> bool:
    """Source: NHS Data Dictionary, NHS NUMBER: weights 10 to 2, mod 11."""
    return (11 - weighted(number, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(number[-1])


def _uk_nino(number: str) -> bool:
    """Source: HMRC, NIM39110: letters that are not given out."""
    return number[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def _spain(number: str) -> bool:
    """Source: Spanish Ministry of the Interior: number mod 23 chooses the letter; X, Y, Z of a NIE count as 0, 1, 2."""
    digits = str("XYZ".find(number[0])) + number[1:-1] if number[0] in "XYZ" else number[:-1]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


_ITALY_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _italy(number: str) -> bool:
    """Source: Decreto MEF 12 March 1974, codice fiscale: odd places by table, even by value, mod 26."""
    values = [int(one) if one.isdigit() else ord(one) - 65 for one in number[:-1]]
    total = sum(_ITALY_ODD[value] if place % 2 == 0 else value for place, value in enumerate(values))
    return chr(65 + total % 26) == number[-1]


def _france(number: str) -> bool:
    """Source: INSEE, NIR: 97 less the number mod 97; Corsica's 2A and 2B count as 19 and 18."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    month = int(number[3:5])
    if not body.isdigit() or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    return 97 - int(body) % 97 == int(number[13:])


def _germany(number: str) -> bool:
    """Source: BZSt, identification number: mod 11,10; one of the first ten digits occurs two or three times."""
    counts = sorted(Counter(number[:10]).values(), reverse=True)
    return number[0] != "0" and counts[0] in (2, 3) and counts[1:2] != [counts[0]] and mod11_10(number)


def _poland(number: str) -> bool:
    """Source: Polish Ministry of Digital Affairs, PESEL: weights 1 3 7 9; the month tells the century."""
    month = int(number[2:4]) % 20
    good = is_day_of_century(f"{number[:2]}{month:02d}{number[4:6]}")
    return good and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _netherlands(number: str) -> bool:
    """Source: RvIG, BSN: weights 9 to 2 and -1, mod 11."""
    return int(number) > 0 and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _belgium(number: str) -> bool:
    """Source: Belgian Royal Decree of 3 April 1984: 97 less nine digits (a 2 before them from 2000 on) mod 97."""
    return int(number[9:]) in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97)


def _australia_tfn(number: str) -> bool:
    """Source: ATO: weights 1 4 3 7 5 8 6 9 10, mod 11."""
    return weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _australia_abn(number: str) -> bool:
    """Source: Australian Business Register: 1 off the first digit, weights 10 1 3 ... 19, mod 89."""
    first = str(int(number[0]) - 1) if number[0] != "0" else "0"
    return weighted(first + number[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def _australia_medicare(number: str) -> bool:
    """Source: Services Australia: weights 1 3 7 9 1 3 7 9, mod 10, the ninth digit."""
    return number[0] in "23456" and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def _brazil_cpf(number: str) -> bool:
    """Source: Receita Federal, CPF: two digits mod 11, weights down to 2; all digits equal is no number."""

    def digit(places: int) -> int:
        rest = weighted(number[:places], tuple(range(places + 1, 1, -1))) * 10 % 11
        return rest % 10

    return len(set(number)) > 1 and digit(9) == int(number[9]) and digit(10) == int(number[10])


def _brazil_cnpj(number: str) -> bool:
    """Source: Receita Federal, CNPJ: two digits mod 11, weights 2 to 9 from the right."""

    def digit(places: int) -> int:
        rest = sum(int(one) * (2 + place % 8) for place, one in enumerate(reversed(number[:places]))) % 11
        return 0 if rest < 2 else 11 - rest

    return digit(12) == int(number[12]) and digit(13) == int(number[13])


def _sweden(number: str) -> bool:
    """Source: Skatteverket, personnummer: Luhn over ten digits; 60 is added to the day of a coordination number."""
    ten = number[-10:]
    day = int(ten[4:6])
    return is_day_of_century(f"{ten[:4]}{day - 60 if day > 60 else day:02d}") and luhn(ten)


def _norway(number: str) -> bool:
    """Source: Skatteetaten, fødselsnummer: two sums mod 11; 40 is added to the day of a D-number."""
    day = int(number[:2])
    if not is_day_of_century(f"{number[4:6]}{number[2:4]}{day - 40 if day > 40 else day:02d}"):
        return False
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    return first % 11 == 0 and weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _finland(number: str) -> bool:
    """Source: DVV, henkilötunnus: the nine digits mod 31 choose the last character."""
    digits = number[:6] + number[-4:-1]
    return (
        is_day_of_century(number[4:6] + number[2:4] + number[:2])
        and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == number[-1]
    )


def _denmark(number: str) -> bool:
    """Source: CPR-kontoret: the first six digits are a day; since 2007 there is no check digit."""
    return is_day_of_century(number[4:6] + number[2:4] + number[:2])


def _china(number: str) -> bool:
    """Source: GB 11643-1999, ISO 7064 mod 11-2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    good = is_date(int(number[6:10]), int(number[10:12]), int(number[12:14])) and number[6:8] in ("19", "20")
    return good and "10X98765432"[weighted(number, weights) % 11] == number[-1]


def _korea(number: str) -> bool:
    """Source: Korean Resident Registration Act: a day, then a digit for sex and century (no check digit since 2020)."""
    return is_day_of_century(number[:6]) and number[6] in "12345678"


def _japan(number: str) -> bool:
    """Source: Order 85 of 2014 of the Ministry of Internal Affairs: weights 2 to 7, mod 11."""
    rest = weighted(number[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(number[11])


def _swiss(number: str) -> bool:
    """Source: Swiss ZAS, AHV number: EAN-13."""
    return (10 - weighted(number[:12], (1, 3) * 6) % 10) % 10 == int(number[12])


def _czech(number: str) -> bool:
    """Source: Czech Act 133/2000: ten digits are divisible by 11; 50 (or 20, 70) is added to women's months."""
    month = int(number[2:4]) % 50 % 20
    return is_day_of_century(f"{number[:2]}{month:02d}{number[4:6]}") and (
        int(number) % 11 == 0 or (int(number[:9]) % 11 == 10 and number[9] == "0")
    )


def _chile(number: str) -> bool:
    """Source: Servicio de Registro Civil, RUT: weights 2 to 7 from the right, mod 11."""
    total = sum(int(one) * (2 + place % 6) for place, one in enumerate(reversed(number[:-1])))
    return "0K987654321"[total % 11] == number[-1]


_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def _mexico(number: str) -> bool:
    """Source: RENAPO, CURP: weights 18 to 2 over 37 characters, mod 10."""
    total = sum(_CURP.index(one) * (18 - place) for place, one in enumerate(number[:17]))
    return is_day_of_century(number[4:10]) and (10 - total % 10) % 10 == int(number[17], 36)


def _turkey(number: str) -> bool:
    """Source: NVI, T.C. Kimlik: tenth digit 7 x odd - even places mod 10, eleventh the sum of ten mod 10."""
    digits = [int(one) for one in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] > 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def _singapore(number: str) -> bool:
    """Source: Singapore ICA, NRIC: weights 2 7 6 5 4 3 2 and 4 (T, G) or 3 (M) more, mod 11."""
    extra = {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "XWUTRQPNJLK"}.get(number[0], "XWUTRQPNMLK")
    rest = (weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + extra) % 11
    return letters[10 - rest if number[0] == "M" else rest] == number[-1]


def _hong_kong(number: str) -> bool:
    """Source: Hong Kong Immigration Department: weights 9 to 1 with letters from 10 and a space as 36, mod 11."""
    body = number[:-1].rjust(8)
    values = [36 if one == " " else int(one, 36) for one in body]
    total = sum(value * weight for value, weight in zip(values, (9, 8, 7, 6, 5, 4, 3, 2), strict=True))
    return "0123456789A".find(number[-1]) == -total % 11


def _taiwan(number: str) -> bool:
    """Source: Taiwan Ministry of the Interior: the letter as two digits, weights 1 9 8 ... 1 1, mod 10."""
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    return weighted(f"{letter}{number[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def _ireland(number: str) -> bool:
    """Source: Irish Department of Social Protection, PPS: weights 8 to 2, a second letter times 9, mod 23."""
    second = (ord(number[8]) - 64) * 9 if len(number) == 9 and number[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(number[:7], (8, 7, 6, 5, 4, 3, 2)) + second) % 23] == number[7]


def _portugal(number: str) -> bool:
    """Source: Portuguese Tax Authority, NIF: weights 9 to 2, mod 11."""
    rest = weighted(number[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(number[8])


def _south_africa(number: str) -> bool:
    """Source: South African Identification Act: a day, then Luhn over thirteen digits."""
    return is_day_of_century(number[:6]) and luhn(number)


def _romania(number: str) -> bool:
    """Source: Romanian OUG 97/2005, CNP: weights 279146358279, mod 11, 10 written as 1."""
    rest = weighted(number[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return is_day_of_century(number[1:7]) and (1 if rest == 10 else rest) == int(number[12])


def _bulgaria(number: str) -> bool:
    """Source: Bulgarian ESGRAON, EGN: weights 2 4 8 5 10 9 7 3 6, mod 11 mod 10."""
    return weighted(number[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(number[9])


def aba_routing(number: str) -> bool:
    """Tell whether an American bank's routing number has its check digit.

    Source: American Bankers Association: weights 3 7 1, mod 10.
    """
    return number != "000000000" and weighted(number, (3, 7, 1) * 3) % 10 == 0


def _npi(number: str) -> bool:
    """Source: CMS, National Provider Identifier: Luhn with 80840 before the number."""
    return luhn("80840" + number)


def _any(number: str) -> bool:
    return True


_S = "[ .\u00a0-]?"
_END = r"(?![A-Za-z0-9_]|-[0-9])"


def _form(pattern: str) -> re.Pattern[str]:
    """Return a pattern that ends where a number ends; ``~`` stands for a separator that may be there."""
    return re.compile(pattern.replace("~", _S) + _END, re.ASCII)


IDENTIFIERS = (
    Identifier("us ssn", _form(r"[0-9]{3}(?P<s>[-\u2010\u2011\u2013])[0-9]{2}(?P=s)[0-9]{4}"), us_ssn, "", True, "SSN"),
    Identifier(
        "us ssn by its name",
        _form(r"[0-9]{3}~[0-9]{2}~[0-9]{4}"),
        us_ssn,
        r"ssns?|social[- ]security|soc(?:ial)?\.? ?sec|social insurance|itin|taxpayer(?: identification| id)?"
        r"|tax ?id|tin",
        kind="SSN",
    ),
    Identifier("uk nhs", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{4}"), _uk_nhs, r"nhs"),
    Identifier(
        "uk nino spaced",
        _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?P<s>[ -])[0-9]{2}(?P=s)[0-9]{2}(?P=s)[0-9]{2}(?P=s)[A-D]"),
        _uk_nino,
        "",
        True,
    ),
    Identifier(
        "uk nino",
        _form(r"[A-Za-z]{2}~[0-9]{2}~[0-9]{2}~[0-9]{2}~[A-Da-d]"),
        _uk_nino,
        r"national insurance|nino|n\.?i\.? (?:number|no|num)|ni",
    ),
    Identifier("spanish dni", _form(r"[0-9]{8}[ -]?[A-HJ-NP-TV-Z]"), _spain, "", True),
    Identifier("spanish dni dotted", _form(r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}[ -]?[A-HJ-NP-TV-Z]"), _spain, "", True),
    Identifier("spanish dni lower", _form(r"[0-9]{8}[ -]?[a-hj-np-tv-z]"), _spain, r"dni|nif"),
    Identifier("spanish nie", _form(r"[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]"), _spain, "", True),
    Identifier(
        "codice fiscale",
        _form(
            r"[A-Za-z]{6}~[0-9LMNPQRSTUV]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNPQRSTUV]{2}~[A-Za-z][0-9LMNPQRSTUV]{3}[A-Za-z]"
        ),
        _italy,
        "",
        True,
    ),
    Identifier(
        "french nir",
        _form(
            r"[12]~[0-9]{2}~[0-9]{2}~(?:[0-9]{2}"
            r"|2[AB])~[0-9]{3}~[0-9]{3}~[0-9]{2}"
        ),
        _france,
        "",
        True,
    ),
    Identifier(
        "german tax id",
        _form(r"[1-9][0-9]~[0-9]{3}~[0-9]{3}~[0-9]{3}"),
        _germany,
        r"steuer[- ]?id(?:entifikationsnummer)?(?:[- ]?nr)?|steuernummer|idnr|tax(?:payer)?[- ]?(?:id"
        r"|identification)|tin",
    ),
    Identifier("pesel", _form(r"[0-9]{11}"), _poland, r"pesel"),
    Identifier(
        "bsn",
        _form(r"[0-9]{3,4}~[0-9]{2,3}~[0-9]{2,3}"),
        lambda number: len(number) == 9 and _netherlands(number),
        r"bsn|burgerservicenummer|sofi[- ]?nummer",
    ),
    Identifier("belgian number", _form(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}[. -][0-9]{2}"), _belgium, "", True),
    Identifier(
        "belgian number bare",
        _form(r"[0-9]{11}"),
        _belgium,
        r"rijksregister\w*|num[ée]ro national|national (?:register )?number",
    ),
    Identifier("aadhaar", _form(r"[2-9][0-9]{3}~[0-9]{4}~[0-9]{4}"), verhoeff, r"aadh?aa?r|uidai|uid"),
    Identifier(
        "pan",
        _form(r"[A-Za-z]{3}[ABCFGHLJPTabcfghljpt][A-Za-z][0-9]{4}[A-Za-z]"),
        _any,
        r"pan(?: card)?|permanent account|income tax",
    ),
    Identifier("tfn", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{3}"), _australia_tfn, r"tfn|tax file"),
    Identifier("abn", _form(r"[0-9]{2}~[0-9]{3}~[0-9]{3}~[0-9]{3}"), _australia_abn, r"abn|australian business"),
    Identifier("medicare", _form(r"[2-6][0-9]{3}~[0-9]{5}~[0-9](?:[ /-]?[0-9])?"), _australia_medicare, r"medicare"),
    Identifier("cpf", _form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), _brazil_cpf, "", True),
    Identifier("cpf bare", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{3}~[0-9]{2}"), _brazil_cpf, r"cpf"),
    Identifier("cnpj", _form(r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}"), _brazil_cnpj, "", True),
    Identifier(
        "canadian sin",
        _form(r"[1-9][0-9]{2}~[0-9]{3}~[0-9]{3}|0[0-9]{2}~[0-9]{3}~[0-9]{3}"),
        luhn,
        r"sin|social insurance",
    ),
    Identifier("personnummer", _form(r"(?:19|20)?[0-9]{6}[-+][0-9]{4}"), _sweden, "", True),
    Identifier(
        "personnummer bare",
        _form(r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}"),
        _sweden,
        r"person(?:al )?(?:nummer|number)|personnr",
    ),
    Identifier("norwegian number", _form(r"[0-9]{6} ?[0-9]{5}"), _norway, "", True),
    Identifier("henkilötunnus", _form(r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"), _finland, "", True),
    Identifier(
        "cpr",
        _form(r"[0-3][0-9][01][0-9]{3}[- ]?[0-9]{4}"),
        _denmark,
        r"cpr(?:[- ]?(?:nr|nummer|number))?|personnummer",
    ),
    Identifier("chinese id", _form(r"[1-9][0-9]{16}[0-9Xx]"), _china, "", True),
    Identifier("korean number", _form(r"[0-9]{6}-[1-8][0-9]{6}"), _korea, "", True),
    Identifier("my number", _form(r"[0-9]{4}~[0-9]{4}~[0-9]{4}"), _japan, r"my ?number|マイナンバー|個人番号"),
    Identifier("ahv", _form(r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}"), _swiss, "", True),
    Identifier("rodné číslo", _form(r"[0-9]{6}/[0-9]{4}"), _czech, "", True),
    Identifier("rut", _form(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]"), _chile, "", True),
    Identifier("rut bare", _form(r"[0-9]{7,8}-?[0-9Kk]"), _chile, r"rut|run"),
    Identifier("curp", _form(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]"), _mexico, "", True),
    Identifier("t.c. kimlik", _form(r"[1-9][0-9]{10}"), _turkey, r"kimlik|tckn|t\.?c\.?"),
    Identifier("nric", _form(r"[STFGM][0-9]{7}[A-Z]"), _singapore, "", True),
    Identifier("hkid", _form(r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)"), _hong_kong, "", True),
    Identifier("hkid bare", _form(r"[A-Z]{1,2}[0-9]{6}[0-9A]"), _hong_kong, r"hkid|hong kong id(?:entity)?"),
    Identifier(
        "taiwanese id",
        _form(r"[A-Z][1289][0-9]{8}"),
        _taiwan,
        r"taiwan\w*|national id|id card|身分證(?:字號)?|身份證(?:字號)?",
    ),
    Identifier("pps", _form(r"[0-9]{7}[A-Wa-w][A-IWa-iw]?"), _ireland, r"ppsn?|personal public service"),
    Identifier("nif", _form(r"[1-9][0-9]{2}~[0-9]{3}~[0-9]{3}"), _portugal, r"nif|contribuinte"),
    Identifier(
        "south african id",
        _form(r"[0-9]{6}~[0-9]{4}~[0-9]{3}"),
        _south_africa,
        r"(?:south african|sa|rsa|national|identity)?[- ]?id",
    ),
    Identifier("cnp", _form(r"[1-8][0-9]{12}"), _romania, r"cnp"),
    Identifier("egn", _form(r"[0-9]{10}"), _bulgaria, r"egn|егн"),
    Identifier("oib", _form(r"[0-9]{11}"), mod11_10, r"oib"),
    Identifier("israeli id", _form(r"[0-9]{9}"), luhn, r"teudat zehut|israeli id|ת\.?ז\.?"),
    Identifier("npi", _form(r"[12][0-9]{9}"), _npi, r"npi"),
    Identifier("imei", _form(r"[0-9]{2}~[0-9]{6}~[0-9]{6}~[0-9]"), luhn, r"imei"),
    Identifier("us ein", _form(r"[0-9]{2}-[0-9]{7}"), _any, r"ein|employer identification"),
    Identifier(
        "identity card",
        _form(r"(?=(?:[A-Z -]*[0-9]){5})[A-Z]{0,4}[ -]?[0-9](?:[ -]?[0-9A-Z]){4,17}"),
        _any,
        r"(?:national id(?:entity|entification)?|identity|id|citizen) card|national id(?:entity|entification)?"
        r"|personalausweis(?:nummer)?|carte d'identit[ée]|carta d'identit[àa]|medical record|mrn|patient id|voter id",
    ),
    Identifier("sort code", _form(r"[0-9]{2}(?P<s>[ -]?)[0-9]{2}(?P=s)[0-9]{2}"), _any, r"sort ?code", kind="ACCOUNT"),
    Identifier(
        "routing number", _form(r"[0-9]{4}~[0-9]{4}~[0-9]|[0-9]{9}"), aba_routing, r"routing|aba|rtn", kind="ACCOUNT"
    ),
    Identifier(
        "account",
        _form(r"[0-9](?:[ -]?[0-9]){5,16}"),
        _any,
        r"(?:bank|checking|savings?|current|deposit) (?:account|acct)"
        r"|(?:account|acct)\.? ?(?:numbers?|num|no|nr|#|:)|acct|a/c|bsb|kontonummer|kontonr|num[ée]ro de compte",
        kind="ACCOUNT",
    ),
    Identifier(
        "passport",
        _form(r"(?=(?:[A-Za-z]*[0-9]){4})[A-Za-z]{0,3}[0-9][A-Za-z0-9]{5,8}"),
        _any,
        r"passports?|reisepass(?:nummer)?|passeport|pasaporte|passaporto|паспорт",
        kind="PASSPORT",
    ),
    Identifier(
        "driver licence",
        _form(r"(?=(?:[A-Za-z *-]*[0-9]){4})[A-Za-z]{0,7}[ -]?[0-9](?:[ -]?[0-9]|-?[A-Z]){3,19}"),
        _any,
        r"driv(?:er'?s?|er’s|ers'|ing)[ -]?licen[cs]e|driv(?:er'?s?|er’s|ing) permit|driv(?:er'?s?|er’s"
        r"|ing) lic|licen[cs]e (?:number|no|num|id|#)"
        r"|dl ?(?:number|no|num|#|:)|dln|f[üu]hrerschein(?:nummer)?|permis de conduire|licencia de conducir"
        r"|patente(?: di guida)?",
        kind="LICENSE",
    ),
    Identifier(
        "date of birth",
        _form(
            r"(?:[0-9]{1,2}[./ -][0-9]{1,2}[./ -](?:19|20)?[0-9]{2}|(?:19"
            r"|20)[0-9]{2}[./-][0-9]{1,2}[./-][0-9]{1,2}|(?:19|20)[0-9]{6})"
        ),
        _any,
        r"date of birth|birth ?dates?|birthday|d\.?o\.?b\.?|(?:i|patient|client|member|applicant|claimant"
        r"|insured)(?:'m| am| was| is|,)? born"
        r"|geburtsdatum|geboren am|date de naissance|n[ée]e? le|fecha de nacimiento|data di nascita"
        r"|geboortedatum|data de nascimento|data urodzenia",
        kind="DATE_OF_BIRTH",
    ),
)
ALONE = tuple(one for one in IDENTIFIERS if one.alone)
BY_NAME = {one.name: one for one in IDENTIFIERS if one.words}
