"""A model on this machine by the face of a chat API: greedy, so the same question has one answer.

A question that does not fit into the model's context has an empty answer, which ended by ``too_long``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.lifecycle import Life

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.core.artifacts import Workspace
    from tunesmith.models.load import LoadedModel

PIECE = 16
"""Questions answered together."""
MOST_TOKENS = 512
"""Tokens of an answer whose request sets no ``max_tokens``."""


class LocalChat:
    """Asks models of the workspace, by id, or bases, by name; one is held in memory, the one asked last."""

    endpoint = "local"

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._held: tuple[str, LoadedModel] | None = None
        self._identities: dict[str, str] = {}

    def check(self, model: str) -> None:
        """Refuse a model that is not there.

        Raises:
            SetupError: if it cannot be found.
            RemoteError: if the hub is out of reach.
        """
        from tunesmith.models.load import load_tokenizer, reference

        load_tokenizer(reference(model, self.workspace))

    def identity(self, model: str) -> str:
        """Return the content of a model: a folder may hold another one by now."""
        from tunesmith.models.load import identity, reference

        if model not in self._identities:
            self._identities[model] = f"local:{identity(reference(model, self.workspace))}"
        return self._identities[model]

    def life(self, model: str) -> Life:
        """Return that it answers as long as it lies here."""
        return Life("active")

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        """Yield replies, model by model, in pieces."""
        for model in dict.fromkeys(one.model for one in requests):
            own = [place for place, one in enumerate(requests) if one.model == model]
            for start in range(0, len(own), PIECE):
                piece = own[start : start + PIECE]
                yield from zip(piece, self._together(model, [requests[place] for place in piece]), strict=True)

    def close(self) -> None:
        """Let go of the weights."""
        self._held = None

    def _together(self, model: str, requests: list[ChatRequest]) -> list[Reply]:
        from tunesmith.models.generate import Decoding, generate
        from tunesmith.text.chat import decode, prompt_ids

        loaded = self._load(model)
        prompts = [
            prompt_ids(
                loaded.tokenizer, [_turn(turn) for turn in one.messages], [dict(tool) for tool in one.tools] or None
            )
            for one in requests
        ]
        replies = [Reply("", len(prompt), 0, "too_long") for prompt in prompts]
        fitting = [place for place, prompt in enumerate(prompts) if len(prompt) < loaded.context_tokens]
        if not fitting:
            return replies
        wanted = max(int(one.sampling.get("max_tokens", MOST_TOKENS)) for one in requests)
        limit = min(wanted, loaded.context_tokens - max(len(prompts[place]) for place in fitting))
        written = generate(loaded, [prompts[place] for place in fitting], Decoding(limit))
        for place, tokens in zip(fitting, written, strict=True):
            text = decode(loaded.tokenizer, tokens)
            ended = "length" if len(tokens) >= limit else "stop"
            replies[place] = Reply(text, len(prompts[place]), len(tokens), ended)
        return replies

    def _load(self, model: str) -> LoadedModel:
        from tunesmith.models.load import load_model, reference
        from tunesmith.text.chat import ensure_template

        if self._held is None or self._held[0] != model:
            self._held = None
            loaded = load_model(reference(model, self.workspace))
            ensure_template(loaded.tokenizer)
            self._held = model, loaded
        return self._held[1]


def _turn(message: object) -> dict[str, str]:
    turn = dict(message)  # type: ignore[call-overload]
    return {**turn, "role": "system" if turn["role"] == "developer" else turn["role"]}
