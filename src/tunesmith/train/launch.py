"""The same command started several times on this machine, as ranks that train together (`ranks`).

What torchrun does, with one difference: people read what the first rank says, and of the others only what goes wrong.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tunesmith.core.errors import SetupError
from tunesmith.core.progress import say
from tunesmith.train import ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOKED_EVERY_S = 0.1
LAST_WORD_S = 3.0
"""How long the first rank may take to say why it ends, when another has ended."""

GRACE_S = 20.0
"""How long the others may take to end when one has."""


def check(count: int) -> None:
    """Refuse more ranks than the machine has devices for.

    Raises:
        SetupError: with how many it has.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    most, of = (gpus, "GPUs") if gpus else (os.cpu_count() or 1, "CPU cores")
    if count > most:
        raise SetupError(f"--devices {count}: this machine has {most} {of}", hint=f"--devices {most}")


def arguments_of_ranks(arguments: Sequence[str]) -> list[str]:
    """Return a command's arguments without ``--devices``."""
    found, own = iter(arguments), []
    for one in found:
        if one == "--devices":
            next(found, None)
        elif not one.startswith("--devices="):
            own.append(one)
    return own


def launch(count: int, arguments: Sequence[str]) -> int:
    """Run ``tunesmith ARGUMENTS`` as so many ranks until all have ended; return the exit status of one that failed.

    If one ends by a fault the others are ended too.
    """
    shared = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // count)), **os.environ, ranks.STARTED_BY_US: "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count),
    }  # fmt: skip
    command = [sys.executable, "-m", "tunesmith", *arguments]
    processes = [
        subprocess.Popen(
            command,
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=None if rank == 0 else subprocess.DEVNULL,
        )
        for rank in range(count)
    ]
    try:
        return _until_the_end(processes)
    finally:
        _end(processes)


def _until_the_end(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait; return the status of the first process that failed, or 0."""
    while True:
        codes = [one.poll() for one in processes]
        if any(codes):
            _wait(processes[:1], LAST_WORD_S)  # a rank that missed another may have been quicker to end
            codes = [one.poll() for one in processes]
            _, rank, code = min((code > 0, rank, code) for rank, code in enumerate(codes) if code)  # signals first
            if code < 0:
                say(f"error: rank {rank} was ended by a signal ({signal.Signals(-code).name}), so the others were, too")
            return code if code > 0 else 128 - code
        if all(code == 0 for code in codes):
            return 0
        time.sleep(LOOKED_EVERY_S)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End what still runs: first kindly."""
    for one in processes:
        if one.poll() is None:
            one.terminate()
    _wait(processes, GRACE_S)
    for one in processes:
        if one.poll() is None:
            one.kill()
            one.wait()


def _wait(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait until all have ended, or so long."""
    until_s = time.monotonic() + seconds
    for one in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.wait(max(0.0, until_s - time.monotonic()))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port
