"""Programs in the closed process: what they can do, what they cannot, and how each end is told."""

import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from closed import needs_closed_process
from tunesmith.core.errors import SetupError
from tunesmith.evaluate.sandbox import run
from tunesmith.evaluate.sandbox.run import Limits, run_program
from tunesmith.evaluate.sandbox.syscalls import shut_calls

pytestmark = [needs_closed_process, pytest.mark.slow]

BRIEF = Limits(seconds=1.0)
SHORT = Limits(seconds=20.0, memory_bytes=512 << 20, disk_bytes=4 << 20)


def status(code, limits=SHORT):
    return run_program(code, (), limits).status


@pytest.mark.parametrize(
    "code",
    [
        "import math, re, collections, hashlib, datetime, decimal, random, typing\nrandom.random(); datetime.datetime.now()",
        "open('own', 'w').write('x')\nassert open('own').read() == 'x'",
        "import threading\nseen = []\nt = threading.Thread(target=seen.append, args=(1,))\nt.start(); t.join()\nassert seen == [1]",
        "import asyncio\nasync def f():\n    return 1\nassert asyncio.run(f()) == 1",
        "import tempfile\nwith tempfile.NamedTemporaryFile('w') as f:\n    f.write('x')",
        "import numpy as np\nassert np.eye(3).sum() == 3",
        "print('x' * 10_000_000)",
    ],
)  # fmt: skip
def test_honest_programs_run(code):
    ended = run_program(code)
    assert ended.status == "ok", ended


def test_functions_are_called_and_their_values_come_back():
    ended = run_program("def f(a, b):\n    return {'sum': a + b}", [("f", [1, 2]), ("f", ["x", 2]), ("g", [])])
    assert ended.values[0] == {"value": {"sum": 3}}
    assert ended.values[1]["error"].startswith("TypeError") and ended.values[2]["error"].startswith("KeyError")


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        ("while True: pass", "time"),
        ("import time\ntime.sleep(60)", "time"),
        ("try:\n    while True: pass\nexcept BaseException: pass", "time"),
        ("x = [0] * 10**9", "memory"),
        ("x = []\nwhile True: x.append(bytearray(10**8))", "memory"),
        ("1 / 0", "error"),
        ("def f(): f()\nf()", "error"),
        ("not Python", "error"),
        ("import sys\nsys.exit(0)", "ended"),
        ("import os\nos._exit(0)", "ended"),
        ("import ctypes\nctypes.string_at(0)", "ended"),
        ("n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(b'x' * 10**6)", "disk"),
        ("f = open('a', 'wb')\nwhile True: f.write(b'x' * 10**6)", "error"),
    ],
)
def test_each_end_is_told(code, ends):
    """A program that leaves early has passed nothing, also when it leaves with status 0."""
    assert status(code, BRIEF if ends == "time" else SHORT) == ends


def test_a_fork_bomb_starts_nothing():
    before = len(list(Path("/proc").iterdir()))
    ended = run_program("import os\nwhile True: os.fork()", (), SHORT)
    assert ended.status == "error" and "Operation not permitted" in ended.detail
    assert len(list(Path("/proc").iterdir())) < before + 20
    for code in ("import subprocess\nsubprocess.run(['true'])", "import os\nos.system('true') and 1 / 0", "import multiprocessing as m\np = m.Process(target=print)\np.start()"):  # fmt: skip
        assert status(code) == "error"


def test_no_file_outside_its_folder_is_changed(tmp_path):
    """Also through links, renames, modes and times, which opening a file for writing has nothing to do with."""
    file = tmp_path / "kept"
    file.write_text("before")
    file.chmod(0o640)
    seen = file.stat()
    tries = [
        f"open({str(file)!r}, 'w')", f"open({str(tmp_path / 'new')!r}, 'w')", f"import os\nos.unlink({str(file)!r})",
        f"import os\nos.chmod({str(file)!r}, 0o777)", f"import os\nos.utime({str(file)!r}, (1, 1))",
        f"import os\nos.rename({str(file)!r}, 'mine')", f"import os\nos.truncate({str(file)!r}, 0)",
        f"import os\nos.symlink({str(file)!r}, 'link')\nopen('link', 'w')", f"import os\nos.mkdir({str(tmp_path / 'd')!r})",
        f"import os\nos.link({str(file)!r}, 'hard')\nopen('hard', 'w')",
    ]  # fmt: skip
    for code in tries:
        ended = run_program(code, (), SHORT)
        assert ended.status == "error" and "Error" in ended.detail, (code, ended)
    assert [one.name for one in tmp_path.iterdir()] == ["kept"] and file.read_text() == "before"
    assert (file.stat().st_mode, file.stat().st_mtime) == (seen.st_mode, seen.st_mtime)


