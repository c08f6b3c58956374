"""What the routes share, who may ask, and how a body is read.

Owns keys and hosts of requests, and the limits of their bodies. Does not own which function answers which path (`app`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tunesmith.core.clock import monotonic_s
from tunesmith.serve.errors import (
    bad_request,
    disk_told,
    invalid_key,
    not_form,
    not_json,
    other_host,
    other_origin,
    too_large,
    too_slow,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from starlette.requests import Request

    from tunesmith.core.store import Store
    from tunesmith.recipe import Serve
    from tunesmith.serve.capture import Capture
    from tunesmith.serve.catalog import Catalog
    from tunesmith.serve.engine import Engine
    from tunesmith.serve.files import Files
    from tunesmith.serve.follow import Follower
    from tunesmith.serve.keys import KeyRing
    from tunesmith.serve.tuning.graders import Grade
    from tunesmith.serve.tuning.service import Tuning
    from tunesmith.serve.tuning.supervisor import Supervisor
    from tunesmith.serve.uploads import Uploads

BODY_BYTES = 1 << 20
"""Largest body of JSON."""

BODY_S = 30
"""How long a client may take to send its body."""

FORM_BYTES = 1 << 16
"""What a form may add to the file in it."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Hosts a request without a key may name, so that no web page can reach the server under a name of its own."""

ORIGINS = ("localhost", "127.0.0.1", "::1")
"""Hosts whose pages may send forms without a key."""


@dataclass
class Gateway:
    """What the routes share."""

    store: Store
    catalog: Catalog
    keys: KeyRing
    follower: Follower
    engine: Engine
    capture: Capture
    settings: Serve
    files: Files
    uploads: Uploads
    tuning: Tuning
    supervisor: Supervisor
    grade: Grade | None = None
    draining: bool = False
    statuses: Counter[int] = field(default_factory=Counter)
    started_s: float = field(default_factory=monotonic_s)

    def close(self) -> None:
        """Answer what is waiting, write what is captured, stop the threads and what they started."""
        self.draining = True
        self.supervisor.close()
        self.engine.close()
        self.capture.close()
        self.follower.close()


def gateway_of(request: Request) -> Gateway:
    """Return what the routes share."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def authorise(request: Request) -> str | None:
    """Return the id of the key of a request, or None where no key is asked for.

    Raises:
        ApiError: 401 without a valid key; 403 if none is needed but the request names a foreign host.
    """
    gateway = gateway_of(request)
    if not gateway.keys.needed:
        host = request.headers.get("host", "")
        if host.rpartition(":")[0] not in LOCAL_NAMES and host not in LOCAL_NAMES:
            raise other_host()
        return None
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    secret = secret.strip() if scheme.lower() == "bearer" else ""
    key_id = gateway.keys.verify(secret) if secret else None
    if secret and key_id is None and gateway.follower.failing_s() is None:
        await run_in_threadpool(gateway.follower.refresh)  # it may have been made a moment ago
        key_id = gateway.keys.verify(secret)
    if key_id is None:
        raise invalid_key(given=bool(secret))
    return key_id


async def json_body(request: Request) -> bytes:
    """Return the body of a request that sends JSON.

    Raises:
        ApiError: 413 if it is larger than `BODY_BYTES`, 408 if it takes longer than `BODY_S`, 415 if it is no JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise not_json()
    received = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= BODY_BYTES:
                    received += chunk
                elif size > 8 * BODY_BYTES:  # read on a little, so that an honest client hears the answer
                    break
    except TimeoutError as error:
        raise too_slow(BODY_S) from error
    if size > BODY_BYTES:
        raise too_large(BODY_BYTES)
    return bytes(received)


@contextlib.asynccontextmanager
async def form_body(request: Request, limit_bytes: int) -> AsyncIterator[FormData]:
    """Yield the fields and files of a request that sends a form; what was spooled to disk goes with the block.

    A page of another site may send a form to a local server without asking, so what names such an origin is refused.

    Raises:
        ApiError: 413 over the limit, 408 if nothing comes for `BODY_S`, 415 if it is no form, 403 from another site's
            page, 400 if it cannot be read.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise not_form()
    origin = request.headers.get("origin")
    if not gateway_of(request).keys.needed and origin and urlsplit(origin).hostname not in ORIGINS:
        raise other_origin()
    if int(request.headers.get("content-length") or 0) > limit_bytes + FORM_BYTES:
        raise too_large(limit_bytes)
    parser = MultiPartParser(request.headers, _arriving(request, limit_bytes), max_files=1, max_fields=8)
    try:
        with disk_told():
            form = await parser.parse()
    except MultiPartException as error:
        raise bad_request(f"The form cannot be read: {error.message}") from error
    try:
        yield form
    finally:
        await form.close()


async def _arriving(request: Request, limit_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body; the clock begins anew with every piece of it."""
    size, pieces = 0, aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(BODY_S):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise too_slow(BODY_S) from error
        if piece is None:
            return
        size += len(piece)
        if size > limit_bytes + FORM_BYTES:
            raise too_large(limit_bytes)
        yield piece


def file_of(form: FormData, name: str) -> UploadFile:
    """Return the file in a field of a form.

    Raises:
        ApiError: 400 if there is none.
    """
    found = form.get(name)
    if found is None:
        raise bad_request(f"Missing required parameter: {name!r}.", name, "missing_required_parameter")
    if not isinstance(found, UploadFile):
        raise bad_request(f"{name!r} must be a file, with a name.", name, "invalid_value")
    return found
