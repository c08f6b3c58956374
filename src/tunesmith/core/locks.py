"""Locks on files, held by a process and let go of by the kernel when it is killed.

Does not own what is done under a lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file that is removed on release; the kernel lets go of it when we are killed.

    The folder is made, and made again if another process that leaves takes the empty folder away.
    """
    told = False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("w")
        except FileNotFoundError:
            if not path.parent.is_dir():
                continue
            raise
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not told:
                    say(f"  another process is making {path.stem}: waiting for it")
                    told = True
                fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # the former holder removed the file we waited on
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


@contextlib.contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold an exclusive lock on a file if nobody does; yield whether it is held. The file has our process id meanwhile.

    It is removed on release.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # the former holder removed it
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield True
            finally:
                path.unlink(missing_ok=True)
            return


def holder(path: Path) -> int | None:
    """Return the process that holds the lock of `locked_if_free` on a file; None if nobody does."""
    try:
        return int(path.read_text() or 0) or None if is_locked(path) else None
    except FileNotFoundError:
        return None


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock on a file."""
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
