"""Running the gateway: the socket, the signals, what is said to the person who started it.

On SIGTERM or SIGINT the server takes nothing new, finishes the answers it is giving, writes what it captured, and
returns. Does not own routes (`app`).
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from tunesmith.core.errors import MissingExtraError, SetupError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from types import FrameType

    import uvicorn
    from starlette.applications import Starlette

    from tunesmith.core.artifacts import Workspace
    from tunesmith.core.store import Store
    from tunesmith.recipe import Serve
    from tunesmith.serve.engine import Engine
    from tunesmith.serve.tuning.graders import Grade

DRAIN_S = 30
"""How long answers in progress may take after a signal."""


def run(
    store: Store,
    workspace: Workspace,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: Serve | None = None,
    engine: Engine | None = None,
    grade: Grade | None = None,
) -> None:
    """Serve until a signal comes; a second one stops at once.

    Args:
        store: aliases, keys, traffic.
        workspace: where Models lie.
        host: address to listen on.
        port: TCP port; 0 takes a free one and says which.
        settings: the recipe's section; None means its defaults.
        engine: who answers; None means the models in this process.
        grade: what runs graders; None means that none are run.

    Raises:
        MissingExtraError: without the ``serve`` or ``train`` extra.
        SetupError: if the port is taken, the address is not this machine's, or others can reach it and no key exists.
    """
    _need_extras()
    from tunesmith.serve.app import build_app

    listener = listen(host, port)
    try:
        _need_keys(store, listener.getsockname()[0])
        app = build_app(store, workspace, settings=settings, engine=engine, grade=grade)
        _introduce(app, *listener.getsockname()[:2])
        make_server(app).run(sockets=[listener])
        say("stopped")
    finally:
        listener.close()


def make_server(app: Starlette) -> uvicorn.Server:
    """Return the server of an application, not running yet."""
    import uvicorn

    class Server(uvicorn.Server):
        """Turns the first signal into a drain and the second into a stop; either way `run` returns."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:
                self.force_exit = True
                return
            app.state.gateway.draining = True
            self.should_exit = True
            say("finishing the answers in progress · once more to stop at once")

    config = uvicorn.Config(
        app,
        log_config=None,  # uvicorn's own would close the log handlers of every other library
        log_level="warning",
        access_log=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_S,
        server_header=False,
    )
    return Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        SetupError: if the port is taken or not allowed, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise SetupError(
            f"cannot listen on {host!r}, port {port}: {error}", expected="an address of this machine"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: Exception) -> SetupError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return SetupError(f"port {port} on {host} is in use", hint=f"--port {port + 1}, or --port 0 for any free one")
    if number == errno.EACCES:
        return SetupError(f"port {port} on {host} is reserved for the administrator", hint="--port 8000")
    reason = os.strerror(number) if number and number > 0 else str(error)
    return SetupError(f"cannot listen on {host}, port {port}: {reason}", expected="an address of this machine")


def _need_keys(store: Store, address: str) -> None:
    """Refuse to answer whoever can reach the machine."""
    from tunesmith.serve.keys import any_key

    if not ipaddress.ip_address(address.partition("%")[0]).is_loopback and not any_key(store):
        raise SetupError(
            f"listening on {address} lets other machines in, and there is no API key yet",
            expected="a key, or --host 127.0.0.1",
            hint="tunesmith keys create --name NAME",
        )


def _need_extras() -> None:
    for extra, packages in (("serve", ("starlette", "uvicorn")), ("train", ("torch", "transformers"))):
        for package in packages:
            try:
                __import__(package)
            except ModuleNotFoundError as error:
                raise MissingExtraError(extra, package) from error


def _introduce(app: Starlette, host: str, port: int) -> None:
    """Say where the server is and how to ask it something."""
    gateway = app.state.gateway
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    say(f"serving at {url}/v1", style="bold")
    released = gateway.catalog.released()
    for one in released:
        say(f"  {one.ref} → {one.model_id}")
    say(f"  tunes as OpenAI's fine-tuning API does: OpenAI(base_url='{url}/v1'), see docs/fine_tuning_api.md")
    if not released:
        say("  nothing is released yet: tunesmith run RECIPE makes and releases a model; no restart is needed")
        return
    header = " -H 'Authorization: Bearer ts-...'" if gateway.keys.needed else ""
    body = f'{{"model": "{released[0].ref}", "messages": [{{"role": "user", "content": "..."}}]}}'
    say(f"  curl {url}/v1/chat/completions{header} -H 'Content-Type: application/json' -d '{body}'")
