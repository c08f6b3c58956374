"""Claude by Anthropic's Messages API, through the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.remote import RemoteChat

if TYPE_CHECKING:
    from tunesmith.recipe.service import Service

ANTHROPIC = "https://api.anthropic.com"
_ENDED = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}


class AnthropicChat(RemoteChat):
    """Asks one endpoint.

    Raises:
        RecipeError: (when made) if the key's environment variable is not set.
        MissingExtraError: (when made) without the ``providers`` extra.
    """

    def __init__(self, settings: Service) -> None:
        try:
            import anthropic
        except ModuleNotFoundError as error:
            raise MissingExtraError("providers", error.name or "anthropic") from error
        super().__init__(settings, anthropic, ANTHROPIC, settings.key_env or "ANTHROPIC_API_KEY")
        self._client = anthropic.Anthropic(**self._options)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _ask(self, request: ChatRequest) -> Reply | None:
        sampling: dict[str, Any] = {"max_tokens": self.settings.max_tokens, **request.sampling}
        told = [one["content"] for one in request.messages if one["role"] in ("system", "developer")]
        turns: Any = [dict(one) for one in request.messages if one["role"] not in ("system", "developer")]
        if told:
            sampling["system"] = "\n\n".join(told)
        found = self._client.messages.create(model=request.model, messages=turns, **sampling)
        if getattr(found, "type", None) != "message":
            return None
        text = "".join(part.text for part in found.content if part.type == "text")
        ended = _ENDED.get(str(found.stop_reason), str(found.stop_reason))
        return Reply(text, found.usage.input_tokens, found.usage.output_tokens, ended)
