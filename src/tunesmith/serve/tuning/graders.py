"""``/v1/fine_tuning/alpha/graders``: a grader looked at, and run on one answer.

Owns which kinds run on a server, and OpenAI's form of what they say. Does not own the forms of graders
(`recipe.graders`) nor what they compute, which is handed in.
Source: https://platform.openai.com/docs/api-reference/graders; the flags of errors are from OpenAI's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import TunesmithError
from tunesmith.recipe.graders import Grader, Multi
from tunesmith.serve.errors import ApiError, bad_request
from tunesmith.serve.gateway import authorise, gateway_of, json_body
from tunesmith.serve.protocol import Body, checked, json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

Score = float | str | None
"""A number; or why there is none; or None for a row that lacks what the grader is about."""

Grade = Callable[[Grader, str, dict[str, Any]], dict[str, Score]]
"""What runs a grader on a text and an item: the score under "", and those of a sum's parts by their keys.

Raises `TunesmithError` for a grader that cannot be.
"""

REFUSED = {
    "python": "runs a client's program, which this server does not; `tunesmith evaluate` runs it, in a closed process",
    "score_model": "asks another model at somebody's cost; `tunesmith evaluate` does, with the judge of a recipe",
    "label_model": "asks another model at somebody's cost; `tunesmith evaluate` does, with the judge of a recipe",
}

FLAGS = (
    "formula_parse_error", "sample_parse_error", "truncated_observation_error", "unresponsive_reward_error",
    "invalid_variable_error", "other_error", "python_grader_server_error", "python_grader_runtime_error",
    "model_grader_server_error", "model_grader_refusal_error", "model_grader_parse_error",
)  # fmt: skip
DETAILS = (
    "python_grader_server_error_type", "python_grader_runtime_error_details", "model_grader_server_error_details",
)  # fmt: skip


class RunRequest(Body):
    """A grader and an answer."""

    grader: dict[str, Any]
    model_sample: str
    item: dict[str, Any] | None = None


class ValidateRequest(Body):
    """A grader."""

    grader: dict[str, Any]


def grader_routes() -> list[Route]:
    """Return the routes of graders."""
    base = "/v1/fine_tuning/alpha/graders"
    return [Route(f"{base}/run", _run, methods=["POST"]), Route(f"{base}/validate", _validate, methods=["POST"])]


async def _run(request: Request) -> Response:
    await authorise(request)
    asked = checked(RunRequest, json_object(await json_body(request)))
    grader, began_s = _grader(asked.grader), monotonic_s()
    scores = await _scores(request, grader, asked.model_sample, asked.item or {})
    return JSONResponse(_told(grader, scores, monotonic_s() - began_s))


async def _validate(request: Request) -> Response:
    await authorise(request)
    asked = checked(ValidateRequest, json_object(await json_body(request)))
    await _scores(request, _grader(asked.grader), "", {})
    return JSONResponse({"grader": asked.grader})


def _grader(given: dict[str, Any]) -> Grader:
    """Return a grader as given.

    Raises:
        ApiError: 400 if it is none, or of a kind that this server does not run.
    """
    try:
        grader: Grader = TypeAdapter[Any](Grader).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        names = [str(one) for one in first["loc"] if str(one) not in _TAGS]
        param = ".".join(["grader", *names])
        raise bad_request(f"Invalid {param!r}: {first['msg']}.", param, "invalid_grader") from error
    parts = [grader] if not isinstance(grader, Multi) else _parts(grader)
    for part in parts:
        if part.type in REFUSED:
            raise bad_request(f"A grader of type {part.type!r} {REFUSED[part.type]}.", "grader.type", "invalid_grader")
    return grader


_TAGS = ("multi", "string_check", "text_similarity", "python", "score_model", "label_model")


def _parts(grader: Multi) -> list[Any]:
    return list(grader.graders.values()) if isinstance(grader.graders, dict) else [grader.graders]


async def _scores(request: Request, grader: Grader, text: str, item: dict[str, Any]) -> dict[str, Score]:
    grade = gateway_of(request).grade
    if grade is None:
        raise ApiError(501, "This server was started without what runs graders.", code="graders_not_available")
    try:
        return await run_in_threadpool(grade, grader, text, item)
    except TunesmithError as error:
        raise bad_request(str(error), "grader", "invalid_grader") from error


def _told(grader: Grader, scores: Mapping[str, Score], seconds: float) -> dict[str, Any]:
    """Return OpenAI's object of what a grader said; what could not be scored counts 0, and a flag says so."""
    reward = scores[""]
    flags: dict[str, Any] = {**dict.fromkeys(FLAGS, False), **dict.fromkeys(DETAILS)}
    if not isinstance(reward, float):
        flags["invalid_variable_error" if reward is None else "other_error"] = True
    parts = {key: _number(score) for key, score in scores.items() if key}
    return {
        "reward": _number(reward),
        "sub_rewards": parts,
        "metadata": {
            "name": grader.name, "type": grader.type, "errors": flags, "execution_time": round(seconds, 6),
            "scores": parts or {grader.name: _number(reward)}, "token_usage": None, "sampled_model_name": None,
        },
        "model_grader_token_usage_per_model": {},
    }  # fmt: skip


def _number(score: Score) -> float:
    return score if isinstance(score, float) else 0.0
