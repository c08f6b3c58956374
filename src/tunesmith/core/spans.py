"""64-bit hashes of many stretches of bytes at once.

Owns the hash: a pure function of the bytes, the same on every machine and under any version of a library. Does not own
where stretches begin and end (`data.shingles`: words; `text.lengths`: words with their spaces).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]

PAD = b"\n" * 9
"""What must follow the last stretch in a buffer, because eight bytes are read at a time."""

MULTIPLY = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW_BYTES = np.array([(1 << 8 * n) - 1 for n in range(8)] + [2**64 - 1], dtype=np.uint64)


def mixed(values: U64) -> U64:
    """Return 64-bit values with every bit dependent on every bit. Source: Stafford's variant 13 (SplitMix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= _MIX_1
    values ^= values >> np.uint64(27)
    values *= _MIX_2
    values ^= values >> np.uint64(31)
    return values


def hash_spans(buffer: bytes, starts: I64, lengths: I64) -> U64:
    """Return the hash of each span's bytes, eight at a time; the buffer must end in `PAD`. No spans give no hashes.

    Words of up to eight bytes never collide: both steps can be undone. What is built of the hashes is mixed again.
    """
    eight = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))
    hashes = eight[starts] & _LOW_BYTES[np.minimum(lengths, 8)]
    hashes *= MULTIPLY
    hashes ^= hashes >> np.uint64(32)
    longer, done = np.flatnonzero(lengths > 8), 8
    while len(longer):
        piece = eight[starts[longer] + done] & _LOW_BYTES[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mixed((hashes[longer] ^ np.uint64(done)) * MULTIPLY + piece)
        done += 8
        longer = longer[lengths[longer] > done]
    return hashes
