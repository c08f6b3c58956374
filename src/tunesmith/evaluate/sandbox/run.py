"""One program in a closed process: started, watched, ended, and what came of it.

Does not own how the process closes itself in (`jail`) nor which calls of the kernel are shut (`syscalls`). The program
and what judges it share one Python: a program written to break out of the grading (not out of the process) could.
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Status = Literal["ok", "error", "time", "memory", "disk", "ended"]

_JAIL = Path(__file__).with_name("jail.py")
_ANSWER_BYTES = 1 << 20
_LOOK_S = 0.1
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
        disk_bytes: in all its files together, and in any one.
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
    with tempfile.TemporaryDirectory(prefix="tunesmith-closed-") as name:
        folder = Path(name).resolve()
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
        return _outcome(*_watched(folder, limits))


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
            return _heard(pipe.fileno(), folder, limits)
        finally:
            process.kill()
            process.wait()


def _heard(pipe: int, folder: Path, limits: Limits) -> tuple[bytes, Status | None]:
    until_s, told = time.monotonic() + START_S, b""
    while len(told) < _ANSWER_BYTES:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            return told, "time"
        if select.select([pipe], [], [], min(left_s, _LOOK_S))[0]:
            piece = os.read(pipe, 1 << 16)
            if not piece:
                return told, None
            if not told:  # the doors are shut, the program begins
                until_s = time.monotonic() + limits.seconds
            told += piece
        elif _bytes_in(folder) > limits.disk_bytes:
            return told, "disk"
    return b"", None


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # gone since
            continue
    return total


def _outcome(told: bytes, ended: Status | None) -> Outcome:
    if ended is not None:
        return Outcome(ended, detail=_WORDS[ended])
    try:
        found = json.loads(told)
    except ValueError:
        return Outcome("ended", detail="it ended before its last line")
    if found["status"] == "open":
        raise SetupError(
            f"programs cannot be closed in on this machine: {found['detail']}",
            expected="Linux 5.13 or later with Landlock and seccomp, on x86-64 or ARM64",
            hint="leave out the metrics and graders that run programs, or evaluate on such a machine",
        )
    return Outcome(found["status"], tuple(found["values"]), found["detail"])


_WORDS = {"time": "it took too long", "disk": "it wrote too much"}
