"""Chat: a foundation model by its id, a tuned one by what was bought for it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from bedrock_stub.wire import Refused

if TYPE_CHECKING:
    from bedrock_stub.service import Service


def converse(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    _check_model(service, given["modelId"])
    roles = [one["role"] for one in given.get("messages", [])]
    if not roles or roles[0] != "user":
        raise Refused("ValidationException", "A conversation must start with a user message.")
    if any(one == other for one, other in itertools.pairwise(roles)):
        raise Refused("ValidationException", "A conversation must alternate between user and assistant roles.")
    parts = [part for one in given["messages"] for part in one["content"]]
    if any("toolUse" in part or "toolResult" in part for part in parts) and "toolConfig" not in given:
        raise Refused("ValidationException", "The toolConfig field must be defined when using toolUse content blocks.")
    texts = [part["text"] for part in parts if "text" in part]
    if not all(text.strip() for text in texts):
        raise Refused("ValidationException", "The text field in the ContentBlock object is blank.")
    said = service.script(texts[-1])
    if isinstance(said, list):
        used = [{"toolUse": {"toolUseId": f"c{n}", "name": one, "input": own}} for n, (one, own) in enumerate(said)]
        message = {"role": "assistant", "content": used}
        usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
        return {"output": {"message": message}, "stopReason": "tool_use", "usage": usage, "metrics": {"latencyMs": 1}}
    words = said.split(" ")
    most = given.get("inferenceConfig", {}).get("maxTokens", len(words))
    told = [one["text"] for one in given.get("system", [])]
    asked = sum(len(text.split()) for text in (*told, *texts))
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": " ".join(words[:most])}]}},
        "stopReason": "max_tokens" if len(words) > most else "end_turn",
        "usage": {
            "inputTokens": asked,
            "outputTokens": min(most, len(words)),
            "totalTokens": asked + min(most, len(words)),
        },
        "metrics": {"latencyMs": 1},
    }


def _check_model(service: Service, name: str) -> None:
    capacity = service.capacities.get(name)
    if capacity is not None:
        if capacity.status(service) == "Creating":
            raise Refused("ModelNotReadyException", "The model is not ready for inference.")
        return
    if not any(name in (one.id, one.arn) and "ON_DEMAND" in one.inference for one in service.models):
        raise Refused("ValidationException", "The provided model identifier is invalid.")
