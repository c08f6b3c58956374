"""Answers that stop before their end: in the middle of a sentence, list, bracket or block of code.

Owns the rule ``truncated``. Does not own answers that `max_tokens` would cut in training. A full stop at the end costs
one look at a letter. A sentence without one is only a hint, so it counts where the rest of the answer has them, or
where the data as a whole has them (`corpus.Habits`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import ENGLISH, word_set

if TYPE_CHECKING:
    from tunesmith.data.noise.corpus import Habits
    from tunesmith.data.noise.exchange import Exchange, View

OPEN = frozenset(",([{“«‘=+&/\\–—-;:")
DANGLING = word_set(
    "the a an and or of to in on at for with by from as that which who whom whose is are was were be been being has "
    "have "
    "had will would can could should may might must shall do does did its their his my your our but if because since "
    "while when where whereas although though than into onto between among through during about against toward towards "
    "upon within without under over via per including such like unlike these those this every each most very more some "
    "several various both either neither nor so very too also not only even then there it's they're you're i'm we're "
    "el la los las de del y que en un una por con para le les du des et est dans pour sur avec der die das und ist mit "
    "ein eine von zu den dem il di che e per con o e os as do da em com para"
)
MAY_END = word_set(
    "that this these those more most some several both either neither do does did have had been being his so too also "
    "not only even then there about over under without within through like when where who whom is are was were can "
    "could "
    "would should will may might on in at by for from with e o do da das die con en any each"
)
"""Words that do end English sentences ('where he came from', 'yes, I do'); alone they say nothing."""
WEAK_WORDS = 6
"""Words up to which a colon or semicolon at the end is a heading or a face."""
FEW_WORDS = 4
"""Words up to which an answer is a name or a label, which needs no full stop."""
TAIL_WORDS = 3
_STOPS = (". ", ".\n", "? ", "?\n", "! ", "!\n")
_ENUMERATOR = re.compile(r"(?:^|\s)(?:\d{1,2}[.)]|[-*•])\s*$")
_LISTED = re.compile(r"(?:^|\s)(?:[-*•]|\d{1,2}[.):-])\s+\S|^\s*[\w /&']{1,30}:\s", re.MULTILINE)


def truncated(exchange: Exchange, habits: Habits) -> dict[str, Any] | None:
    """Return why an answer looks cut, or None; count whether sentences end in full stops here.

    The evidence has ``habit`` if it is only a missing full stop, which says something only in data whose answers
    have them.
    """
    answer = exchange.answer
    text = answer.text.rstrip()
    if not text or not answer.words:
        return None
    last = text[-1]
    if len(answer.words) >= FEW_WORDS:
        habits.prose += 1
        habits.unstopped += last.isalpha() or last in OPEN
    if not last.isalnum() and last not in OPEN:
        return _cut_inside(answer, text)
    why = _cut_at(answer, text, last)
    return {**why, "end": text[-60:]} if why else None


def _cut_inside(answer: View, text: str) -> dict[str, Any] | None:
    """Return why a text that ends well is cut all the same: an open block of code, a bare '3.' or 'and...'."""
    if "```" in text and text.count("```") % 2:
        return {"why": "open code block", "end": text[-60:]}
    trails = text.endswith(("...", "…"))
    if trails or (text[-1] == "." and text[-2:-1].isdigit()):
        if _ENUMERATOR.search(text[-5:]) and len(answer.words) > 3 and re.search(r"\b1[.)]", text[:-5]):
            return {"why": "list without its last item", "end": text[-60:]}
        if trails and answer.words[-1] in DANGLING - MAY_END:
            return {"why": f"ends in {answer.words[-1]!r}", "end": text[-60:]}
    if text[0] in "{[" and text[-1] not in "}]" and text.count(text[0]) > text.count("}" if text[0] == "{" else "]"):
        return {"why": "open bracket", "end": text[-60:]}
    return None


def _cut_at(answer: View, text: str, last: str) -> dict[str, Any] | None:
    if last in OPEN and len(answer.words) > 2:
        if last in ":;" and len(answer.words) < WEAK_WORDS:
            return None
        return {"why": f"ends in {last!r}"}
    if _ENUMERATOR.search(text[-5:]) and len(answer.words) > 3 and not last.isdigit():
        return {"why": "list without its last item"}
    word = answer.words[-1]
    if len(answer.words) > 2 and last.isalpha() and text[-len(word) :].islower():
        if word in DANGLING - MAY_END:
            return {"why": f"ends in {word!r}"}
        if len(answer.words) > 1 and answer.words[-2] == word and word in DANGLING:
            return {"why": f"ends in {word!r} twice"}
    if text.count("(") > text.count(")") and not re.search(r"[:;=]-?\(", text):
        return {"why": "open bracket"}
    if "```" in text and text.count("```") % 2:
        return {"why": "open code block"}
    return _without_stop(answer, text, word)


def _without_stop(answer: View, text: str, word: str) -> dict[str, Any] | None:
    """Return a hint if an answer has no full stop; in data without that habit only if its other sentences have."""
    if len(answer.words) < FEW_WORDS or not text[-1].isalpha():
        return None
    hint = {"why": "no full stop", "habit": "stops"}
    cut = max(text.rfind(end) for end in _STOPS)
    tail = text[cut + 2 :]
    if cut < 0 or "\n" in tail or text[cut - 1 : cut].isdigit() or answer.shows_code:
        return None if answer.shows_code else hint
    words = tail.lower().split()
    if (ENGLISH.isdisjoint(words) and DANGLING.isdisjoint(words)) or _LISTED.search(tail):
        return hint
    if word in DANGLING and len(words) <= TAIL_WORDS:
        return {"why": f"ends in {word!r}"}
    several = sum(map(text.count, _STOPS)) >= 2
    return {"why": "last sentence without end"} if several and len(words) >= TAIL_WORDS else hint
