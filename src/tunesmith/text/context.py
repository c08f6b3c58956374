"""What a number is said to be: the last telling word before it.

Owns the words that name phones, cards, secrets and mere codes (orders, parts, versions), and how far before a number
such a word may stand. Does not own the words of identity numbers (`identifiers`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from tunesmith.text.identifiers import IDENTIFIERS

WINDOW_CHARS = 56
"""How far before a number its word is looked for."""

_PHONE = (
    r"(?:tele|smart)?phones?|tel|telf?|mob(?:ile)?|mobiles?|cell(?:phone|ular)?|fax|whats ?app|signal|viber"
    r"|telegram|imessage"
    r"|hot ?line|help ?line|landline|pager|voice ?mail|switchboard|answering|dial(?:l?ed|l?ing)?|sms"
    r"|t[ée]l[ée]phone|tel[ée]fono|telefone?|telefon(?:nummer|u)?|telefoon(?:nummer)?|m[óo]vil|portable"
    r"|handy(?:nummer)?"
    r"|mobil(?:nummer)?|rufnummer|festnetz|cellulare|celular|num[ée]ro de t[ée]l[ée]phone|telemóvel|ph"
    r"|contact (?:number|no)"
    r"|(?:my|his|her|our|their|your|office|home|work) (?:direct |new )?(?:number|digits)"
    r"|电话|手机|电话号码|手机号|手机号码"
    r"|電話|電話番号|携帯|전화|전화번호|휴대폰|телефон|тел|номер телефона|फोन|मोबाइल|هاتف"
)
_CALL = (
    r"call(?:ed|ing|s)?|ring|text|reach(?:ed|able|ing)?|contact(?:ed|ing)?|message|phoning|phoned|ping"
    r"|registered|line|ruf|appelle[rz]?|llam[ea]\w*"
)
_CARD = (
    r"(?:credit|debit|bank|charge|payment|gift)? ?cards?|cc|visa|master ?card|amex|american express|maestro"
    r"|discover|diners|jcb"
    r"|kreditkarte|carte(?: bancaire| bleue)?|tarjeta|carta di credito|cart[ãa]o"
)
_CODE = (
    r"orders?|invoices?|tickets?|tracking|shipments?|parcel|package|serial|s/n|model|part|p/n|sku"
    r"|isbn(?:-1[03])?|issn|doi|upc|ean|gtin|asin"
    r"|product|items?|cases?|ref|reference|confirmation|booking|reservation|transaction|txn|version|ver|release"
    r"|build|firmware"
    r"|commit|revision|error|batch|lot|claim|policy|patent|plate|coupon|voucher|promo|catalog(?:ue)?|article"
    r"|bug|issue|pr|po"
    r"|request|session|job|process|pid|port|chapter|section|figure|table|page|pages|pp|vol|rfc|flight|barcode"
    r"|receipt|sequence|bestellung|bestellnummer"
)
_SECRET = (
    r"passwords?|passwd|pwd|passphrase|passcode|pin code|api[ _-]?keys?|access[ _-]?keys?"
    r"|secret(?:[ _-]?(?:access[ _-]?)?keys?)?"
    r"|(?:access|auth|api|bearer|refresh|bot|personal access|session)?[ _-]?tokens?|bearer|client[ _-]secret"
    r"|signing key|encryption key"
)
NAMES = {"phone": _PHONE, "call": _CALL, "card": _CARD, "code": _CODE, "secret": _SECRET}
_WORDS = {name: re.compile(words) for name, words in NAMES.items()}
_WORDS |= {one.name: re.compile(one.words) for one in IDENTIFIERS if one.words}
_WORD = re.compile(rf"(?<![a-z])(?=[^\W\d_])(?:{'|'.join(words.pattern for words in _WORDS.values())})(?![a-z])")
_GAP = re.compile(
    r"[^\w\n]{0,4}(?:(?:numbers?|num|no|nr|id|ids|code|is|was|as|are|and|with|my|mine|the|new|old|uk|us|usa|of"
    r"|for|at|on|to|by|via|:"
    r"|nummer|n[úu]mero|num[ée]ro|numero|lautet|ist|est|es|name|key|value|set|using|de|del|della|da|do|di|du"
    r"|dele|dela|su|mi|mio|meu|ma|mon|son|sa|mein|meine|von|me|us|him|her|them|back|now|today|someone|following)"
    r"(?:[^\w\n]{1,4}|\n|$)){0,5}\s{0,2}"
)
_LOOSE = re.compile(r"[^0-9.!?\n$=<>%*/]{0,30}\n?\s{0,4}")


@lru_cache(maxsize=4096)
def _named_by(word: str) -> frozenset[str]:
    return frozenset(name for name, words in _WORDS.items() if words.fullmatch(word))


def named(text: str, start: int) -> frozenset[str]:
    """Return what the number at ``start`` is said to be: names of `NAMES` and of `Identifier`; empty if nothing says.

    The nearest word counts: "call about order 12345678" names an order. Between it and the number only words such as
    "number is" may stand; after a word that means a phone anything but a number or the end of a sentence.
    """
    window = text[max(0, start - WINDOW_CHARS) : start].lower()
    words = list(_WORD.finditer(window))
    if not words:
        return frozenset()
    last = words[-1]
    names, gap = _named_by(last[0]), window[last.end() :]
    if len(words) > 1 and words[-2].end() + 1 >= last.start():
        names |= _named_by(words[-2][0])  # "Medicare card"
    if _GAP.fullmatch(gap) or gap.strip() == "":
        return names
    return frozenset({"phone"}) if "phone" in names and _LOOSE.fullmatch(gap) else frozenset()