def test_nothing_of_the_user_is_read(tmp_path, monkeypatch):
    """Not his files, not what is in the environment, where keys lie."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    monkeypatch.setenv("API_KEY", "hush")
    assert status(f"open({str(secret)!r})") == "error"
    assert status("open('/etc/shadow')") == "error"
    assert status("import os\nos.listdir('/')") == "error"
    assert status("import os\nassert 'API_KEY' not in os.environ") == "ok"
    assert status("open('/proc/1/environ', 'rb').read()") == "error"
    assert status(f"open('/proc/{os.getpid()}/environ', 'rb').read()") == "error"


def test_no_network_is_reached():
    """Not even a server that listens on this machine, by no protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for kind in (f"socket.create_connection(('127.0.0.1', {port}))", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "socket.socket(socket.AF_UNIX)", "socket.socket(socket.AF_INET6)"):  # fmt: skip
            ended = run_program(f"import socket\n{kind}", (), SHORT)
            assert ended.status == "error" and "Operation not permitted" in ended.detail
        raw = "import ctypes, platform\nnumber = {'x86_64': 41, 'aarch64': 198}[platform.machine()]\nassert ctypes.CDLL(None).syscall(number, 2, 1, 0) == -1"
        assert status(raw) == "ok"
        assert status("import ctypes\nassert ctypes.CDLL(None).syscall(425, 8, bytes(120)) == -1") == "ok"
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_other_process_is_stopped_or_slowed():
    """All have the same user, so the kernel alone would let it."""
    with subprocess.Popen(["sleep", "60"]) as other:
        limit = resource.prlimit(other.pid, resource.RLIMIT_CPU)
        tries = (
            f"os.kill({other.pid}, 9)", f"resource.prlimit({other.pid}, resource.RLIMIT_CPU, (1, 1))",
            f"os.setpriority(os.PRIO_PROCESS, {other.pid}, 19)", f"os.sched_setaffinity({other.pid}, {{0}})",
            "os.kill(os.getppid(), 0)", "os.killpg(0, 0)",
        )  # fmt: skip
        for code in tries:
            assert status(f"import os, resource\n{code}") == "error", code
        assert other.poll() is None and resource.prlimit(other.pid, resource.RLIMIT_CPU) == limit
        other.kill()


def test_the_limit_is_kept_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    started_s = time.monotonic()
    assert status("open('left', 'w').write('x')\nwhile True: pass", BRIEF) == "time"
    assert time.monotonic() - started_s < 10
    assert list(tmp_path.iterdir()) == []


def test_where_a_process_cannot_be_closed_in_nothing_runs(tmp_path, monkeypatch):
    """A door that stays open must not be found out by the program that goes through it."""
    ran = tmp_path / "ran"
    monkeypatch.setattr(run, "shut_calls", lambda: {**shut_calls(), "never": [1] * 5000})  # more than a filter can hold
    with pytest.raises(SetupError, match="cannot be closed in"):
        run_program(f"open({str(ran)!r}, 'w')")
    assert not ran.exists()


@pytest.mark.parametrize(
    "code",
    [
        "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", "fcntl.fcntl(0, 15, bytes(8))", "fcntl.fcntl(0, 10, 9)",
        "fcntl.ioctl(0, 0x8901, bytes(4))", "fcntl.ioctl(open('own', 'w'), 0x80086601, bytes(8))",
        "open('own', 'w')\nos.open('own', os.O_RDONLY | os.O_TRUNC)", "open('own', 'w')\nos.open('own', 3 | os.O_TRUNC)",
        "open('own', 'w')\nfcntl.fcntl(open('own'), 1024, 0)", "open('own', 'w')\nos.truncate('own', 0)",
    ],
)  # fmt: skip
def test_back_doors_that_landlock_does_not_know_everywhere(code):
    """A signal sent by way of a descriptor's owner; a file emptied by opening it for reading; flags and leases."""
    ended = run_program(f"import fcntl, os\n{code}", (), SHORT)
    assert ended.status == "error" and "PermissionError" in ended.detail


