"""What a chat provider is asked and answers, whoever it is.

Owns the request, the reply, which sampling parameters each API knows, and how the providers are found. Does not own
keeping replies (`cache`) nor counting them (`asker`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tunesmith.core.errors import RecipeError, did_you_mean
from tunesmith.core.ids import digest
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tunesmith.core.artifacts import Workspace
    from tunesmith.providers.lifecycle import Life
    from tunesmith.recipe.service import Service

SAMPLING = {
    "openai": ("temperature", "top_p", "seed", "max_tokens", "reasoning_effort"),
    "anthropic": ("max_tokens",),
    "bedrock": ("temperature", "top_p", "max_tokens"),
    "local": ("max_tokens",),
}
"""API to the sampling parameters that it honours; the Messages API takes none, and a local model answers greedily."""


@dataclass(frozen=True)
class ChatRequest:
    """One question to a model.

    ``messages`` and ``tools`` are in OpenAI's form (`tools.told`). ``sampling`` has names of `SAMPLING`. ``sample``
    counts questions that are alike: each has an answer of its own.
    """

    model: str
    messages: Sequence[Mapping[str, Any]]
    sampling: Mapping[str, Any] = field(default_factory=dict)
    sample: int = 0
    tools: Sequence[Mapping[str, Any]] = ()

    @property
    def chars(self) -> int:
        """How many characters are asked: of words, calls and tools."""
        calls = [one["tool_calls"] for one in self.messages if "tool_calls" in one]
        beside = len(json.dumps([*self.tools, *calls])) if self.tools or calls else 0
        return sum(len(text_of(dict(one))) for one in self.messages) + beside

    def digest(self, answerer: str) -> str:
        """Return what stands for this question to this answerer: same digest, same question."""
        asked = {"answerer": answerer, "model": self.model, "messages": [dict(one) for one in self.messages]}
        if self.tools:
            asked["tools"] = [dict(one) for one in self.tools]
        return digest({**asked, "sampling": dict(self.sampling), "sample": self.sample}, hex_digits=32)


@dataclass(frozen=True)
class Reply:
    """A model's answer, with its calls of tools as `tools.written` has them.

    ``ended`` says why it ended: ``stop``, ``length`` (cut), or another word of the API's.
    """

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    ended: str = "stop"


class ChatProvider(Protocol):
    """Answers questions; ``endpoint`` names what answers, for people."""

    endpoint: str

    def identity(self, model: str) -> str:
        """Return what kept replies of a model are kept under, besides the question."""
        ...

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        """Yield the place of a request and its reply, as they come.

        Raises:
            RemoteError: if one is refused or nobody answers.
        """
        ...

    def life(self, model: str) -> Life:
        """Return how long a model goes on answering, as its service says.

        Raises:
            RemoteError: if it refuses or nobody answers.
        """
        ...

    def close(self) -> None:
        """Let go of connections and weights."""
        ...


def connect(settings: Service, workspace: Workspace | None) -> ChatProvider:
    """Return the provider that a recipe names; nothing is sent yet. Only a local one needs the workspace.

    Raises:
        RecipeError: if the key's environment variable is not set.
        MissingExtraError: without the ``providers`` extra, or for Bedrock the ``bedrock`` extra.
    """
    if settings.api == "openai":
        from tunesmith.providers.openai_chat import OpenAIChat

        return OpenAIChat(settings)
    if settings.api == "anthropic":
        from tunesmith.providers.anthropic_chat import AnthropicChat

        return AnthropicChat(settings)
    if settings.api == "bedrock":
        from tunesmith.providers.bedrock_chat import BedrockChat

        return BedrockChat(settings)
    from tunesmith.providers.local_chat import LocalChat

    assert workspace is not None
    return LocalChat(workspace)


def check_service(settings: Service, workspace: Workspace | None) -> None:
    """Refuse a service that could not be asked; nothing is sent.

    ``workspace`` is where a model on this machine may lie; None: it is not looked for.

    Raises:
        RecipeError: if the key's environment variable is not set.
        SetupError: for a model on this machine that is not there.
        MissingExtraError: without the ``providers`` extra, or for Bedrock the ``bedrock`` extra.
    """
    if settings.api != "local":
        connect(settings, workspace).close()
    elif workspace is not None:
        from tunesmith.providers.local_chat import LocalChat

        LocalChat(workspace).check(settings.model)


def sampling_of(service: Service) -> dict[str, Any]:
    """Return the sampling parameters that a recipe sets for a service."""
    heat = {} if service.temperature is None or service.api == "local" else {"temperature": service.temperature}
    return {"max_tokens": service.max_tokens, **heat}


def check_sampling(api: str, sampling: Mapping[str, Any], where: str) -> None:
    """Refuse parameters that an API would ignore.

    Raises:
        RecipeError: naming the first.
    """
    for name, value in sampling.items():
        if api == "local" and name == "temperature" and value == 0:
            continue
        if name not in SAMPLING[api]:
            what = "a local model answers greedily, so it has" if api == "local" else f"the {api} API has"
            raise RecipeError(
                f"{where}: {what} no {name}", expected="some of " + ", ".join(SAMPLING[api]),
                hint=did_you_mean(name, SAMPLING[api]),
            )  # fmt: skip
