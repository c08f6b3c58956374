"""What goes wrong over HTTP, in OpenAI's shape, so that its clients raise the exceptions their users catch.

Owns statuses, codes and bodies. Does not own errors of the command line (`core.errors`).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class ApiError(Exception):
    """A refusal with its HTTP status.

    Args:
        status: HTTP status.
        message: what is wrong and what would be right.
        code: a word programs compare, e.g. ``model_not_found``.
        param: the field of the request that is at fault, e.g. ``messages[0].role``.
        retry_after_s: when it is worth trying again; None if it is not.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def kind(self) -> str:
        """OpenAI's ``type`` of an error of this status."""
        if self.status == 429:
            return "rate_limit_error"
        return "server_error" if self.status >= 500 else "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """Return the JSON body. Source: https://platform.openai.com/docs/guides/error-codes."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to the status."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        elif self.status == 429:
            headers["x-should-retry"] = "false"  # OpenAI's client would ask again at once, in vain
        return headers


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400 that names the field at fault."""
    return ApiError(400, message, code=code, param=param)


def invalid_key(given: bool) -> ApiError:
    """Return the 401 for a missing or a wrong key; it never repeats the key."""
    message = "Incorrect API key provided." if given else "You did not provide an API key."
    return ApiError(401, f"{message} Send it as 'Authorization: Bearer ts-...'.", code="invalid_api_key")


def model_not_found(name: str, known: list[str]) -> ApiError:
    """Return the 404 for a model nobody has released."""
    shown = f"Released here: {', '.join(known[:10])}." if known else "GET /v1/models lists those that are here."
    return ApiError(404, f"The model {name!r} does not exist. {shown}", code="model_not_found", param="model")


def too_large(limit_bytes: int) -> ApiError:
    """Return the 413 for a body over the limit."""
    return ApiError(413, f"The request body is larger than {limit_bytes} bytes.", code="request_too_large")


def too_slow(limit_s: int) -> ApiError:
    """Return the 408 for a body that does not arrive."""
    return ApiError(408, f"The request body did not arrive within {limit_s} s.", code="request_timeout")


def not_json() -> ApiError:
    """Return the 415 for a body of another kind; web pages can send those to a local server unasked."""
    return ApiError(415, "Send JSON, with the header 'Content-Type: application/json'.", code="unsupported_media_type")


def not_form() -> ApiError:
    """Return the 415 for a file that is not sent as one."""
    return ApiError(415, "Send the file as 'Content-Type: multipart/form-data'.", code="unsupported_media_type")


def other_origin() -> ApiError:
    """Return the 403 for a form that a page of another site sends."""
    message = (
        "Without API keys this server takes no files from pages of other sites: tunesmith keys create --name NAME."
    )
    return ApiError(403, message, code="origin_not_allowed")


def no_such(what: str, given_id: str, param: str) -> ApiError:
    """Return the 404 for an object that is not here, in OpenAI's words."""
    return ApiError(404, f"No such {what} object: {given_id}", param=param)


@contextlib.contextmanager
def disk_told() -> Iterator[None]:
    """Turn what the disk refuses in this context into an answer.

    Raises:
        ApiError: 507 with the system's reason.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ApiError(507, f"The server cannot keep it: {reason}.", code="storage_unavailable") from error


def other_host() -> ApiError:
    """Return the 403 for a request without keys under a name that is not this machine's."""
    message = "Without API keys this server answers only as localhost: tunesmith keys create --name NAME makes a key."
    return ApiError(403, message, code="host_not_allowed")


def queue_full(waiting: int) -> ApiError:
    """Return the 429 for a full queue."""
    message = f"{waiting} requests are waiting already. Try again in a moment."
    return ApiError(429, message, code="queue_full", retry_after_s=1)


def draining() -> ApiError:
    """Return the 503 of a server that is shutting down."""
    return ApiError(503, "The server is shutting down.", code="draining", retry_after_s=5)
