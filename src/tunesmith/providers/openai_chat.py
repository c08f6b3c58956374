"""Chat completions by OpenAI's protocol, at OpenAI or at any server that speaks it, through the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError, RemoteError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.remote import failed, in_parallel, key_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.recipe.judge import Judge

OPENAI = "https://api.openai.com/v1"


class OpenAIChat:
    """Asks one endpoint.

    Raises:
        RecipeError: (when made) if the key's environment variable is not set.
        MissingExtraError: (when made) without the ``providers`` extra.
    """

    def __init__(self, settings: Judge) -> None:
        try:
            import openai
        except ModuleNotFoundError as error:
            raise MissingExtraError("providers", error.name or "openai") from error
        self._errors = openai.APIError
        self.settings, self.endpoint = settings, settings.base_url or OPENAI
        self.key_env = settings.key_env or (None if settings.base_url else "OPENAI_API_KEY")
        key = key_in(self.key_env, "evaluate.judge.key_env") if self.key_env else "none"
        self._most = "max_tokens" if settings.base_url else "max_completion_tokens"
        self._client = openai.OpenAI(
            api_key=key, base_url=self.endpoint, timeout=settings.timeout_s, max_retries=settings.retries
        )

    def identity(self, model: str) -> str:
        """Return the endpoint: what a service calls a model is all that is known of it."""
        return self.endpoint

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        """Yield replies as they come."""
        yield from in_parallel(self._ask, requests, self.settings.concurrency)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, request: ChatRequest) -> Reply:
        sampling: dict[str, Any] = dict(request.sampling)
        if "max_tokens" in sampling:
            sampling[self._most] = sampling.pop("max_tokens")
        messages: Any = [dict(one) for one in request.messages]
        try:
            found = self._client.chat.completions.create(model=request.model, messages=messages, **sampling)
        except self._errors as error:
            raise failed(
                error, self.endpoint, request.model, timeout_s=self.settings.timeout_s, key_env=self.key_env
            ) from error
        if not getattr(found, "choices", None):
            raise RemoteError(
                f"{self.endpoint} answered without choices, so it does not speak OpenAI's protocol",
                hint="evaluate.judge.base_url ends in /v1 for most servers",
            )
        choice, usage = found.choices[0], found.usage
        return Reply(
            choice.message.content or "", usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0,
            choice.finish_reason or "stop",
        )  # fmt: skip
