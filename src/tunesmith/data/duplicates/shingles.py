"""Texts as sets of word 5-grams, and their short signatures: what near-duplicates are looked for with.

Owns words (`words` are runs of letters, digits and underscore, lower-cased), their 64-bit hashes, the shingle hashes
of a text, and the MinHash band keys. Everything is a pure function of the text: neither the chunking, the process
count, the version of a library nor ``PYTHONHASHSEED`` changes a bit, so what is kept on disk stays comparable.
Does not own which texts are duplicates (`near`), nor where signatures lie.

Source: Broder, "On the resemblance and containment of documents", 1997 (shingles, MinHash); Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", section 3.4 (bands).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.core.spans import I64, MULTIPLY, PAD, U64, hash_spans, mixed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

U32 = NDArray[np.uint32]

SHINGLE_WORDS = 5
BANDS = 24
BAND_ROWS = 4
"""24 bands of 4 minima: two texts share one with chance 1 - (1 - J^4)^24: 0.9986 at Jaccard J = 0.7, 0.9999 at 0.8."""
SCHEME = 1
"""Version of everything hashed here; kept beside stored signatures, raised when any of them changes."""

_BLOCK_BYTES = 1 << 19  # a block's arrays stay in the processor's cache
_IS_WORD = bytes(byte >= 0x80 or chr(byte).isalnum() or chr(byte) == "_" for byte in range(256))
_ALONE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_NOT_WORD = re.compile(r"[^\w\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0900-\u0963\u0966-\u0dff]")  # marks stay in words


@dataclass(frozen=True, slots=True)
class Signatures:
    """What is held in memory of n texts: 12 + 4 `BANDS` bytes each.

    ``words`` (n, int32): how many words. ``exact`` (n, uint64): equal for texts that are equal but for case,
    punctuation and whitespace. ``bands`` (n x `BANDS`, uint32): MinHash band keys.
    """

    words: NDArray[np.int32]
    exact: U64
    bands: U32

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, slots=True)
class Signed(Signatures):
    """Signatures, and the shingle hashes they were made of, which may be kept on disk.

    ``shingles`` (flat, uint64) and ``offsets`` (n + 1): those of text i are ``shingles[offsets[i]:offsets[i + 1]]``,
    in the order of the text and with repeats.
    """

    shingles: U64
    offsets: I64

    def of(self, rows: I64) -> tuple[U64, I64]:
        """Return the shingle hashes of some texts, flat, and their offsets; what `near` asks for."""
        return take_ranges(self.shingles, self.offsets, rows)


def sign(texts: Sequence[str], shingle_words: int = SHINGLE_WORDS) -> Signed:
    """Return the signatures of texts, in their order. No texts give arrays of length 0.

    A text shorter than one shingle is its own single shingle; a text without a word has no shingle and band keys 0,
    and its ``exact`` is hashed from its characters without whitespace. Signing in chunks and joining gives the same.
    """
    rows = len(texts)
    words, exact = np.empty(rows, np.int32), np.empty(rows, np.uint64)
    bands, sizes = np.empty((rows, BANDS), np.uint32), np.zeros(rows + 1, np.int64)
    flat = _Growing(sum(map(len, texts)) // 3 + rows)
    row = 0
    for block in _blocks(texts):
        part, here = _sign_block(block, shingle_words), slice(row, row + len(block))
        words[here], exact[here], bands[here] = part.words, part.exact, part.bands
        sizes[row + 1 : row + 1 + len(block)] = np.diff(part.offsets)
        flat.add(part.shingles)
        row += len(block)
    return Signed(words, exact, bands, flat.all(), np.cumsum(sizes))


def shingle_hashes(texts: Sequence[str], shingle_words: int = SHINGLE_WORDS) -> tuple[U64, I64]:
    """Return the shingle hashes of texts, flat (uint64), and offsets (len(texts) + 1)."""
    flat, counts = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)]
    for block in _blocks(texts):
        hashes, offsets = word_hashes(block)
        shingles, shingle_offsets = _shingles(hashes, offsets, shingle_words)
        flat.append(shingles)
        counts.append(np.diff(shingle_offsets))
    return np.concatenate(flat), np.cumsum(np.concatenate(counts))


def take_ranges(flat: NDArray[Any], offsets: I64, rows: I64) -> tuple[NDArray[Any], I64]:
    """Return the stretches of ``flat`` that belong to ``rows``, joined, and their offsets; works on a memory map."""
    lengths = offsets[rows + 1] - offsets[rows]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    where = np.repeat(offsets[rows] - ends[:-1], lengths) + np.arange(ends[-1])
    return np.asarray(flat[where]), ends


def normal_words(text: str) -> str:
    """Return text whose words are the runs of word characters: what `word_hashes` sees of it.

    ASCII is returned as it is. Elsewhere: compatibility forms (NFKC), case folded, other characters as spaces, and
    signs of scripts written without spaces (Chinese, Japanese, Thai, ...) as words of their own.
    """
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text).casefold()
    return _NOT_WORD.sub(" ", _ALONE.sub(r" \g<0> ", text))


def word_hashes(texts: Sequence[str]) -> tuple[U64, I64]:
    """Return the 64-bit hashes of all words of texts, flat and in order, and offsets (len(texts) + 1)."""
    together = "\n".join(texts)
    if not together.isascii():
        texts = [normal_words(text) for text in texts]
        together = "\n".join(texts)
    joined = b"".join([b"\n", together.encode().lower(), PAD])
    sizes = map(len, texts if together.isascii() else [text.encode() for text in texts])
    ends = np.cumsum(np.fromiter(sizes, np.int64, len(texts)) + 1)
    inside = np.frombuffer(joined.translate(_IS_WORD), np.bool_)
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, stops = edges[0::2] + 1, edges[1::2] + 1
    offsets = np.concatenate([np.zeros(1, np.int64), np.searchsorted(starts, ends)])
    return hash_spans(joined, starts, stops - starts), offsets


def _blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield stretches of texts of about ``_BLOCK_BYTES`` characters."""
    sizes = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    start = 0
    while start < len(texts):
        before = sizes[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(sizes, before + _BLOCK_BYTES, side="right")))
        yield texts[start:stop]
        start = stop


