"""Chat completions by OpenAI's protocol, at OpenAI or at any server that speaks it, through the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError, RemoteError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.lifecycle import Life, by_openai
from tunesmith.providers.remote import RemoteChat
from tunesmith.providers.tools import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.recipe.service import Service

OPENAI = "https://api.openai.com/v1"


class OpenAIChat(RemoteChat):
    """Asks one endpoint.

    Raises:
        RecipeError: (when made) if the key's environment variable is not set.
        MissingExtraError: (when made) without the ``providers`` extra.
    """

    def __init__(self, settings: Service) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("providers", error.name or "openai") from error
        key_env = settings.key_env or (None if settings.base_url else "OPENAI_API_KEY")
        super().__init__(settings, openai, OPENAI, key_env)
        self._most = "max_tokens" if settings.base_url else "max_completion_tokens"
        self._missing = openai.NotFoundError
        self._client = openai.OpenAI(**self._options)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _life(self, model: str) -> Life:
        return by_openai(model, self._model)

    def _model(self, name: str) -> Any:
        try:
            return self._client.models.retrieve(name)
        except self._missing:
            return None

    def _worded(self, request: ChatRequest) -> dict[str, Any]:
        """Return the request in the protocol's words."""
        sampling: dict[str, Any] = dict(request.sampling)
        if "max_tokens" in sampling:
            sampling[self._most] = sampling.pop("max_tokens")
        if request.tools:
            sampling["tools"] = [dict(one) for one in request.tools]
        return {"model": request.model, "messages": [dict(one) for one in request.messages], **sampling}

    def _stream(self, request: ChatRequest) -> Iterator[str | Reply]:
        usage, ended, pieces = None, "", list[str]()
        with self._client.chat.completions.create(
            **self._worded(request), stream=True, stream_options={"include_usage": True}
        ) as chunks:
            for chunk in chunks:
                usage = chunk.usage or usage
                for choice in chunk.choices[:1]:
                    ended = choice.finish_reason or ended
                    if choice.delta.content:
                        pieces.append(choice.delta.content)
                        yield choice.delta.content
        if not ended and usage is None:
            raise RemoteError(f"{self.endpoint} ended an answer before it was whole", hint="ask again")
        asked, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        yield Reply("".join(pieces), asked, written, ended or "stop")

    def _ask(self, request: ChatRequest) -> Reply | None:
        found = self._client.chat.completions.create(**self._worded(request))
        if not getattr(found, "choices", None):
            return None
        choice, usage = found.choices[0], found.usage
        made = [one.function for one in choice.message.tool_calls or () if one.type == "function"]
        text = written(choice.message.content or "", [(one.name, one.arguments) for one in made])
        return Reply(
            text, usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0,
            choice.finish_reason or "stop",
        )  # fmt: skip
