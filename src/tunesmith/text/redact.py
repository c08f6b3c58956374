"""Personal data and secrets out of text, each to a typed placeholder.

Owns the placeholders: which name a found value gets, and that the same value has the same name all through a
conversation. Does not own what is found (`numbers`, `births`, `network`, `secrets`, and `names`, which needs a model
and is handed in).

The first value of a kind is ``[EMAIL]``, the second distinct one ``[EMAIL_2]``: an answer that repeats one of two
addresses must say which, or the model learns to answer what nobody can know. The first has no number, so that texts
with one value, which are most, read the same whether they were redacted alone (captured traffic, a message at a time)
or in their conversation.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.text.births import births
from tunesmith.text.network import SPELT_AT, emails, hex_addresses
from tunesmith.text.numbers import numbers
from tunesmith.text.secrets import assigned, blocks, in_urls, said, stands_in, vendor_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Found = tuple[int, int, str]
    Finder = Callable[[str], list[Found]]

PII = frozenset(
    (
        "EMAIL",
        "PHONE",
        "CARD",
        "IBAN",
        "SSN",
        "ID",
        "ACCOUNT",
        "PASSPORT",
        "LICENSE",
        "DATE_OF_BIRTH",
        "IP",
        "MAC",
        "CRYPTO",
        "NAME",
        "ADDRESS",
    )
)
"""Kinds of personal data that are found; ``NAME`` and ``ADDRESS`` only by a `Finder` that is handed in."""
SECRETS = frozenset({"SECRET"})
EVERYTHING = PII | SECRETS
PLACEHOLDER = re.compile(rf"\[({'|'.join(sorted(EVERYTHING))})(?:_([0-9]{{1,6}}))?\]")
"""What `redact` writes: the kind, and the number from the second distinct value on."""


class Placeholders:
    """The names of what was found in one conversation. ``texts`` are all its texts, for the names that are in use.

    ``given`` lists every replacement in its order: the placeholder and what it stands for.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts = texts
        self._names: dict[tuple[str, str], str] = {}
        self._people: list[tuple[frozenset[str], str]] = []
        self._known: frozenset[str] = frozenset()
        self._used: dict[str, int] | None = None
        self.given: list[tuple[str, str]] = []

    def name(self, kind: str, value: str) -> str:
        """Return the placeholder of a value: the one it had before, or the next that is free."""
        key = kind, re.sub(r"[\W_]", "", value).casefold() if kind != "SECRET" else value
        if key not in self._names:
            self._names[key] = self._of_person(value) if kind == "NAME" else self._next(kind)
        self.given.append((self._names[key], value))
        return self._names[key]

    def _next(self, kind: str) -> str:
        used = self._in_use()
        used[kind] = used.get(kind, 0) + 1
        return f"[{kind}]" if used[kind] == 1 else f"[{kind}_{used[kind]}]"

    def _of_person(self, value: str) -> str:
        """Return the name of the one person so far that a shorter or longer form names too; else the next."""
        words = _name_words(value)
        same = {name for known, name in self._people if words <= known or known <= words}
        name = same.pop() if len(same) == 1 else self._next("NAME")
        self._people.append((words, name))
        self._known |= words
        return name

    def expect(self, name: str) -> None:
        """Look for a person in every text of the conversation, also where the model of names overlooks it."""
        self._known |= _name_words(name)

    def again(self, text: str) -> list[Found]:
        """Return where people named so far, or expected, are named again: in full, or by one of their names."""
        words = sorted(word for word in self._known if len(word) > 2 and word not in _WORDS_TOO)
        if not words:
            return []
        one = rf"(?<![\w\[])(?:{'|'.join(map(re.escape, words))})(?![\w\]])"
        found = re.finditer(rf"{one}(?:[ .]{{1,2}}{one})*", text, re.IGNORECASE)
        return [(*hit.span(), "NAME") for hit in found if hit[0][0].isupper()]

    def _in_use(self) -> dict[str, int]:
        if self._used is None:
            self._used = {}
            for text in self._texts:
                for found in PLACEHOLDER.finditer(text):
                    self._used[found[1]] = max(self._used.get(found[1], 0), int(found[2] or 1))
        return self._used


