"""Which language a text is in, by its script and its function words; and answers in another language than asked for.

Owns the rule ``language``. Does not own translation. Function words decide because they are in every sentence, cost a
set intersection, and a name or a loan word is none. A short or undecided text has no language, and nothing is said of
it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.corpus import FOREIGN
from tunesmith.data.noise.exchange import View
from tunesmith.data.noise.function_words import ENGLISH, LANGUAGES_OF, word_set

if TYPE_CHECKING:
    from tunesmith.data.noise.corpus import Habits
    from tunesmith.data.noise.exchange import Exchange

_SCRIPTS = {
    "Cyrillic": re.compile("[Ѐ-ӿ]"),
    "Greek": re.compile("[Ͱ-Ͽ]"),
    "Arabic": re.compile("[\u0600-\u06ff]"),
    "Hebrew": re.compile("[\u0590-\u05ff]"),
    "Devanagari": re.compile("[\u0900-\u097f]"),
    "Indic": re.compile("[\u0980-\u0dff]"),
    "Thai": re.compile("[\u0e00-\u0e7f]"),
    "Georgian": re.compile("[\u10a0-\u10ff]"),
    "Armenian": re.compile("[\u0530-\u058f]"),
    "Japanese": re.compile("[\u3040-\u30ff]"),
    "Korean": re.compile("[\uac00-\ud7af]"),
    "Chinese": re.compile("[\u4e00-\u9fff]"),
}
_SCRIPT_OF_CODE = {
    "ru": "Cyrillic", "uk": "Cyrillic", "bg": "Cyrillic", "sr": "Cyrillic", "mk": "Cyrillic", "el": "Greek",
    "ar": "Arabic", "fa": "Arabic", "ur": "Arabic", "he": "Hebrew", "hi": "Devanagari", "mr": "Devanagari",
    "ne": "Devanagari", "bn": "Indic", "ta": "Indic", "te": "Indic", "th": "Thai", "ka": "Georgian", "hy": "Armenian",
    "ja": "Japanese", "ko": "Korean", "zh": "Chinese",
}  # fmt: skip
_NAMED = {
    "en": "english anglais englisch inglés inglese engels",
    "es": "spanish español castellano espagnol spanisch spagnolo",
    "fr": "french français francés französisch francese",
    "de": "german deutsch alemán allemand tedesco",
    "it": "italian italiano italien italienisch",
    "pt": "portuguese português portugués portugais",
    "nl": "dutch flemish nederlands",
    "sv": "swedish svenska",
    "da": "danish norwegian dansk norsk",
    "fi": "finnish suomi",
    "pl": "polish polski",
    "cs": "czech slovak",
    "ro": "romanian",
    "hu": "hungarian",
    "tr": "turkish",
    "id": "indonesian malay bahasa",
    "vi": "vietnamese",
    "hr": "croatian serbian bosnian slovenian",
    "ca": "catalan",
    "tl": "tagalog filipino",
    "sw": "swahili",
    "Cyrillic": "russian ukrainian bulgarian serbian cyrillic",
    "Greek": "greek",
    "Arabic": "arabic persian farsi urdu",
    "Hebrew": "hebrew yiddish",
    "Devanagari": "hindi sanskrit nepali marathi",
    "Indic": "bengali tamil telugu",
    "Thai": "thai",
    "Georgian": "georgian",
    "Armenian": "armenian",
    "Japanese": "japanese kanji hiragana",
    "Korean": "korean hangul",
    "Chinese": "chinese mandarin cantonese hanzi pinyin",
}
_NAMES_OF = {code: frozenset(names.split()) for code, names in _NAMED.items()}
_TRANSLATES = word_set(
    "translate translates translated translation translations translator translating bilingual latin esperanto "
    "multilingual "
    "übersetze übersetzen traduce traducir traduisez traduire traduci lyrics anthem motto proverb multiple foreign"
)
MIN_WORDS = 3
MIN_SHARE = 0.2
"""Least share of an answer's words that are function words of a language: running text has 0.3 to 0.5, a list with a
foreign title less than 0.1."""
MIN_FOREIGN_LETTERS = 6
OWN_WORDS = 2
"""Function words of the answer's language in the question that make it a question in, or about, both languages."""


