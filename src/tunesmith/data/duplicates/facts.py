"""The facts that forbid calling two texts the same: numbers, negation, operators, names, opposites.

Owns what of a text is such a fact and when two texts agree in theirs. Does not own the search for texts that are alike
(`near`), nor what becomes of a row.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, U64
from tunesmith.data.duplicates.near import SHORT_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WORDS = bytes(byte if byte >= 0x80 or chr(byte).isalnum() or byte == 39 else 32 for byte in range(256))
_NOT_ASCII_MARK = re.compile(r"(?![\x00-\x7f])\W")
_SENTENCE_ENDS = frozenset(".!?:;\n•")
_LINED_UP = "-−–+*/×÷<>=^"  # before a number: a sign or an operator
_MONEY = "$£€¥#"
_NUMBER = re.compile(r"[0-9][0-9.,]*[^\W_]*")
_OPERATOR = re.compile(
    r"(?<=[\w)\]] )(?:[+<>=^|~%]+|!=|[*/&]{1,2})(?= [\w(\[])|(?<=[\w)\]])(?:[+<>=^|~]+|!=|[*/&]{1,2})(?=[\w(\[])"
)
_MINUS = re.compile(r"(?<!\w)\w ?- ?\w(?!\w)")
_NEGATION = re.compile(
    r"n(?:(?<!\wn)(?:o(?:t|ne|r|body|thing|where)?|ever|either)\b|['’]t\b|(?<=\bcan)not\b|(?<=\bun)able\b"
    r"|t\b(?:(?<=\bcant)|(?<=\bdont)|(?<=\bwont)|(?<=\bisnt)|(?<=\barent)|(?<=\bdidnt)|(?<=\bdoesnt)|(?<=\bwasnt)"
    r"|(?<=\bwerent)|(?<=\b[cw]ouldnt)|(?<=\bshouldnt)|(?<=\bha[sd]nt)|(?<=\bhavent)|(?<=\bmustnt)))"
)
_SILENT = bytes(byte for byte in range(128) if chr(byte).isalpha() or chr(byte) in " \t\n\r.,;:!?'\"()[]{}_`\\")
_COUNT_WORDS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen
    half twice thrice double triple first second third fourth fifth sixth seventh eighth ninth tenth"""
_COUNTS = frozenset(_COUNT_WORDS.encode().split())
_OPPOSITE_WORDS = """
    yes/no true/false up/down on/off in/out open/closed open/close before/after above/below over/under left/right
    more/less most/least more/fewer most/fewest increase/decrease increases/decreases increased/decreased add/remove
    add/subtract multiply/divide plus/minus buy/sell bought/sold enable/disable enabled/disabled start/stop
    start/end first/last always/never all/none any/none minimum/maximum min/max highest/lowest high/low higher/lower
    largest/smallest larger/smaller greater/less longest/shortest longer/shorter fastest/slowest faster/slower
    hot/cold north/south east/west male/female he/she him/her his/her positive/negative pass/fail passed/failed
    accept/reject allow/deny allowed/denied valid/invalid legal/illegal safe/unsafe possible/impossible
    ascending/descending import/export upload/download encrypt/decrypt win/lose won/lost cancel/renew cancel/confirm
    deposit/withdraw deposit/withdrawal am/pm love/hate like/dislike agree/disagree include/exclude input/output
    even/odd old/new good/bad best/worst better/worse right/wrong correct/incorrect success/failure with/without
    push/pull"""
_OPPOSITES: dict[bytes, set[bytes]] = {}
for _pair in _OPPOSITE_WORDS.encode().split():
    _left, _right = _pair.split(b"/")
    _OPPOSITES.setdefault(_left, set()).add(_right)
    _OPPOSITES.setdefault(_right, set()).add(_left)
_OPPOSED = frozenset(_OPPOSITES)
_COURTESIES = frozenset(b"thanks thank please hi hello hey dear cheers regards greetings sir madam".split())
"""Words that are written with a capital anywhere and name nobody: "my order is late Thanks"."""

_STRIDE = 32  # characters


class Facts:
    """The facts that forbid a merge, of texts that are fetched when asked for: ``texts_of(rows)`` gives their texts.

    Hand `keys_of` and `allows` to `near.near_duplicates`. ``keys`` are the keys of all rows, if they are known.
    """

    def __init__(self, texts_of: Callable[[I64], Sequence[str]], keys: U64 | None = None) -> None:
        self._texts_of, self._keys = texts_of, keys

    def keys_of(self, rows: I64) -> U64:
        """Return the `guard_key` of each row's text."""
        if self._keys is not None:
            return self._keys[rows]
        return np.fromiter(map(guard_key, self._texts_of(rows)), np.uint64, len(rows))

    def allows(self, kept: I64, rows: I64) -> NDArray[np.bool_]:
        """Tell for each pair whether its texts are of the `same_facts`."""
        pairs = zip(self._texts_of(kept), self._texts_of(rows), strict=True)
        return np.fromiter((same_facts(one, other) for one, other in pairs), np.bool_, len(rows))


