"""Content hashes and the ids made from them.

Owns how values and files become digests. Does not own what goes into an artifact's id (`artifacts`).
Digests are BLAKE2b, so they depend on no library's version and on no machine.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces, the same text for equal values.

    Raises:
        ValueError: for NaN or infinity, which have no canonical form.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any, *, hex_digits: int = 12) -> str:
    """Return the first ``hex_digits`` of the hash of a JSON-able value; key order does not matter."""
    return digest_bytes(canonical_json(value).encode(), hex_digits=hex_digits)


def digest_bytes(content: bytes, *, hex_digits: int = 32) -> str:
    """Return the first ``hex_digits`` of the hash of some bytes."""
    return hashlib.blake2b(content, digest_size=32).hexdigest()[:hex_digits]


def digest_file(path: Path, *, hex_digits: int = 32) -> str:
    """Return the hash of a file's content, reading it in chunks of 1 MiB."""
    state = hashlib.blake2b(digest_size=32)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()[:hex_digits]


def digest_folder(folder: Path, *, hex_digits: int = 32) -> str:
    """Return one hash over the names and contents of every file below a folder, in name order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest({path.relative_to(folder).as_posix(): digest_file(path) for path in files}, hex_digits=hex_digits)
