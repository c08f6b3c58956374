"""What a closed process takes that the kernel does not bound: disk in all its files together, and threads.

Owns how that is found out from outside, and how its folder is removed. Does not own the bounds (`run`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ENTRY_BYTES = 4096
"""What a file or folder takes besides its content."""


def threads_of(process: int) -> int:
    """Return how many threads a process has; 0 where that cannot be told."""
    try:
        return len(os.listdir(f"/proc/{process}/task"))  # noqa: PTH208
    except OSError:
        return 0


def takes_more(process: int, folder: Path, most_bytes: int) -> bool:
    """Return whether the files of a process, which can write in one folder alone, are larger than a number of bytes.

    Files that it deleted and still holds count. What cannot be looked at, as it lies too deep, is taken for too large.
    """
    seen = _bytes_in(folder, most_bytes)
    return seen is None or seen + _deleted_bytes(process, folder, most_bytes) > most_bytes


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, however deep: folders in folders are moved up first."""
    top = os.fspath(folder)
    waiting = [top]
    while waiting:
        here = waiting.pop()
        with os.scandir(here) as entries:
            inside = list(entries)
        for entry in inside:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)  # noqa: PTH108
                continue
            os.chmod(entry.path, 0o700)  # noqa: PTH101
            moved = os.path.join(top, secrets.token_hex(16))  # noqa: PTH118
            os.rename(entry.path, moved)  # noqa: PTH104
            waiting.append(moved)
        if here != top:
            os.rmdir(here)  # noqa: PTH106
    os.rmdir(top)  # noqa: PTH106


def _bytes_in(folder: Path, most: int) -> int | None:
    """Return what a folder holds, not counted to the end beyond ``most``; None if a part of it cannot be looked at."""
    total, waiting = 0, [os.fspath(folder)]
    while waiting and total <= most:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    total += _ENTRY_BYTES + _size(entry)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    if total > most:
                        break
        except FileNotFoundError:  # gone since
            continue
        except OSError:
            return None
    return total


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _deleted_bytes(process: int, folder: Path, most: int) -> int:
    """Return the size of files that are deleted and still open; one that is only mapped counts as ``most``."""
    opened = _opened_and_deleted(process)
    try:
        with open(f"/proc/{process}/maps", encoding="utf-8", errors="replace") as maps:  # noqa: PTH123
            lines = [line.split(maxsplit=5) for line in maps if line.endswith(" (deleted)\n") and f" {folder}/" in line]
    except OSError:  # it ended
        lines = []
    return sum(opened.values()) + most * len({int(line[4]) for line in lines} - opened.keys())


def _opened_and_deleted(process: int) -> dict[int, int]:
    """Return the sizes of files that have no name any more, by their inodes."""
    found = {}
    with contextlib.suppress(OSError):  # it ended
        for name in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208
            with contextlib.suppress(FileNotFoundError):  # closed since
                one = os.stat(f"/proc/{process}/fd/{name}")  # noqa: PTH116
                if stat.S_ISREG(one.st_mode) and one.st_nlink == 0:
                    found[one.st_ino] = one.st_size
    return found
