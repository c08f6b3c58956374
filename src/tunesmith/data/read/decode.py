"""Bytes of a file to text: unpack, refuse what is no text, find the encoding and say it when it is not UTF-8.

Owns compression and encodings. Does not own records (`files`). UTF-8 is streamed, so that a large file never lies in
memory; any other encoding is found by looking at the whole file.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import re
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, BinaryIO

from tunesmith.core.errors import DataError, MissingExtraError
from tunesmith.core.progress import say
from tunesmith.data.read.sources import PACKED, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.data.read.sources import Source

SAMPLE_BYTES = 1 << 18
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_MARKS = tuple(mark for mark, encoding in _BOMS if encoding != "utf-8-sig")
_MAGIC = (
    (b"\x1f\x8b", "gzip-packed data", "rename it so that it ends in .gz"),
    (b"BZh", "bzip2-packed data", "rename it so that it ends in .bz2"),
    (b"\xfd7zXZ\x00", "xz-packed data", "rename it so that it ends in .xz"),
    (b"\x28\xb5\x2f\xfd", "zstd-packed data", "rename it so that it ends in .zst"),
    (b"PAR1", "a Parquet file", "rename it so that it ends in .parquet"),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "unzip it, or save the sheet as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "save it as CSV in UTF-8"),
    (b"%PDF", "a PDF", "extract the examples to CSV or JSONL"),
    (b"\x89PNG", "an image", "name the file with the examples"),
    (b"\xff\xd8\xff", "an image", "name the file with the examples"),
    (b"SQLite format 3", "a SQLite database", "export the table as CSV"),
    (b"ARROW1", "an Arrow file", "save it as Parquet"),
    (b"\x7fELF", "a program", "name the file with the examples"),
    (b"\x80\x05\x95", "a Python pickle", "pickles are not read because they can run code; save it as JSONL or Parquet"),
    (b"\x80\x04\x95", "a Python pickle", "pickles are not read because they can run code; save it as JSONL or Parquet"),
)
_IN_USE = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "iso8859_2", "mac_roman", "cp850",
    "cp932", "euc_jp", "gb18030", "big5", "cp949",
)  # fmt: skip
"""Encodings that text files of today are in, the commonest first. A rare one often fits better, but by accident."""
MOST_OTHER_FRAC = 0.8
"""Of the lines beyond ASCII, the most that are not UTF-8 if the file is UTF-8 with lines of another origin. Of another
encoding a line is UTF-8 by accident: one in seven if it is one letter of Chinese, hardly any longer one."""
_ALPHABETS = tuple(map(set, (
    "àâæçéèêëîïôœùûüÿ", "äöüß", "áéíñóúüªº", "ãáâàçéêíóôõúü", "àèéìíîòóùú", "åäöæøéü", "ëéïöüèê", "áæðéíóöúýþ",
    "àçèéíïòóúü", "ąćęłńóśźż", "áäčďéěíĺľňóôřŕšťúůýž", "áéíóöőúüű", "ăâîşţșț", "čćđšž", "âçğıîöşüûi\u0307",
)))  # fmt: skip
"""Letters beyond a to z of French, German, Spanish, Portuguese, Italian, the Nordic languages, Dutch, Icelandic,
Catalan, Polish, Czech and Slovak, Hungarian, Romanian, Croatian and Slovene, Turkish."""
_C1 = re.compile("[\x80-\x9f]")
_SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])(?:[^\w\s\x00-\x7f’‘´·\u2010-\u2015…]|[¹²³¼½¾])(?=[^\W\d_])")
_MIXED_WORD = re.compile(r"[a-z][\u0370-\u1fff\u3040-\uffdc]|[\u0370-\u1fff\u3040-\uffdc][a-z]")


def ending_of(source: Source) -> str:
    """Return the ending of a file's name without that of its packing, in lower case; empty if it has none."""
    kinds, _ = _endings(source)
    return kinds[-1] if kinds else ""


def unpacked(source: Source) -> bytes:
    """Return a whole file's bytes, unpacked.

    Raises:
        DataError: if it is empty, cannot be read, or its packing is damaged.
        MissingExtraError: for ``.zst`` without the zstandard library.
    """
    with opened(source) as stream:
        data = stream.read()
    if not data.strip(b" \t\r\n"):
        _refuse_empty(source)
    return data


