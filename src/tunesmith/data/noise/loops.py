"""Repetition: a word, phrase, sentence, line or letter said over and over, as a model does that ran away.

Owns the rule ``repetition``. A clean text costs a comparison of two numbers; only one that uses few different words, or
whose last letters occur again and again, is searched for a period.

Source: shares of duplicate lines and n-grams as Gopher uses them (Rae et al. 2021, arXiv 2112.11446, table A1).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.data.noise.exchange import Exchange, View

LOOP_SHARE = 0.3
"""Least share of the text that must lie in repeats (Gopher: duplicate lines over 0.3 of a text)."""
WORD_COPIES = 5
"""A single word this often in a row is a loop; four ('no, no, no, no') is still speech."""
PHRASE_COPIES = 3
SHORT_WORDS = 40
SENTENCE_WORDS, WHOLE_SHARE = 6, 0.9
"""A sentence that makes up the whole answer twice over is a loop too."""
LONGEST_PERIOD_WORDS = 80
LETTERS_A_WORD, LONG_WORD = 7, 10
"""Running text has five to seven letters and signs a word; above, it is asked whether a word this long is a loop."""
_RUNS = ("!!!!!", "?????", ".....")
LONGEST_WORDS = 1500
"""A loop shows within this many words of the end; more would cost time without finding more."""
_ASKED = re.compile(
    r"\b(?:repeat|times|lyrics|song|poem|chant|chorus|rap|haiku|mantra|verse|again and again|tongue.twister|echo|"
    r"nursery rhyme|sequence|pattern|encode|binary)\b"
)
_ENUMERATES = re.compile(
    r"\b(?:classif\w+|categor\w+|label\w*|each|following|whether|which of|series|true or false|sort|assign|tag)\b"
)
LABEL_WORDS, LABEL_COPIES = 3, 12
"""Labels given one by one ('prime, prime, composite, prime') come back in turn; more than a dozen rounds do not."""
_LETTERS = re.compile(r"([^\W\d_])\1{7,}|([!?.,;:@&$%/\\|])\2{9,}|(\w{2,6}?)\3{5,}|((?:[^\s\w]{1,3}\s?){2,4}?)\4{7,}")
_TABLE = re.compile(r"^.*\|.*\|.*$\n.*\|", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*(?:\d+[.):]|[-*•])\s*")
_SENTENCES = re.compile(r"(?<=[.!?。])\s+|\n+")
_RULERS = re.compile(r"^[\s|:+=_*#~.-]*$")


def repetition(exchange: Exchange) -> dict[str, Any] | None:
    """Return what the answer repeats, or None; songs, poems and code may repeat themselves."""
    answer = exchange.answer
    found = _letters(answer)
    if found is None and _suspicious(answer):
        found = _words(answer, _ENUMERATES.search(exchange.prompt.lower) is not None)
    if found is None or _TABLE.search(answer.text) or _ASKED.search(exchange.prompt.lower) or exchange.about_code:
        return None
    return found


def _suspicious(view: View) -> bool:
    """Whether a text has few different words for its length, or its end occurs three times."""
    words = len(view.words)
    if words < WORD_COPIES:
        return False
    text = view.text
    few = 0.7 if words <= SHORT_WORDS else 0.5
    return len(view.unique) < few * words or (words > 30 and text.count(text[-20:]) >= PHRASE_COPIES)


def _letters(view: View) -> dict[str, Any] | None:
    spaced = len(view.text) <= LETTERS_A_WORD * len(view.words) + LONG_WORD
    looped = not spaced and _looped_word(view)
    if not looped and not any(run in view.text for run in _RUNS):
        return None
    found = _LETTERS.search(view.text)
    if found is None or _RULERS.match(found[0]) or found[0].strip().isdigit():
        return None
    return {"repeated": found[0][:40], "chars": len(found[0])}


def _looped_word(view: View) -> bool:
    return any(len(set(word)) * 2 < len(word) for word in view.unique if len(word) > LONG_WORD)


def _words(view: View, enumerates: bool) -> dict[str, Any] | None:
    words = view.words[-LONGEST_WORDS:]
    return _period(words, enumerates) or _sentences(view.text)


def _period(words: Sequence[str], enumerates: bool) -> dict[str, Any] | None:
    """Return the run of words that repeats with the shortest period, if it is long enough to be a loop."""
    for period in _periods(words):
        start, length = _longest_run(words, period)
        copies = (length + period) / period
        twice = period >= SENTENCE_WORDS and length + period >= WHOLE_SHARE * len(words)
        enough = copies >= WORD_COPIES if period == 1 else copies >= PHRASE_COPIES or twice
        if enough and all(map(str.isdigit, words[start : start + period])):
            continue
        labels = period <= LABEL_WORDS and enumerates and copies < LABEL_COPIES
        if enough and not labels and length + period >= max(LOOP_SHARE * len(words), WORD_COPIES):
            return {"repeated": " ".join(words[start : start + period])[:200], "copies": round(copies, 1)}
    return None


def _periods(words: Sequence[str]) -> list[int]:
    """Return how far apart equal words lie, where that is often: every loop shows there by its period."""
    places: dict[str, int] = {}
    apart: Counter[int] = Counter()
    for place, word in enumerate(words):
        if word in places:
            apart[place - places[word]] += 1
        places[word] = place
    least = max(3, len(words) // 8)
    longest = min(LONGEST_PERIOD_WORDS, len(words) // 2)
    return sorted(period for period, times in apart.items() if times >= least and period <= longest)


def _longest_run(words: Sequence[str], period: int) -> tuple[int, int]:
    """Return where the longest stretch begins whose words equal those a period later, and how long it is."""
    best = (0, 0)
    begin = length = 0
    for place, (one, other) in enumerate(zip(words, words[period:], strict=False)):
        if one == other:
            if length == 0:
                begin = place
            length += 1
            if length > best[1]:
                best = (begin, length)
        else:
            length = 0
    return best


def _sentences(text: str) -> dict[str, Any] | None:
    """Return the sentence or line that occurs most often, if repeats make up too much of the text."""
    parts = [_NUMBERED.sub("", part).strip().lower() for part in _SENTENCES.split(text)]
    parts = [part for part in parts if part.count(" ") >= 2]
    if not parts:
        return None
    counts = Counter(parts)
    again = sum(len(part) * (count - 1) for part, count in counts.items())
    part, copies = counts.most_common(1)[0]
    if copies >= PHRASE_COPIES and again >= LOOP_SHARE * sum(map(len, parts)):
        return {"repeated": part[:200], "copies": copies}
    return None
