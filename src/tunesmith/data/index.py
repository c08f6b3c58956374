"""The pieces of files that were read and judged, kept so that the same rows are not worked on twice.

Owns the folder ``index`` of a workspace. An entry is the folder of one piece, named by a hash of all that decides what
it holds: the piece's rows with their lines, what they mean, the settings, the tokenizer, the code. So a killed run goes
on behind its last piece, and when rows are added only new pieces are worked on. Does not own what becomes of a piece
(`rowwise`). An entry is written under another name and renamed; one that is damaged is made again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.ids import digest, digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT_BYTES = 2 << 30
"""Most that is kept when a preparation has ended: some 1.5 million rows of 84 words. The longest unused goes first."""

NOTE = "done.json"


@dataclass(frozen=True)
class Index:
    """The entries in a folder; ``made_by`` hashes what decides about every piece, beside the piece itself."""

    folder: Path
    made_by: str = ""

    def key(self, *piece: Any) -> str:
        """Return the name of the entry of a piece, from JSON-able facts that tell it from all others."""
        return digest([self.made_by, *piece], hex_digits=32)

    def path(self, key: str) -> Path:
        """Return the folder of an entry."""
        return self.folder / key

    def find(self, key: str) -> dict[str, Any] | None:
        """Return what was noted of an entry, None if there is none; one that is damaged is deleted."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            note: dict[str, Any] = _sound(path)
            os.utime(path / NOTE)
        except (OSError, ValueError, KeyError, TypeError):
            shutil.rmtree(path, ignore_errors=True)
            return None
        return note

    def add(self, key: str, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Make an entry: ``write`` puts its files into the folder it is given and returns what to note; so does this.

        Raises:
            OSError: if the disk refuses.
        """
        unfinished = self.folder / f".{key}.{os.getpid()}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        note = write(unfinished)
        text = json.dumps({"note": note, "files": _digests(unfinished)}, default=str)
        (unfinished / NOTE).write_text(f"{digest_bytes(text.encode())}\n{text}", encoding="utf-8")
        try:
            unfinished.rename(self.path(key))
        except OSError:  # another process has made the same meanwhile
            shutil.rmtree(unfinished, ignore_errors=True)
            if self.find(key) is None:
                raise
        return note

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While in this context no process drops an entry; afterwards the longest unused ones beyond the limit go."""
        with _held(self.folder, fcntl.LOCK_SH) as descriptor:
            try:
                yield
            finally:
                with contextlib.suppress(BlockingIOError):  # the last to leave does it
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _drop(self.folder, LIMIT_BYTES)

    def clear(self) -> int:
        """Delete all entries and return how many bytes they had.

        Raises:
            BlockingIOError: if a preparation is using them.
        """
        if not self.folder.is_dir():
            return 0
        with _held(self.folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _drop(self.folder, 0)


def _sound(path: Path) -> dict[str, Any]:
    """Return the note of an entry.

    Raises:
        ValueError: if anything in it is not as it was written.
    """
    told, _, text = (path / NOTE).read_text(encoding="utf-8").partition("\n")
    content = json.loads(text)
    if digest_bytes(text.encode()) != told or _digests(path) != content["files"]:
        raise ValueError(path.name)
    return dict(content["note"])


def _digests(path: Path) -> dict[str, str]:
    return {file.name: digest_file(file) for file in sorted(path.iterdir()) if file.name != NOTE}


@contextlib.contextmanager
def _held(folder: Path, how: int) -> Iterator[int]:
    """Hold a lock on a folder, made if need be; the kernel lets go of it when we are killed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # the last to leave took the empty folder away
            continue
        try:
            fcntl.flock(descriptor, how)
            if folder.exists() and folder.stat().st_ino == os.fstat(descriptor).st_ino:
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _drop(folder: Path, limit_bytes: int) -> int:
    """Delete what was begun and never finished, then the longest unused entries beyond a limit; return their bytes.

    An empty folder goes too. Nobody else may hold the folder.
    """
    sizes = {path: _bytes(path) for path in folder.iterdir() if path.is_dir()}
    excess = sum(sizes.values()) - limit_bytes
    freed = 0
    for path in sorted(sizes, key=_last_used_ns):
        if freed < excess or not (path / NOTE).exists() or path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)
            freed += sizes[path]
    with contextlib.suppress(OSError):
        folder.rmdir()
    return freed


def _last_used_ns(path: Path) -> tuple[int, str]:
    note = path / NOTE
    return (note.stat().st_mtime_ns if note.exists() and not path.name.startswith(".") else 0, path.name)


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())
