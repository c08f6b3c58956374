"""Following the store: aliases and keys read anew every second by a thread of its own.

Answers use what was read last, so a store that is slow or gone stops no answer; it is said once and shown in
``/healthz``. Does not own what is read (`catalog`, `keys`).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import sqlalchemy as sa

from tunesmith.core.clock import monotonic_s
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLLOW_S = 1.0
"""How often the store is read; a promotion is followed, and a key revoked, within this time."""


class Refreshed(Protocol):
    """Something that keeps what it read from the store."""

    def refresh(self) -> None:
        """Read the store anew."""


class Follower:
    """Calls ``refresh`` on each of its followers every `FOLLOW_S`."""

    def __init__(self, followers: Sequence[Refreshed]) -> None:
        self._followers = followers
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._failing_since_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="tunesmith-follow", daemon=True)

    def start(self) -> None:
        """Read the store once, then go on in the background.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the store cannot be read now.
        """
        for one in self._followers:
            one.refresh()
        self._thread.start()

    def refresh(self) -> None:
        """Read the store now; a failure is said once and remembered, not raised."""
        with self._lock:
            try:
                for one in self._followers:
                    one.refresh()
            except (sa.exc.SQLAlchemyError, OSError) as error:
                if self._failing_since_s is None:
                    self._failing_since_s = monotonic_s()
                    say(f"the store cannot be read: {str(error).splitlines()[0]}; answering as before")
            else:
                self._failing_since_s = None

    def failing_s(self) -> float | None:
        """Return for how long the store could not be read; None if it can."""
        since_s = self._failing_since_s
        return None if since_s is None else monotonic_s() - since_s

    def close(self) -> None:
        """Stop reading."""
        self._stop.set()
        self._thread.join(timeout=5)  # the store may be hanging; the thread is a daemon

    def _work(self) -> None:
        while not self._stop.wait(FOLLOW_S):
            self.refresh()
