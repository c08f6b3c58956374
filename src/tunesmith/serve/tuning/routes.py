"""``/v1/fine_tuning/jobs``, as OpenAI's client asks for it.

Owns what is read from requests and answered. Does not own what a job asks for (`request`) nor what is kept (`service`).
Source: https://platform.openai.com/docs/api-reference/fine-tuning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.serve.errors import bad_request
from tunesmith.serve.gateway import authorise, gateway_of, json_body
from tunesmith.serve.protocol import checked
from tunesmith.serve.tuning.events import page_of_events
from tunesmith.serve.tuning.request import read_job
from tunesmith.serve.tuning.tuned import page_of_checkpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from tunesmith.serve.tuning.jobs import Job
    from tunesmith.serve.tuning.service import Tuning

JOBS = "/v1/fine_tuning/jobs"


class PageQuery(BaseModel):
    """Which part of a list is asked for; queries are text."""

    model_config = ConfigDict(extra="forbid")

    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 20


class CheckpointQuery(PageQuery):
    """Which checkpoints."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 10


def job_routes() -> list[Route]:
    """Return the routes of fine-tuning jobs."""
    return [
        Route(JOBS, _create, methods=["POST"]),
        Route(JOBS, _list, methods=["GET"]),
        Route(f"{JOBS}/{{id}}", _get, methods=["GET"]),
        Route(f"{JOBS}/{{id}}/cancel", _cancel, methods=["POST"]),
        Route(f"{JOBS}/{{id}}/pause", _pause, methods=["POST"]),
        Route(f"{JOBS}/{{id}}/resume", _resume, methods=["POST"]),
        Route(f"{JOBS}/{{id}}/events", _events, methods=["GET"]),
        Route(f"{JOBS}/{{id}}/checkpoints", _checkpoints, methods=["GET"]),
    ]


def _tuning(request: Request) -> Tuning:
    return gateway_of(request).tuning


async def _create(request: Request) -> Response:
    key_id = await authorise(request)
    asked = read_job(await json_body(request))
    job = await run_in_threadpool(_tuning(request).create, asked, key_id)
    return JSONResponse(job.body())


async def _list(request: Request) -> Response:
    await authorise(request)
    fields, metadata, without = _split_metadata(list(request.query_params.multi_items()))
    asked, jobs = checked(PageQuery, fields), _tuning(request).jobs

    def page() -> tuple[list[Job], bool]:
        return jobs.page(asked.after, asked.limit, metadata, without_metadata=without)

    return _list_of(*await run_in_threadpool(page))


def _split_metadata(given: Sequence[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str], bool]:
    """Return a query's fields, the metadata it asks for (``metadata[key]=value``), and whether it asks for none."""
    fields, metadata, without = {}, {}, False
    for name, value in given:
        if name == "metadata":
            if value not in ("null", ""):
                raise bad_request(
                    "Invalid 'metadata': write metadata[key]=value, or metadata=null.", "metadata", "invalid_value"
                )
            without = True
        elif name.startswith("metadata[") and name.endswith("]"):
            metadata[name[len("metadata[") : -1]] = value
        else:
            fields[name] = value
    return fields, metadata, without


async def _get(request: Request) -> Response:
    return await _job(request, _tuning(request).jobs.get)


async def _cancel(request: Request) -> Response:
    return await _job(request, _tuning(request).jobs.cancel)


async def _pause(request: Request) -> Response:
    return await _job(request, _tuning(request).jobs.pause)


async def _resume(request: Request) -> Response:
    return await _job(request, _tuning(request).jobs.resume)


async def _job(request: Request, work: Callable[[str], Job]) -> Response:
    """Answer with the job that some work on it returns."""
    await authorise(request)
    job = await run_in_threadpool(work, request.path_params["id"])
    return JSONResponse(job.body())


async def _events(request: Request) -> Response:
    await authorise(request)
    asked = checked(PageQuery, dict(request.query_params))
    jobs, job_id = _tuning(request).jobs, request.path_params["id"]
    await run_in_threadpool(jobs.get, job_id)
    return _list_of(*await run_in_threadpool(page_of_events, jobs.store, job_id, asked.after, asked.limit))


async def _checkpoints(request: Request) -> Response:
    await authorise(request)
    asked = checked(CheckpointQuery, dict(request.query_params))
    jobs, job_id = _tuning(request).jobs, request.path_params["id"]
    await run_in_threadpool(jobs.get, job_id)
    found, more = await run_in_threadpool(page_of_checkpoints, jobs.store, job_id, asked.after, asked.limit)
    ids = [one.checkpoint_id for one in found] or [None]
    return _list_of(found, more, first_id=ids[0], last_id=ids[-1])


def _list_of(found: Sequence[Any], more: bool, **beside: Any) -> Response:
    """Return objects as OpenAI's list."""
    return JSONResponse({"object": "list", "data": [one.body() for one in found], **beside, "has_more": more})
