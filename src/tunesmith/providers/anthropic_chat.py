"""Claude by Anthropic's Messages API, through the official client."""

from __future__ import annotations

from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.remote import Endpoint, in_parallel, key_in, refuse_long_waits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.recipe.judge import Judge

ANTHROPIC = "https://api.anthropic.com"
_ENDED = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


class AnthropicChat:
    """Asks one endpoint.

    Raises:
        RecipeError: (when made) if the key's environment variable is not set.
        MissingExtraError: (when made) without the ``providers`` extra.
    """

    def __init__(self, settings: Judge) -> None:
        try:
            import anthropic
        except ModuleNotFoundError as error:
            raise MissingExtraError("providers", error.name or "anthropic") from error
        self._errors = anthropic.APIError
        self.settings, self.endpoint = settings, settings.base_url or ANTHROPIC
        key_env = settings.key_env or "ANTHROPIC_API_KEY"
        key = key_in(key_env, "evaluate.judge.key_env")
        self._service = Endpoint(self.endpoint, key, key_env, settings.timeout_s, settings.retries + 1)
        self._client = anthropic.Anthropic(
            api_key=key, base_url=self.endpoint, timeout=settings.timeout_s, max_retries=settings.retries,
            http_client=anthropic.DefaultHttpxClient(event_hooks={"response": [refuse_long_waits]}),
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
        sampling: dict[str, Any] = {"max_tokens": self.settings.max_tokens, **request.sampling}
        told = [one["content"] for one in request.messages if one["role"] in ("system", "developer")]
        turns: Any = [dict(one) for one in request.messages if one["role"] not in ("system", "developer")]
        if told:
            sampling["system"] = "\n\n".join(told)
        try:
            found = self._client.messages.create(model=request.model, messages=turns, **sampling)
        except self._errors as error:
            raise self._service.failed(error, request.model) from error
        except JSONDecodeError as error:
            raise self._service.foreign() from error
        if getattr(found, "type", None) != "message":
            raise self._service.foreign()
        text = "".join(part.text for part in found.content if part.type == "text")
        ended = _ENDED.get(str(found.stop_reason), str(found.stop_reason))
        return Reply(text, found.usage.input_tokens, found.usage.output_tokens, ended)