def language_of(view: View) -> str | None:
    """Return the language of a text as an ISO 639-1 code, or its script's name if that is not Latin; None: unsure."""
    if not view.text.isascii() and (script := _script_of(view.text)) is not None:
        return script
    known = view.function_words
    if len(view.words) < MIN_WORDS or len(known) < 2:
        return None
    if sum(map(known.__contains__, view.words)) < MIN_SHARE * len(view.words):
        return None
    if not known <= ENGLISH:
        known &= view.small_words  # 'La Palma' is a name
    counts = _counts(known)
    english = counts.pop("en", 0)
    best, most = max(counts.items(), key=lambda one: (one[1], one[0]), default=("en", 0))  # sets have no order
    if english >= most:
        best, most = "en", english
    elif len([word for word in known - ENGLISH if best in LANGUAGES_OF[word]]) < 2:
        return None
    share = sum(word in known and best in LANGUAGES_OF[word] for word in view.words) / len(view.words)
    return best if most >= 2 and share >= MIN_SHARE else None


def _counts(known: frozenset[str]) -> Counter[str]:
    return Counter(code for word in known for code in LANGUAGES_OF[word])


def _script_of(text: str) -> str | None:
    """Return the script that most letters of a text are in, if it is not Latin."""
    letters = sum(map(str.isalpha, text))
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    if counts["Japanese"] >= 2:
        counts["Japanese"] += counts.pop("Chinese")
    name = max(counts, key=lambda one: counts[one])
    return name if counts[name] >= MIN_FOREIGN_LETTERS or 2 * counts[name] > letters > 0 else None


def other_language(exchange: Exchange, allowed: frozenset[str] | None, habits: Habits) -> dict[str, Any] | None:
    """Return the languages of question and answer if the answer's is another one and nothing asks for that.

    A question too short to have a language leaves the answer's against that of the data: the evidence then has
    ``habit``, since only all rows tell.

    Args:
        exchange: Question and answer.
        allowed: Languages of the recipe's ``data.clean.languages``; None: any.
        habits: Counts the language of the answer.
    """
    answer = exchange.answer
    if allowed is None and answer.text.isascii() and _both_english(exchange):
        habits.speaks("en")
        return None  # most rows
    spoken = language_of(answer)
    if spoken is None:
        return None
    habits.speaks(spoken)
    asked = language_of(exchange.prompt)
    foreign = allowed is not None and not _among(spoken, allowed)
    if not foreign and asked is not None and (asked == spoken or _alike(answer, asked, spoken)):
        return None
    if _explained(exchange, spoken, asked):
        return None
    hint = {} if foreign or asked is not None else {"habit": f"{FOREIGN}{spoken}"}
    return {"prompt": asked, "answer": spoken, **hint}


def outside(view: View, allowed: frozenset[str]) -> dict[str, Any] | None:
    """Return the language of an input that is in none of the ``allowed`` ones, or None; unsure is allowed."""
    spoken = language_of(view)
    return None if spoken is None or _among(spoken, allowed) else {"input": spoken, "allowed": sorted(allowed)}


def _both_english(exchange: Exchange) -> bool:
    """Whether an answer has function words of English in number, and so has its question if that is not short."""
    if len(exchange.answer.function_words & ENGLISH) < 3:
        return False
    return len(exchange.prompt.words) < MIN_WORDS or len(exchange.prompt.function_words & ENGLISH) >= 2


def _among(spoken: str, allowed: frozenset[str]) -> bool:
    return spoken in allowed or any(_SCRIPT_OF_CODE.get(code) == spoken for code in allowed)


def _alike(answer: View, asked: str, spoken: str) -> bool:
    """Whether the answer may as well be in the language asked in: near languages share function words."""
    if _SCRIPT_OF_CODE.get(asked, asked) == spoken:
        return True
    if spoken in _SCRIPTS:
        return False
    counts = _counts(answer.function_words)
    return counts[asked] * 5 >= counts[spoken] * 3  # 0.6: Danish and Swedish, Czech and Slovak, Spanish and Catalan


def _explained(exchange: Exchange, spoken: str, asked: str | None) -> bool:
    """Whether the conversation names a language, asks for a translation, or has text in the answer's language."""
    prompt = exchange.prompt
    named = _NAMES_OF.get(spoken, frozenset()) | _TRANSLATES
    if not named.isdisjoint(prompt.unique):
        return True
    if exchange.before and not named.isdisjoint(View(exchange.before).unique):
        return True
    if spoken in _SCRIPTS:
        return len(_SCRIPTS[spoken].findall(prompt.text)) >= 2
    known = prompt.function_words
    return sum(spoken in LANGUAGES_OF[word] and asked not in LANGUAGES_OF[word] for word in known) >= OWN_WORDS
