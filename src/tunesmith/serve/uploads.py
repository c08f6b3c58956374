"""Files that come in parts: opened, filled in any order, put together or given up.

Does not own the files they become (`files`) nor HTTP (`file_routes`).
Source: https://platform.openai.com/docs/api-reference/uploads.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.serve.errors import ApiError, bad_request, disk_told, no_such
from tunesmith.serve.files import Asked, Files, StoredFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from tunesmith.core.store import Store

UPLOAD_BYTES = 8 << 30
"""Largest file that comes in parts."""

PART_BYTES = 64 << 20
"""Largest part."""

OPEN_S = 3600
"""How long an upload stays open."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What is known of an upload: pending, completed, cancelled or expired; what is pending after ``expires`` has."""

    id: str
    at: datetime
    expires: datetime
    bytes: int
    filename: str
    purpose: str
    file_expires_after_s: int | None
    status: str
    file_id: str | None

    def body(self, file: StoredFile | None = None) -> dict[str, Any]:
        """Return OpenAI's object of it."""
        found: dict[str, Any] = {
            "id": self.id, "object": "upload", "bytes": self.bytes, "created_at": int(self.at.timestamp()),
            "filename": self.filename, "purpose": self.purpose, "status": self.status,
            "expires_at": int(self.expires.timestamp()),
        }  # fmt: skip
        return found | ({"file": file.body()} if file else {})


class Uploads:
    """The uploads of a workspace."""

    def __init__(self, store: Store, files: Files, folder: Path) -> None:
        self._store, self._files, self._folder = store, files, folder

    def open(self, asked: Asked, size: int, key_id: str | None = None) -> Upload:
        """Open an upload of so many bytes; those that have expired are emptied.

        Raises:
            ApiError: 400 if the key has no room for it.
        """
        self.tidy()
        now = now_utc()
        made = Upload(
            f"upload_{secrets.token_hex(12)}", now, now + timedelta(seconds=OPEN_S), size, asked.filename,
            asked.purpose, asked.expires_after_s, "pending", None,
        )  # fmt: skip
        row = {name: getattr(made, name) for name in Upload.__slots__}
        with self._store.writing_alone("files of a key") as connection:
            self._files.check_room(connection, size, key_id)
            connection.execute(sa.insert(tables.uploads).values(**row, key_id=key_id))
        return made

    def add_part(self, upload_id: str, source: BinaryIO) -> dict[str, Any]:
        """Keep a part; return OpenAI's object of it.

        Raises:
            ApiError: 404 if there is no such upload, 400 if it is not open or becomes larger than it was opened for,
                507 if the disk takes no more.
        """
        with self._store.reading() as connection:
            _pending(connection, upload_id)
        part_id, now = f"part_{secrets.token_hex(12)}", now_utc()
        path = self._folder / upload_id / part_id
        try:
            with disk_told():
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                    size = file.tell()
            with self._store.writing_alone(upload_id) as connection:
                _take_in(connection, {"id": part_id, "upload_id": upload_id, "at": now, "bytes": size})
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return {
            "id": part_id, "object": "upload.part", "created_at": int(now.timestamp()), "upload_id": upload_id,
        }  # fmt: skip

    def complete(self, upload_id: str, part_ids: Sequence[str], md5: str | None, key_id: str | None) -> dict[str, Any]:
        """Put the parts together in the order given; return OpenAI's object of the upload with its file.

        Raises:
            ApiError: 404 if the upload or a part is not here; 400 if it is not open, a part is given twice, or bytes or
                checksum are not those announced; 507 if the disk takes no more.
        """
        with self._store.reading() as connection:
            upload = _pending(connection, upload_id)
            _fitting(upload, part_ids, _sizes(connection, upload_id))
        whole = _Joined([self._folder / upload_id / one for one in part_ids])
        asked = Asked(upload.filename, upload.purpose, upload.file_expires_after_s)
        try:
            with disk_told():
                file = self._files.add(whole, asked, key_id, reserved=True)  # type: ignore[arg-type]  # read and no more
        except ApiError:
            with self._store.reading() as connection:
                _pending(connection, upload_id)  # somebody else may have ended it, and its parts are gone
            raise
        try:
            if md5 is not None and md5.lower() != whole.md5.hexdigest():
                raise bad_request("The file's MD5 is not the one given.", "md5", "checksum_mismatch")
            return self._end(upload_id, "completed", file.id).body(file)
        except BaseException:
            self._files.delete(file.id)
            raise

    def cancel(self, upload_id: str) -> Upload:
        """Give an upload up.

        Raises:
            ApiError: 404 if there is none, 400 if it is not open; the parts of one that has expired go all the same.
        """
        self.tidy()
        return self._end(upload_id, "cancelled")

    def _end(self, upload_id: str, status: str, file_id: str | None = None) -> Upload:
        """End an open upload; of two who try, the second is refused."""
        uploads, parts = tables.uploads, tables.upload_parts
        with self._store.writing_alone(upload_id) as connection:
            ended = replace(_pending(connection, upload_id), status=status, file_id=file_id)
            new = {"status": status, "file_id": file_id}
            connection.execute(sa.update(uploads).where(uploads.c.id == upload_id).values(**new))
            connection.execute(sa.delete(parts).where(parts.c.upload_id == upload_id))
        shutil.rmtree(self._folder / upload_id, ignore_errors=True)
        return ended

    def tidy(self) -> None:
        """Close uploads that have expired, and throw away the parts of all that are closed."""
        uploads, parts = tables.uploads, tables.upload_parts
        pending = sa.select(uploads.c.id).where(uploads.c.status == "pending")
        late = sa.and_(uploads.c.status == "pending", uploads.c.expires <= now_utc())
        with self._store.writing() as connection:
            connection.execute(sa.update(uploads).where(late).values(status="expired"))
            connection.execute(sa.delete(parts).where(parts.c.upload_id.not_in(pending)))
            still = set(connection.execute(pending).scalars())
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name not in still:
                shutil.rmtree(path, ignore_errors=True)


