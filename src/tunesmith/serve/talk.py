"""Talking to a model in this process, turn by turn: what `tunesmith chat` does.

Owns the conversation so far. Answers come from the same `Ready` that serves over HTTP, so both say the same.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunesmith.core.errors import DataError
from tunesmith.serve.catalog import Served, served_of
from tunesmith.serve.engine import Answer, Piece, Question
from tunesmith.serve.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.core.artifacts import Artifact
    from tunesmith.serve.answering import Ready
    from tunesmith.serve.engine import Event
    from tunesmith.text.examples import Message


@dataclass
class Talk:
    """A conversation with one model. A classification forgets each message: its model knows single ones."""

    served: Served
    ready: Ready
    max_tokens: int
    temperature: float
    messages: list[Message] = field(default_factory=list)

    @classmethod
    def load(cls, model: Artifact, *, max_tokens: int = 256, temperature: float = 0.0) -> Talk:
        """Load a Model.

        Raises:
            ArtifactError: if it is damaged, or renders prompts otherwise than in training.
            MissingExtraError: without the ``train`` extra.
        """
        from tunesmith.serve.answering import Ready

        served = served_of(model)
        return cls(served, Ready.load(served, "auto"), max_tokens, temperature)

    @property
    def model_id(self) -> str:
        """The model's id."""
        return self.served.model_id

    def forget(self) -> None:
        """Begin a new conversation."""
        self.messages.clear()

    def say(self, text: str, show: Callable[[str], None] = lambda _: None) -> Answer:
        """Return the answer to the next message; ``show`` gets its text in pieces as it comes.

        Raises:
            DataError: if the conversation has become too long, or the model cannot read it; the message is forgotten.
        """
        asked = [*self.messages, {"role": "user", "content": text}]
        question = Question(self.served, asked, self.max_tokens, self.temperature, seed=secrets.randbits(63))
        try:
            ids = self.ready.prompt(question)
        except ApiError as error:
            raise DataError(error.message, hint="say less, or begin anew with /new") from error
        if self.ready.labels:
            [answer] = self.ready.classify([ids])
            show(answer.text)
            return answer

        def deliver(event: Event) -> None:
            if isinstance(event, Piece):
                show(event.text)

        generated = self.ready.generate(ids, question, deliver)
        assert generated is not None  # nobody else can cancel it
        self.messages = [*asked, {"role": "assistant", "content": generated.text}]
        return generated
