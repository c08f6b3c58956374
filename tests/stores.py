"""Real databases for tests: a SQLite file each, and one PostgreSQL server of our own per test run."""

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

from tunesmith.core.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database, once of each kind."""
    return f"sqlite:///{tmp_path / 'home' / 'store.db'}" if request.param == "sqlite" else new_postgres_database()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


def new_postgres_database() -> str:
    """Make an empty database in this run's PostgreSQL and return its URL."""
    import psycopg

    port = _postgres_port()
    name = f"t{uuid.uuid4().hex[:12]}"
    with contextlib.closing(
        psycopg.connect(host="127.0.0.1", port=port, user="tester", dbname="postgres")
    ) as connection:
        connection.autocommit = True
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://tester@127.0.0.1:{port}/{name}"


@functools.cache
def _postgres_port() -> int:
    """Start PostgreSQL in a folder of its own; it stops with the test run."""
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
    return port


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    if found:
        return found[-1].parent
    if os.environ.get("CI") == "true":
        pytest.fail("CI must have PostgreSQL's server programs")
    pytest.skip("PostgreSQL's server programs are not on this machine (apt-get install postgresql)")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
