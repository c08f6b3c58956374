"""Models elsewhere behind this server: a question goes on to a service, its answer comes back piece by piece.

Owns the services' connections, how many questions are under way, and what a service's failure is to a client. Does not
own the vendors' protocols (`providers`) nor which name means which service (`catalog`).
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import RemoteError, TunesmithError
from tunesmith.core.progress import say
from tunesmith.providers.chat import SAMPLING, ChatRequest, Reply, connect
from tunesmith.serve.engine import Answer, Piece
from tunesmith.serve.errors import ApiError, bad_request, draining, queue_full
from tunesmith.text.examples import text_of
from tunesmith.text.task import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tunesmith.providers.remote import RemoteChat
    from tunesmith.recipe.service import Service
    from tunesmith.serve.catalog import Served
    from tunesmith.serve.engine import Engine, Event, Question

MADE_ELSEWHERE = "elsewhere"
"""What an answer says of the arithmetic it was made in: nothing is known."""


class Upstreams:
    """An engine in front of another one: questions for services go there, all others to ``own``.

    Args:
        own: answers with models of this machine.
        services: by the name that clients use.
        queue_size: questions that may wait for each service; one more is refused.

    Raises:
        RecipeError: if the environment variable of a service's key is not set.
        MissingExtraError: without the ``providers`` extra.
    """

    def __init__(self, own: Engine, services: Mapping[str, Service], queue_size: int) -> None:
        self._own = own
        self._queue_size = queue_size
        self._lines = {name: _Line(service, queue_size) for name, service in services.items()}
        self._hosted: dict[str, _Line] = {}
        self._ready: set[str] = set()
        self._lock = threading.Lock()

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        """Take a question; see `Engine`."""
        if question.served.service is None:
            self._own.submit(question, deliver)
        else:
            self._line(question.served).submit(question, deliver)

    def warm(self, served: Served) -> None:
        """Load a model of this machine; one that lies at a service is ready as it is. See `Engine`."""
        if served.service is None:
            self._own.warm(served)
        else:
            self._ready.add(served.model_id)

    def loaded(self) -> set[str]:
        """Return what is in memory; see `Engine`."""
        return self._own.loaded() | self._ready

    def broken(self) -> dict[str, str]:
        """Return what cannot be loaded; see `Engine`."""
        return self._own.broken()

    def status(self) -> dict[str, Any]:
        """Return counts, those of services by name; see `Engine`."""
        counts = {name: line.status() for name, line in {**self._lines, **self._hosted}.items()}
        return {**self._own.status(), **({"upstreams": counts} if counts else {})}

    def close(self) -> None:
        """Answer what is waiting, then stop; see `Engine`."""
        for line in (*self._lines.values(), *self._hosted.values()):
            line.close()
        self._own.close()

    def _line(self, served: Served) -> _Line:
        """Return the line to a service; to a Model of ours that lies at one, the line is made when it is first asked.

        Raises:
            ApiError: 503 if its key is not set.
        """
        if served.name in self._lines and served.alias is None:
            return self._lines[served.name]
        with self._lock:
            if served.model_id not in self._hosted:
                assert served.service is not None
                try:
                    line = _Line(served.service, self._queue_size, TaskSpec.load(served.folder))
                except TunesmithError as error:
                    say(f"cannot ask {served.model_id}: {error.message}")
                    raise ApiError(
                        503, f"The model {served.model_id} cannot be asked.", code="model_unavailable"
                    ) from error
                self._hosted[served.model_id] = line
            return self._hosted[served.model_id]


class _Line:
    """The line to one service, ``concurrency`` questions at a time."""

    def __init__(self, service: Service, queue_size: int, task: TaskSpec | None = None) -> None:
        self._service, self._task = service, task
        self._chat: RemoteChat = connect(service, None)  # type: ignore[assignment]
        self._most = service.concurrency + queue_size
        self._counts = dict.fromkeys(("answered", "failed", "cancelled", "shed"), 0)
        self._pending = 0
        self._closing = False
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(service.concurrency, thread_name_prefix="upstream")

    def submit(self, question: Question, deliver: Callable[[Event], None]) -> None:
        request = self._request(question)
        with self._lock:
            if self._closing:
                raise draining()
            if self._pending >= self._most:
                self._counts["shed"] += 1
                raise queue_full(self._pending - self._service.concurrency)
            self._pending += 1
            self._pool.submit(self._work, question, request, deliver)

    def status(self) -> dict[str, Any]:
        with self._lock:
            return {**self._counts, "pending": self._pending}

    def close(self) -> None:
        with self._lock:
            self._closing = True
        self._pool.shutdown(wait=True)
        self._chat.close()

    def _request(self, question: Question) -> ChatRequest:
        """Return what the service is asked: its own defaults hold where the client said nothing.

        Raises:
            ApiError: 400 for a parameter that its API does not have.
        """
        known = {*SAMPLING[self._service.api], "stop"}
        for name in question.given:
            if name not in known:
                raise bad_request(
                    f"The model {question.served.ref!r} takes no {name!r}.", name, "unsupported_parameter"
                )  # fmt: skip
        usual: dict[str, Any] = {"max_tokens": self._service.max_tokens}
        if self._service.temperature is not None:
            usual["temperature"] = self._service.temperature
        asked = self._task.prompt(question.messages) if self._task else question.messages
        messages = [{"role": one["role"], "content": text_of(one)} for one in asked]
        return ChatRequest(self._service.model, messages, {**usual, **question.given})

    def _work(self, question: Question, request: ChatRequest, deliver: Callable[[Event], None]) -> None:
        how = "failed"
        last: Event | None = None
        try:
            last = self._answer(question, request, deliver)
            how = "answered" if last else "cancelled"
        except RemoteError as error:
            say(f"{question.served.ref}: {error.message}")
            last = _as_api_error(error, question.served.ref)
        except Exception as error:  # one answer's bug must leave its asker an answer
            say(f"cannot ask {question.served.ref}: {type(error).__name__}: {error}")
            last = ApiError(500, "The upstream failed to answer.", code="engine_error")
        with self._lock:
            self._counts[how] += 1
            self._pending -= 1
        if last is not None:
            deliver(last)

    def _answer(self, question: Question, request: ChatRequest, deliver: Callable[[Event], None]) -> Answer | None:
        """Hand on pieces as they come; None if the asker gave up, which ends the request to the service."""
        if question.cancelled.is_set():
            return None
        with contextlib.closing(self._chat.stream(request)) as pieces:  # type: ignore[type-var]
            for piece in pieces:
                if question.cancelled.is_set():
                    return None
                if isinstance(piece, Reply):
                    counted = (piece.input_tokens, piece.output_tokens)
                    return Answer(piece.text, [], [], piece.ended, MADE_ELSEWHERE, counted=counted)
                deliver(Piece(piece))
        raise RemoteError(f"{self._chat.endpoint} ended an answer before its end")


def _as_api_error(error: RemoteError, ref: str) -> ApiError:
    """Return a service's failure for a client: what is the client's to know, not which key or address was used."""
    status = getattr(error.__cause__, "status_code", None)
    if status == 429:
        return ApiError(
            429, f"The upstream of {ref!r} takes no more requests for now.", code="upstream_busy", retry_after_s=5
        )
    if status == 400:
        return bad_request(f"The upstream of {ref!r} refuses the request.", None, "upstream_refused")
    return ApiError(502, f"The upstream of {ref!r} failed to answer.", code="upstream_error")