def test_what_programs_do_with_descriptors_is_let_through():
    code = "import fcntl, os\nfcntl.fcntl(0, fcntl.F_GETFD); os.isatty(0); os.set_inheritable(0, True); os.set_blocking(0, False)\nf = open('own', 'w+'); f.write('x'); f.truncate(0); open('own', 'w')"
    assert status(code) == "ok"


@pytest.mark.parametrize(
    "said",
    [
        b'{"status": "open", "values": [], "detail": ""}', b"[" * 50_000, b'{"status": "ok"}', b"3", b"\xff",
        b'{"status": "ok", "values": [], "detail": ""}', b'{"status": [], "values": [{}], "detail": ""}',
    ],
)  # fmt: skip
def test_lies_about_how_it_ended_are_an_end_and_no_more(said):
    """Bug: a program that wrote to the descriptor of its own report ended the whole evaluation."""
    code = f"import os, sys\nos.write(int(sys.argv[2]), {said!r})\nos._exit(0)"
    assert run_program(code, [("f", [])], SHORT).status == "ended"


HIDING = {
    "by words to its watcher": "while True:\n    n += 1\n    os.write(int(sys.argv[2]), b' ')\n    open(str(n), 'wb').write(b'x' * 10**5)",
    "deeper than a path may be long": "while n < 17:\n    n += 1\n    os.mkdir('d' * 250); os.chdir('d' * 250)\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(b'x' * 10**5)",
    "deleted and open": "kept = []\nwhile True:\n    f = open('f', 'wb'); f.write(b'x' * 10**6); f.flush(); os.unlink('f'); kept.append(f)\n    if len(kept) > 50: time.sleep(60)",
    "deleted and mapped": "kept = []\nwhile True:\n    f = open('f', 'w+b'); f.write(b'x' * 10**6); f.flush(); os.unlink('f'); kept.append(mmap.mmap(f.fileno(), 4096)); f.close()\n    if len(kept) > 50: time.sleep(60)",
    "empty and very many": "while True:\n    n += 1\n    open(str(n), 'wb')",
}


@pytest.mark.parametrize("way", HIDING)
def test_no_way_to_hide_files_fills_the_disk(way):
    assert status(f"import mmap, os, sys, time\nn = 0\n{HIDING[way]}", Limits(20.0, 512 << 20, 4 << 20)) == "disk"


def test_folders_in_folders_are_removed_however_deep(tmp_path, monkeypatch):
    """Bug: a tree deeper than descriptors (or calls) may be many ended the evaluation in its cleaning up."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os\nfor n in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nopen('last', 'w')"
    run_program(code, (), Limits(20.0))
    assert list(tmp_path.iterdir()) == []


def test_threads_are_bounded():
    """Threads are to the kernel what processes are, and their number ends for all of a user's programs."""
    code = "import threading, time\nthreading.stack_size(32768)\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert status(code) in ("threads", "error")


def test_no_program_outlives_its_watcher():
    """Killed, it cannot end what it started; a program that sleeps would be there until the machine is started anew."""
    code = "from tunesmith.evaluate.sandbox.run import Limits, run_program\nrun_program('import time; time.sleep(600)', (), Limits(600.0))"
    with subprocess.Popen([sys.executable, "-c", code]) as watcher:
        children = Path(f"/proc/{watcher.pid}/task/{watcher.pid}/children")
        until_s = time.monotonic() + 30
        while not (inside := children.read_text().split()) or "jail.py" not in command_of(inside[0]):
            assert time.monotonic() < until_s
            time.sleep(0.05)
        time.sleep(1.0)  # until the doors are shut
        watcher.kill()
        watcher.wait()
        while "jail.py" in command_of(inside[0]):
            assert time.monotonic() < until_s
            time.sleep(0.05)


def command_of(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_call_is_shut_twice_or_by_a_wrong_number(machine):
    """Two names with one number are a slip of the table: one of them would stay open."""
    shut = shut_calls(machine)
    every = [*shut["never"], *shut["unknown"], *(call for call, *_ in shut["looked_at"])]
    assert len(every) == len(set(every))
    assert {424, 425, 434, 438} <= set(every)
    assert shut_calls("riscv64") == {"never": [], "unknown": [], "looked_at": []}
