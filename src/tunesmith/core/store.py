"""The store: the one database of a workspace, for what changes (artifacts never do).

Owns how to reach it (SQLite in WAL mode by default, PostgreSQL by URL), migrations, and transactions. Does not own the
tables (`tables`).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from tunesmith.core.errors import MissingExtraError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine

SCHEMA = "0003"
"""Revision of `tables`; the newest file in ``migrations/versions`` bears the same."""

VARIABLE = "TUNESMITH_STORE"
"""Environment variable with the URL of a store to use instead of the workspace's own."""

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 30.0
"""How long a writer waits for another one."""

_MIGRATION_LOCK = 0x74756E65  # "tune", the advisory lock's key in PostgreSQL


@dataclass(frozen=True)
class Store:
    """An opened store, safe to share between threads. `Store.open` makes one."""

    engine: Engine

    @classmethod
    def open(cls, where: str | Path) -> Store:
        """Open the store at a URL or at a SQLite file, made or migrated to the newest tables when needed.

        Any number of processes may do so at once; one migrates, the others wait.

        Raises:
            SetupError: if it cannot be reached, is no store, or was made by a newer version.
            MissingExtraError: for PostgreSQL without its driver.
        """
        url = _url(where)
        if url.get_backend_name() == "sqlite":
            _prepare_file(url)
        engine = _engine(url)
        store = cls(engine)
        weakref.finalize(store, engine.dispose)
        try:
            _migrate(store)
        except (sa.exc.OperationalError, sa.exc.DatabaseError) as error:
            engine.dispose()
            raise _unreachable(url, error) from error
        return store

    @classmethod
    def open_workspace(cls, root: Path) -> Store:
        """Open the store of a workspace: ``$TUNESMITH_STORE`` if set, else ``store.db`` in its folder.

        Raises:
            SetupError: as `open`.
        """
        return cls.open(os.environ.get(VARIABLE) or root / "store.db")

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection that sees one consistent state; nothing written through it is kept."""
        with self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection whose changes are kept together when the block ends, or not at all on an error."""
        with self.engine.connect() as connection:
            connection = connection.execution_options(tunesmith_writing=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing_alone(self, name: str) -> Iterator[Connection]:
        """As `writing`, and nobody else is inside a block of the same name meanwhile."""
        with self.writing() as connection:
            _lock(connection, hash_key(name))
            yield connection

    def close(self) -> None:
        """Let go of every connection. The store may still be used; it connects again."""
        self.engine.dispose()


def hash_key(name: str) -> int:
    """Return a lock's key for a name: 31 bits that are the same in every process."""
    import zlib

    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def _url(where: str | Path) -> URL:
    """Read a URL or a path; plain ``postgresql://`` means the driver we ship with."""
    text = str(where)
    if isinstance(where, Path) or "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError) as error:
        raise SetupError(f"{text!r} is no URL of a store", expected=_EXPECTED) from error
    if backend in ("postgresql", "postgres"):
        _need_psycopg()
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SetupError(f"a store in {backend!r} is not supported", expected=_EXPECTED)
    return url


_EXPECTED = "a path, sqlite:///path, or postgresql://user:password@host:5432/database"


def _need_psycopg() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("postgres", "psycopg") from error


def _prepare_file(url: URL) -> None:
    """Make the file's folder and switch the file to write-ahead logging, which lasts."""
    if url.database in (None, "", ":memory:"):
        raise SetupError("a store in memory would forget everything", expected=_EXPECTED)
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _use_wal(path)
    except (OSError, sqlite3.Error) as error:
        raise _unreachable(url, error) from error


def _use_wal(path: Path) -> None:
    """Switch to WAL mode. SQLite does not wait its turn here (it needs the file alone), so we do."""
    deadline_s = time.monotonic() + BUSY_S
    while True:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline_s:
                    raise
        time.sleep(0.02)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, so that table changes are in the transaction too
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    """Begin; a writer takes the lock at once, so that what it read cannot change before it writes."""
    writing = connection.get_execution_options().get("tunesmith_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _lock(connection: Connection, key: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _migrate(store: Store) -> None:
    with store.reading() as connection:
        if _revision(connection) == SCHEMA:
            return
    with store.writing() as connection:
        _lock(connection, _MIGRATION_LOCK)
        revision = _revision(connection)
        if revision == SCHEMA:
            return  # another process was faster
        if revision is not None and revision > SCHEMA:
            raise SetupError(
                f"the store {_shown(store.engine.url)} has tables of revision {revision}",
                expected=f"at most {SCHEMA}",
                hint="upgrade tunesmith, or use another store",
            )
        _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    """Return the revision of the tables, or None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _shown(url: URL) -> str:
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def _unreachable(url: URL, error: Exception) -> SetupError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return SetupError(
        f"cannot open the store {_shown(url)}: {reason}",
        expected=_EXPECTED,
        hint=f"check the workspace's folder, or ${VARIABLE} if it is set",
    )
