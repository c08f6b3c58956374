"""``/v1/fine_tuning/checkpoints/{model}/permissions``, as OpenAI's client asks for it.

Owns what is read from requests and answered. Does not own what is kept (`permissions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.serve.errors import no_such
from tunesmith.serve.gateway import authorise, gateway_of, json_body
from tunesmith.serve.protocol import Body, checked, json_object
from tunesmith.serve.tuning.permissions import allow, page_of_permissions, withdraw
from tunesmith.serve.tuning.routes import PageQuery
from tunesmith.serve.tuning.tuned import all_tuned

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tunesmith.serve.tuning.permissions import Permission

PERMISSIONS = "/v1/fine_tuning/checkpoints/{name:path}/permissions"


class PermissionQuery(PageQuery):
    """Which permissions."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 10
    project_id: str | None = None
    order: Literal["ascending", "descending"] = "descending"


class PermissionRequest(Body):
    """Which projects may use a checkpoint."""

    project_ids: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1)]


def permission_routes() -> list[Route]:
    """Return the routes of checkpoint permissions."""
    return [
        Route(PERMISSIONS, _create, methods=["POST"]),
        Route(PERMISSIONS, _list, methods=["GET"]),
        Route(f"{PERMISSIONS}/{{permission_id}}", _delete, methods=["DELETE"]),
    ]


async def _checkpoint(request: Request) -> str:
    """Return the checkpoint that a request names.

    Raises:
        ApiError: 401 without a key, 404 if it is not here.
    """
    await authorise(request)
    name = str(request.path_params["name"])
    found = (await run_in_threadpool(all_tuned, gateway_of(request).store)).get(name)
    if found is None or found.checkpoint_id is None:
        raise no_such("FineTuningJobCheckpoint", name, "fine_tuned_model_checkpoint")
    return name


async def _create(request: Request) -> Response:
    name = await _checkpoint(request)
    asked = checked(PermissionRequest, json_object(await json_body(request)))
    return _list_of(await run_in_threadpool(allow, gateway_of(request).store, name, asked.project_ids), more=False)


async def _list(request: Request) -> Response:
    name = await _checkpoint(request)
    asked, store = checked(PermissionQuery, dict(request.query_params)), gateway_of(request).store

    def page() -> tuple[list[Permission], bool]:
        newest_first = asked.order == "descending"
        return page_of_permissions(store, name, asked.project_id, asked.after, asked.limit, newest_first=newest_first)

    found, more = await run_in_threadpool(page)
    return _list_of(found, more=more)


async def _delete(request: Request) -> Response:
    name, permission_id = await _checkpoint(request), request.path_params["permission_id"]
    await run_in_threadpool(withdraw, gateway_of(request).store, name, permission_id)
    return JSONResponse({"id": permission_id, "object": "checkpoint.permission", "deleted": True})


def _list_of(found: list[Permission], *, more: bool) -> Response:
    ids = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": None, "last_id": None}
    return JSONResponse({"object": "list", "data": [one.body() for one in found], **ids, "has_more": more})