@contextlib.contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Yield a file's unpacked bytes as a stream; whatever goes wrong while reading is the user's error.

    Raises:
        DataError: if it cannot be read or its packing is damaged.
        MissingExtraError: for ``.zst`` without the zstandard library.
    """
    _, packings = _endings(source)
    with contextlib.ExitStack() as stack:
        try:
            stream: BinaryIO = stack.enter_context(source.path.open("rb"))
        except OSError as error:
            raise unreadable(source, error) from error
        source.place.follow(stream, source.bytes)
        try:
            for packing in packings:
                stream = stack.enter_context(_unpacking(stream, packing))
            yield stream
        except (OSError, EOFError, zlib.error, lzma.LZMAError, _ZstdError) as error:
            if not packings:
                raise unreadable(source, error) if isinstance(error, OSError) else error from error
            raise DataError(
                f"{source.label}: damaged or not really {packings[0]}: {error}",
                expected=f"a complete {packings[0]} file",
                hint="download or pack it again",
            ) from error


def _endings(source: Source) -> tuple[list[str], list[str]]:
    """Return a name's endings, and those of packings at its end, outermost first."""
    kinds, packings = [suffix.lower() for suffix in source.path.suffixes], []
    while kinds and kinds[-1] in PACKED:
        packings.append(kinds.pop())
    return kinds, packings


class _ZstdError(Exception):
    """A damaged zstd frame, whatever the library calls it."""


def _unpacking(stream: BinaryIO, packing: str) -> Any:
    if packing == ".gz":
        return gzip.open(stream)
    if packing == ".bz2":
        return bz2.open(stream)
    if packing == ".xz":
        return lzma.open(stream)
    return io.BufferedReader(_Zstd(stream), 1 << 20)


class _Zstd(io.RawIOBase):
    """Unpacks zstd frames one after another; a frame that ends too early is an error, not an end."""

    def __init__(self, stream: BinaryIO) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise MissingExtraError("zstd", "zstandard") from error
        self._library, self._packed = zstandard, stream
        self._frame: Any = None
        self._rest = self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and self._more():
            pass
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _more(self) -> bool:
        """Unpack another piece; tell whether there was one."""
        packed = self._rest or self._packed.read(1 << 17)
        self._rest = b""
        if not packed:
            if self._frame is not None:
                raise _ZstdError("it ends too early")
            return False
        self._frame = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            self._ready = self._frame.decompress(packed)
        except self._library.ZstdError as error:
            raise _ZstdError(str(error)) from error
        if self._frame.eof:
            self._rest, self._frame = self._frame.unused_data, None
        return True


def _refuse_empty(source: Source) -> None:
    raise DataError(f"{source.label}: the file is empty", expected="a file with examples")


@contextlib.contextmanager
def text_lines(source: Source, newline: str) -> Iterator[Iterator[str]]:
    """Yield a file's physical lines with their ends, streamed if it is UTF-8.

    Args:
        source: the file.
        newline: what ends a line: ``"\\n"`` alone, or ``""`` for ``\\n``, ``\\r`` and ``\\r\\n``.

    Raises:
        DataError: if it is empty, damaged, or no text in any encoding.
    """
    if not _is_utf8(source):
        text = decoded(unpacked(source), source.label)
        lines = io.StringIO(text, newline=newline)
        source.place.follow(lines, len(text))
        yield iter(lines)
        return
    with opened(source) as stream:
        yield io.TextIOWrapper(stream, encoding="utf-8-sig", newline=newline)


