"""The gateway's routes: OpenAI's surface, feedback, and what a load balancer asks.

Owns request ids, and which function answers which path. Does not own sockets and signals (`server`), who may ask
(`gateway`), what happens inside a chat completion (`chat`), nor models (`model_routes`), files (`file_routes`)
and fine-tuning jobs (`tuning.routes`).
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tunesmith.core.clock import monotonic_s
from tunesmith.recipe import Serve, bytes_of
from tunesmith.serve import protocol
from tunesmith.serve.capture import Capture, Opinion, is_captured, write_feedback
from tunesmith.serve.catalog import PRODUCTION, Catalog, Served
from tunesmith.serve.chat import Conversation, question_of, request_id_of
from tunesmith.serve.engine import EmbeddedEngine
from tunesmith.serve.errors import ApiError, draining
from tunesmith.serve.file_routes import file_routes
from tunesmith.serve.files import Files
from tunesmith.serve.follow import Follower
from tunesmith.serve.gateway import Gateway, authorise, gateway_of, json_body
from tunesmith.serve.keys import KeyRing
from tunesmith.serve.model_routes import find_served, model_routes
from tunesmith.serve.tuning.bases import bases_of
from tunesmith.serve.tuning.graders import grader_routes
from tunesmith.serve.tuning.jobs import Jobs
from tunesmith.serve.tuning.permission_routes import permission_routes
from tunesmith.serve.tuning.routes import job_routes
from tunesmith.serve.tuning.service import Tuning
from tunesmith.serve.tuning.supervisor import Supervisor
from tunesmith.serve.tuning.webhooks import Webhooks
from tunesmith.serve.uploads import Uploads
from tunesmith.serve.upstream import Upstreams

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from tunesmith.core.artifacts import Workspace
    from tunesmith.core.store import Store
    from tunesmith.serve.engine import Engine
    from tunesmith.serve.tuning.graders import Grade

CAPTURED_WITHIN_S = 5.0
"""How long feedback waits for its request to reach the store."""


def build_app(
    store: Store,
    workspace: Workspace,
    *,
    settings: Serve | None = None,
    engine: Engine | None = None,
    grade: Grade | None = None,
) -> Starlette:
    """Return the application. Its threads begin now and end with the application's lifespan, in which jobs are seen to.

    Args:
        store: aliases, keys, traffic.
        workspace: where Models lie.
        settings: the recipe's section; None means its defaults.
        engine: who answers; None means `EmbeddedEngine`.
        grade: what runs graders; None means that none are run.

    Raises:
        RecipeError: without the secret that webhooks are signed with.
    """
    settings = settings or Serve()
    engine = Upstreams(engine or EmbeddedEngine(settings.queue), settings.upstreams, settings.queue)
    catalog, ring = Catalog(store, workspace, engine, settings.upstreams, bases_of(settings)), KeyRing(store)
    follower = Follower([catalog, ring])
    capture = Capture(store, enabled=settings.capture)
    files = Files(store, workspace.files_dir, bytes_of(settings.jobs.bytes_per_key))
    uploads = Uploads(store, files, workspace.files_dir / "parts")
    webhooks = None if settings.webhooks is None else Webhooks(store, workspace, settings.webhooks)
    tuning = Tuning(Jobs(store, announces=webhooks is not None), workspace, files, catalog, settings.jobs)
    for kept in (files, uploads, tuning):
        kept.tidy()
    supervisor = Supervisor(tuning, workspace, files, webhooks)
    gateway = Gateway(
        store, catalog, ring, follower, engine, capture, settings, files, uploads, tuning, supervisor, grade
    )
    handlers = {ApiError: _on_api_error, HTTPException: _on_http_error, sa.exc.SQLAlchemyError: _on_store_error}
    app = Starlette(routes=_routes(), lifespan=_lifespan, exception_handlers={**handlers, Exception: _on_bug})
    app.add_middleware(_RequestIds, statuses=gateway.statuses)
    app.state.gateway = gateway
    follower.start()
    return app


def _routes() -> list[Route]:
    return [
        Route("/v1/chat/completions", _chat_completions, methods=["POST"]),
        *model_routes(),
        Route("/v1/feedback", _feedback, methods=["POST"]),
        *file_routes(),
        *job_routes(),
        *permission_routes(),
        *grader_routes(),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", _readyz, methods=["GET"]),
    ]


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    gateway: Gateway = app.state.gateway
    for one in _production(gateway):
        gateway.engine.warm(one)
    gateway.supervisor.start()
    yield
    await run_in_threadpool(gateway.close)


def _production(gateway: Gateway) -> list[Served]:
    """Return what is in production: worth having in memory before anybody asks."""
    return [one for one in gateway.catalog.released() if one.alias == PRODUCTION]


# -- routes --


async def _chat_completions(request: Request) -> Response:
    gateway = gateway_of(request)
    key_id = await authorise(request)
    if gateway.draining:
        raise draining()
    asked = protocol.read_chat(await json_body(request))
    served = await run_in_threadpool(find_served, gateway, asked.model)
    question = question_of(asked, served, gateway.settings.max_new_tokens)
    talk = Conversation(
        request.state.request_id, asked, question, gateway.engine, gateway.capture, key_id, request.is_disconnected
    )
    talk.start()
    if not asked.stream:
        return JSONResponse(await talk.whole())
    chunks = talk.streamed()
    first = await anext(chunks)  # an error before any text still gets its status
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(_chained(first, chunks), media_type="text/event-stream", headers=headers)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _feedback(request: Request) -> Response:
    gateway = gateway_of(request)
    await authorise(request)
    asked = protocol.read_feedback(await json_body(request))
    given_id = asked.request_id or asked.id or ""
    opinion = Opinion(request_id_of(given_id), asked.score, asked.correction, asked.comment)
    await run_in_threadpool(_keep, gateway, opinion, given_id)
    return JSONResponse({"object": "feedback", "request_id": opinion.request_id}, status_code=201)


def _keep(gateway: Gateway, opinion: Opinion, given_id: str) -> None:
    if not is_captured(gateway.store, opinion.request_id):
        gateway.capture.flush(CAPTURED_WITHIN_S)  # its request may still be on the way to the store
        if not is_captured(gateway.store, opinion.request_id):
            why = "" if gateway.settings.capture else " This server does not capture requests (serve.capture: false)."
            raise ApiError(404, f"No request {given_id!r} was captured.{why}", code="request_not_found", param="id")
    write_feedback(gateway.store, opinion)


async def _healthz(request: Request) -> Response:
    gateway = gateway_of(request)
    engine = gateway.engine.status()
    healthy = bool(engine.get("alive", True))
    body = {
        "status": "ok" if healthy else "failed",
        "draining": gateway.draining,
        "uptime_s": round(monotonic_s() - gateway.started_s, 1),
        "responses": {str(status): count for status, count in sorted(gateway.statuses.items())},
        "engine": engine,
        "capture": gateway.capture.status(),
        "jobs": gateway.supervisor.status(),
        "store": {"unreadable_s": gateway.follower.failing_s()},
        "not_followed": gateway.catalog.lagging(),
    }
    return JSONResponse(body, status_code=200 if healthy else 503)


async def _readyz(request: Request) -> Response:
    gateway = gateway_of(request)
    reason = "draining" if gateway.draining else await run_in_threadpool(_not_ready, gateway)
    body = {"status": "ready"} if reason is None else {"status": "not ready", "reason": reason}
    return JSONResponse(body, status_code=200 if reason is None else 503)


def _not_ready(gateway: Gateway) -> str | None:
    wanted = _production(gateway)
    if not wanted:
        return "no model is in production"
    loaded, broken = gateway.engine.loaded(), gateway.engine.broken()
    if any(one.model_id in loaded for one in wanted):
        return None
    if all(one.model_id in broken for one in wanted):
        return "the model cannot be loaded: " + next(iter(broken.values()))
    for one in wanted:
        gateway.engine.warm(one)
    return "the model is loading"


def _error_response(error: ApiError) -> Response:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers())


async def _on_api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return _error_response(error)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Answer an unknown path or a wrong method in the same shape as everything else."""
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}."
    return _error_response(ApiError(error.status_code, message, code="unknown_url"))


async def _on_store_error(_request: Request, _error: Exception) -> Response:
    return _error_response(ApiError(503, "The store cannot be reached.", code="store_unavailable", retry_after_s=5))


async def _on_bug(_request: Request, _error: Exception) -> Response:
    return _error_response(ApiError(500, "The server failed; its log says why.", code="internal_error"))


class _RequestIds:
    """Gives every request an id, sends it back as ``X-Request-Id``, and counts statuses."""

    def __init__(self, app: ASGIApp, statuses: Counter[int]) -> None:
        self.app = app
        self.statuses = statuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req-{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses[message["status"]] += 1
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        await self.app(scope, receive, send_with_id)
