"""From what the recipe names (files, folders, globs, ``hf:<dataset>``) to the files to read, and their digests.

Owns expansion and the label a file is known by, which never holds a path of this machine. Does not own reading.
"""

from __future__ import annotations

import glob
import itertools
import os
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tunesmith.core.errors import DataError, RecipeError
from tunesmith.core.ids import digest_file
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HUB = "hf:"
KINDS = {".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet"}
PACKED = {".gz", ".bz2", ".xz", ".zst"}
MOST_LOOKED_AT, DEEPEST = 2_000, 2
"""Files looked at, and folders below, for one that was meant by a name that is not there."""


class Place:
    """How far the reading of a file is, for those who wait."""

    def __init__(self) -> None:
        self._stream: IO[Any] | None = None
        self._done, self._whole = 1, 1

    def follow(self, stream: IO[Any], whole: int) -> None:
        """Count by where a stream is, of ``whole`` in its own unit."""
        self._stream, self._whole = stream, max(whole, 1)

    def reach(self, done: int, whole: int) -> None:
        """Note that so much of the whole is read."""
        self._stream, self._done, self._whole = None, done, max(whole, 1)

    @property
    def frac(self) -> float:
        """Share that is read, in [0, 1]."""
        if self._stream is not None:
            self._done = self._whole if self._stream.closed else self._stream.tell()
        return min(self._done / self._whole, 1.0)


@dataclass(frozen=True, slots=True)
class Source:
    """One file (or dataset of the hub): where it is, the label it has in every artifact, how far it has been read."""

    label: str
    path: Path
    hub: str | None = None
    place: Place = field(default_factory=Place, compare=False, repr=False)

    @property
    def digest(self) -> str:
        """Hash of the content; of name, split and revision for a dataset of the hub."""
        if self.hub:
            from tunesmith.data.read.hub import fingerprint

            return fingerprint(self.hub)
        try:
            return digest_file(self.path)
        except OSError as error:
            raise unreadable(self, error) from error

    @property
    def identity(self) -> str | tuple[int, int]:
        """What two names of one file share: device and inode; the name itself for a dataset of the hub."""
        if self.hub:
            return self.hub
        place = self.path.stat()
        return place.st_dev, place.st_ino

    @property
    def bytes(self) -> int:
        """Size on disk; 0 for a dataset of the hub."""
        return 0 if self.hub else self.path.stat().st_size


def unreadable(source: Source, error: OSError) -> DataError:
    """Return the error for a file the system does not let us read."""
    reason = error.strerror or str(error)
    return DataError(
        f"{source.label}: cannot be read: {reason} ({source.path})",
        expected="a readable file",
        hint=f"ls -l {source.path} shows its owner and rights",
    )


def expand(entries: Sequence[str], recipe_dir: Path, key: str) -> list[Source]:
    """Return the files behind a list of the recipe (``key`` names it in errors), in the order given, each once.

    A file that several entries name, or a link to it, is read once, and that is said.

    Raises:
        DataError: if a path does not exist, or nothing readable is behind it.
        RecipeError: if an entry is empty.
    """
    found: dict[object, Source] = {}
    again = []
    for entry in entries:
        for source in _behind(entry, recipe_dir, key):
            if found.setdefault(source.identity, source) is not source:
                again.append(source.label)
    if again:
        say(f"  {key}: named more than once and read once: {', '.join(dict.fromkeys(again))[:200]}")
    return list(found.values())


def refuse_shared(parts: dict[str, list[Source]]) -> None:
    """Raise if a file is in two lists of the recipe; ``parts`` has the files of each by its key.

    Raises:
        RecipeError: naming the file and both keys.
    """
    owners: dict[object, tuple[str, Source]] = {}
    for key, sources in parts.items():
        for source in sources:
            owner, first = owners.setdefault(source.identity, (key, source))
            if owner != key:
                named = source.label if source.label == first.label else f"{source.label} ({first.label})"
                raise RecipeError(
                    f"{named} is in both {owner} and {key}",
                    expected="files of their own in each: what is learnt must not be what it is tested on",
                    hint=f"name the files of {owner} one by one, or with a glob that does not match {source.label}",
                )