def _pending(connection: Connection, upload_id: str) -> Upload:
    table = tables.uploads.c
    query = sa.select(*(getattr(table, name) for name in Upload.__slots__)).where(table.id == upload_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise no_such("Upload", upload_id, "upload_id")
    upload = Upload(*row)
    status = "expired" if upload.status == "pending" and upload.expires <= now_utc() else upload.status
    if status == "expired":
        until = upload.expires.strftime("%Y-%m-%d %H:%M:%S UTC")
        message = f"The upload is expired: it was open until {until}, and takes no room any more. Open another."
        raise bad_request(message, "upload_id", "invalid_status")
    if status != "pending":
        raise bad_request(f"The upload is {status}.", "upload_id", "invalid_status")
    return upload


def _sizes(connection: Connection, upload_id: str) -> dict[str, int]:
    table = tables.upload_parts.c
    rows = connection.execute(sa.select(table.id, table.bytes).where(table.upload_id == upload_id)).all()
    return {row.id: row.bytes for row in rows}


def _take_in(connection: Connection, part: dict[str, Any]) -> None:
    upload, sizes = _pending(connection, part["upload_id"]), _sizes(connection, part["upload_id"])
    if (size := sum(sizes.values()) + part["bytes"]) > upload.bytes:
        raise bad_request(
            f"With this part there are {size} bytes, and the upload was opened for {upload.bytes}.",
            "data",
            "size_mismatch",
        )
    connection.execute(sa.insert(tables.upload_parts).values(**part))


def _fitting(upload: Upload, part_ids: Sequence[str], sizes: dict[str, int]) -> None:
    if missing := [one for one in part_ids if one not in sizes]:
        raise no_such("Part", missing[0], "part_ids")
    if len(set(part_ids)) < len(part_ids):
        raise bad_request("A part is given twice.", "part_ids", "invalid_value")
    if (size := sum(sizes[one] for one in part_ids)) != upload.bytes:
        raise bad_request(
            f"The parts have {size} bytes, and the upload was opened for {upload.bytes}.", "part_ids", "size_mismatch"
        )


class _Joined:
    """Files read one after the other; knows the MD5 of what was read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(reversed(paths))
        self._file: BinaryIO | None = None
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end of the last."""
        while True:
            if self._file is None:
                if not self._paths:
                    return b""
                self._file = self._paths.pop().open("rb")
            if piece := self._file.read(size):
                self.md5.update(piece)
                return piece
            self._file.close()
            self._file = None
