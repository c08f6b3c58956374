"""Gibberish: letters struck at random, symbols without words, blocks of encoded bytes.

Owns the rule ``gibberish``. Does not own words of other languages (`language`) nor nonsense made of real words, which
needs a model. A text with function words of a language is none and costs one set intersection.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import word_set

if TYPE_CHECKING:
    from tunesmith.data.noise.exchange import Exchange, View

# The 300 commonest pairs of letters in English books and Dolly: 0.99 of all pairs there, 0.44 of random ones. The pairs
# of the second line are common in the other languages written in Latin letters.
_FOLLOWERS = (
    "abcdfghiklmnprstuvwyxzjo babeilorsuyj cacehiklortuyz dadegilmnorsuyz eabcdefghiklmnopqrstvwxyjz faefilortu "
    "gaeghilnorsu haeiortuylm iabcdefgklmnoprstvzujqx jaeoui kaeilnoruy ladefiklmopstuvwyj mabeimoprsuyn "
    "nacdefgiklnostuvyjz oabcdefghiklmnoprstuvwyjxz paehiloprstuy qu rabcdefgiklmnoprstuvyz sacehiklmnopstuwyz "
    "tacehilorstuwyz uabcdegilmnprstefjkvxz vaeiory waehilnorsyz xcipteao yaeilopstcdkmnr zeaioyuw"
)
_PAIRS = frozenset(group[0] + letter for group in _FOLLOWERS.split() for letter in group[1:])
MIN_LETTERS = 6
PAIR_SHARE = 0.7
"""Words of the lists keep 0.9 of their pairs among the common ones, random letters less than half."""
BAD_SHARE = 0.5
MIN_SOUP_CHARS = 10
SYMBOL_SHARE = 0.6
MIN_BLOB_CHARS = 40
MIN_SPACING = 8
"""Letters and signs per word above which a text may be symbols or bytes; running text has five to seven."""
MOST_WORDS, MOST_CHARS = 24, 120
"""What is looked at: enough to tell, and a bound on the cost for texts of invented words."""
_KEYS = re.compile(
    r"(?:asdf|sdfg|dfgh|fghj|ghjk|hjkl|qwer|wert|erty|rtyu|tyui|yuio|uiop|zxcv|xcvb|cvbn|vbnm|lkjh|poiu)"
)
_HARD = re.compile(r"[bcdfghjklmnpqrstvwxz]{4}")
"""Four consonants in a row: in any row of words that cannot be spoken, and in few others."""
_VOWEL = re.compile("[aeiouyà-ÿœ]")
_BLOB = re.compile(r"[A-Za-z0-9+/=_-]{40,}")


def gibberish(view: View) -> dict[str, Any] | None:
    """Return what of a text is no language, or None; a text of a function word per eight words is one."""
    words = view.words
    if len(view.function_words) * 8 > len(words) and words:
        return None
    return _blob(view) or _symbols(view) or _letters(view)


def _blob(view: View) -> dict[str, Any] | None:
    if len(view.text) < MIN_BLOB_CHARS or view.text.count(" ") * MIN_SPACING > len(view.text):
        return None
    found = _BLOB.search(view.text)
    if found is None or len(found[0]) * 2 < len(view.text) or found[0].count("/") > len(found[0]) // 10:
        return None  # a path, or chess
    blob = found[0]
    mixed = any(map(str.isdigit, blob)) and any(map(str.isupper, blob)) and any(map(str.islower, blob))
    return {"blob": blob[:60]} if mixed else None


def _symbols(view: View) -> dict[str, Any] | None:
    """Return a text that is mostly punctuation of several kinds: no number, rule or row of emoji is."""
    if len(view.words) * MIN_SPACING > len(view.text):
        return None
    marks = [letter for letter in view.text if letter.isascii() and not letter.isalnum() and not letter.isspace()]
    letters = len(view.text) - view.text.count(" ")
    if len(marks) < MIN_SOUP_CHARS or len(marks) < SYMBOL_SHARE * letters or len(set(marks)) < 5:
        return None
    return {"symbols": view.text[:60]}


def _letters(view: View) -> dict[str, Any] | None:
    """Return words that cannot be spoken, if they are at least half of the text's letters."""
    if not _HARD.search(view.lower, 0, MOST_CHARS):
        return None
    words = [word for word in view.words[:MOST_WORDS] if word.isascii() and word.isalpha() and len(word) > 2]
    letters = sum(map(len, words))
    if letters < MIN_LETTERS or letters * 2 < sum(map(len, view.words[:MOST_WORDS])):
        return None
    bad = [word for word in words if _unspeakable(word)]
    if sum(map(len, bad)) < BAD_SHARE * letters or all(len(word) < 5 for word in bad):
        return None  # short ones are abbreviations
    return {"words": bad[:6]}


def _unspeakable(word: str) -> bool:
    if len(word) > 4 and (_KEYS.search(word) or not _VOWEL.search(word)):
        return True
    pairs = len(word) - 1
    common = sum(word[place : place + 2] in _PAIRS for place in range(pairs))
    return common < PAIR_SHARE * pairs if len(word) > 4 else False


def gibberish_in(exchange: Exchange) -> dict[str, Any] | None:
    """As `gibberish`, for the answer; code, ciphers and encodings have a meaning."""
    found = gibberish(exchange.answer)
    if (
        found is None
        or ("symbols" not in found and exchange.about_code)
        or not _ENCODES.isdisjoint(exchange.prompt.unique)
    ):
        return None
    return found


_ENCODES = word_set(
    "encode encoded decode decoded cipher encrypt encrypted hash base64 hex hexadecimal binary morse password random "
    "sequence dna acronym acronyms abbreviation scrambled anagram unscramble rot13 caesar key uuid emoji emojis"
)
