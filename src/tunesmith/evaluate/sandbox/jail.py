"""The inside of the closed process: shuts every door behind itself, then runs the program it was given.

Run as a script by a bare Python (``python -I jail.py JOB FD``), so it imports nothing of ours. Owns the order: limits,
files (Landlock), capabilities, system calls (seccomp), program. If a door cannot be shut, the program is not run.

Source: the kernel's ``Documentation/userspace-api/landlock.rst`` and ``seccomp_filter.rst``.
"""

import ctypes
import json
import os
import platform
import resource
import struct
import sys
import traceback
from typing import Any

Told = dict[str, Any]
_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CAPSET = {"x86_64": 126, "aarch64": 91}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_DEATH_SIGNAL, _NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 1, 38, 22, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_ALLOW, _EPERM, _ENOSYS, _KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000


class Open(Exception):
    """A door that cannot be shut."""


def main() -> None:
    """Close the process in, run the job, write what came of it to the given descriptor."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123
        job = json.load(file)
    os.unlink(sys.argv[1])  # noqa: PTH108
    descriptor, dumps, write = int(sys.argv[2]), json.dumps, os.write
    try:
        close_in(job)
    except (Open, OSError) as error:
        write(descriptor, dumps({"status": "open", "values": [], "detail": str(error)}).encode())
        return
    write(descriptor, b"\n")
    told = run(job["code"], job["calls"])
    left = memoryview(dumps(told).encode())
    while left:
        left = left[write(descriptor, left) :]


def run(code: str, calls: list[Any]) -> Told:
    """Run the program and its calls."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    dumps = json.dumps
    try:
        exec(compile(code, "program.py", "exec"), scope)
    except BaseException as error:
        return _failed(error)
    values = []
    for name, arguments in calls:
        try:
            value = scope[name](*arguments)
            dumps(value, allow_nan=False)
            values.append({"value": value})
        except BaseException as error:
            values.append({"error": _failed(error)["detail"]})
    return {"status": "ok", "values": values, "detail": ""}


def _failed(error: BaseException) -> Told:
    status = {MemoryError: "memory", SystemExit: "ended"}.get(type(error), "error")
    try:
        detail = "".join(traceback.format_exception_only(type(error), error)).strip()[-500:]
    except BaseException:
        detail = type(error).__name__
    return {"status": status, "values": [], "detail": detail}


def close_in(job: dict[str, Any]) -> None:
    """Shut every door.

    Raises:
        Open: for one that cannot be shut.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _AUDIT_ARCH:
        raise Open(f"it is {sys.platform} on {machine}")
    _limit(job)
    _must(_LIBC.prctl(_DEATH_SIGNAL, 9, 0, 0, 0), "prctl pdeathsig")  # no program outlives what watches it
    _must(_LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl no_new_privs")
    _shut_files(job["folder"], job["readable"])
    header, nothing = struct.pack("II", 0x20080522, 0), bytes(24)
    _must(_LIBC.syscall(_CAPSET[machine], header, nothing), "capset")
    _shut_calls(_AUDIT_ARCH[machine], job["shut"])


def _limit(job: dict[str, Any]) -> None:
    limits = {
        resource.RLIMIT_CPU: 2 * int(job["seconds"]) + 60,
        resource.RLIMIT_AS: job["memory_bytes"],
        resource.RLIMIT_FSIZE: job["disk_bytes"],
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _shut_files(folder: str, readable: list[str]) -> None:
    version = _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    _must(version, "Landlock is not there")
    files = (1 << 13) - 1
    files |= (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0) | (_IOCTL if version >= 5 else 0)
    network, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    attributes = struct.pack("QQQ", files, network, scope)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    rules = _LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    _must(rules, "landlock_create_ruleset")
    _allow(rules, folder, files)
    _allow(rules, "/dev/null", _READ_FILE | _WRITE_FILE)
    for path in readable:
        if os.path.exists(path):  # noqa: PTH110
            _allow(rules, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))  # noqa: PTH112
    _must(_LIBC.syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, place)
    _must(_LIBC.syscall(_ADD_RULE, rules, 1, rule, 0), f"landlock_add_rule {path}")
    os.close(place)


def _shut_calls(architecture: int, shut: dict[str, list[Any]]) -> None:
    """Install the filter, which does to each call what `syscalls` says."""
    load, mask, equal, at_least, back = 0x20, 0x54, 0x15, 0x35, 0x06
    code = [(load, 0, 0, 4), (equal, 1, 0, architecture), (back, 0, 0, _KILL), (load, 0, 0, 0)]
    if architecture == _AUDIT_ARCH["x86_64"]:
        code += [(at_least, 0, 1, 0x40000000), (back, 0, 0, _KILL)]
    for number in shut["never"]:
        code += [(equal, 0, 1, number), (back, 0, 0, _EPERM)]
    for number in shut["unknown"]:
        code += [(equal, 0, 1, number), (back, 0, 0, _ENOSYS)]
    for number, where, bits, values, allowed in shut["looked_at"]:
        left = len(values)
        code += [(equal, 0, left + 4, number), (load, 0, 0, where), (mask, 0, 0, bits)]
        code += [(equal, left - place, 0, value) for place, value in enumerate(values)]
        code += [(back, 0, 0, one) for one in ((_EPERM, _ALLOW) if allowed else (_ALLOW, _EPERM))]
    code.append((back, 0, 0, _ALLOW))
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(text))
    _must(_LIBC.prctl(_SET_SECCOMP, _FILTER, program, 0, 0), "seccomp")


def _must(result: int, what: str) -> None:
    if result < 0:
        raise Open(f"{what} ({os.strerror(ctypes.get_errno())})")


if __name__ == "__main__":
    main()