def guard_key(text: str) -> int:
    """Return 64 bits that texts share whose numbers, operators and count of negations are equal; 0 if they have none.

    Numbers count in their order, with sign, operator, currency, percent and unit where attached, without thousands
    separators. In texts of fewer than `SHORT_WORDS` words every symbol counts too, so that ``C++`` is not ``C#``. Case,
    quotes, line breaks, commas and full stops change nothing. Names are not in the key, because a copy in other case
    has none to show: `same_facts` compares them.
    """
    loud = text.encode("utf-8", "replace").translate(None, _SILENT)
    facts = [_number_in(text, match) for match in _NUMBER.finditer(text)] if loud else []
    if loud and any(mark in loud for mark in b"+<>=^|~*/&%!"):
        facts += _OPERATOR.findall(text)
    if b"-" in loud:
        facts += [match.replace(" ", "") for match in _MINUS.findall(text)]
    if loud and len(text.split()) < SHORT_WORDS:
        facts += [mark for place, mark in enumerate(text) if _is_symbol(text, place, mark)]
    folded = text.casefold()
    negations = len(_NEGATION.findall(folded)) + folded.count("without")
    if not facts and not negations:
        return 0
    told = "\0".join([*facts, str(negations)]).casefold()
    return int.from_bytes(blake2b(told.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def same_facts(one: str, other: str) -> bool:
    """Tell whether no word by which two texts differ is a name, a number in words, or the other's opposite.

    A name is a word with a capital that does not start a sentence, in a text that is not all capitals; a copy in
    other case differs in no word, so it passes.
    """
    low, other_low = one.casefold().replace("’", "'"), other.casefold().replace("’", "'")
    start, end = shared_ends(low, other_low)
    stop, other_stop = len(low) - end, len(other_low) - end
    ours, theirs = set(plain_words(low[start:stop])), set(plain_words(other_low[start:other_stop]))
    gone, come = ours - theirs, theirs - ours
    if not _COUNTS.isdisjoint(gone) or not _COUNTS.isdisjoint(come):
        return False
    if not _OPPOSED.isdisjoint(gone) and any(not _OPPOSITES[word].isdisjoint(come) for word in gone & _OPPOSED):
        return False
    return not (_has_name(one, low, gone, start, stop) or _has_name(other, other_low, come, start, other_stop))


def shared_ends(one: str, other: str) -> tuple[int, int]:
    """Return how many characters two texts share at their start and at their end, at least, up to whole words."""
    most = min(len(one), len(other)) - _STRIDE
    start = end = 0
    while start <= most and one[start : start + _STRIDE] == other[start : start + _STRIDE]:
        start += _STRIDE
    start = max(one.rfind(" ", 0, start), 0)
    most -= start
    here, there = len(one), len(other)
    while end <= most and one[here - _STRIDE : here] == other[there - _STRIDE : there]:
        end, here, there = end + _STRIDE, here - _STRIDE, there - _STRIDE
    gap = one.find(" ", here) if end else -1
    return start, len(one) - gap if gap >= 0 else 0


def plain_words(text: str) -> list[bytes]:
    """Return the words of a text as they are written, in UTF-8, without quotes around them."""
    if not text.isascii():
        text = _NOT_ASCII_MARK.sub(" ", text)
    words = text.encode().translate(_WORDS).split()
    return [bare for word in words if (bare := word.strip(b"'"))] if "'" in text else words


def _number_in(text: str, match: re.Match[str]) -> str:
    """Return a number with what is attached to it."""
    start, end = match.span()
    number = match[0].replace(",", "").rstrip(".")
    before, after = text[max(0, start - 3) : start], text[end : end + 1]
    sign = ""
    if before[-1:] and before[-1:] in _LINED_UP + _MONEY:
        sign = before[-1]
    elif len(before) == 3 and before[-1] == " " and before[-2] in _LINED_UP and before[0] != "\n":
        sign = before[-2]
    return f"{'-' if sign in '−–' and sign else sign}{number}{after if after and after in '%°$£€¥' else ''}"


def _is_symbol(text: str, place: int, mark: str) -> bool:
    if mark in "#@&%":
        return place > 0 and text[place - 1] != "\n"
    return mark != "`" and not mark.isalnum() and unicodedata.category(mark)[0] == "S"


def _has_name(text: str, folded: str, words: set[bytes], start: int, stop: int) -> bool:
    """Tell whether one of the words stands in a part of a text as a name; a text of capitals only shows none."""
    if len(folded) != len(text) or text[start:stop] == folded[start:stop] or text.isupper():
        return False
    for word in map(bytes.decode, words - _COURTESIES):
        at = folded.find(word, start, stop)
        while at >= 0:
            if text[at : at + len(word)] != word and _in_a_sentence(text, at):
                return True
            at = folded.find(word, at + len(word), stop)
    return False


def _in_a_sentence(text: str, at: int) -> bool:
    """Tell whether a place is not where a sentence starts."""
    before = text[max(0, at - 8) : at].rstrip(" \t\"'“”‘’([*_#>-")
    return before[-1] not in _SENTENCE_ENDS if before else at > 8
