"""``/v1/models``: what can be asked for, and taking away what jobs made.

Owns what is answered, and that names of a moment ago are known. Does not own names (`catalog`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route

from tunesmith.serve.gateway import authorise, gateway_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tunesmith.serve.catalog import Served
    from tunesmith.serve.gateway import Gateway


def model_routes() -> list[Route]:
    """Return the routes of models."""
    return [
        Route("/v1/models", _models, methods=["GET"]),
        Route("/v1/models/{ref:path}", _model, methods=["GET"]),
        Route("/v1/models/{ref:path}", _delete, methods=["DELETE"]),
    ]


async def _models(request: Request) -> Response:
    await authorise(request)
    found = await run_in_threadpool(_all, gateway_of(request))
    return JSONResponse({"object": "list", "data": [_model_object(one) for one in found]})


async def _model(request: Request) -> Response:
    await authorise(request)
    found = await run_in_threadpool(find_served, gateway_of(request), request.path_params["ref"])
    return JSONResponse(_model_object(found))


def _all(gateway: Gateway) -> list[Served]:
    """Return the models that can be asked for, also those of a moment ago."""
    if gateway.follower.failing_s() is None:
        gateway.follower.refresh()
    return gateway.catalog.all()


def find_served(gateway: Gateway, ref: str) -> Served:
    """Return the model a request asks for; a name not known yet may have been released a moment ago.

    Raises:
        ApiError: as `Catalog.find`.
    """
    if not gateway.catalog.knows(ref) and gateway.follower.failing_s() is None:
        gateway.follower.refresh()
    return gateway.catalog.find(ref)


def _model_object(served: Served) -> dict[str, Any]:
    return {
        "id": served.ref,
        "object": "model",
        "created": served.created_s,
        "owned_by": "tunesmith",
        "root": served.model_id,
    }


async def _delete(request: Request) -> Response:
    await authorise(request)
    name, gateway = request.path_params["ref"], gateway_of(request)
    if not gateway.catalog.knows(name):
        await run_in_threadpool(gateway.follower.refresh)  # it may have been made a moment ago
    await run_in_threadpool(gateway.tuning.delete_model, name)
    await run_in_threadpool(gateway.follower.refresh)
    return JSONResponse({"id": name, "object": "model", "deleted": True})
