"""The process that works on a job: started, found again, asked whether it lives, killed.

It holds the lock of the job's folder with its process id in it, so that a server that starts finds the workers of one
that was killed. It leads a process group of its own, which is killed as a whole. Does not own which jobs are worked on
(`supervisor`) nor what a worker does (``tunesmith tuning-job``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.locks import holder

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.serve.tuning.folder import JobFolder

DEATH_S = 10.0
"""How long a killed process may take to let go of its lock."""


@dataclass(eq=False)
class Worker:
    """A process, started by this server (``process``) or by an earlier one.

    ``trains`` is False of one that only checks the rows, which is done soon.
    """

    folder: JobFolder
    pid: int
    trains: bool = True
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, folder: JobFolder, home: Path, *, trains: bool) -> Worker:
        """Start a worker.

        Raises:
            OSError: if the machine refuses.
        """
        command = [sys.executable, "-m", "tunesmith", "tuning-job", str(folder.path), "--home", str(home)]
        with folder.log.open("ab") as log:
            process = subprocess.Popen(
                [*command, *([] if trains else ["--check"])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return cls(folder, process.pid, trains, process)

    @classmethod
    def find(cls, folder: JobFolder) -> Worker | None:
        """Return the worker that holds a folder; None if nobody does."""
        pid = holder(folder.lock)
        return None if pid is None else cls(folder, pid)

    def lives(self) -> bool:
        """Tell whether it is still there."""
        if self.process is not None:
            return self.process.poll() is None
        return holder(self.folder.lock) == self.pid

    def kill(self) -> None:
        """End it and all it started, at once, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self.lives():
                os.killpg(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        deadline_s = time.monotonic() + DEATH_S
        while holder(self.folder.lock) == self.pid and time.monotonic() < deadline_s:
            time.sleep(0.01)
