"""How many tokens examples take, and how many of them are learnt, without making the tokens.

Owns the shortcut: what a chat template puts around messages is rendered once for each order of roles, and texts are
counted as the sum of their words, each word encoded once. The shortcut is compared with the true rendering
(`chat.render`) on the first conversations of each order and now and then after; where the two ever differ, the true
rendering is used from then on.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.errors import DataError
from tunesmith.core.spans import PAD, hash_spans
from tunesmith.text.chat import render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized

    from transformers import PreTrainedTokenizerBase

    from tunesmith.core.spans import I64, U64
    from tunesmith.text.examples import Message
    from tunesmith.text.task import TaskSpec

PROBE = "x"
CHECKED_FIRST = 32
CHECKED_EVERY = 1024
PLACES_BITS = 20
_TOKENS = np.uint64(0xFFFF)

Lengths = tuple[int, int]
"""Tokens of the whole conversation, and those of them that are learnt."""

Conversation = tuple[list[dict[str, Any]], Any]
"""Messages, and the tools given with them."""


class TokenCounter:
    """Counts the tokens of texts that stand alone; words are encoded once, where the tokenizer never joins two."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._encode: Callable[..., Sized] = (backend or tokenizer).encode
        self._known = KnownWords()
        self._by_word = True

    def counts(self, texts: Sequence[str]) -> I64:
        """Return how many tokens each text has. No texts give no counts."""
        if self._by_word and len(texts):
            counts = self._sums(texts)
            some = [*range(min(CHECKED_FIRST, len(texts))), *range(CHECKED_FIRST, len(texts), CHECKED_EVERY)]
            self._by_word = all(counts[at] == self._true(texts[at]) for at in some)
            if self._by_word:
                return counts
        return np.fromiter(map(self._true, texts), np.int64, len(texts))

    def _true(self, text: str) -> int:
        return len(self._encode(text, add_special_tokens=False))

    def _sums(self, texts: Sequence[str]) -> I64:
        """Return for each text the sum over its words; a word begins at a space that follows another character."""
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        joined = b"".join([*encoded, PAD])
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        spaces = np.frombuffer(joined, np.uint8, int(ends[-1])) == ord(" ")
        begins = np.zeros(int(ends[-1]) + 1, np.bool_)
        begins[1:-1] = spaces[1:] & ~spaces[:-1]
        begins[0] = True
        begins[ends] = True
        edges = np.flatnonzero(begins)
        starts, sizes = edges[:-1], np.diff(edges)
        tokens = self._of_words(joined, starts, sizes)
        sums = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens)])
        at_end = np.searchsorted(starts, ends)
        return np.diff(sums[at_end], prepend=0)

    def _of_words(self, joined: bytes, starts: I64, sizes: I64) -> I64:
        hashes = hash_spans(joined, starts, sizes)
        tokens = self._known.find(hashes)
        rest = np.flatnonzero(tokens == 0)
        if len(rest):
            distinct, first, where = np.unique(hashes[rest], return_index=True, return_inverse=True)
            at = rest[first]
            spans = zip(starts[at].tolist(), sizes[at].tolist(), strict=True)
            words = (joined[start : start + size].decode("utf-8", "replace") for start, size in spans)
            counts = np.fromiter(map(self._true, words), np.int64, len(at))
            self._known.keep(distinct, counts)
            tokens[rest] = counts[where]
        return tokens


class KnownWords:
    """The tokens of words by their hash, in memory that processes forked later share: each word is encoded once.

    An entry is one word of memory, written whole: 48 bits of the hash and 16 of tokens, 0 where unknown. Each hash has
    two places; a word that finds both taken drives another out, which costs time and changes no count.
    """

    def __init__(self) -> None:
        self._table: U64 = np.frombuffer(mmap.mmap(-1, 8 << PLACES_BITS), np.uint64)

    def find(self, hashes: U64) -> I64:
        """Return the tokens of each word, 0 for one that is not known."""
        tokens = self._at(_first_place(hashes), hashes)
        rest = np.flatnonzero(tokens == 0)
        tokens[rest] = self._at(_second_place(hashes[rest]), hashes[rest])
        return tokens

    def keep(self, hashes: U64, tokens: I64) -> None:
        """Remember the tokens of words; a word of more than 16 bits can count is left to be counted again."""
        short = tokens <= int(_TOKENS)
        hashes, entries = hashes[short], (hashes[short] & ~_TOKENS) | tokens[short].astype(np.uint64)
        first = _first_place(hashes)
        self._table[np.where(self._table[first] == 0, first, _second_place(hashes))] = entries

    def _at(self, places: I64, hashes: U64) -> I64:
        entries = self._table[places]
        return np.where(((entries ^ hashes) & ~_TOKENS) == 0, entries & _TOKENS, 0).astype(np.int64)


