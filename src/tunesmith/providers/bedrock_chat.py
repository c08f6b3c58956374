"""Chat by Bedrock's Converse: a foundation model by its id, a tuned one by what was bought for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RemoteError
from tunesmith.providers.aws import Aws, AwsError, region_in
from tunesmith.providers.bedrock_available import life_of
from tunesmith.providers.bedrock_capacity import ASKABLE, listed
from tunesmith.providers.chat import ChatRequest, Reply
from tunesmith.providers.lifecycle import Life
from tunesmith.providers.remote import KEPT, in_parallel
from tunesmith.providers.tools import Called, Text, functions, system_of, turns, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tunesmith.providers.tools import Part
    from tunesmith.recipe.service import Service

_ENDED = {
    "end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter", "tool_use": "tool_calls",
}  # fmt: skip
_GONE = ("ResourceNotFoundException", "ValidationException")
_NAMES = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop": "stopSequences"}


class BedrockChat:
    """Asks the models of one account in one region.

    Raises:
        RecipeError: (when made) if no region is set.
        MissingExtraError: (when made) without the ``bedrock`` extra.
    """

    def __init__(self, settings: Service) -> None:
        self.settings = settings
        region = settings.region or region_in(settings.model)
        self._aws = Aws(
            region, settings.timeout_s, settings.retries, settings.setting, settings.base_url, settings.concurrency
        )
        self._runtime = self._aws.client("bedrock-runtime")
        self.endpoint = f"Bedrock in {self._aws.where}"
        self._bought: dict[str, str] = {}
        self._lock = threading.Lock()

    def identity(self, model: str) -> str:
        """Return the endpoint: what a service calls a model is all that is known of it."""
        return self.endpoint

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        """Yield replies as they come."""
        yield from in_parallel(self._ask, requests, self.settings.concurrency)

    def stream(self, request: ChatRequest) -> Iterator[str | Reply]:
        """Yield an answer in one piece, then its Reply.

        Raises:
            RemoteError: if it is refused, or nobody answers.
        """
        reply = self._ask(request)
        yield reply.text
        yield reply

    def life(self, model: str) -> Life:
        """Return how long a model goes on answering.

        Raises:
            RemoteError: if the service refuses or cannot be reached.
        """
        bedrock = self._aws.client("bedrock")
        try:
            return life_of(bedrock, model)
        finally:
            bedrock.close()

    def close(self) -> None:
        """Close the connections."""
        self._runtime.close()

    def _ask(self, request: ChatRequest) -> Reply:
        asked = [{"role": one.role, "content": [_block(part) for part in one.parts]} for one in turns(request.messages)]
        parameters: dict[str, Any] = {"modelId": self._answering(request.model), "messages": asked}
        if told := system_of(request.messages):
            parameters["system"] = [{"text": text} for text in told]
        if request.tools:
            specified = [
                {"toolSpec": {"name": name, "description": words, "inputSchema": {"json": schema}}}
                for name, words, schema in functions(request.tools)
            ]
            parameters["toolConfig"] = {"tools": specified}
        sampling = {"max_tokens": self.settings.max_tokens, **request.sampling}
        if isinstance(sampling.get("stop"), str):
            sampling["stop"] = [sampling["stop"]]
        parameters["inferenceConfig"] = {_NAMES[name]: value for name, value in sampling.items()}
        try:
            found = self._converse(parameters, request.model)
        except AwsError as error:
            raise self._told(error, request.model) from error
        parts = found["output"]["message"]["content"]
        ended = _ENDED.get(found["stopReason"], found["stopReason"])
        called = [part["toolUse"] for part in parts if "toolUse" in part]
        words = "".join(part.get("text", "") for part in parts)
        text = written(words, [(one["name"], one["input"]) for one in called])
        return Reply(text, found["usage"]["inputTokens"], found["usage"]["outputTokens"], ended)

    def _converse(self, parameters: dict[str, Any], model: str) -> dict[str, Any]:
        """Ask; what was bought for a tuned model may have been deleted, and bought anew, since it was found."""
        try:
            return self._runtime.call("converse", **parameters)
        except AwsError as error:
            asked = parameters["modelId"]
            if asked == model or error.code not in _GONE:
                raise
            with self._lock:
                if self._bought.get(model) == asked:  # and not what another request has found since
                    del self._bought[model]
            return self._runtime.call("converse", **{**parameters, "modelId": self._answering(model)})

    def _answering(self, model: str) -> str:
        """Return what is asked for a model: of a tuned one, what was bought for it and is ready.

        Raises:
            RemoteError: if nothing is.
        """
        if ":custom-model/" not in model:
            return model
        with self._lock:
            if model not in self._bought:
                self._bought[model] = self._find(model)
            return self._bought[model]

    def _find(self, model: str) -> str:
        bedrock = self._aws.client("bedrock")
        try:
            found = list(listed(bedrock, model))
        finally:
            bedrock.close()
        ready = next((one.arn for one in found if one.status in ASKABLE), None)
        if ready is None:
            being = f"; {found[0].arn} is {found[0].status}" if found else ""
            raise RemoteError(
                f"{model} cannot be asked: nothing that answers is bought for it{being}",
                expected="provisioned throughput, or a deployment on demand, that is ready",
                hint=f"tunesmith hosted deploy {model}, which shows what it costs",
            )
        return ready

    def _told(self, error: AwsError, model: str) -> AwsError:
        """Return a failure in the words of what was asked."""
        setting = self.settings.setting
        if error.code == "ModelNotReadyException":
            return AwsError(f"{model} is being made ready by Bedrock", code=error.code, hint=f"later; {KEPT}")
        if error.code in ("ValidationException", "ResourceNotFoundException"):
            return AwsError(
                f"{self.endpoint} refuses to ask {model}: {error.message.split(': ', 1)[-1]}", code=error.code,
                expected="a model that the account may ask in that region", hint=f"see {setting}.model and .region",
            )  # fmt: skip
        return AwsError(error.message, code=error.code, expected=error.expected, hint=f"{error.hint}; {KEPT}")


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"text": part.text}
    if isinstance(part, Called):
        return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": part.arguments}}
    return {"toolResult": {"toolUseId": part.id, "content": [{"text": part.text}]}}
