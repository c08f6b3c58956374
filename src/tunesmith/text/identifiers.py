"""Identity numbers of persons: how each country writes them, and which are what they seem.

Owns the table of numbers: form, and the words that must stand before a number that proves nothing by itself. Does not
own check digits (`national_checks`, `checksums`), nor finding a number in a text (`numbers`).

A number may stand alone when its form is rare and its check digits let few of that form pass (one in 23 for the
Spanish DNI, which is the least sure); all others need one of their words just before them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.text import national_checks as national
from tunesmith.text.checksums import luhn, mod11_10, verhoeff

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


_S = "[ .\u00a0-]?"
_END = r"(?![A-Za-z0-9_]|-[0-9])"


def _form(pattern: str) -> re.Pattern[str]:
    """Return a pattern that ends where a number ends; ``~`` stands for a separator that may be there."""
    return re.compile(pattern.replace("~", _S) + _END, re.ASCII)


IDENTIFIERS = (
    Identifier(
        "us ssn", _form(r"[0-9]{3}(?P<s>[-\u2010\u2011\u2013])[0-9]{2}(?P=s)[0-9]{4}"), national.us_ssn, "", True, "SSN"
    ),
    Identifier(
        "us ssn by its name",
        _form(r"[0-9]{3}~[0-9]{2}~[0-9]{4}"),
        national.us_ssn,
        r"ssns?|social[- ]security|soc(?:ial)?\.? ?sec|social insurance|itin|taxpayer(?: identification| id)?"
        r"|tax ?id|tin",
        kind="SSN",
    ),
    Identifier("uk nhs", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{4}"), national.uk_nhs, r"nhs"),
    Identifier(
        "uk nino spaced",
        _form(r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z](?P<s>[ -])[0-9]{2}(?P=s)[0-9]{2}(?P=s)[0-9]{2}(?P=s)[A-D]"),
        national.uk_nino,
        "",
        True,
    ),
    Identifier(
        "uk nino",
        _form(r"[A-Za-z]{2}~[0-9]{2}~[0-9]{2}~[0-9]{2}~[A-Da-d]"),
        national.uk_nino,
        r"national insurance|nino|n\.?i\.? (?:number|no|num)|ni",
    ),
    Identifier("spanish dni", _form(r"[0-9]{8}[ -]?[A-HJ-NP-TV-Z]"), national.spain, "", True),
    Identifier(
        "spanish dni dotted", _form(r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}[ -]?[A-HJ-NP-TV-Z]"), national.spain, "", True
    ),
    Identifier("spanish dni lower", _form(r"[0-9]{8}[ -]?[a-hj-np-tv-z]"), national.spain, r"dni|nif"),
    Identifier("spanish nie", _form(r"[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]"), national.spain, "", True),
    Identifier(
        "codice fiscale",
        _form(
            r"[A-Za-z]{6}~[0-9LMNPQRSTUV]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNPQRSTUV]{2}~[A-Za-z][0-9LMNPQRSTUV]{3}[A-Za-z]"
        ),
        national.italy,
        "",
        True,
    ),
    Identifier(
        "french nir",
        _form(
            r"[12]~[0-9]{2}~[0-9]{2}~(?:[0-9]{2}"
            r"|2[AB])~[0-9]{3}~[0-9]{3}~[0-9]{2}"
        ),
        national.france,
        "",
        True,
    ),
    Identifier(
        "german tax id",
        _form(r"[1-9][0-9]~[0-9]{3}~[0-9]{3}~[0-9]{3}"),
        national.germany,
        r"steuer[- ]?id(?:entifikationsnummer)?(?:[- ]?nr)?|steuernummer|idnr|tax(?:payer)?[- ]?(?:id"
        r"|identification)|tin",
    ),
    Identifier("pesel", _form(r"[0-9]{11}"), national.poland, r"pesel"),
    Identifier(
        "bsn",
        _form(r"[0-9]{3,4}~[0-9]{2,3}~[0-9]{2,3}"),
        lambda number: len(number) == 9 and national.netherlands(number),
        r"bsn|burgerservicenummer|sofi[- ]?nummer",
    ),
    Identifier(
        "belgian number", _form(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}[. -][0-9]{2}"), national.belgium, "", True
    ),
    Identifier(
        "belgian number bare",
        _form(r"[0-9]{11}"),
        national.belgium,
        r"rijksregister\w*|num[ée]ro national|national (?:register )?number",
    ),
    Identifier("aadhaar", _form(r"[2-9][0-9]{3}~[0-9]{4}~[0-9]{4}"), verhoeff, r"aadh?aa?r|uidai|uid"),
    Identifier(
        "pan",
        _form(r"[A-Za-z]{3}[ABCFGHLJPTabcfghljpt][A-Za-z][0-9]{4}[A-Za-z]"),
        national.anything,
        r"pan(?: card)?|permanent account|income tax",
    ),
    Identifier("tfn", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{3}"), national.australia_tfn, r"tfn|tax file"),
    Identifier(
        "abn", _form(r"[0-9]{2}~[0-9]{3}~[0-9]{3}~[0-9]{3}"), national.australia_abn, r"abn|australian business"
    ),
    Identifier(
        "medicare", _form(r"[2-6][0-9]{3}~[0-9]{5}~[0-9](?:[ /-]?[0-9])?"), national.australia_medicare, r"medicare"
    ),
    Identifier("cpf", _form(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"), national.brazil_cpf, "", True),
    Identifier("cpf bare", _form(r"[0-9]{3}~[0-9]{3}~[0-9]{3}~[0-9]{2}"), national.brazil_cpf, r"cpf"),
    Identifier("cnpj", _form(r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}"), national.brazil_cnpj, "", True),
    Identifier(
        "canadian sin",
        _form(r"[1-9][0-9]{2}~[0-9]{3}~[0-9]{3}|0[0-9]{2}~[0-9]{3}~[0-9]{3}"),
        luhn,
        r"sin|social insurance",
    ),
    Identifier("personnummer", _form(r"(?:19|20)?[0-9]{6}[-+][0-9]{4}"), national.sweden, "", True),
    Identifier(
        "personnummer bare",
        _form(r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}"),
        national.sweden,
        r"person(?:al )?(?:nummer|number)|personnr",
    ),
    Identifier("norwegian number", _form(r"[0-9]{6} ?[0-9]{5}"), national.norway, "", True),
    Identifier(
        "henkilötunnus", _form(r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"), national.finland, "", True
    ),
    Identifier(
        "cpr",
        _form(r"[0-3][0-9][01][0-9]{3}[- ]?[0-9]{4}"),
        national.denmark,
        r"cpr(?:[- ]?(?:nr|nummer|number))?|personnummer",
    ),
    Identifier("chinese id", _form(r"[1-9][0-9]{16}[0-9Xx]"), national.china, "", True),
    Identifier("korean number", _form(r"[0-9]{6}-[1-8][0-9]{6}"), national.korea, "", True),
    Identifier("my number", _form(r"[0-9]{4}~[0-9]{4}~[0-9]{4}"), national.japan, r"my ?number|マイナンバー|個人番号"),
    Identifier("ahv", _form(r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}"), national.swiss, "", True),
    Identifier("rodné číslo", _form(r"[0-9]{6}/[0-9]{4}"), national.czech, "", True),
    Identifier("rut", _form(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9Kk]"), national.chile, "", True),
    Identifier("rut bare", _form(r"[0-9]{7,8}-?[0-9Kk]"), national.chile, r"rut|run"),
    Identifier("curp", _form(r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]"), national.mexico, "", True),
    Identifier("t.c. kimlik", _form(r"[1-9][0-9]{10}"), national.turkey, r"kimlik|tckn|t\.?c\.?"),
    Identifier("nric", _form(r"[STFGM][0-9]{7}[A-Z]"), national.singapore, "", True),
    Identifier("hkid", _form(r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)"), national.hong_kong, "", True),
    Identifier("hkid bare", _form(r"[A-Z]{1,2}[0-9]{6}[0-9A]"), national.hong_kong, r"hkid|hong kong id(?:entity)?"),
    Identifier(
        "taiwanese id",
        _form(r"[A-Z][1289][0-9]{8}"),
        national.taiwan,
        r"taiwan\w*|national id|id card|身分證(?:字號)?|身份證(?:字號)?",
    ),
    Identifier("pps", _form(r"[0-9]{7}[A-Wa-w][A-IWa-iw]?"), national.ireland, r"ppsn?|personal public service"),
    Identifier("nif", _form(r"[1-9][0-9]{2}~[0-9]{3}~[0-9]{3}"), national.portugal, r"nif|contribuinte"),
    Identifier(
        "south african id",
        _form(r"[0-9]{6}~[0-9]{4}~[0-9]{3}"),
        national.south_africa,
        r"(?:south african|sa|rsa|national|identity)?[- ]?id",
    ),
    Identifier("cnp", _form(r"[1-8][0-9]{12}"), national.romania, r"cnp"),
    Identifier("egn", _form(r"[0-9]{10}"), national.bulgaria, r"egn|егн"),
    Identifier("oib", _form(r"[0-9]{11}"), mod11_10, r"oib"),
    Identifier("israeli id", _form(r"[0-9]{9}"), luhn, r"teudat zehut|israeli id|ת\.?ז\.?"),
    Identifier("npi", _form(r"[12][0-9]{9}"), national.npi, r"npi"),
    Identifier("imei", _form(r"[0-9]{2}~[0-9]{6}~[0-9]{6}~[0-9]"), luhn, r"imei"),
    Identifier("us ein", _form(r"[0-9]{2}-[0-9]{7}"), national.anything, r"ein|employer identification"),
    Identifier(
        "identity card",
        _form(r"(?=(?:[A-Z -]*[0-9]){5})[A-Z]{0,4}[ -]?[0-9](?:[ -]?[0-9A-Z]){4,17}"),
        national.anything,
        r"(?:national id(?:entity|entification)?|identity|id|citizen) card|national id(?:entity|entification)?"
        r"|personalausweis(?:nummer)?|carte d'identit[ée]|carta d'identit[àa]|medical record|mrn|patient id|voter id",
    ),
    Identifier(
        "sort code",
        _form(r"[0-9]{2}(?P<s>[ -]?)[0-9]{2}(?P=s)[0-9]{2}"),
        national.anything,
        r"sort ?code",
        kind="ACCOUNT",
    ),
    Identifier(
        "routing number",
        _form(r"[0-9]{4}~[0-9]{4}~[0-9]|[0-9]{9}"),
        national.aba_routing,
        r"routing|aba|rtn",
        kind="ACCOUNT",
    ),
    Identifier(
        "account",
        _form(r"[0-9](?:[ -]?[0-9]){5,16}"),
        national.anything,
        r"(?:bank|checking|savings?|current|deposit) (?:account|acct)"
        r"|(?:account|acct)\.? ?(?:numbers?|num|no|nr|#|:)|acct|a/c|bsb|kontonummer|kontonr|num[ée]ro de compte",
        kind="ACCOUNT",
    ),
    Identifier(
        "passport",
        _form(r"(?=(?:[A-Za-z]*[0-9]){4})[A-Za-z]{0,3}[0-9][A-Za-z0-9]{5,8}|[0-9]{3} [0-9]{3} [0-9]{3}"),
        national.anything,
        r"passports?|reisepass(?:nummer)?|passeport|pasaporte|passaporto|паспорт",
        kind="PASSPORT",
    ),
    Identifier(
        "driver licence",
        _form(r"(?=(?:[A-Za-z *-]*[0-9]){4})[A-Za-z]{0,7}[ -]?[0-9](?:[ -]?[0-9]|-?[A-Z]){3,19}"),
        national.anything,
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
        national.anything,
        r"date of birth|birth ?dates?|birthday|d\.?o\.?b\.?|born"
        r"|geburtsdatum|geboren am|date de naissance|n[ée]e? le|fecha de nacimiento|data di nascita"
        r"|geboortedatum|data de nascimento|data urodzenia",
        kind="DATE_OF_BIRTH",
    ),
)
ALONE = tuple(one for one in IDENTIFIERS if one.alone)
BY_NAME = {one.name: one for one in IDENTIFIERS if one.words}