def _behind(entry: str, recipe_dir: Path, key: str) -> list[Source]:
    if not entry.strip() or "\0" in entry:
        raise RecipeError(f"{key}: {entry!r} is no path", expected="files, folders, globs, or hf:<dataset>")
    if entry.startswith(HUB):
        name = entry.removeprefix(HUB)
        folder = recipe_dir / name.partition("@")[0]
        return [Source(entry, Path(entry), hub=str(recipe_dir / name) if folder.is_dir() else name)]
    try:
        path = Path(os.path.normpath(recipe_dir / Path(entry).expanduser()))
        path.lstat()
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError) as error:  # too long a name, no such user, no right to look
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        shown = entry if len(entry) <= 80 else f"{entry[:80]}…"
        raise DataError(f"{key}: {shown!r}: {reason}", expected="an existing file, folder or glob") from error
    if path.is_dir():
        return _in_folder(path, entry, recipe_dir, key)
    if path.exists() or not glob.has_magic(entry):
        return [_file(path, entry, recipe_dir, key)]
    return _in_glob(path, entry, recipe_dir, key)


def _file(path: Path, entry: str, recipe_dir: Path, key: str) -> Source:
    if not path.exists():
        raise DataError(
            f"{key}: no file {entry!r} ({path})",
            expected="an existing file, folder or glob",
            hint=nearest_file(path, recipe_dir),
        )
    if not path.is_file():
        raise DataError(f"{key}: {entry!r} is neither a file nor a folder", expected="a regular file")
    return Source(_label(path, recipe_dir), path)


def nearest_file(path: Path, folder: Path) -> str:
    """Return which file of examples may have been meant by one that is not there, as words for people.

    Looked for in ``folder``, from which paths are told, and below it; never in hidden folders or a workspace.
    """
    beside = itertools.islice(_examples(folder), MOST_LOOKED_AT)
    files = {file.relative_to(folder).as_posix(): file.name for file in beside}
    near = get_close_matches(path.name, set(files.values()), n=3, cutoff=0.6)
    if not near:
        there = f"; there are {', '.join(sorted(files)[:5])}" if files else ""
        return f"paths are relative to {folder}{there}"
    meant = [label for name in near for label in sorted(files) if files[label] == name]
    return f"did you mean {' or '.join(map(repr, meant[:3]))}?"


def _examples(folder: Path) -> Iterator[Path]:
    """Yield the files of examples in a folder and below, those of the folder itself first."""
    for here, inner, names in os.walk(folder):
        yield from (Path(here) / name for name in sorted(names) if name[0] != "." and is_known(Path(name)))
        if len(Path(here).relative_to(folder).parts) >= DEEPEST:
            inner.clear()
        inner[:] = sorted(one for one in inner if one[0] != "." and not (Path(here) / one / "artifacts").is_dir())


def _in_folder(folder: Path, entry: str, recipe_dir: Path, key: str) -> list[Source]:
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    except OSError as error:
        raise unreadable(Source(entry, folder), error) from error
    known = [path for path in files if is_known(path)]
    if not known:
        raise DataError(
            f"{key}: the folder {entry!r} holds no file of examples ({len(files)} other files)",
            expected="files ending in " + ", ".join(sorted(KINDS)) + ", plain or packed",
            hint="name a folder or file with examples in the recipe",
        )
    if len(files) > len(known):
        others = ", ".join(path.name for path in files if path not in known)
        say(f"  {entry}: {len(files) - len(known)} file(s) of other kinds not read: {others[:200]}")
    return [Source(_label(path, recipe_dir), path) for path in known]


def _in_glob(pattern: Path, entry: str, recipe_dir: Path, key: str) -> list[Source]:
    paths = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))  # noqa: PTH207 absolute patterns
    files = [path for path in paths if path.is_file()]
    if not files:
        raise DataError(
            f"{key}: nothing matches {entry!r} ({pattern})",
            expected="a glob such as data/*.jsonl that matches files",
            hint="globs are relative to the recipe's folder",
        )
    return [Source(_label(path, recipe_dir), path) for path in files]


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def is_known(path: Path) -> bool:
    """Tell whether a file's name ends in a kind we read, plain or packed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in KINDS


def _label(path: Path, recipe_dir: Path) -> str:
    """Return the path from the recipe's folder; outside it the bare name, so that no id depends on a place."""
    absolute, base = path.resolve(), recipe_dir.resolve()
    return absolute.relative_to(base).as_posix() if absolute.is_relative_to(base) else absolute.name


def distinct_labels(parts: dict[str, list[Source]]) -> dict[str, list[Source]]:
    """Give files of equal names in different folders labels of their own (``train.csv``, ``train.csv#2``)."""
    owners: dict[str, Path] = {}
    named: dict[str, list[Source]] = {}
    for part, sources in parts.items():
        named[part] = []
        for source in sources:
            label, number = source.label, 1
            while owners.setdefault(label, source.path) != source.path:
                number += 1
                label = f"{source.label}#{number}"
            named[part].append(Source(label, source.path, source.hub))
    return named
