"""What comes back over HTTP, and what of a test row a client can send. Does not own sending (`tunesmith.as_served`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from tunesmith.core.disk import write_whole
from tunesmith.text.examples import Example, Message

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Recipe, Serve

CLIENTS = 8
"""How many ask at a time, so that rows are answered together as they are when there is traffic."""

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Reply:
    """One answer as a client got it, and as the engine behind it says it was made.

    Args:
        text: the answer.
        prompt_ids: the tokens that the model was asked with.
        ids: the tokens of the answer.
        labels: of a classification the most probable labels with their probabilities, best first.
        finish_reason: ``stop`` or ``length``.
        made_in: device and types; see `LoadedModel.arithmetic`.
        latency_ms: from the request to the last byte.
        streamed: whether it came in pieces.
        problem: why there is no proper answer; empty if there is one.
    """

    text: str = ""
    prompt_ids: list[int] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    labels: list[tuple[str, float]] = field(default_factory=list)
    finish_reason: str = ""
    made_in: str = ""
    latency_ms: float = 0.0
    streamed: bool = False
    problem: str = ""


Asker = Callable[["Artifact", Sequence[list[Message]]], list[Reply]]
"""Asks a Model some conversations through the server, and returns the replies in order."""


@dataclass(frozen=True)
class Replies:
    """The replies to some rows, as they are kept."""

    all: list[Reply]

    def save(self, path: Path) -> None:
        """Write to a file that is complete or not there."""
        write_whole(path, json.dumps([asdict(one) for one in self.all]))

    @classmethod
    def load(cls, path: Path) -> Replies:
        """Read what `save` wrote."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls([Reply(**{**one, "labels": [(label, share) for label, share in one["labels"]]}) for one in found])


def served_settings(recipe: Recipe) -> Serve:
    """Return the server's settings: an answer ends where the evaluation would have ended it, unless it does before."""
    most = min(recipe.serve.max_new_tokens, recipe.evaluate.max_new_tokens)
    return recipe.serve.model_copy(update={"max_new_tokens": most})


def request_messages(example: Example) -> list[Message] | None:
    """Return what a client sends to get the example's answer; None if the server takes no such conversation.

    It takes text alone, and at least one message: no tools, neither offered nor called.
    """
    before = example.messages[:-1]
    if example.tools or any(one["role"] not in ROLES or one.get("tool_calls") for one in before):
        return None
    return [
        {key: one[key] for key in ("role", "content", "name") if one.get(key) is not None} for one in before
    ] or None