class _Growing:
    """Hashes put one after the other into memory that is set aside at once: fresh memory is slow to come by."""

    def __init__(self, capacity: int) -> None:
        self._values, self._size = np.empty(capacity, np.uint64), 0

    def add(self, values: U64) -> None:
        if self._size + len(values) > len(self._values):
            larger = np.empty(2 * (self._size + len(values)), np.uint64)
            larger[: self._size] = self._values[: self._size]
            self._values = larger
        self._values[self._size : self._size + len(values)] = values
        self._size += len(values)

    def all(self) -> U64:
        """Return what was added; what was set aside for more is given back."""
        self._values.resize(self._size, refcheck=False)
        return self._values


def _sign_block(texts: Sequence[str], shingle_words: int) -> Signed:
    hashes, offsets = word_hashes(texts)
    shingles, shingle_offsets = _shingles(hashes, offsets, shingle_words)
    words = np.diff(offsets).astype(np.int32)
    exact = in_order(hashes, offsets)
    for row in np.flatnonzero(words == 0).tolist():
        exact[row] = in_order(*word_characters(texts[row]))[0]
    return Signed(words, exact, band_keys(shingles, shingle_offsets), shingles, shingle_offsets)


def word_characters(text: str) -> tuple[U64, I64]:
    """Return the characters of a text without whitespace as if each were a word: for texts that have none."""
    codes = np.array([ord(one) for one in text if not one.isspace()], np.uint64)
    return mixed(codes + np.uint64(1)), np.array([0, len(codes)])


def in_order(hashes: U64, offsets: I64) -> U64:
    """Return one hash per row of its words in their order; rows of no word get 0 words' hash."""
    lengths = np.diff(offsets)
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    powers = np.full(int(lengths.max(initial=0)) + 1, MULTIPLY, np.uint64)
    powers[0] = 1
    filled = np.flatnonzero(lengths)
    sums = lengths.astype(np.uint64)
    if len(filled):
        sums[filled] += np.add.reduceat(hashes * np.multiply.accumulate(powers)[place], offsets[:-1][filled])
    return mixed(sums)


def _shingles(hashes: U64, offsets: I64, size: int) -> tuple[U64, I64]:
    """Return the hashes of runs of ``size`` words; a shorter row is one run of all its words."""
    lengths = np.diff(offsets)
    counts = np.maximum(lengths - size + 1, np.minimum(lengths, 1))
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    runs = hashes.copy()
    for step in range(1, size):
        runs *= MULTIPLY
        runs[: max(len(runs) - step, 0)] += hashes[step:]
    where = np.repeat(offsets[:-1] - ends[:-1], counts) + np.arange(ends[-1])
    shingles = runs[where]
    short = np.flatnonzero((lengths > 0) & (lengths < size))
    if len(short):
        words, word_ends = take_ranges(hashes, offsets, short)
        shingles[ends[short]] = in_order(words, word_ends)
    return mixed(shingles), ends


_TIMES = mixed(np.arange(1, BANDS * BAND_ROWS // 2 + 1, dtype=np.uint64)).astype(np.uint32) | np.uint32(1)


def band_keys(shingles: U64, offsets: I64) -> U32:
    """Return the MinHash band keys (rows x `BANDS`, uint32) of flat shingle hashes; a row without any has zeros.

    A permutation is a product with an odd number modulo 2^32, of the upper half of a shingle's hash for one half of
    the bands and of the lower half for the other: the hashes are mixed, so the products are as good as random. The
    lowest and the highest of a row's products are as good as two minima (drawn without putting back); they go into
    two bands.
    """
    filled = np.flatnonzero(np.diff(offsets))
    keys = np.zeros((len(offsets) - 1, BANDS), np.uint32)
    if not len(filled):
        return keys
    starts = offsets[:-1][filled]
    halves = [(shingles >> np.uint64(32)).astype(np.uint32), shingles.astype(np.uint32)]
    minima = np.empty((BAND_ROWS, BANDS, len(filled)), np.uint32)
    products = np.empty_like(halves[0])
    for row, pair in np.ndindex(BAND_ROWS, BANDS // 2):
        np.multiply(halves[pair % 2], _TIMES[row * BANDS // 2 + pair], out=products)
        np.minimum.reduceat(products, starts, out=minima[row, 2 * pair])
        np.maximum.reduceat(products, starts, out=minima[row, 2 * pair + 1])
    joined = np.zeros((BANDS, len(filled)), np.uint64)
    for row in minima:
        joined = (joined ^ row) * MULTIPLY
        joined ^= joined >> np.uint64(29)
    keys[filled] = (joined >> np.uint64(32)).T
    return keys
