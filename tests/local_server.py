"""A handler behind a real HTTP server on a free port, for the stand-ins of services that cannot be had."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextlib.contextmanager
def at_port(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve while the block runs; yield the address, as ``http://127.0.0.1:1234``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
