"""What the vendors' clients have in common: keys, many requests at a time, and what failures mean.

Owns these. Both official clients try again by themselves after 408, 409, 429, 5xx and broken connections, and wait as
long as ``retry-after`` says; what reaches us has failed for good.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING

from tunesmith.core.errors import RecipeError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tunesmith.providers.chat import ChatRequest, Reply

KEPT = "what was answered is kept; the same command goes on there"
_SHOWN = 300


def key_in(variable: str, where: str) -> str:
    """Return the key in an environment variable.

    Raises:
        RecipeError: if it is not set; the key itself is never told.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RecipeError(
            f"{where}: the environment variable {variable} is not set", expected="the key of the service in it",
            hint=f"export {variable}=...; the recipe itself never holds a key",
        )  # fmt: skip
    return key


def in_parallel(
    ask: Callable[[ChatRequest], Reply], requests: Sequence[ChatRequest], concurrency: int
) -> Iterator[tuple[int, Reply]]:
    """Yield places and replies as they come, at most ``concurrency`` asked at a time; the first failure ends it."""
    with ThreadPoolExecutor(concurrency, thread_name_prefix="ask") as pool:
        places = {pool.submit(ask, request): place for place, request in enumerate(requests)}
        try:
            for done in as_completed(places):
                yield places[done], done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def failed(error: Exception, endpoint: str, model: str, *, timeout_s: float, key_env: str | None) -> RemoteError:
    """Return what a client's exception means, for people.

    ``error`` is one of the ``APIError`` of the ``openai`` or the ``anthropic`` client, which share their names.
    """
    kind, status = type(error).__name__, getattr(error, "status_code", None)
    if kind == "APITimeoutError":
        return RemoteError(
            f"{endpoint} gave no answer within {timeout_s:g} s, several times",
            hint=f"a larger evaluate.judge.timeout_s, or a smaller concurrency; {KEPT}",
        )
    if status is None:
        return RemoteError(f"{endpoint} cannot be reached", expected="a service that answers there", hint=KEPT)
    if status in (401, 403):
        key = f"the key in {key_env}" if key_env else "a request without a key"
        return RemoteError(f"{endpoint} refuses {key} (HTTP {status})", hint="evaluate.judge.key_env names another")
    said = f": {_said(error)}"
    if status == 404:
        return RemoteError(
            f"{endpoint} has no model {model!r} (HTTP 404){said}", hint="see evaluate.judge.model and base_url"
        )
    if status == 429:
        return RemoteError(
            f"{endpoint} takes no more requests for now (HTTP 429){said}",
            hint=f"a smaller evaluate.judge.concurrency, or later; {KEPT}",
        )
    if status >= 500:
        return RemoteError(f"{endpoint} fails (HTTP {status}){said}", hint=f"later; {KEPT}")
    return RemoteError(f"{endpoint} refuses the request (HTTP {status}){said}", hint="see evaluate.judge")


def _said(error: Exception) -> str:
    """Return the service's own words, short."""
    text = " ".join(str(getattr(error, "message", error)).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
