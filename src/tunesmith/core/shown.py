"""A row's text on a page: escaped, cut, its invisible letters made visible, changes and spans marked.

Owns every way in which text that strangers wrote becomes HTML, and its style. Does not own which rows are shown.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from html import escape
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEXT_CHARS = 280
"""Longest text shown of one side of a row."""

SLACK_CHARS = 24
"""A text that is longer by no more than this is shown whole: saying so would take as much room."""

AROUND_CHARS = 48
"""What is shown on both sides of a change or a span."""

DIFF_TOKENS = 400

LEAST_ALIKE = 0.35
"""Share of words in common from which on two texts are worth marking (difflib's ratio)."""

_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\uffff]"
)
"""What no reader can see, or what changes the order of the letters around it."""

_SPACES = {" ": "·", "\n": "↵\n", "\t": "→\t", "\r": "␍", "\xa0": "⍽", "\u200c": "⟨U+200C⟩", "\u200d": "⟨U+200D⟩"}
_TOKEN = re.compile(r"\w+|\s|[^\w\s]")
_WORD = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
_CUT = re.compile(r"… \[(\d+) more characters\]$")


SHOWN_STYLE = (
    "<style>.text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;background:var(--card);"
    "border:1px solid var(--line);border-radius:7px;padding:7px 10px;font-size:14px;line-height:1.5}"
    ".sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(250px,100%),1fr));gap:8px 12px}"
    ".cap{font-size:12px;color:var(--soft);margin:2px 0;overflow-wrap:anywhere}.more{color:var(--soft);font-size:12px}"
    "mark{background:color-mix(in srgb,var(--second) 32%,transparent);color:inherit;border-radius:3px;padding:0 1px;"
    "border-bottom:2px solid var(--second)}del,ins{color:var(--ink);border-radius:3px;padding:0 1px}"
    "del{background:color-mix(in srgb,var(--bad) 16%,transparent);text-decoration-color:var(--bad)}"
    "ins{background:color-mix(in srgb,var(--good) 18%,transparent);text-decoration:underline;"
    "text-decoration-color:var(--good)}"
    "del::before,del::after,ins::before,ins::after{clip-path:inset(100%);height:1px;width:1px;overflow:hidden;"
    "position:absolute;white-space:nowrap}del::before{content:' [taken out: '}ins::before{content:' [put in: '}"
    "del::after,ins::after{content:'] '}del,ins{position:relative}</style>"
)
"""Readers who hear the page hear where a change begins and ends: the words are there, and take no room."""


def shown(text: str, limit: int = TEXT_CHARS) -> str:
    """Return text as HTML, of about ``limit`` characters, with what is left out counted."""
    if len(text) <= limit + SLACK_CHARS:
        return _safe(text)
    return f'{_safe(text[:limit])}<span class="more">… {len(text) - limit:,} more characters</span>'


def _safe(text: str) -> str:
    return escape(_UNSEEN.sub(_named, text))


def _named(found: re.Match[str]) -> str:
    return f"⟨U+{ord(found[0]):04X}⟩"


def _revealed(text: str) -> str:
    """Return a changed piece as HTML, its whitespace visible."""
    return _safe("".join(_SPACES.get(letter, letter) for letter in text)).replace("⟨U+000D⟩", "␍")


def block(inner: str, kind: str = "") -> str:
    """Return a box of text (HTML), written in the direction of its own first letter."""
    return f'<div class="text {kind}" dir="auto">{inner}</div>'


def marked(text: str, span: str, limit: int = TEXT_CHARS) -> str:
    """Return text as HTML around the first place where ``span`` occurs, marked; its beginning if it does not."""
    start = text.find(span) if span else -1
    if start < 0:
        return shown(text, limit)
    stop = start + min(len(span), limit)
    left = max(0, min(start - AROUND_CHARS, len(text) - limit)) if len(text) > limit else 0
    right = min(len(text), max(stop + AROUND_CHARS, left + limit))
    before = ("…" if left else "") + _safe(text[left:start])
    after = _safe(text[stop:right]) + (f'<span class="more">… {len(text) - right:,} more</span>' if right < len(text)
                                       else "")  # fmt: skip
    return f"{before}<mark>{_safe(text[start:stop])}</mark>{after}"


