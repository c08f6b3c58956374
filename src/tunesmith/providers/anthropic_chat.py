"""Claude by Anthropic's Messages API, through the official client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import MissingExtraError
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.lifecycle import Life, by_anthropic
from tunesmith.providers.remote import RemoteChat
from tunesmith.providers.tools import Called, Text, functions, system_of, turns, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.providers.tools import Part
    from tunesmith.recipe.service import Service

ANTHROPIC = "https://api.anthropic.com"
_ENDED = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}


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
        self._missing = anthropic.NotFoundError
        self._client = anthropic.Anthropic(**self._options)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _life(self, model: str) -> Life:
        try:
            return by_anthropic(self._client.models.retrieve(model))
        except self._missing:
            return by_anthropic(None)

    def _worded(self, request: ChatRequest) -> dict[str, Any]:
        """Return the request in the protocol's words."""
        sampling: dict[str, Any] = {"max_tokens": self.settings.max_tokens, **request.sampling}
        if told := system_of(request.messages):
            sampling["system"] = "\n\n".join(told)
        if "stop" in sampling:
            sampling["stop_sequences"] = sampling.pop("stop")
        if request.tools:
            sampling["tools"] = [
                {"name": name, "description": words, "input_schema": schema}
                for name, words, schema in functions(request.tools)
            ]
        asked: Any = [{"role": one.role, "content": _content(one.parts)} for one in turns(request.messages)]
        return {"model": request.model, "messages": asked, **sampling}

    def _stream(self, request: ChatRequest) -> Iterator[str | Reply]:
        with self._client.messages.stream(**self._worded(request)) as events:
            yield from events.text_stream
            yield self._reply(events.get_final_message())

    def _ask(self, request: ChatRequest) -> Reply | None:
        found = self._client.messages.create(**self._worded(request))
        if getattr(found, "type", None) != "message":
            return None
        return self._reply(found)

    @staticmethod
    def _reply(found: Any) -> Reply:
        words = "".join(part.text for part in found.content if part.type == "text")
        text = written(words, [(part.name, part.input) for part in found.content if part.type == "tool_use"])
        ended = _ENDED.get(str(found.stop_reason), str(found.stop_reason))
        return Reply(text, found.usage.input_tokens, found.usage.output_tokens, ended)


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    return parts[0].text if len(parts) == 1 and isinstance(parts[0], Text) else [_block(part) for part in parts]


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, Called):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
    return {"type": "tool_result", "tool_use_id": part.id, "content": part.text}
