"""One program in a closed process: started, watched, ended, and what came of it.

Does not own how the process closes itself in (`jail`), which calls of the kernel are shut (`syscalls`) nor how what it
takes is found out (`watch`). The program and what judges it share one Python: a program written to break out of the
grading (not out of the process) could.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.core.errors import SetupError
from tunesmith.evaluate.sandbox.syscalls import shut_calls
from tunesmith.evaluate.sandbox.watch import remove, takes_more, threads_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = Literal["ok", "error", "time", "memory", "disk", "threads", "ended"]

_JAIL = Path(__file__).with_name("jail.py")
_ANSWER_BYTES = 1 << 20
_LOOK_S = 0.1
_MOST_THREADS = 512
START_S = 60.0
"""What Python may take to start, beside the program's own time."""

_READABLE = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/zero")
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Limits:
    """What a program may take.

    Args:
        seconds: of wall clock.
        memory_bytes: of address space, Python's own 20 MB included.
        disk_bytes: in all its files together, looked at ten times a second, and in any one.
    """

    seconds: float = 10.0
    memory_bytes: int = 1 << 30
    disk_bytes: int = 64 << 20


@dataclass(frozen=True)
class Outcome:
    """How a program ended: ``ok`` with what its calls returned, or why it did not get there.

    ``error`` is an exception of its own, ``ended`` an exit before its end; ``values`` has one item per call, each
    ``{"value": …}`` or ``{"error": …}``.
    """

    status: Status
    values: tuple[Mapping[str, Any], ...] = ()
    detail: str = ""


def run_program(code: str, calls: Sequence[tuple[str, Sequence[Any]]] = (), limits: Limits | None = None) -> Outcome:
    """Run Python code in a closed process, then call functions that it defines.

    Args:
        code: the program.
        calls: names of functions with JSON-able arguments.
        limits: what it may take, all calls together.

    Raises:
        SetupError: if this machine cannot close a process in; nothing was run then.
    """
    limits = limits or Limits()
    folder = Path(tempfile.mkdtemp(prefix="tunesmith-closed-")).resolve()
    try:
        job = {
            "code": code,
            "calls": [[function, list(arguments)] for function, arguments in calls],
            "shut": shut_calls(),
            "readable": [*_READABLE, sys.prefix, sys.base_prefix],
            "folder": str(folder),
            "seconds": limits.seconds,
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes,
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        told, ended = _watched(folder, limits)
    finally:
        remove(folder)
    return _outcome(told, len(calls)) if ended is None else Outcome(ended, detail=_WORDS[ended])


def check_closed() -> None:
    """Raise `SetupError` if this machine cannot close a process in."""
    run_program("")


def _watched(folder: Path, limits: Limits) -> tuple[bytes, Status | None]:
    """Run the jail; return what it wrote, and why it was ended if it was."""
    ours, theirs = os.pipe()
    command = [sys.executable, "-I", "-B", str(_JAIL), str(folder / "job.json"), str(theirs)]
    environment = {**_ENVIRONMENT, "HOME": str(folder), "TMPDIR": str(folder)}
    with open(ours, "rb", buffering=0) as pipe:  # noqa: PTH123
        process = subprocess.Popen(
            command, pass_fds=(theirs,), cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        try:
            return _heard(pipe.fileno(), process.pid, folder, limits)
        finally:
            process.kill()
            process.wait()


def _heard(pipe: int, process: int, folder: Path, limits: Limits) -> tuple[bytes, Status | None]:
    now_s, told = time.monotonic(), b""
    until_s, look_s = now_s + START_S, now_s + _LOOK_S
    while len(told) < _ANSWER_BYTES:
        if now_s >= until_s:
            return told, "time"
        if select.select([pipe], [], [], min(until_s - now_s, _LOOK_S))[0]:
            piece = os.read(pipe, 1 << 16)
            if not piece:
                return told, None
            if not told:  # the doors are shut, the program begins
                until_s = time.monotonic() + limits.seconds
            told += piece
        now_s = time.monotonic()
        if now_s >= look_s:
            if too_much := _too_much(process, folder, limits):
                return told, too_much
            now_s = time.monotonic()
            look_s = now_s + _LOOK_S
    return told, None


def _too_much(process: int, folder: Path, limits: Limits) -> Status | None:
    if takes_more(process, folder, limits.disk_bytes):
        return "disk"
    return "threads" if threads_of(process) > _MOST_THREADS else None


_WORDS = {"time": "it took too long", "disk": "it wrote too much", "threads": "it started too many threads"}


def _outcome(told: bytes, calls: int) -> Outcome:
    """Return what a process said; from its first line end on a program may have said it."""
    if not told.startswith(b"\n"):
        why = json.loads(told)["detail"] if told else "Python did not come as far as the program"
        raise SetupError(
            f"programs cannot be closed in on this machine: {why}",
            expected="Linux 5.13 or later with Landlock and seccomp, on x86-64 or ARM64",
            hint="leave out the metrics and graders that run programs, or evaluate on such a machine",
        )
    try:
        found = json.loads(told)
        outcome = Outcome(found["status"], tuple(found["values"]), str(found["detail"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return _UNSAID
    if outcome.status not in ("ok", "error", "memory", "ended"):
        return _UNSAID
    whole = len(outcome.values) == calls and all(isinstance(one, dict) and one for one in outcome.values)
    return _UNSAID if outcome.status == "ok" and not whole else outcome


_UNSAID = Outcome("ended", detail=f"it ended before its last line, or said more than {_ANSWER_BYTES:,} bytes")
