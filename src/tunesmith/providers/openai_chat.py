"""Chat completions by OpenAI's protocol, at OpenAI or at any server that speaks it, through the official client."""

from __future__ import annotations

from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.remote import Endpoint, in_parallel, key_in, refuse_long_waits

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
        key_env = settings.key_env or (None if settings.base_url else "OPENAI_API_KEY")
        key = key_in(key_env, "evaluate.judge.key_env") if key_env else "none"
        self._service = Endpoint(self.endpoint, key, key_env, settings.timeout_s, settings.retries + 1)
        self._most = "max_tokens" if settings.base_url else "max_completion_tokens"
        self._client = openai.OpenAI(
            api_key=key, base_url=self.endpoint, timeout=settings.timeout_s, max_retries=settings.retries,
            http_client=openai.DefaultHttpxClient(event_hooks={"response": [refuse_long_waits]}),
        )  # fmt: skip

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
            raise self._service.failed(error, request.model) from error
        except JSONDecodeError as error:
            raise self._service.foreign() from error
        if not getattr(found, "choices", None):
            raise self._service.foreign()
        choice, usage = found.choices[0], found.usage
        return Reply(
            choice.message.content or "", usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0,
            choice.finish_reason or "stop",
        )  # fmt: skip
