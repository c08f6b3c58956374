"""What the vendors' clients have in common: keys, many requests at a time, how long to wait, and what failures mean.

Owns these. Both official clients try again by themselves after 408, 409, 429, 5xx and broken connections, and wait as
long as ``retry-after`` says, but no longer than `MOST_WAIT_S`; what reaches us has failed for good.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RecipeError, RemoteError
from tunesmith.providers.lifecycle import Life

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tunesmith.providers.chat import ChatRequest, Reply
    from tunesmith.recipe.service import Service

KEPT = "what was answered is kept; the same command goes on there"
MOST_WAIT_S = 120.0
"""A service that asks to come back later than this is not waited for: one of the clients would sleep for days."""
_PATH = "base_url ends in /v1 for most servers of OpenAI's protocol, and without it for Anthropic's"
_SHOWN = 300


class RemoteChat(ABC):
    """Asks one endpoint through a vendor's client; a subclass makes the client and words the request.

    Args:
        settings: where it is and how it is asked.
        client: the vendor's package, ``openai`` or ``anthropic``, which share their names.
        usual: the vendor's own address.
        key_env: the variable with the key; None for a service that wants none.

    Raises:
        RecipeError: if the key's environment variable is not set.
    """

    def __init__(self, settings: Service, client: Any, usual: str, key_env: str | None) -> None:
        self.settings, self.endpoint = settings, settings.base_url or usual
        key = key_in(key_env, f"{settings.setting}.key_env") if key_env else "none"
        self._errors = client.APIError
        self._service = Endpoint(
            self.endpoint, key, key_env, settings.timeout_s, settings.retries + 1, settings.setting
        )
        self._options: dict[str, Any] = {
            "api_key": key, "base_url": self.endpoint, "timeout": settings.timeout_s, "max_retries": settings.retries,
            "http_client": client.DefaultHttpxClient(event_hooks={"response": [refuse_long_waits]}),
        }  # fmt: skip

    def identity(self, model: str) -> str:
        """Return the endpoint: what a service calls a model is all that is known of it."""
        return self.endpoint

    def answer(self, requests: Sequence[ChatRequest]) -> Iterator[tuple[int, Reply]]:
        """Yield replies as they come."""
        yield from in_parallel(self._told, requests, self.settings.concurrency)

    def stream(self, request: ChatRequest) -> Iterator[str | Reply]:
        """Yield the pieces of an answer as they come, then its Reply; closing the iterator ends the request.

        Raises:
            RemoteError: if it is refused, or nobody answers.
        """
        try:
            yield from self._stream(request)
        except self._errors as error:
            raise self._service.failed(error, request.model) from error
        except JSONDecodeError as error:
            raise self._service.foreign() from error

    def life(self, model: str) -> Life:
        """Return how long a model goes on answering; see `providers.lifecycle`.

        Raises:
            RemoteError: if the service refuses or cannot be reached.
        """
        try:
            return self._life(model)
        except self._errors as error:
            raise self._service.failed(error, model) from error
        except JSONDecodeError as error:
            raise self._service.foreign() from error

    def _life(self, model: str) -> Life:
        """Ask; a subclass whose service tells does so."""
        return Life("unknown")

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    def _stream(self, request: ChatRequest) -> Iterator[str | Reply]:
        """Yield an answer in one piece; a subclass whose protocol can do better does."""
        reply = self._told(request)
        yield reply.text
        yield reply

    @abstractmethod
    def _ask(self, request: ChatRequest) -> Reply | None:
        """Return the reply; None if what came is not of the protocol."""

    def _told(self, request: ChatRequest) -> Reply:
        try:
            reply = self._ask(request)
        except self._errors as error:
            raise self._service.failed(error, request.model) from error
        except JSONDecodeError as error:
            raise self._service.foreign() from error
        if reply is None:
            raise self._service.foreign()
        return reply


def key_in(variable: str, where: str) -> str:
    """Return the key in an environment variable.

    Raises:
        RecipeError: if it is not set; the key itself is never told.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        raise RecipeError(
            f"{where}: the environment variable {variable} is not set", expected="the key in it",
            hint=f"export {variable}=...; the recipe itself never holds a key",
        )  # fmt: skip
    return key


