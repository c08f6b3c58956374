"""Work in several processes: jobs in, results out, each process with a worker of its own.

Owns starting, feeding and ending the processes. Does not own the work. They speak pickle over pipes. One child program
(``python -m tunesmith.data.workers``) imports and builds what the work needs, then forks the others: starting costs
seconds once, not once a core. It is not `multiprocessing`: a user's script is never run again, and nothing is forked
while threads run.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
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
GRACE_S = 0.5
"""What processes get to end by themselves once their pipes are closed; a failure does not wait for a piece's end."""

_ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}


@contextlib.contextmanager
def few_collections() -> Iterator[None]:
    """Within this context Python seldom looks for cycles: rows make none, and looking costs a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def in_processes(
    worker: Callable[[Job], Result], jobs: Iterable[Job], processes: int, done: Callable[[Result], None]
) -> None:
    """Do all jobs, calling ``done`` with each result as it comes, in no particular order, one at a time.

    Args:
        worker: does one job; its ``warm_up``, if it has one, is called before the processes part, and starts no thread.
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

    def run(self, processes: int) -> None:
        child, ends = _start(processes)
        threads = [threading.Thread(target=self._feed, args=pair, daemon=True) for pair in ends]
        try:
            assert child.stdin is not None
            with contextlib.suppress(BrokenPipeError), child.stdin:
                _send(child.stdin, self._worker)
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            _end(child)
        if self._failure is not None:
            raise self._failure

    def _feed(self, to: IO[bytes], back: IO[bytes]) -> None:
        with contextlib.suppress(StopIteration, BrokenPipeError), to, back:
            try:
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


def _start(processes: int) -> tuple[subprocess.Popen[bytes], list[tuple[IO[bytes], IO[bytes]]]]:
    """Start the child program with a pipe to and a pipe from each process; return it and our ends of the pipes."""
    theirs: list[int] = []
    ours: list[tuple[IO[bytes], IO[bytes]]] = []
    for _ in range(processes):
        jobs, to = os.pipe()
        back, results = os.pipe()
        theirs += [jobs, results]
        ours.append((os.fdopen(to, "wb"), os.fdopen(back, "rb")))
    command = [sys.executable, "-m", "tunesmith.data.workers", *map(str, theirs)]
    environment = {**os.environ, **_ONE_THREAD}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=theirs, process_group=0)
    for descriptor in theirs:
        os.close(descriptor)
    return child, ours


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child program and what it forked, if they have not ended by themselves."""
    try:
        child.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _serve(descriptors: list[int]) -> None:
    """Build the worker from what stdin says, fork a process for each further pair of pipes, and do jobs in each."""
    os.dup2(2, 1)  # what the work prints goes to stderr
    message = _receive(sys.stdin.buffer)
    if message is None:
        return
    worker = pickle.loads(message)
    with contextlib.suppress(Exception):  # the first job will raise it again
        worker.warm_up()
    gc.freeze()
    pairs = list(zip(descriptors[::2], descriptors[1::2], strict=True))
    own = next((number for number in range(1, len(pairs)) if os.fork() == 0), 0)  # 0 in the process that forks
    for number, pair in enumerate(pairs):
        if number != own:
            for descriptor in pair:
                os.close(descriptor)
    with os.fdopen(pairs[own][0], "rb") as jobs, os.fdopen(pairs[own][1], "wb") as results, few_collections():
        _work(worker, jobs, results)
    if own:
        os._exit(0)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def _work(worker: Callable[[Any], Any], jobs: IO[bytes], results: IO[bytes]) -> None:
    while (message := _receive(jobs)) is not None:
        answer: tuple[Any, Exception | None]
        try:
            answer = (worker(pickle.loads(message)), None)
        except Exception as error:
            answer = (None, error)  # raised again in the process that asked
        _send(results, pickle.dumps(answer))


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _serve([int(number) for number in sys.argv[1:]])
