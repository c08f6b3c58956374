"""Token ids to text while they come in: whole characters only, and an end at the first stop string.

Joined, the pieces are exactly the decoding of all tokens, cut before the stop string. Does not own generation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.text.chat import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

UNFINISHED = "\ufffd"
"""What a tokenizer decodes an incomplete character to."""


@dataclass
class TextStream:
    """Turns tokens into text. `ended` becomes true when a stop string was met; what comes after is not shown."""

    tokenizer: PreTrainedTokenizerBase
    stops: Sequence[str] = ()
    ended: bool = False
    _ids: list[int] = field(default_factory=list)
    _context: int = 0  # tokens before this index are decoded and shown, and no longer looked at
    _shown: int = 0  # tokens before this index are shown
    _held: str = ""  # text that may be the beginning of a stop string

    def push(self, token: int) -> str:
        """Add a token and return the text that is now certain, often empty."""
        self._ids.append(token)
        before = self._decode(self._context, self._shown)
        now = self._decode(self._context, len(self._ids))
        if len(now) <= len(before) or now.endswith(UNFINISHED):
            return ""
        self._context, self._shown = self._shown, len(self._ids)
        return self._cut(now[len(before) :], last=False)

    def finish(self) -> str:
        """Return what was held back."""
        if self.ended:
            return ""
        rest = self._decode(self._context, len(self._ids))[len(self._decode(self._context, self._shown)) :]
        return self._cut(rest, last=True)

    def _decode(self, start: int, end: int) -> str:
        return decode(self.tokenizer, self._ids[start:end])

    def _cut(self, piece: str, *, last: bool) -> str:
        """Return the part of the text that no stop string can still take back."""
        text = self._held + piece
        places = [place for stop in self.stops if (place := text.find(stop)) >= 0]
        if places:
            self.ended, self._held = True, ""
            return text[: min(places)]
        keep = 0 if last else max((_overlap(text, stop) for stop in self.stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _overlap(text: str, stop: str) -> int:
    """Return how many characters at the end of the text are the beginning of the stop string."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