def _is_utf8(source: Source) -> bool:
    """Tell whether a whole file is UTF-8 text, with or without its mark; reads it once, in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    blank = True
    with opened(source) as stream:
        first = block = stream.read(SAMPLE_BYTES)
        refuse_binary(first, source.label)
        if first.startswith(_OTHER_MARKS) or _utf16_without_mark(first):
            return False
        try:
            while block:
                decoder.decode(block)
                if b"\0" in block:
                    return False
                blank = blank and not block.strip(b" \t\r\n")
                block = stream.read(SAMPLE_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    if blank:
        _refuse_empty(source)
    return True


def decoded(data: bytes, label: str) -> str:
    """Return bytes as text: by byte-order mark, as UTF-8, or in a detected encoding that is said aloud.

    Raises:
        DataError: if it is no text in any encoding.
    """
    for mark, marked in _BOMS:
        if data.startswith(mark):
            return _decode_as(data, marked, label)
    refuse_binary(data, label)
    if encoding := _utf16_without_mark(data):
        say(f"  {label}: not UTF-8; read as {encoding}, by the zero in every second byte")
        return _decode_as(data, encoding, label)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        text = _detected(data, label, error)
    _refuse_nul(text, label)
    return text


def _decode_as(data: bytes, encoding: str, label: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{label}: begins as {encoding} but byte {error.start:,} is not",
            expected="one encoding throughout",
            hint="save it again as UTF-8",
        ) from error
    _refuse_nul(text, label)
    return text.removeprefix("\ufeff")


def refuse_binary(data: bytes, label: str) -> None:
    """Raise a `DataError` that says what kind of file this is, if it is a known kind that is no text."""
    for magic, what, hint in _MAGIC:
        if data.startswith(magic):
            raise DataError(
                f"{label}: this is {what}", expected="CSV, TSV, JSONL, JSON or Parquet, as its name says", hint=hint
            )


def _refuse_nul(text: str, label: str) -> None:
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise DataError(
            f"{label}:{line}: a NUL byte: this is no text, or damaged",
            expected="text in UTF-8",
            hint=f"sed -n {line}p {label} | xxd shows it; tr -d '\\0' <{label} >clean writes the file without any",
        )


def _detected(data: bytes, label: str, error: UnicodeDecodeError) -> str:
    lines = data.split(b"\n")
    odd = [number for number, line in enumerate(lines) if not _decodes(line)]
    beyond_ascii = sum(not line.isascii() for line in lines)
    mixed = len(odd) <= MOST_OTHER_FRAC * beyond_ascii
    encoding = _guess(b"\n".join(lines[number] for number in odd) if mixed else data)
    line = odd[0] + 1
    if encoding is None:
        raise DataError(
            f"{label}:{line}: byte {error.start:,} is not UTF-8, and no other encoding fits: this is no text",
            expected="a text file, best in UTF-8",
            hint="iconv -f <its encoding> -t utf-8 converts it",
        )
    if not mixed:
        say(f"  {label}: not UTF-8 (line {line}); read as {encoding}. If letters look wrong, save it as UTF-8")
        return data.decode(encoding)
    others = f" and {len(odd) - 1:,} more" if len(odd) > 1 else ""
    say(f"  {label}: UTF-8, but for line {line}{others}, read as {encoding}. If letters look wrong, save all as UTF-8")
    for number in odd:
        lines[number] = lines[number].decode(encoding).encode()
    return b"\n".join(lines).decode()


def _decodes(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _utf16_without_mark(data: bytes) -> str | None:
    sample = data[:SAMPLE_BYTES]
    half = max(len(sample) // 2, 1)
    if sample[1::2].count(0) > 0.6 * half and sample[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if sample[0::2].count(0) > 0.6 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _guess(data: bytes) -> str | None:
    """Return the encoding in use that explains the whole file with the least oddness, or None.

    Among equals it is the commonest, then the one whose letters are likeliest.
    """
    control = sum(data.count(bytes([code])) for code in (*range(9), *range(14, 27), *range(28, 32)))
    if control > 0.001 * len(data) + 2:
        return None
    import charset_normalizer

    matches = charset_normalizer.from_bytes(data[:SAMPLE_BYTES], cp_isolation=list(_IN_USE))
    likely = sorted((one for match in matches for one in match.could_be_from_charset), key=_IN_USE[0].__ne__)
    fitting = [found for encoding in [*likely, "cp1252", "latin-1"] if (found := _fits(data, encoding))]
    return min(fitting, key=lambda found: _oddness(found[1]))[0] if fitting else None


def _fits(data: bytes, encoding: str) -> tuple[str, str] | None:
    """Return the encoding and the beginning of the text it gives, or None if some bytes mean nothing in it."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _C1.search(text) else (encoding, text[:SAMPLE_BYTES])


def _oddness(text: str) -> int:
    """Count what a right reading has none of: signs inside words (``Za¿ó³æ``), words in two scripts, and letters
    beyond the alphabet of the one language that explains most of them.
    """
    lower = text.lower()
    beyond = {one: n for one, n in Counter(lower).items() if "\x80" <= one < "\u0300" and one.isalpha()}
    foreign = min(sum(n for letter, n in beyond.items() if letter not in known) for known in _ALPHABETS)
    return foreign + len(_SIGN_IN_WORD.findall(text)) + len(_MIXED_WORD.findall(lower))
