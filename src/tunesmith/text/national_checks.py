"""Whether an identity number is one that its country gives out, by its check digits and the dates in it.

Owns each country's rule; all get letters (upper case) and digits only, of the number's form. Does not own the forms
(`identifiers`) nor the arithmetic of common check digits (`checksums`).
"""

from __future__ import annotations

from collections import Counter

from tunesmith.text.checksums import is_date, is_day_of_century, luhn, mod11_10, weighted


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


def uk_nhs(number: str) -> bool:
    """Source: NHS Data Dictionary, NHS NUMBER: weights 10 to 2, mod 11."""
    return (11 - weighted(number, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(number[-1])


def uk_nino(number: str) -> bool:
    """Source: HMRC, NIM39110: letters that are not given out."""
    return number[:2] not in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")


def spain(number: str) -> bool:
    """Source: Spanish Ministry of the Interior: number mod 23 chooses the letter; X, Y, Z of a NIE count as 0, 1, 2."""
    digits = str("XYZ".find(number[0])) + number[1:-1] if number[0] in "XYZ" else number[:-1]
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


_ITALY_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def italy(number: str) -> bool:
    """Source: Decreto MEF 12 March 1974, codice fiscale: odd places by table, even by value, mod 26."""
    values = [int(one) if one.isdigit() else ord(one) - 65 for one in number[:-1]]
    total = sum(_ITALY_ODD[value] if place % 2 == 0 else value for place, value in enumerate(values))
    return chr(65 + total % 26) == number[-1]


def france(number: str) -> bool:
    """Source: INSEE, NIR: 97 less the number mod 97; Corsica's 2A and 2B count as 19 and 18."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    month = int(number[3:5])
    if not body.isdigit() or not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    return 97 - int(body) % 97 == int(number[13:])


def germany(number: str) -> bool:
    """Source: BZSt, identification number: mod 11,10; one of the first ten digits occurs two or three times."""
    counts = sorted(Counter(number[:10]).values(), reverse=True)
    return number[0] != "0" and counts[0] in (2, 3) and counts[1:2] != [counts[0]] and mod11_10(number)


def poland(number: str) -> bool:
    """Source: Polish Ministry of Digital Affairs, PESEL: weights 1 3 7 9; the month tells the century."""
    month = int(number[2:4]) % 20
    good = is_day_of_century(f"{number[:2]}{month:02d}{number[4:6]}")
    return good and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def netherlands(number: str) -> bool:
    """Source: RvIG, BSN: weights 9 to 2 and -1, mod 11."""
    return int(number) > 0 and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def belgium(number: str) -> bool:
    """Source: Belgian Royal Decree of 3 April 1984: 97 less nine digits (a 2 before them from 2000 on) mod 97."""
    return int(number[9:]) in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97)


def australia_tfn(number: str) -> bool:
    """Source: ATO: weights 1 4 3 7 5 8 6 9 10, mod 11."""
    return weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def australia_abn(number: str) -> bool:
    """Source: Australian Business Register: 1 off the first digit, weights 10 1 3 ... 19, mod 89."""
    first = str(int(number[0]) - 1) if number[0] != "0" else "0"
    return weighted(first + number[1:], (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def australia_medicare(number: str) -> bool:
    """Source: Services Australia: weights 1 3 7 9 1 3 7 9, mod 10, the ninth digit."""
    return number[0] in "23456" and weighted(number, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(number[8])


def brazil_cpf(number: str) -> bool:
    """Source: Receita Federal, CPF: two digits mod 11, weights down to 2; all digits equal is no number."""

    def digit(places: int) -> int:
        rest = weighted(number[:places], tuple(range(places + 1, 1, -1))) * 10 % 11
        return rest % 10

    return len(set(number)) > 1 and digit(9) == int(number[9]) and digit(10) == int(number[10])


def brazil_cnpj(number: str) -> bool:
    """Source: Receita Federal, CNPJ: two digits mod 11, weights 2 to 9 from the right."""

    def digit(places: int) -> int:
        rest = sum(int(one) * (2 + place % 8) for place, one in enumerate(reversed(number[:places]))) % 11
        return 0 if rest < 2 else 11 - rest

    return digit(12) == int(number[12]) and digit(13) == int(number[13])


def sweden(number: str) -> bool:
    """Source: Skatteverket, personnummer: Luhn over ten digits; 60 is added to the day of a coordination number."""
    ten = number[-10:]
    day = int(ten[4:6])
    return is_day_of_century(f"{ten[:4]}{day - 60 if day > 60 else day:02d}") and luhn(ten)


def norway(number: str) -> bool:
    """Source: Skatteetaten, fødselsnummer: two sums mod 11; 40 is added to the day of a D-number."""
    day = int(number[:2])
    if not is_day_of_century(f"{number[4:6]}{number[2:4]}{day - 40 if day > 40 else day:02d}"):
        return False
    first = weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    return first % 11 == 0 and weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def finland(number: str) -> bool:
    """Source: DVV, henkilötunnus: the nine digits mod 31 choose the last character."""
    digits = number[:6] + number[-4:-1]
    return (
        is_day_of_century(number[4:6] + number[2:4] + number[:2])
        and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == number[-1]
    )


def denmark(number: str) -> bool:
    """Source: CPR-kontoret: the first six digits are a day; since 2007 there is no check digit."""
    return is_day_of_century(number[4:6] + number[2:4] + number[:2])


def china(number: str) -> bool:
    """Source: GB 11643-1999, ISO 7064 mod 11-2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    good = is_date(int(number[6:10]), int(number[10:12]), int(number[12:14])) and number[6:8] in ("19", "20")
    return good and "10X98765432"[weighted(number, weights) % 11] == number[-1]


def korea(number: str) -> bool:
    """Source: Korean Resident Registration Act: a day, then a digit for sex and century (no check digit since 2020)."""
    return is_day_of_century(number[:6]) and number[6] in "12345678"


def japan(number: str) -> bool:
    """Source: Order 85 of 2014 of the Ministry of Internal Affairs: weights 2 to 7, mod 11."""
    rest = weighted(number[:11], (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(number[11])


def swiss(number: str) -> bool:
    """Source: Swiss ZAS, AHV number: EAN-13."""
    return (10 - weighted(number[:12], (1, 3) * 6) % 10) % 10 == int(number[12])


def czech(number: str) -> bool:
    """Source: Czech Act 133/2000: ten digits are divisible by 11; 50 (or 20, 70) is added to women's months."""
    month = int(number[2:4]) % 50 % 20
    return is_day_of_century(f"{number[:2]}{month:02d}{number[4:6]}") and (
        int(number) % 11 == 0 or (int(number[:9]) % 11 == 10 and number[9] == "0")
    )


def chile(number: str) -> bool:
    """Source: Servicio de Registro Civil, RUT: weights 2 to 7 from the right, mod 11."""
    total = sum(int(one) * (2 + place % 6) for place, one in enumerate(reversed(number[:-1])))
    return "0K987654321"[total % 11] == number[-1]


_CURP = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"


def mexico(number: str) -> bool:
    """Source: RENAPO, CURP: weights 18 to 2 over 37 characters, mod 10."""
    total = sum(_CURP.index(one) * (18 - place) for place, one in enumerate(number[:17]))
    return is_day_of_century(number[4:10]) and (10 - total % 10) % 10 == int(number[17], 36)


def turkey(number: str) -> bool:
    """Source: NVI, T.C. Kimlik: tenth digit 7 x odd - even places mod 10, eleventh the sum of ten mod 10."""
    digits = [int(one) for one in number]
    tenth = (7 * sum(digits[0:9:2]) - sum(digits[1:8:2])) % 10
    return digits[0] > 0 and tenth == digits[9] and sum(digits[:10]) % 10 == digits[10]


def singapore(number: str) -> bool:
    """Source: Singapore ICA, NRIC: weights 2 7 6 5 4 3 2 and 4 (T, G) or 3 (M) more, mod 11."""
    extra = {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "M": "XWUTRQPNJLK"}.get(number[0], "XWUTRQPNMLK")
    rest = (weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + extra) % 11
    return letters[10 - rest if number[0] == "M" else rest] == number[-1]


def hong_kong(number: str) -> bool:
    """Source: Hong Kong Immigration Department: weights 9 to 1 with letters from 10 and a space as 36, mod 11."""
    body = number[:-1].rjust(8)
    values = [36 if one == " " else int(one, 36) for one in body]
    total = sum(value * weight for value, weight in zip(values, (9, 8, 7, 6, 5, 4, 3, 2), strict=True))
    return "0123456789A".find(number[-1]) == -total % 11


def taiwan(number: str) -> bool:
    """Source: Taiwan Ministry of the Interior: the letter as two digits, weights 1 9 8 ... 1 1, mod 10."""
    letter = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    return weighted(f"{letter}{number[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def ireland(number: str) -> bool:
    """Source: Irish Department of Social Protection, PPS: weights 8 to 2, a second letter times 9, mod 23."""
    second = (ord(number[8]) - 64) * 9 if len(number) == 9 and number[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(number[:7], (8, 7, 6, 5, 4, 3, 2)) + second) % 23] == number[7]


def portugal(number: str) -> bool:
    """Source: Portuguese Tax Authority, NIF: weights 9 to 2, mod 11."""
    rest = weighted(number[:8], (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(number[8])


def south_africa(number: str) -> bool:
    """Source: South African Identification Act: a day, then Luhn over thirteen digits."""
    return is_day_of_century(number[:6]) and luhn(number)


def romania(number: str) -> bool:
    """Source: Romanian OUG 97/2005, CNP: weights 279146358279, mod 11, 10 written as 1."""
    rest = weighted(number[:12], (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return is_day_of_century(number[1:7]) and (1 if rest == 10 else rest) == int(number[12])


def bulgaria(number: str) -> bool:
    """Source: Bulgarian ESGRAON, EGN: weights 2 4 8 5 10 9 7 3 6, mod 11 mod 10."""
    return weighted(number[:9], (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(number[9])


def aba_routing(number: str) -> bool:
    """Tell whether an American bank's routing number has its check digit.

    Source: American Bankers Association: weights 3 7 1, mod 10.
    """
    return number != "000000000" and weighted(number, (3, 7, 1) * 3) % 10 == 0


def npi(number: str) -> bool:
    """Source: CMS, National Provider Identifier: Luhn with 80840 before the number."""
    return luhn("80840" + number)


def anything(number: str) -> bool:
    """Tell nothing: numbers without check digits, which need one of their words."""
    return True