def changes(before: str, after: str) -> tuple[str, str]:
    """Return two texts as HTML with what differs marked and its whitespace visible; long equal parts are left out.

    A text that was cut when it was kept is compared as far as it goes.
    """
    if cut := _CUT.search(before):
        before = before[: cut.start()]
        after = after[: len(before)]
    short = max(len(before), len(after)) <= TEXT_CHARS
    skipped = 0 if short else max(0, _common(before, after) - AROUND_CHARS)
    old, new = _TOKEN.findall(before[skipped:])[:DIFF_TOKENS], _TOKEN.findall(after[skipped:])[:DIFF_TOKENS]
    rest_old, rest_new = before[skipped + sum(map(len, old)) :], after[skipped + sum(map(len, new)) :]
    left, right = (["…"], ["…"]) if skipped else ([], [])
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for number, (tag, i1, i2, j1, j2) in enumerate(steps):
        removed, added = "".join(old[i1:i2]), "".join(new[j1:j2])
        if tag == "equal":
            kept = _safe(removed if short else _elided(removed, number == 0, number == len(steps) - 1))
            left.append(kept)
            right.append(kept)
            continue
        left += [f"<del>{_revealed(removed)}</del>"] if removed else []
        right += [f"<ins>{_revealed(added)}</ins>"] if added else []
    return _capped(left, rest_old), _capped(right, rest_new)


def word_changes(right: str, given: str, limit: int = TEXT_CHARS) -> str:
    """Return ``given`` as HTML, its words that ``right`` lacks marked as put in, those it lacks itself as taken out.

    Long equal parts are left out. Texts with little in common are not marked: it would hide more than it helps.
    """
    old, new = _WORD.findall(right)[:DIFF_TOKENS], _WORD.findall(given)[:DIFF_TOKENS]
    bare, its = ([one.strip() for one in words] for words in (old, new))
    if bare == its:
        return shown(given, limit) if right.strip() == given.strip() else changes(right, given)[1]
    matcher = SequenceMatcher(None, bare, its, autojunk=False)
    if matcher.ratio() < LEAST_ALIKE:
        return shown(given, limit)
    parts: list[str] = []
    steps, short = matcher.get_opcodes(), max(len(right), len(given)) <= limit
    for number, (tag, i1, i2, j1, j2) in enumerate(steps):
        gone, added = "".join(old[i1:i2]), "".join(new[j1:j2])
        if tag == "equal":
            parts.append(_safe(added if short else _elided(added, number == 0, number == len(steps) - 1)))
            continue
        stuck = i1 > 0 and bool(old[i1 - 1][-1:].isspace()) and bool(parts) and not parts[-1][-1:].isspace()
        parts += [f"{' ' if stuck else ''}{_apart('del', gone)}"] if gone else []
        parts += [_apart("ins", added)] if added else []
    return _capped(parts, given[sum(map(len, new)) :])


def _apart(tag: str, words: str) -> str:
    """Return marked words, the space behind them unmarked."""
    bare = words.rstrip()
    return f"<{tag}>{_safe(bare)}</{tag}>{_safe(words[len(bare) :])}"


def _common(one: str, other: str) -> int:
    """Return how many letters two texts begin with in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _elided(text: str, first: bool, last: bool) -> str:
    """Return an equal part with its middle, or the end away from the changes, left out."""
    head, tail = 0 if first else AROUND_CHARS, 0 if last else AROUND_CHARS
    if len(text) <= head + tail + 12:
        return text
    return f"{text[:head]} … {text[len(text) - tail :] if tail else ''}"


def _capped(parts: Sequence[str], rest: str, most: int = 1600) -> str:
    """Return pieces of HTML up to a size, whole pieces only."""
    kept: list[str] = []
    size = 0
    for part in parts:
        size += len(part)
        if size > most and kept:
            return "".join(kept) + '<span class="more">… and more</span>'
        kept.append(part if len(part) <= 2 * most else '<span class="more">(a long change)</span>')
    return "".join(kept) + ('<span class="more">…</span>' if rest else "")


def side_by_side(pairs: Iterable[tuple[str, str]]) -> str:
    """Return columns of titled boxes (title and inner HTML), beside each other where there is room."""
    inner = "".join(f'<div><div class="cap">{title}</div>{block(text)}</div>' for title, text in pairs)
    return f'<div class="sides">{inner}</div>'


def same_words(left: str, right: str) -> bool:
    """Tell whether two texts begin alike, so that marking what differs helps more than it hides."""
    one, other = _TOKEN.findall(left[:400]), _TOKEN.findall(right[:400])
    same = sum(a == b for a, b in zip_longest(one, other))
    return same > 0 or SequenceMatcher(None, one, other, autojunk=False).quick_ratio() > 0.4
