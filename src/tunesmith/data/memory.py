"""What a preparation needs in memory, and what of it fits into ``data.memory``.

Owns the estimate: while rows are read, memory grows with the processes, each of which holds one piece; while all rows
are compared it grows with their number. Does not own how large a piece is (`read.files`), nor the work.

Source: peaks measured of `prepare` on 1,000 to 200,000 chats of 84 words and on 4,000 of 2,000 words, all processes
together, with a margin of a tenth.
"""

from __future__ import annotations

from tunesmith.core.errors import RecipeError
from tunesmith.data.read.files import PIECE_ROWS
from tunesmith.recipe import Data, bytes_of

MIB = 1 << 20
ALONE_BYTES = 450 * MIB
"""Reading in the one process that there is: the libraries, the tokenizer, the rules, and a piece of long rows."""

FIRST_BYTES, PROCESS_BYTES = 200 * MIB, 360 * MIB
"""Reading in several: the process that hands out pieces, and each that works on one."""

COMPARING_BYTES, ROW_BYTES = 270 * MIB, 1_600
"""Comparing all rows: what is always there, and of each row its ids, keys and signatures."""

TEXT_TIMES = 7
"""What a byte of the texts takes that are looked at together, those of `PIECE_ROWS` rows."""


def needed_bytes(rows: int, size: int, processes: int) -> int:
    """Return the most memory that a preparation takes of rows that are ``size`` bytes together, with some processes."""
    reading = ALONE_BYTES if processes == 1 else FIRST_BYTES + processes * PROCESS_BYTES
    texts = size * min(rows, PIECE_ROWS) // max(rows, 1)
    return max(reading, COMPARING_BYTES + rows * ROW_BYTES + texts * TEXT_TIMES)


def processes_within(data: Data, wished: int) -> int:
    """Return how many processes may read and judge rows at once: at most ``wished``, at least one."""
    if data.memory is None:
        return wished
    fitting = (bytes_of(data.memory) - FIRST_BYTES) // PROCESS_BYTES
    return max(1, min(wished, fitting))


def processes_beside(data: Data, rows: int, wished: int) -> int:
    """Return how many processes may work on texts beside the one that holds all rows: at most ``wished``, at least one.

    One means that there is no other: the work is done in that process.
    """
    if data.memory is None:
        return wished
    fitting = (bytes_of(data.memory) - COMPARING_BYTES - rows * ROW_BYTES) // PROCESS_BYTES
    return max(1, min(wished, fitting))


def refuse_beyond(data: Data, rows: int, size: int) -> None:
    """Raise a `RecipeError` if rows of ``size`` bytes together cannot be prepared within ``data.memory``."""
    least = needed_bytes(rows, size, 1)
    if data.memory is None or bytes_of(data.memory) >= least:
        return
    raise RecipeError(
        f"data.memory: {data.memory} is too little for about {rows:,} rows",
        expected=f"at least {-(-least // MIB):,}MiB",
        hint="raise it, or prepare fewer rows: all of them are compared with each other",
    )