def _first_place(hashes: U64) -> I64:
    return (hashes >> np.uint64(64 - PLACES_BITS)).astype(np.int64)


def _second_place(hashes: U64) -> I64:
    return ((hashes >> np.uint64(16)) & np.uint64((1 << PLACES_BITS) - 1)).astype(np.int64)


class LengthOf:
    """Counts the tokens of conversations as a task's prompt and a tokenizer's chat template render them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, task: TaskSpec) -> None:
        self._tokenizer, self._task = tokenizer, task
        self._counter = TokenCounter(tokenizer)
        self._frames: dict[tuple[Any, ...], _Frame | None] = {}

    def __call__(self, conversations: Sequence[Conversation]) -> list[Lengths | DataError]:
        """Return for each conversation its tokens and those learnt, or why it cannot be rendered."""
        prompted = [(self._task.prompt(messages), tools) for messages, tools in conversations]
        frames = [self._frame_of(messages, tools) for messages, tools in prompted]
        texts = [
            message["content"]
            for (messages, _), frame in zip(prompted, frames, strict=True)
            if frame is not None
            for message in messages
        ]
        counts = self._counter.counts(texts).tolist()
        found: list[Lengths | DataError] = []
        at = 0
        for (messages, tools), frame in zip(prompted, frames, strict=True):
            if frame is None:
                found.append(self._true(messages, tools))
                continue
            own = counts[at : at + len(messages)]
            at += len(messages)
            found.append(self._checked(frame, messages, frame.lengths(own)))
        return found

    def _checked(self, frame: _Frame, messages: list[Message], quick: Lengths) -> Lengths | DataError:
        frame.seen += 1
        if not frame.is_true:
            return self._true(messages, None)
        if frame.seen > CHECKED_FIRST and frame.seen % CHECKED_EVERY:
            return quick
        true = self._true(messages, None)
        frame.is_true = true == quick
        return true

    def _true(self, messages: list[Message], tools: Any) -> Lengths | DataError:
        try:
            rendered = render(self._tokenizer, messages, tools)
        except DataError as error:
            return error
        return len(rendered.ids), rendered.num_targets

    def _frame_of(self, messages: list[Message], tools: Any) -> _Frame | None:
        if tools or not all(map(_is_plain, messages)):
            return None
        kind = tuple([(message["role"], message.get("weight", 1) != 0) for message in messages])
        if kind not in self._frames:
            self._frames[kind] = self._frame(messages)
        frame = self._frames[kind]
        return frame if frame is not None and frame.is_true else None

    def _frame(self, messages: list[Message]) -> _Frame | None:
        """Return what the template adds to messages in this order of roles; None if it cannot render them."""
        lengths = self._true([{**message, "content": PROBE} for message in messages], None)
        if isinstance(lengths, DataError):
            return None
        probe = int(self._counter.counts([PROBE])[0])
        learnt = [
            place > 0 and message["role"] == "assistant" and message.get("weight", 1) != 0
            for place, message in enumerate(messages)
        ]
        return _Frame(lengths[0] - probe * len(messages), lengths[1] - probe * sum(learnt), learnt)


class _Frame:
    """What the template adds to the texts of one order of roles."""

    __slots__ = ("is_true", "learnt", "seen", "targets", "total")

    def __init__(self, total: int, targets: int, learnt: list[bool]) -> None:
        self.total, self.targets, self.learnt = total, targets, learnt
        self.seen, self.is_true = 0, True

    def lengths(self, counts: list[int]) -> Lengths:
        """Return the lengths of a conversation whose texts have these many tokens."""
        learnt = sum(count for count, is_learnt in zip(counts, self.learnt, strict=True) if is_learnt)
        return self.total + sum(counts), self.targets + learnt


def _is_plain(message: Message) -> bool:
    return isinstance(message.get("content"), str) and "tool_calls" not in message and "name" not in message
