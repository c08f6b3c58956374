"""Real databases for tests: a SQLite file each, and databases in a real PostgreSQL.

The PostgreSQL is the one at ``$TUNESMITH_TEST_POSTGRES`` if set, else a server of our own, started once per test run
from the programs on this machine. Without either, tests skip; in CI they fail.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tunesmith.core.store import Store

VARIABLE = "TUNESMITH_TEST_POSTGRES"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a new, empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'home' / 'store.db'}"
        return
    server, name = _postgres(), f"tunesmith_{uuid.uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


def _execute(server: str, command: str) -> None:
    import psycopg

    with contextlib.closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(command)


@functools.cache
def _postgres() -> str:
    """Return the URL of a PostgreSQL server; one of our own lives in a folder of its own and stops with the test run."""
    if given := os.environ.get(VARIABLE):
        return given
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="tunesmith-pg-"))
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port = free_port()
    run = functools.partial(subprocess.run, check=True, user=user, cwd=folder, capture_output=True)
    run([programs / "initdb", "-D", folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync"])
    options = f"-F -h 127.0.0.1 -p {port} -k {folder}"
    log = ["-l", folder / "log"]
    run([programs / "pg_ctl", "-D", folder / "data", "-o", options, *log, "-w", "start"])

    def stop() -> None:
        run([programs / "pg_ctl", "-D", folder / "data", "-m", "immediate", "stop"])
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    return f"postgresql://tester@127.0.0.1:{port}/postgres"


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    if found:
        return found[-1].parent
    if os.environ.get("CI") == "true":
        pytest.fail("CI must have PostgreSQL's server programs")
    pytest.skip(f"no PostgreSQL: set {VARIABLE} to a server's URL, or apt-get install postgresql")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