def in_parallel(
    ask: Callable[[ChatRequest], Reply], requests: Sequence[ChatRequest], concurrency: int
) -> Iterator[tuple[int, Reply]]:
    """Yield places and replies as they come, at most ``concurrency`` asked at a time.

    The first failure is raised once what was under way is answered: that is paid for, so it is yielded too.
    """
    stop = threading.Event()

    def one(request: ChatRequest) -> Reply | None:
        if stop.is_set():
            return None
        try:
            return ask(request)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(concurrency, thread_name_prefix="ask") as pool:
        places = {pool.submit(one, request): place for place, request in enumerate(requests)}
        failure: BaseException | None = None
        try:
            for done in as_completed(places):
                failure = failure or done.exception()
                reply = None if done.exception() else done.result()
                if reply is not None:
                    yield places[done], reply
        finally:
            stop.set()
        if failure is not None:
            raise failure


def refuse_long_waits(response: Any) -> None:
    """Tell the clients not to try again where a service asks to come back later than `MOST_WAIT_S`.

    Args:
        response: of either client's HTTP library, as its event hooks are given it.
    """
    if (wait_s := _asked_wait_s(response)) is not None and wait_s > MOST_WAIT_S:
        response.headers["x-should-retry"] = "false"


def _asked_wait_s(response: Any) -> float | None:
    """Return how long a service asks to wait, if it does so in seconds."""
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None


@dataclass(frozen=True)
class Endpoint:
    """A service as the user has set it: what its failures are told with; its key, so as never to be told.

    ``setting`` is where the recipe sets it, as ``evaluate.judge``.
    """

    url: str
    key: str
    key_env: str | None
    timeout_s: float
    tries: int
    setting: str

    def failed(self, error: Exception, model: str) -> RemoteError:
        """Return what a client's exception means, for people.

        ``error`` is one of the ``APIError`` of the ``openai`` or the ``anthropic`` client, which share their names.
        """
        kind, status = type(error).__name__, getattr(error, "status_code", None)
        if kind == "APITimeoutError":
            return RemoteError(
                f"{self.url} gave no answer within {self.timeout_s:g} s, in {self._tried}",
                hint=f"a larger {self.setting}.timeout_s, or a smaller concurrency; {KEPT}",
            )
        if kind == "APIConnectionError":
            why = f" ({cause})" if (cause := str(error.__cause__ or "").strip()) else ""
            return RemoteError(
                f"{self.url} cannot be reached, or ends connections before it answers{why}, in {self._tried}",
                expected="a service that answers there", hint=f"see {self.setting}.base_url; {KEPT}",
            )  # fmt: skip
        if status is None or status < 400:
            return self.foreign()
        return self._refused(status, f": {self._said(error)}", model, _asked_wait_s(getattr(error, "response", None)))

    def foreign(self) -> RemoteError:
        """Return that what was answered is not of the protocol."""
        return RemoteError(
            f"{self.url} does not speak the protocol of {self.setting}.api", expected="the answers of that API",
            hint=f"{self.setting}.{_PATH}",
        )  # fmt: skip

    def _refused(self, status: int, said: str, model: str, wait_s: float | None) -> RemoteError:
        if status in (401, 403):
            key = f"the key in {self.key_env}" if self.key_env else "a request without a key"
            return RemoteError(
                f"{self.url} refuses {key} (HTTP {status})", expected=f"a key that may use {model}",
                hint=f"{self.setting}.key_env names the variable that holds it",
            )  # fmt: skip
        if status == 404:
            return RemoteError(
                f"{self.url} has no model {model!r}, or no such API (HTTP 404){said}",
                hint=f"see {self.setting}.model; {self.setting}.{_PATH}",
            )
        if status == 429:
            later = f"after {wait_s:,.0f} s, as it asks" if wait_s else "later"
            return RemoteError(
                f"{self.url} takes no more requests for now (HTTP 429){said}",
                hint=f"a smaller {self.setting}.concurrency, or the same command {later}; {KEPT}",
            )
        if status >= 500:
            return RemoteError(f"{self.url} fails (HTTP {status}), in {self._tried}{said}", hint=f"later; {KEPT}")
        return RemoteError(f"{self.url} refuses the request (HTTP {status}){said}", hint=f"see {self.setting}")

    @property
    def _tried(self) -> str:
        return f"{self.tries} {'try' if self.tries == 1 else 'tries'}"

    def _said(self, error: Exception) -> str:
        """Return the service's own words, short; a key that it repeats is left out."""
        text = " ".join(str(getattr(error, "message", error)).split())
        if self.key_env:
            text = text.replace(self.key, f"<{self.key_env}>")
        return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