_WORDS_TOO = frozenset(
    "will may mark bill grace hope april june august joy faith rich the and van".split()  # noqa: SIM905
)
"""Names that at the beginning of a sentence are usually another word."""


def _name_words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", name.casefold()))


def redact(
    text: str,
    kinds: frozenset[str] = EVERYTHING,
    placeholders: Placeholders | None = None,
    names: Finder | None = None,
) -> tuple[str, dict[str, int]]:
    """Replace what is found by ``[EMAIL]``, ``[PHONE_2]``, ... and count what was replaced, by kind.

    ``kinds`` are those of `PII` and `SECRETS` to replace. ``placeholders`` carry names over from the other texts of a
    conversation; without them the text stands alone. ``names`` finds people and addresses. Redacting twice changes
    nothing more. An empty text stays empty, with no counts.
    """
    labels = placeholders or Placeholders((text,))
    spans = _find_all(text, names, labels)
    if not spans:
        return text, {}
    counts: Counter[str] = Counter()
    while spans:
        parts: list[str] = []
        position = 0
        for start, end, kind in spans:
            if kind in kinds:
                parts += text[position:start], labels.name(kind, text[start:end])
                counts[kind] += 1
                position = end
        if not parts:
            break
        text = "".join(parts) + text[position:]
        spans = _find_all(text, names, labels)  # what stood beside a number may be one for itself now
    return text, dict(counts)


def _find_all(text: str, names: Finder | None, labels: Placeholders) -> list[Found]:
    """Return what is found with and without a model, but nothing inside a placeholder."""
    spans = find(text)
    if names is None:
        return spans
    taken = [found.span() for found in PLACEHOLDER.finditer(text)] if "[" in text else []
    for more in (names(text), labels.again(text)):
        free = [one for one in more if not any(one[0] < end and start < one[1] for start, end in taken)]
        spans = _merged(spans, free)
    return spans


def find(text: str) -> list[Found]:
    """Return what is found, in order and without overlap: where two overlap, the one named first here."""
    spans: list[Found] = []
    for finder in _finders(text):
        more = list(finder(text))
        if more:
            spans = _merged(spans, sorted(more))
    return spans


def _merged(spans: list[Found], more: list[Found]) -> list[Found]:
    """Return both in order; of two that overlap, the one in ``spans``, or the earlier of ``more``."""
    end = 0
    fit: list[Found] = []
    for one in more:
        at = bisect_left(spans, one)
        clear = (at == 0 or spans[at - 1][1] <= one[0]) and (at == len(spans) or one[1] <= spans[at][0])
        if clear and one[0] >= end:
            fit.append(one)
            end = one[1]
    return sorted(spans + fit) if spans else fit


def _finders(text: str) -> Iterator[Callable[[str], Iterable[Found]]]:
    """Yield the finders that have a chance, told by single characters, which cost nothing to look for."""
    digit, dash, colon = _has_digit(text), "-" in text, ":" in text
    if dash and "-----BEGIN" in text:
        yield blocks
    if colon and "://" in text and ("@" in text or "hook" in text):
        yield in_urls
    if colon or "=" in text:
        yield assigned
    if "assw" in text:
        yield said
    if "@" in text or (("(" in text or "[" in text or "{" in text) and SPELT_AT.search(text)):
        yield emails
    if colon or dash:
        yield hex_addresses
    if digit:
        yield numbers
        yield births
    if "AKIA" in text:
        yield _aws_keys


def _has_digit(text: str) -> bool:
    return (
        "1" in text or "0" in text or "2" in text or "5" in text or "3" in text
        or "4" in text or "6" in text or "7" in text or "8" in text or "9" in text
    )  # fmt: skip


def _aws_keys(text: str) -> Iterator[Found]:
    """Yield ids of access keys, which may be letters alone: `numbers` starts from digits."""
    for found in re.finditer(r"(?<![A-Za-z0-9])AKIA", text):
        end = vendor_token(text, found.start())
        if end > 0 and not stands_in(text[found.end() : end]):
            yield found.start(), end, "SECRET"
