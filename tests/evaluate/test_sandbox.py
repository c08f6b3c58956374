"""Programs in the closed process: what they can do, what they cannot, and how each end is told."""

import os
import resource
import socket
import subprocess
import time
from pathlib import Path

import pytest

from closed import needs_closed_process
from tunesmith.core.errors import SetupError
from tunesmith.evaluate.sandbox import run
from tunesmith.evaluate.sandbox.run import Limits, run_program
from tunesmith.evaluate.sandbox.syscalls import shut_calls

pytestmark = needs_closed_process

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


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_call_is_shut_twice_or_by_a_wrong_number(machine):
    """Two names with one number are a slip of the table: one of them would stay open."""
    shut = shut_calls(machine)
    every = [number for numbers in shut.values() for number in numbers]
    assert len(every) == len(set(every))
    assert {424, 425, 434, 438} <= set(every)
    assert shut_calls("riscv64") == {"never": [], "threads": [], "own": [], "unknown": []}
