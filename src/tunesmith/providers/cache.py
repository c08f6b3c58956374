"""Replies kept by content: the same question to the same endpoint is asked once, whoever asks and after any kill.

Owns the file. Every reply is on disk before the next one is waited for.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError
from tunesmith.providers.chat import Reply

if TYPE_CHECKING:
    from pathlib import Path

FILE = "replies.sqlite"


class ReplyCache:
    """The kept replies of a workspace.

    Raises:
        ArtifactError: (when made) if the file is not one of ours.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        try:
            self._file = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("CREATE TABLE IF NOT EXISTS replies (digest TEXT PRIMARY KEY, reply TEXT NOT NULL)")
        except sqlite3.OperationalError:  # the disk's, not the file's
            raise
        except sqlite3.DatabaseError as error:
            raise ArtifactError(
                f"{self.path}: not a file of kept replies ({error})", hint="remove it; models are then asked anew"
            ) from error

    def find(self, digest: str) -> Reply | None:
        """Return a kept reply; None if there is none."""
        found = self._file.execute("SELECT reply FROM replies WHERE digest = ?", (digest,)).fetchone()
        return Reply(**json.loads(found[0])) if found else None

    def keep(self, digest: str, reply: Reply) -> None:
        """Write a reply; one that is there already stays."""
        text = json.dumps(asdict(reply), ensure_ascii=False)
        self._file.execute("INSERT OR IGNORE INTO replies VALUES (?, ?)", (digest, text))

    def close(self) -> None:
        """Close the file."""
        self._file.close()
