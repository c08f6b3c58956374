"""What only all rows together tell: do answers end in full stops here, take up words of their questions, which language
do they speak?

Owns the rule ``mismatch`` (an answer that belongs to another question) and `Habits`, the counts that say whether a hint
means something in these data. Parts of the rows are counted apart and merged in any order: counts are sums.

A question and its own answer share a word in 85 to 95 of 100 rows of free text, shuffled ones in 5. Where the data's
own answers often share none (labels, lists of names, translations), the hint says nothing, and none is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import ENGLISH, FUNCTION_WORDS, word_set

if TYPE_CHECKING:
    from tunesmith.data.noise.exchange import Exchange, View

MIN_ANSWER_WORDS = 4
"""Content words an answer needs before 'none of them is in the question' says something."""
STEM_LETTERS = 5
"""Words are one up to this letter: enough for 'percussive' and 'percussion', too few to part them."""
MOST_STRANGERS = 0.2
"""Share of rows whose answer shares no word with its question, above which the rule tells nothing: 0.05 to 0.11 in
Dolly, where a shuffled row shares none in 0.94. At 0.2, and one row in twenty mismatched, four flags of five are
wrong."""
MOST_UNSTOPPED = 0.06
"""Share of answers without a full stop above which its lack is a habit: 0.45 in Dolly, 0.09 in E2E, whose sentences are
all whole; 0.03 where one answer in fifty was cut."""
MIN_ROWS = 50
"""Rows before a share is one."""
MAIN_LANGUAGE = 0.9
"""Share of the answers whose language is known that makes one the language of the data."""
MIN_SPOKEN = 20
"""Answers of a known language before one is that of the data."""
_COMMON = word_set(
    "what which who whom whose when where why how tell name list give describe explain please following each there "
    "one two "
    "three given write example examples some any all most many much get make use used using based say text passage "
    "paragraph article reference answer question know like can could would should i me my you your we us our it its "
    "them "
    "they their he him his she her a s t re ve ll d m don yes no not also than then so because if as about into "
    "between "
    "am was were been being has had do did done may might must shall will just b c e f g h i j k l n o p q r u v w x "
    "y z 1 2 3 4 5 6 7 8 9 0 only other another more very such these "
    "those this that here over under up down out off again between both few own same too now ever never let us thing "
    "things "
    "way ways good best new first last people time year years"
) | ENGLISH | FUNCTION_WORDS  # fmt: skip


FOREIGN = "not in "
"""Begins the habit of speaking another language than the one that follows: data in English are ``not in es``."""

ANSWERED = "answered"
"""A habit that is not counted here but told by all answers together (`data.habits`): 'N/A' is no answer, unless the
data answer so as a rule."""


@dataclass(slots=True)
class Habits:
    """Counts over exchanges: of answers long enough to tell, how many lack a full stop, or share no word; and how many
    are in which language.
    """

    prose: int = 0
    unstopped: int = 0
    pairs: int = 0
    strangers: int = 0
    spoken: dict[str, int] = field(default_factory=dict)

    def merge(self, other: Habits) -> None:
        """Add the counts of another part of the rows."""
        self.prose += other.prose
        self.unstopped += other.unstopped
        self.pairs += other.pairs
        self.strangers += other.strangers
        for language, answers in other.spoken.items():
            self.speaks(language, answers)

    def speaks(self, language: str, answers: int = 1) -> None:
        """Count answers in a language."""
        self.spoken[language] = self.spoken.get(language, 0) + answers

    def trusts(self, habit: str) -> bool:
        """Whether a hint that hangs on a habit (`Finding.habit`) means something in these data.

        The habits are ``stops`` (answers end in full stops), ``words`` (they take up words of their question) and
        ``not in`` a language (nearly all are in another one); what hangs on none, '', always does.
        """
        if habit == "stops":
            return self.prose >= MIN_ROWS and self.unstopped <= MOST_UNSTOPPED * self.prose
        if habit == "words":
            return self.pairs >= MIN_ROWS and self.strangers <= MOST_STRANGERS * self.pairs
        return not habit.startswith(FOREIGN) or self._main_language() not in (None, habit.removeprefix(FOREIGN))

    def _main_language(self) -> str | None:
        known = sum(self.spoken.values())
        main = max(self.spoken, key=lambda one: (self.spoken[one], one), default=None)
        return main if known >= MIN_SPOKEN and main and self.spoken[main] >= MAIN_LANGUAGE * known else None


def mismatch(exchange: Exchange, habits: Habits) -> dict[str, Any] | None:
    """Count whether a question and its answer have a word in common; return the evidence if they have none."""
    prompt, answer = exchange.prompt, exchange.answer
    if not (prompt.unique & answer.unique) <= _COMMON:
        habits.pairs += 1
        return None
    asked = _stems(prompt)
    content = answer.unique - _COMMON
    if not asked or len(content) < MIN_ANSWER_WORDS:
        return None
    habits.pairs += 1
    if any(map(asked.__contains__, [word[:STEM_LETTERS] for word in content])):
        return None
    habits.strangers += 1
    if exchange.before or _fits(exchange) or exchange.about_code:
        return None
    return {"shared_words": 0, "prompt_words": len(prompt.unique - _COMMON), "answer_words": len(content)}


def _stems(view: View) -> set[str]:
    """Return how the words of a text may begin in another: short ones with and without the s of a plural."""
    stems = set()
    for word in view.unique - _COMMON:
        stems.add(word[:STEM_LETTERS])
        if len(word) <= STEM_LETTERS:
            stems.add(word[:-1] if word[-1] == "s" else f"{word}s"[:STEM_LETTERS])
    return stems


_YES_NO = (
    "is ",
    "are ",
    "do ",
    "does ",
    "did ",
    "can ",
    "could ",
    "was ",
    "were ",
    "will ",
    "should ",
    "has ",
    "have ",
)
_FREE = word_set(
    "joke poem story haiku limerick riddle song lyrics favorite favourite quote quotes imagine summarize summarise "
    "summary translate rewrite paraphrase continue complete caption tweet slogan tagline essay letter dialogue "
    "sentence code emoji roleplay headline title review brainstorm suggest suggestions creative create design "
    "synonyms synonym "
    "antonyms antonym metaphor definition recipe invent compose generate write budget plan puzzle question questions "
    "fun"
)
_LISTS = word_set("name list give which what who best top examples movies books songs artists bands players")


def _fits(exchange: Exchange) -> bool:
    """Whether an answer without a shared word suits the question by its kind: yes or no, a list, free writing."""
    prompt, answer = exchange.prompt, exchange.answer
    if not _FREE.isdisjoint(prompt.unique):
        return True
    if answer.words[0] in ("yes", "no") and (prompt.lower.startswith(_YES_NO) or "whether " in prompt.lower):
        return True
    return not _LISTS.isdisjoint(prompt.unique) and _is_list(answer)


def _is_list(answer: View) -> bool:
    """Whether an answer is names, items or numbers rather than sentences."""
    words = answer.text.split()
    names = sum(word[:1].isupper() or word[:1].isdigit() or not word[:1].isalnum() for word in words)
    return names >= 0.7 * len(words)
