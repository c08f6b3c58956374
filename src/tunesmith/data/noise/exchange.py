"""What the rules about noise look at: one question and its answer, read once, with words and cheap tests.

Owns `View` (a text, its words) and `Exchange` (a question, its answer, what came before). Does not own any rule. Most
rows are clean, so a rule first asks whether one of its trigger words occurs, and only then searches.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from tunesmith.data.noise.function_words import FUNCTION_WORDS, word_set
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.data.rows import Row

_TO_SPACE = str.maketrans(dict.fromkeys(string.punctuation + "“”‘’„«»¿¡…–—。，、！？：；「」『』（）\xa0\u200b", " "))
_ASCII_WORDS = bytes(byte if chr(byte).isalnum() else 32 for byte in bytes(range(256)).lower())
_CODE_SIGNS = ("(", ";", "{", "}", "=", "`", "[", "|", "&", "</", "import ", ":\n", "> ", "$ ")
_CODE = re.compile(
    r"```|^\s*(?:def \w+\(|class \w+\s*[:({]|import [\w.]+;?\s*$|from [\w.]+ import |#include\s*[<\"]|(?:public"
    r"|private|static|protected) \w+|"
    r"(?:const|let|var) \w+ ?=|function \w*\(|(?:if|while|for|elif|switch) ?\(.*\) ?\{?\s*$|(?:if|for|while|elif"
    r"|with) .{1,80}:\s*$|else:|try:|"
    r"(?:SELECT|INSERT INTO|UPDATE|CREATE TABLE|DELETE FROM|ALTER TABLE) \w|\$ \w+|>>> |print\(|console\.|System\."
    r"|return .*;\s*$|package \w+;)|"
    r"[;{]\s*$|^\s*\}[;,)]*\s*$|</\w+>|=>|\w\(\)|\b\w+\[(?:\w+|['\"]\w+['\"])\]|[^=]==[^=]|!=|&&|\|\|",
    re.MULTILINE,
)
_CODE_WORDS = word_set(
    "code python javascript java sql html css xml json yaml latex regex regexp bash shell script program function "
    "programming algorithm c++ cpp c# php ruby rust golang typescript react jsx svg api query matlab pandas numpy "
    "markdown template compiler syntax variable class method snippet unicode"
)


class View:
    """A text and what is read off it once: lower case, words (letters and digits), the set of them.

    ``function_words`` are those that are function words of some language: running text has them, names have none.
    """

    __slots__ = ("_code", "function_words", "lower", "text", "unique", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lower = text.lower()
        if text.isascii():
            self.words = text.encode("ascii").translate(_ASCII_WORDS).decode("ascii").split()
        else:
            self.words = self.lower.translate(_TO_SPACE).split()
        self.unique = frozenset(self.words)
        self.function_words = self.unique & FUNCTION_WORDS
        self._code: bool | None = None

    @property
    def paragraphs(self) -> list[str]:
        """The parts of the text between blank lines, stripped, without empty ones."""
        return [part for part in map(str.strip, self.text.split("\n\n")) if part]

    @property
    def small_words(self) -> frozenset[str]:
        """The words written without a capital, and the first one."""
        small = self.text.translate(_TO_SPACE).split()
        return frozenset([*small[1:], *self.words[:1]])

    @property
    def shows_code(self) -> bool:
        """Whether the text has the look of source code."""
        if self._code is None:
            text = self.text
            self._code = any(sign in text for sign in _CODE_SIGNS) and _CODE.search(text) is not None
        return self._code


class Exchange:
    """A question, its answer, and the texts before the question; ``prompt_name`` and ``answer_name`` say where."""

    __slots__ = ("answer", "answer_name", "before", "prompt", "prompt_name")

    def __init__(self, prompt: View, answer: View, names: tuple[str, str], before: str = "") -> None:
        self.prompt, self.answer, self.before = prompt, answer, before
        self.prompt_name, self.answer_name = names

    @property
    def about_code(self) -> bool:
        """Whether question or answer deals with code, so that odd letters have a meaning."""
        return (
            not _CODE_WORDS.isdisjoint(self.prompt.unique)
            or "`" in self.prompt.text
            or "`" in self.answer.text
            or self.prompt.shows_code
            or self.answer.shows_code
        )


def unanswered(prompt: View) -> Exchange:
    """Return a text as a question without an answer, for rules about questions."""
    return Exchange(prompt, View(""), ("", ""))


def exchanges(row: Row) -> Iterator[Exchange]:
    """Yield each question of a row with its answer: assistant turns of text that are learnt (weight not 0)."""
    if len(row.messages) == 2:
        question, answer = row.messages
        text = text_of(answer)
        if text and question["role"] == "user" and answer["role"] == "assistant" and answer.get("weight") != 0:
            yield Exchange(View(text_of(question)), View(text), ("messages[0]", "messages[1]"))
        return
    asked: tuple[str, View] | None = None
    before: list[str] = []
    for number, message in enumerate(row.messages):
        role = message["role"]
        if role == "assistant":
            text = text_of(message)
            if asked is not None and text and message.get("weight") != 0:
                names = (asked[0], f"messages[{number}]")
                yield Exchange(asked[1], View(text), names, "\n".join(before))
            before.append(text)
        elif role == "user":
            if asked is not None:
                before.append(asked[1].text)
            asked = (f"messages[{number}]", View(text_of(message)))
        else:
            before.append(text_of(message))
