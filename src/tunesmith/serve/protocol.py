"""The bodies of the HTTP surface: what is accepted, what is answered.

Owns OpenAI's chat completion fields: those that are honoured, those that change nothing and are accepted, and those
that this server cannot do and refuses by name. Nothing is ignored silently. Does not own routes (`app`).

Source: https://platform.openai.com/docs/api-reference/chat.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tunesmith.serve.errors import ApiError, bad_request

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tools": ([],),
    "tool_choice": ("none",),
    "parallel_tool_calls": (),
    "functions": ([],),
    "function_call": ("none",),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "reasoning_effort": (),
    "verbosity": (),
    "store": (False,),
}
"""Parameters that are accepted only with a value that asks for nothing; null always does."""

INERT = ("user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention")
"""Parameters that concern OpenAI's own bookkeeping and change no answer; accepted with any value."""

MAX_STOPS = 4

Model = TypeVar("Model", bound=BaseModel)


class Body(BaseModel):
    """Fields of a request: what is not known is refused, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Body):
    """A piece of a message; text is the only kind."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    audio: None = None
    annotations: list[Any] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> ChatMessage:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of role {self.role!r} needs a 'content'")
        return self

    def as_message(self) -> dict[str, Any]:
        """Return it as the renderer takes it: text joined, ``developer`` as ``system``."""
        content = self.content
        text = "".join(part.text for part in content) if isinstance(content, list) else content or ""
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": text} | ({"name": self.name} if self.name else {})


class StreamOptions(Body):
    """Settings of a streamed answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(Body):
    """The body of ``POST /v1/chat/completions``.

    A temperature that is not given is 0: the model answers as it was evaluated. A classification is the most probable
    label whatever the temperature, top_p, seed, stop and max_tokens.
    """

    model: str
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: list[Annotated[str, Field(min_length=1)]] | None = Field(None, max_length=MAX_STOPS)

    @field_validator("stop", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("stream", mode="before")
    @classmethod
    def _null_is_no(cls, value: Any) -> Any:
        return False if value is None else value

    @property
    def token_limit(self) -> int | None:
        """The most tokens of the answer, under either name."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether the stream ends with a chunk of token counts."""
        return self.stream_options is not None and self.stream_options.include_usage


class FeedbackRequest(Body):
    """The body of ``POST /v1/feedback``: about one answer, a rating, a better answer, a comment, or several."""

    request_id: str | None = None
    id: str | None = None
    rating: Literal["up", "down"] | Annotated[int, Field(ge=-1, le=1)] | None = None
    correction: Annotated[str, Field(min_length=1)] | None = None
    comment: Annotated[str, Field(min_length=1)] | None = None

    @property
    def score(self) -> int | None:
        """1 for up, 0 for neither, -1 for down, None for no rating."""
        return {"up": 1, "down": -1}.get(self.rating) if isinstance(self.rating, str) else self.rating


def read_chat(body: bytes) -> ChatRequest:
    """Read and check a chat completion request.

    Raises:
        ApiError: 400, naming the parameter.
    """
    fields = json_object(body)
    for name in INERT:
        fields.pop(name, None)
    for name, neutral in NEUTRAL.items():
        value = fields.pop(name, None)
        if value is not None and not any(_same(value, one) for one in neutral):
            raise bad_request(f"This server does not support {name!r}={_shown(value)}.", name, "unsupported_parameter")
    request = checked(ChatRequest, fields)
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise bad_request("Give 'max_tokens' or 'max_completion_tokens', not both.", "max_tokens")
    if request.stream_options is not None and not request.stream:
        raise bad_request("'stream_options' needs 'stream': true.", "stream_options")
    return request


def read_feedback(body: bytes) -> FeedbackRequest:
    """Read and check a feedback request.

    Raises:
        ApiError: 400, naming the parameter.
    """
    request = checked(FeedbackRequest, json_object(body))
    if (request.request_id is None) == (request.id is None):
        raise bad_request("Give 'request_id' or the chat completion's 'id'.", "request_id")
    if request.rating is None and request.correction is None and request.comment is None:
        raise bad_request("Give a 'rating' (up or down, 1 or -1), a 'correction', or a 'comment'.", "rating")
    return request


def json_object(body: bytes) -> dict[str, Any]:
    """Read a body that is a JSON object.

    Raises:
        ApiError: 400 if it is none.
    """
    import orjson

    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The body is not valid JSON: {error}.", code="invalid_json") from error
    if not isinstance(value, dict):
        raise bad_request(f"The body must be a JSON object, not {type(value).__name__}.", code="invalid_json")
    return value


def checked(model: type[Model], fields: dict[str, Any]) -> Model:
    """Return the fields as what a route expects.

    Raises:
        ApiError: 400, naming the parameter.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> ApiError:
    """Turn Pydantic's most precise problem into a 400 that names the parameter as OpenAI does."""
    first = max(error.errors(), key=lambda problem: len(problem["loc"]))
    param = _param(first["loc"])
    if first["type"] == "extra_forbidden":
        return bad_request(f"Unrecognized request argument supplied: {param}", param, "unknown_parameter")
    if first["type"] == "missing":
        return bad_request(f"Missing required parameter: {param!r}.", param, "missing_required_parameter")
    message = first["msg"].removeprefix("Value error, ")
    return bad_request(f"Invalid {param!r}: {message}, got {_shown(first['input'])}.", param, "invalid_value")


def _param(loc: tuple[str | int, ...]) -> str:
    """Write a location as ``messages[0].content[1].type``; leave out the names of types inside unions."""
    text = ""
    for key in loc:
        if isinstance(key, int):
            text += f"[{key}]"
        elif key.isidentifier() and key not in ("str", "TextPart"):
            text += f".{key}" if text else key
    return text


def _same(value: Any, neutral: Any) -> bool:
    return bool(value == neutral and isinstance(value, bool) == isinstance(neutral, bool))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
