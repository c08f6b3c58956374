"""Work in several processes: jobs in, results out, each process with a worker of its own.

Owns starting, feeding and ending the processes. Does not own the work. The processes are plain child programs that
speak pickle over their pipes, not `multiprocessing`: a user's script is never run again, nothing is forked while
threads run. Run as a program (``python -m tunesmith.data.workers``) it is such a child.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import struct
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, TypeVar

from tunesmith.core.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Job = TypeVar("Job")
Result = TypeVar("Result")

_LENGTH = struct.Struct("<Q")
_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


def in_processes(
    worker: Callable[[Job], Result], jobs: Iterable[Job], processes: int, done: Callable[[Result], None]
) -> None:
    """Do all jobs, calling ``done`` with each result as it comes, in no particular order, one at a time.

    Args:
        worker: does one job; pickled once for each process.
        jobs: taken one by one as processes are free, so they need not be in memory together.
        processes: how many; 1 does everything in this process.
        done: told of each result, in this process.

    Raises:
        SetupError: if a process is ended from outside.
        Exception: whatever ``jobs``, ``worker`` or ``done`` raise; the other processes are ended.
    """
    if processes == 1:
        for job in jobs:
            done(worker(job))
        return
    crew = _Crew(worker, iter(jobs), done)
    crew.run(processes)


class _Crew:
    """The processes and the thread beside each that feeds it."""

    def __init__(self, worker: Any, jobs: Iterator[Any], done: Callable[[Any], None]) -> None:
        self._worker = pickle.dumps(worker)
        self._jobs, self._done = jobs, done
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self, processes: int) -> None:
        threads = [threading.Thread(target=self._feed, args=(self._start(),), daemon=True) for _ in range(processes)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            for child in self._children:
                child.kill()
                child.wait()
        if self._failure is not None:
            raise self._failure

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tunesmith.data.workers"]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_ONE_THREAD}
        )
        self._children.append(child)
        return child

    def _feed(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None and child.stdout is not None
        with child.stdin as to, child.stdout as back, contextlib.suppress(StopIteration):
            try:
                _send(to, self._worker)
                while True:
                    _send(to, pickle.dumps(self._next()))
                    self._finish(_receive(back))
            except StopIteration:
                raise
            except (BrokenPipeError, EOFError):
                self._fail(SetupError("a process that prepares data was ended", hint="is there enough memory?"))
            except BaseException as error:
                self._fail(error)

    def _next(self) -> Any:
        with self._lock:
            if self._failure is not None:
                raise StopIteration
            return next(self._jobs)

    def _finish(self, message: bytes | None) -> None:
        if message is None:
            raise EOFError
        result, error = pickle.loads(message)  # from our own child
        if error is not None:
            raise error
        with self._lock:
            self._done(result)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error


def _send(stream: IO[bytes], message: bytes) -> None:
    stream.write(_LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    message = stream.read(_LENGTH.unpack(head)[0])
    return message


def _serve() -> None:
    """Do jobs from stdin until it ends; what the work prints goes to stderr."""
    gc.set_threshold(200_000, 20, 100)  # rows make no cycles: looking for them costs a tenth of the time
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    message = _receive(jobs)
    worker = None if message is None else pickle.loads(message)
    while worker is not None and (message := _receive(jobs)) is not None:
        answer: tuple[Any, Exception | None]
        try:
            answer = (worker(pickle.loads(message)), None)
        except Exception as error:
            answer = (None, error)  # raised again in the process that asked
        _send(results, pickle.dumps(answer))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        _serve()
