"""Files that clients gave the server: what is known of them in the store, what is in them in a folder.

A file is in the folder, whole and for sure, before the store knows it; what a crash leaves between the two is thrown
away later. Does not own HTTP (`file_routes`), uploads in parts (`uploads`), nor what a file means.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.disk import fsync
from tunesmith.serve.errors import bad_request, disk_told, no_such

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from tunesmith.core.store import Store

PURPOSES = ("fine-tune",)
"""What a client may give a file for."""

FILE_BYTES = 512 << 20
"""Largest file. Source: https://platform.openai.com/docs/api-reference/files/create."""

FORGOTTEN_S = 3600
"""Age from which on a file that the store does not know is what a crash left."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a file."""

    id: str
    at: datetime
    expires: datetime | None
    bytes: int
    filename: str
    purpose: str

    def body(self) -> dict[str, Any]:
        """Return OpenAI's object of it."""
        found: dict[str, Any] = {
            "id": self.id, "object": "file", "bytes": self.bytes, "created_at": int(self.at.timestamp()),
            "filename": self.filename, "purpose": self.purpose, "status": "processed",
        }  # fmt: skip
        return found | ({"expires_at": int(self.expires.timestamp())} if self.expires else {})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client says of a file it gives, checked.

    Raises:
        ApiError: 400 for another purpose, or a name that is none of its kind.
    """

    filename: str
    purpose: str
    expires_after_s: int | None = None

    def __post_init__(self) -> None:
        """Check it."""
        if self.purpose not in PURPOSES:
            raise bad_request(
                f"This server takes files for {', '.join(PURPOSES)}, not {self.purpose!r}.", "purpose", "invalid_value"
            )
        if not self.filename.endswith(".jsonl") or len(self.filename) > 255:
            raise bad_request(
                f"Invalid file format. A file to fine-tune on is JSON Lines, with a name that ends in .jsonl, got "
                f"{self.filename[-60:]!r}.",
                "file",
                "invalid_file_format",
            )


class Files:
    """The files of a workspace."""

    def __init__(self, store: Store, folder: Path, bytes_per_key: int | None = None) -> None:
        self._store, self._folder, self._most = store, folder, bytes_per_key

    def check_room(self, connection: Connection, size: int, key_id: str | None) -> None:
        """Refuse what a key has no room for, its files and open uploads counted; what has expired takes none.

        Raises:
            ApiError: 400 if there is none.
        """
        if self._most is None:
            return
        uploads, now = tables.uploads.c, now_utc()
        open_ = sa.and_(uploads.status == "pending", uploads.expires > now)
        taken = 0
        for table, counts in ((tables.files, _unexpired(now)), (tables.uploads, open_)):
            own = sa.select(sa.func.coalesce(sa.func.sum(table.c.bytes), 0))
            own = own.where(table.c.key_id.is_not_distinct_from(key_id), counts)
            taken += connection.execute(own).scalar_one()
        if taken + size > self._most:
            raise bad_request(
                f"{taken:,} bytes of this key's files and uploads are kept here, and no more than {self._most:,} are. "
                "Delete some, or cancel uploads.",
                "file",
                "storage_limit_exceeded",
            )

    def add(self, source: BinaryIO, asked: Asked, key_id: str | None = None, *, reserved: bool = False) -> StoredFile:
        """Keep what can be read from a source; ``reserved``: room for it was looked for before.

        Raises:
            ApiError: 400 if it is empty or the key has no room for it, 507 if the disk takes no more.
        """
        self.tidy()
        file_id = _new_id()
        with disk_told():
            size = self._write(source, file_id)
        if size == 0:
            self.path(file_id).unlink()
            raise bad_request("The file is empty.", "file", "empty_file")
        now = now_utc()
        expires = None if asked.expires_after_s is None else now + timedelta(seconds=asked.expires_after_s)
        kept = StoredFile(file_id, now, expires, size, asked.filename, asked.purpose)
        try:
            with self._store.writing_alone("files of a key") as connection:
                if not reserved:
                    self.check_room(connection, size, key_id)
                record(connection, kept, key_id)
        except BaseException:
            self.path(file_id).unlink(missing_ok=True)
            raise
        return kept

    def write(self, content: bytes, filename: str, purpose: str) -> StoredFile:
        """Keep a file of the server's own; who calls records it (`record`), or it goes away again.

        Raises:
            OSError: if the disk refuses.
        """
        file_id = _new_id()
        return StoredFile(file_id, now_utc(), None, self._write(io.BytesIO(content), file_id), filename, purpose)

    def _write(self, source: BinaryIO, file_id: str) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{file_id}.part"
        try:
            with part.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            part.rename(self.path(file_id))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        fsync(self._folder)
        return size

    def path(self, file_id: str) -> Path:
        """Return where the content of a known file lies."""
        return self._folder / file_id

    def get(self, file_id: str, param: str = "id") -> StoredFile:
        """Return what is known of a file.

        Raises:
            ApiError: 404, naming ``param``, if it is not here or has expired.
        """
        with self._store.reading() as connection:
            row = connection.execute(_known().where(tables.files.c.id == file_id)).one_or_none()
        if row is None:
            raise no_such("File", file_id, param)
        return StoredFile(*row)

    def page(
        self, purpose: str | None = None, after: str | None = None, limit: int = 10_000, *, newest_first: bool = True
    ) -> tuple[list[StoredFile], bool]:
        """Return files in the order they came, behind one of them, and whether there are more.

        Raises:
            ApiError: 404 if the one to go on from is not here.
        """
        table, query = tables.files.c, _known()
        if purpose is not None:
            query = query.where(table.purpose == purpose)
        if after is not None:
            last = self.get(after, "after")
            place, at = (
                sa.tuple_(table.at, table.id),
                sa.tuple_(sa.literal(last.at, table.at.type), sa.literal(last.id)),
            )
            query = query.where(place < at if newest_first else place > at)
        order = (table.at.desc(), table.id.desc()) if newest_first else (table.at, table.id)
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit + 1)).all()
        return [StoredFile(*row) for row in rows[:limit]], len(rows) > limit

    def delete(self, file_id: str) -> None:
        """Forget a file and its content.

        Raises:
            ApiError: 404 if it is not here.
        """
        self.get(file_id)
        with self._store.writing() as connection:
            connection.execute(sa.delete(tables.files).where(tables.files.c.id == file_id))
        self.path(file_id).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Throw away what has expired and what a crash left."""
        with self._store.writing() as connection:
            connection.execute(sa.delete(tables.files).where(tables.files.c.expires <= now_utc()))
            known = set(connection.execute(sa.select(tables.files.c.id)).scalars())
        if not self._folder.is_dir():
            return
        for path in self._folder.glob("file-*"):
            with contextlib.suppress(FileNotFoundError):
                if path.name not in known and time.time() - path.stat().st_mtime > FORGOTTEN_S:
                    path.unlink()


def _new_id() -> str:
    return f"file-{secrets.token_hex(12)}"


def record(connection: Connection, kept: StoredFile, key_id: str | None) -> None:
    """Let the store know a file that lies in its folder, in the transaction of a connection."""
    row = {name: getattr(kept, name) for name in StoredFile.__slots__}
    connection.execute(sa.insert(tables.files).values(**row, key_id=key_id))


def _known() -> sa.Select[Any]:
    table = tables.files.c
    columns = (getattr(table, name) for name in StoredFile.__slots__)
    return sa.select(*columns).where(_unexpired(now_utc()))


def _unexpired(now: datetime) -> sa.ColumnElement[bool]:
    """Return what is true of files that are still to be had."""
    expires = tables.files.c.expires
    return sa.or_(expires.is_(None), expires > now)
