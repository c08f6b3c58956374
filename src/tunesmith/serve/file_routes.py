"""``/v1/files`` and ``/v1/uploads``, as OpenAI's client asks for them.

Owns what is read from requests and answered. Does not own what is kept (`files`, `uploads`).
Source: https://platform.openai.com/docs/api-reference/files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from tunesmith.serve.errors import bad_request
from tunesmith.serve.files import FILE_BYTES, Asked
from tunesmith.serve.gateway import authorise, file_of, form_body, gateway_of, json_body
from tunesmith.serve.protocol import Body, checked, json_object
from tunesmith.serve.uploads import PART_BYTES, UPLOAD_BYTES

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from tunesmith.serve.files import StoredFile


class ExpiresAfter(BaseModel):
    """When a file is forgotten; of a form the number comes as text."""

    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class FileForm(BaseModel):
    """The fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    purpose: str
    expires_after: ExpiresAfter | None = None


class FileQuery(BaseModel):
    """What a list of files is asked for with; queries are text."""

    model_config = ConfigDict(extra="forbid")

    purpose: str | None = None
    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"


class UploadRequest(Body):
    """An upload to open."""

    filename: str
    purpose: str
    bytes: Annotated[int, Field(ge=1, le=UPLOAD_BYTES)]
    mime_type: str
    expires_after: ExpiresAfter | None = None


class CompleteRequest(Body):
    """The parts of an upload, in order."""

    part_ids: Annotated[list[str], Field(min_length=1)]
    md5: str | None = None


def file_routes() -> list[Route]:
    """Return the routes of files and uploads."""
    return [
        Route("/v1/files", _create, methods=["POST"]),
        Route("/v1/files", _list, methods=["GET"]),
        Route("/v1/files/{id}", _get, methods=["GET"]),
        Route("/v1/files/{id}", _delete, methods=["DELETE"]),
        Route("/v1/files/{id}/content", _content, methods=["GET"]),
        Route("/v1/uploads", _open, methods=["POST"]),
        Route("/v1/uploads/{id}/parts", _part, methods=["POST"]),
        Route("/v1/uploads/{id}/complete", _complete, methods=["POST"]),
        Route("/v1/uploads/{id}/cancel", _cancel, methods=["POST"]),
    ]


async def _create(request: Request) -> Response:
    key_id = await authorise(request)
    async with form_body(request, FILE_BYTES) as form:
        file = file_of(form, "file")
        asked = checked(FileForm, _fields([(name, value) for name, value in form.multi_items() if name != "file"]))
        about = Asked(file.filename or "", asked.purpose, _seconds(asked.expires_after))
        kept = await run_in_threadpool(gateway_of(request).files.add, file.file, about, key_id)
    return JSONResponse(kept.body())


def _fields(given: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a form's fields; ``a[b]`` is b of a.

    Raises:
        ApiError: 400 if one is a file.
    """
    found: dict[str, Any] = {}
    for name, value in given:
        if not isinstance(value, str):
            raise bad_request(f"{name!r} must not be a file.", name, "invalid_value")
        outer, inner, rest = name.partition("[")
        if inner:
            own = found.setdefault(outer, {})
            if not isinstance(own, dict) or not rest.endswith("]"):
                raise bad_request(f"{name!r} cannot be read.", name, "invalid_value")
            own[rest[:-1]] = value
        else:
            found[name] = value
    return found


def _seconds(asked: ExpiresAfter | None) -> int | None:
    return asked.seconds if asked else None


async def _list(request: Request) -> Response:
    await authorise(request)
    asked = checked(FileQuery, dict(request.query_params))
    files = gateway_of(request).files

    def page() -> tuple[list[StoredFile], bool]:
        return files.page(asked.purpose, asked.after, asked.limit, newest_first=asked.order == "desc")

    found, more = await run_in_threadpool(page)
    ids = {"first_id": found[0].id, "last_id": found[-1].id} if found else {"first_id": "", "last_id": ""}
    return JSONResponse({"object": "list", "data": [one.body() for one in found], **ids, "has_more": more})


async def _get(request: Request) -> Response:
    await authorise(request)
    found = await run_in_threadpool(gateway_of(request).files.get, request.path_params["id"])
    return JSONResponse(found.body())


async def _delete(request: Request) -> Response:
    await authorise(request)
    file_id = request.path_params["id"]
    await run_in_threadpool(gateway_of(request).files.delete, file_id)
    return JSONResponse({"id": file_id, "object": "file", "deleted": True})


async def _content(request: Request) -> Response:
    await authorise(request)
    files = gateway_of(request).files
    found = await run_in_threadpool(files.get, request.path_params["id"])
    return FileResponse(files.path(found.id), media_type="application/octet-stream", filename=found.filename)


async def _open(request: Request) -> Response:
    key_id = await authorise(request)
    asked = checked(UploadRequest, json_object(await json_body(request)))
    about = Asked(asked.filename, asked.purpose, _seconds(asked.expires_after))
    made = await run_in_threadpool(gateway_of(request).uploads.open, about, asked.bytes, key_id)
    return JSONResponse(made.body())


async def _part(request: Request) -> Response:
    await authorise(request)
    async with form_body(request, PART_BYTES) as form:
        data = file_of(form, "data")
        made = await run_in_threadpool(
            gateway_of(request).uploads.add_part, request.path_params["id"], data.file
        )  # fmt: skip
    return JSONResponse(made)


async def _complete(request: Request) -> Response:
    key_id = await authorise(request)
    asked = checked(CompleteRequest, json_object(await json_body(request)))
    uploads, upload_id = gateway_of(request).uploads, request.path_params["id"]
    return JSONResponse(await run_in_threadpool(uploads.complete, upload_id, asked.part_ids, asked.md5, key_id))


async def _cancel(request: Request) -> Response:
    await authorise(request)
    given_up = await run_in_threadpool(gateway_of(request).uploads.cancel, request.path_params["id"])
    return JSONResponse(given_up.body())
