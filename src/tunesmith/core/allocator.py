"""What memory the machine has free, and what this process has freed, given back to it.

glibc keeps freed blocks, and those of one forward pass do not fit the next one's exactly, so a process grows by half a
pass with each of the first few. Does not own how much is needed (`train.memory`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from functools import cache
from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup")


def give_back() -> None:
    """Give freed memory back; does nothing where the C library is not glibc."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def give_back_where_scarce() -> None:
    """Give freed memory back if it is more than the machine has free.

    Pages given back must be made anew: before every pass that is 15 % of the time of a small model.
    """
    library = _glibc()
    if library is not None and library.mallinfo2().fordblks > free_machine_bytes():
        library.malloc_trim(0)


def free_machine_bytes() -> int:
    """Return the bytes of memory a process may still take: the machine's, or its container's if less."""
    free = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free.append(next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")))
    with contextlib.suppress(OSError, ValueError):
        most, used = (int((_CONTAINER / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        free.append(most - used)
    return min(free)


class _Counts(ctypes.Structure):
    """Source: mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


@cache
def _glibc() -> ctypes.CDLL | None:
    """Return glibc, of 2.33 or later; None if this process has another C library."""
    try:
        library = ctypes.CDLL("libc.so.6")
        library.mallinfo2.restype = _Counts
        library.malloc_trim.argtypes = [ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library
