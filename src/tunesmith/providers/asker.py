"""Asks many questions: from what is kept first, then the provider, and counts what it takes.

Owns the order and the count. Does not own what the questions are.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.core.progress import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.providers.cache import ReplyCache
    from tunesmith.providers.chat import ChatProvider, ChatRequest, Reply


@dataclass
class Spent:
    """Questions and tokens; those of kept replies cost nothing now."""

    asked: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def usd(self, price: tuple[float, float] | None) -> float | None:
        """Return the money for what was asked now, at USD per million input and output tokens; None without prices."""
        if price is None:
            return None
        return (self.input_tokens * price[0] + self.output_tokens * price[1]) / 1e6


@dataclass
class Asker(AbstractContextManager["Asker"]):
    """A provider with the replies it gave before; leaving the block closes both."""

    provider: ChatProvider
    cache: ReplyCache
    spent: Spent = field(default_factory=Spent)

    def ask(self, requests: Sequence[ChatRequest], what: str = "judge") -> list[Reply]:
        """Return the replies, in order; ``what`` names the progress bar.

        Raises:
            RemoteError: if the provider refuses or is unreachable; what was answered until then is kept.
        """
        answerers = {model: self.provider.identity(model) for model in {one.model for one in requests}}
        digests = [one.digest(answerers[one.model]) for one in requests]
        found: dict[str, Reply] = {one: kept for one in {*digests} if (kept := self.cache.find(one)) is not None}
        self.spent.kept += len(found)
        missing = {one: request for one, request in zip(digests, requests, strict=True) if one not in found}
        if missing:
            names = list(missing)
            with steps(what, len(names)) as bar:
                for place, reply in self.provider.answer(list(missing.values())):
                    self.cache.keep(names[place], reply)
                    found[names[place]] = reply
                    self._count(reply)
                    bar.advance()
        return [found[one] for one in digests]

    def __exit__(self, *_: object) -> None:
        """Close the provider and the kept replies."""
        self.provider.close()
        self.cache.close()

    def _count(self, reply: Reply) -> None:
        self.spent.asked += 1
        self.spent.input_tokens += reply.input_tokens
        self.spent.output_tokens += reply.output_tokens
