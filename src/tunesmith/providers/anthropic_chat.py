"""Claude by Anthropic's Messages API, through the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.remote import failed, in_parallel, key_in

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
        self._errors: Any = anthropic.APIError
        self.settings, self.endpoint = settings, settings.base_url or ANTHROPIC
        self.key_env = settings.key_env or "ANTHROPIC_API_KEY"
        self._client: Any = anthropic.Anthropic(
            api_key=key_in(self.key_env, "evaluate.judge.key_env"), base_url=self.endpoint,
            timeout=settings.timeout_s, max_retries=settings.retries,
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
        turns = [dict(one) for one in request.messages if one["role"] not in ("system", "developer")]
        if told:
            sampling["system"] = "\n\n".join(told)
        try:
            found = self._client.messages.create(model=request.model, messages=turns, **sampling)
        except self._errors as error:
            raise failed(
                error, self.endpoint, request.model, timeout_s=self.settings.timeout_s, key_env=self.key_env
            ) from error
        text = "".join(part.text for part in found.content if part.type == "text")
        ended = _ENDED.get(found.stop_reason, str(found.stop_reason))
        return Reply(text, found.usage.input_tokens, found.usage.output_tokens, ended)
