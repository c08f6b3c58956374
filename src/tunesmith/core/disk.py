"""What a disk does, in words that help: how much lies there, that it is kept for sure, that it refuses more.

Does not own what is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
from typing import TYPE_CHECKING

from tunesmith.core.errors import SetupError, TunesmithError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSALS = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENOENT)
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")


def write_whole(path: Path, text: str) -> None:
    """Write a file that is complete or not there, whoever else writes it at the same time."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def append_line(path: Path, text: str) -> None:
    """Write a line behind a file's end, all of it or nothing; it is on the disk on return.

    Raises:
        OSError: if the disk refuses; then nothing of the line is left.
    """
    content, new = f"{text}\n".encode(), not path.exists()
    with path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise
    if new:
        fsync(path.parent)


@contextlib.contextmanager
def refusals_told(what: str, folder: Path) -> Iterator[None]:
    """Turn what the disk refuses in this context into one error that names what could not be written, and where.

    Raises:
        SetupError: if the disk refuses (full, read-only, not allowed).
    """
    try:
        yield
    except TunesmithError:
        raise
    except Exception as error:
        number = _errno(error)
        if number not in _REFUSALS:
            raise
        raise SetupError(
            f"cannot write {what}: {os.strerror(number)} ({folder})",
            hint="free some space (tunesmith clean helps) and run the same command again: it goes on from here"
            if number in _FULL
            else "choose a folder you may write to with --home",
        ) from error


def disk_size(size: float) -> str:
    """Return bytes on a disk for people, in decimal units: ``412 kB``, ``31.8 MB``, ``2.31 GB``."""
    if size < 1e6:
        return f"{size / 1e3:,.0f} kB"
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def _errno(error: BaseException) -> int:
    """Return the system's error number behind an exception, 0 if there is none.

    Libraries written in Rust put it into their message; numpy says only that it wrote less than it should, SQLite that
    the disk is full.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if _SHORT_WRITE.fullmatch(str(error)) or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return errno.ENOSPC
    found = _OS_ERROR.search(str(error))
    return int(found[1]) if found else 0


def fsync(path: Path) -> None:
    """Wait until a file, or the list of a folder's files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
