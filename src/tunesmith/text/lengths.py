"""How many tokens an example takes, and how many of them are learnt, without making the tokens.

Owns the shortcut: what a chat template puts around messages is rendered once for each order of roles, and texts are
counted word by word from a cache. The shortcut is compared with the true rendering (`chat.render`) on the first rows
of each kind and now and then after; where the two ever differ, the true rendering is used from then on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.text.chat import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from transformers import PreTrainedTokenizerBase

    from tunesmith.text.examples import Message
    from tunesmith.text.task import TaskSpec

_BOUNDARY = re.compile(r"(?<=[^ ]) ")
"""Where words part: at a space after another letter; further spaces belong to the word that follows."""

PROBE = "x"
CHECKED_FIRST = 32
CHECKED_EVERY = 1024
CACHED_WORDS = 1_000_000

Lengths = tuple[int, int]
"""Tokens of the whole conversation, and those of them that are learnt."""


class _Words(dict[str, int]):
    """Tokens of each word seen, counted when first met; forgets all when it holds `CACHED_WORDS`."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, before: str) -> None:
        super().__init__()
        self._encode, self._before = _encoder(tokenizer), before

    def __missing__(self, word: str) -> int:
        if len(self) >= CACHED_WORDS:
            self.clear()
        count = self[word] = len(self._encode(self._before + word, add_special_tokens=False))
        return count


def _encoder(tokenizer: PreTrainedTokenizerBase) -> Callable[..., Sized]:
    """Return the quickest function that encodes a text: the library's own below, where there is one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    encode: Callable[..., Sized] = (backend or tokenizer).encode
    return encode


class TokenCounter:
    """Counts tokens of texts; exact, and fast where the tokenizer never joins words over a space."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._encode = _encoder(tokenizer)
        self._first, self._later = _Words(tokenizer, ""), _Words(tokenizer, " ")
        self._by_word = True
        self._seen = 0

    def count(self, text: str) -> int:
        """Return the number of tokens of a text that stands alone."""
        if not self._by_word:
            return len(self._encode(text, add_special_tokens=False))
        first, *later = text.split(" ") if "  " not in text else _BOUNDARY.split(text)
        count = self._first[first] + sum(map(self._later.__getitem__, later))
        self._seen += 1
        if self._seen <= CHECKED_FIRST or self._seen % CHECKED_EVERY == 0:
            true = len(self._encode(text, add_special_tokens=False))
            self._by_word = count == true
            return true
        return count


class LengthOf:
    """Counts the tokens of conversations as a task's prompt and a tokenizer's chat template render them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, task: TaskSpec) -> None:
        self._tokenizer, self._task = tokenizer, task
        self._counter = TokenCounter(tokenizer)
        self._frames: dict[tuple[Any, ...], _Frame | None] = {}

    def __call__(self, messages: list[Message], tools: Any = None) -> Lengths:
        """Return the tokens of a conversation and those learnt.

        Raises:
            DataError: if there is nothing to learn, or the template cannot render it.
        """
        prompted = self._task.prompt(messages)
        if tools or not all(_is_plain(message) for message in prompted):
            return self._true(prompted, tools)
        kind = tuple((message["role"], message.get("weight", 1)) for message in prompted)
        if kind not in self._frames:
            self._frames[kind] = self._frame(prompted)
        frame = self._frames[kind]
        if frame is None:
            return self._true(prompted, tools)
        lengths = self._quick(frame, prompted)
        frame.seen += 1
        if frame.seen > CHECKED_FIRST and frame.seen % CHECKED_EVERY:
            return lengths
        true = self._true(prompted, tools)
        if true != lengths:
            self._frames[kind] = None
        return true

    def _true(self, messages: list[Message], tools: Any) -> Lengths:
        rendered = render(self._tokenizer, messages, tools)
        return len(rendered.ids), rendered.num_targets

    def _frame(self, messages: list[Message]) -> _Frame:
        total, targets = self._true([{**message, "content": PROBE} for message in messages], None)
        probe = self._counter.count(PROBE)
        learnt = [message["role"] == "assistant" and message.get("weight", 1) != 0 for message in messages]
        return _Frame(total - probe * len(messages), targets - probe * sum(learnt), learnt)

    def _quick(self, frame: _Frame, messages: list[Message]) -> Lengths:
        total, targets = frame.total, frame.targets
        for message, is_learnt in zip(messages, frame.learnt, strict=True):
            count = self._counter.count(message["content"])
            total += count
            targets += count if is_learnt else 0
        return total, targets


class _Frame:
    """What the template adds to the texts of one order of roles."""

    __slots__ = ("learnt", "seen", "targets", "total")

    def __init__(self, total: int, targets: int, learnt: list[bool]) -> None:
        self.total, self.targets, self.learnt = total, targets, learnt
        self.seen = 0


def _is_plain(message: Message) -> bool:
    return isinstance(message.get("content"), str) and "tool_calls" not in message and "name" not in message
