"""Memory that was freed, given back to the machine.

glibc keeps freed blocks, and those of one forward pass do not fit the next one's exactly, so a process grows by half a
pass with each of the first few. Does not own how much is needed (`train.memory`).
"""

from __future__ import annotations

import ctypes
from functools import cache

KEPT_BYTES = 2**28
"""Free bytes below which giving back is not worth the pages that must then be made anew."""


def give_back() -> None:
    """Give freed memory back, if there is much; does nothing where the C library is not glibc."""
    library = _glibc()
    if library is not None and library.mallinfo2().fordblks > KEPT_BYTES:
        library.malloc_trim(0)


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
