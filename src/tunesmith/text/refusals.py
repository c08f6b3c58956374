"""Refusals: whether a text declines to answer, by its first words. English only.

Owns the words. Does not own whether a refusal is right: that depends on the question (`data`, `evaluate.suites`).
"""

from __future__ import annotations

import re
from typing import Literal

HEAD_CHARS = 200
"""What declines says so at its beginning."""

REFUSAL_WORDS = 80
"""A longer answer that begins with an apology mostly goes on to answer."""
_OPENING = re.compile(
    r"\W*(?:(?:i am|i'm|i’m|im|we are|we're) (?:very |so |really |truly |terribly |deeply )?(?:sorry|afraid|unable"
    r"|not able"
    r"|not sure)|"
    r"sorry|apologies|my apologies|i apologi[sz]e|unfortunately|regrettably|"
    r"i (?:really |honestly |simply |just )?(?:cannot|can't|can’t|can not|could not|couldn't|won't|won’t|will not"
    r"|must decline|have to decline|decline|"
    r"am unable|don't|don’t|do not|refuse|have no))\b"
)
UNABLE = re.compile(
    r"\b(?:can ?not|can't|can’t|could not|couldn't|unable|not able|won't|won’t|will not|decline|refuse|"
    r"not (?:comfortable|allowed|permitted|possible|appropriate|capable|authorized|going to)|"
    r"do(?:n't|n’t| not) (?:know|have|understand|think i can|feel comfortable|see)|"
    r"no (?:idea|information|knowledge|answer|access|way|clue)|against my|not sure|"
    r"need more (?:information|context|details)|isn't enough|not enough)\b"
)
_DECLINES = re.compile(
    r"\b(?:help|assist|answer|provide|do (?:that|this|it|so)|comply|access|fulfil\w*|respond|give|share|tell|say"
    r"|complete|perform|generate|"
    r"create|look|browse|find|see|discuss|support|have|know|understand|determine|recall|write|engage|continue"
    r"|recommend|open|view|make|"
    r"talk|speak|advise|process|produce|identify|predict|summari[sz]e|translate|verify|confirm|decline|unable|refuse"
    r"|condone)\b"
)
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|we|us|i'm|i’m|sorry|apolog\w+)\b")
_DONT_KNOW = re.compile(
    r"\W*(?:(?:sorry|well|hmm|unfortunately)\W+)?(?:but )?(?:i|we) (?:really |honestly |just )?(?:do not|don't|don’t"
    r"|can't|cannot) "
    r"(?:know|answer|say|tell|help|recall|remember)\b"
)


def declines(lower: str, words: int) -> Literal["unknown", "unable"] | None:
    """Return how a text in small letters, of so many words, declines: it does not know, or is unable or unwilling.

    None if it begins otherwise, or is longer than `REFUSAL_WORDS`.
    """
    opening = _OPENING.match(lower)
    if opening is None or words > REFUSAL_WORDS:
        return None
    head = lower[:HEAD_CHARS]
    if _DONT_KNOW.match(head) and words <= 25:
        return "unknown"
    if opening[0].lstrip().startswith("i ") and not _DECLINES.search(head):
        return None
    if UNABLE.search(head) is None or not _FIRST_PERSON.search(head):
        return None
    if opening[0].split()[-1] in ("unfortunately", "sorry") and " i " not in f" {head} " and " we " not in f" {head} ":
        return None
    return "unable"
