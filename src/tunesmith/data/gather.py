"""All files of a recipe, row by row, into pieces on disk: the part of prepare that grows with the data.

Owns which file is read as what, what is refused as a whole, and the frame that holds what later steps need of every
row. Does not own what is done to a row (`rowwise`), the processes (`workers`), nor how pieces are kept (`index`).
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.core.progress import Pace, say, steps
from tunesmith.data.duplicates.shingles import take_ranges
from tunesmith.data.memory import processes_beside, processes_within, refuse_beyond
from tunesmith.data.noise.corpus import ANSWERED, Habits
from tunesmith.data.read.columns import need_column
from tunesmith.data.read.files import begin
from tunesmith.data.read.recognise import converter
from tunesmith.data.rows import Removed
from tunesmith.data.rowwise import Done, Job, RowWorker, file_of
from tunesmith.data.workers import in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tunesmith.core.progress import Bar
    from tunesmith.core.spans import I64, U64
    from tunesmith.data.index import Index
    from tunesmith.data.read.files import Table
    from tunesmith.data.read.recognise import Meaning
    from tunesmith.data.read.sources import Source
    from tunesmith.recipe import Recipe

SMALL_COLUMNS = (
    "row_id", "source", "line", "label", "group", "weight", "tokens", "target_tokens", "part", "prompt_key",
    "answer_key", "content", "chars", "repaired", "prompt_exact", "prompt_words", "prompt_facts", "answer_exact",
    "answer_words", "answer_facts",
)  # fmt: skip
"""What is held in memory of every row, about 170 bytes; texts stay on disk."""


SHOWN_FAULTS = 3


@dataclass
class Gathered:
    """Every row that is an example so far, in the order read, and where its text and signatures lie.

    ``scratch`` is the folder for what is decided about rows and true of this preparation alone; ``processes`` is how
    many may work on texts at once.
    """

    index: Index
    done: list[Done]
    scratch: Path
    processes: int = 1
    _amended: set[int] = field(default_factory=set)

    @property
    def read(self) -> int:
        """Records read."""
        return sum(done.read for done in self.done)

    @property
    def ignored(self) -> Counter[str]:
        """In how many rows messages have a key that is not read, by the key."""
        return sum((Counter(done.ignored) for done in self.done), Counter())

    @cached_property
    def starts(self) -> I64:
        """Index of the first row of each piece, and the number of rows at the end."""
        return np.cumsum([0, *(done.kept for done in self.done)])

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The small columns of all rows, one row each."""
        rows = self._all("rows")
        known = rows.collect_schema().names()
        return rows.select(name for name in SMALL_COLUMNS if name in known).collect()

    def bands(self, kind: str) -> Any:
        """Return the MinHash band keys of all prompts or answers (``kind`` is ``prompt`` or ``answer``)."""
        return np.concatenate([np.load(self._file(done, f"{kind}-bands")) for done in self.done])

    def removed(self) -> pl.DataFrame:
        """Return the rows removed while reading, with rule and evidence."""
        return self._all("removed").collect()

    def originals(self) -> list[Path]:
        """Return the sealed pieces of what was redacted."""
        return [self._file(done, "originals") for done in self.done]

    def repairs(self) -> pl.LazyFrame:
        """Return what was changed or flagged whatever the habits of the data are."""
        return self._all("repairs").filter(pl.col("habit") == "").drop("habit", "removes")

    def hints(self) -> pl.DataFrame:
        """Return what speaks against a row because of a habit that is counted row by row and that the data have, or may
        have (`corpus.ANSWERED`): as repairs, with ``habit`` and ``removes``.
        """
        habits = Habits()
        for done in self.done:
            habits.merge(Habits(**done.habits))
        hints = self._all("repairs").filter(pl.col("habit") != "").collect()
        held = [one for one in hints["habit"].unique() if one == ANSWERED or habits.trusts(one)]
        return hints.filter(pl.col("habit").is_in(held))

    def rows(self) -> pl.LazyFrame:
        """Return all columns of all rows."""
        return self._all("rows")

    def shingles(self, kind: str, rows: I64) -> tuple[U64, I64]:
        """Return the shingle hashes of the prompts or answers of some rows (ascending), flat, and their offsets."""
        flat, sizes = [np.zeros(0, np.uint64)], [np.zeros(1, np.int64)]
        for done, inside in self.by_piece(rows):
            stored = np.load(self._file(done, f"{kind}-shingles"), mmap_mode="r")
            part, offsets = take_ranges(stored, np.load(self._file(done, f"{kind}-offsets")), inside)
            flat.append(part)
            sizes.append(np.diff(offsets))
        return np.concatenate(flat), np.cumsum(np.concatenate(sizes))

    def ends(self, kind: str, rows: I64) -> tuple[U64, U64]:
        """Return the first and the last shingle hash of the prompts or answers of some rows (ascending); 0 of none."""
        parts = [np.zeros((0, 2), np.uint64)]
        for done, inside in self.by_piece(rows):
            stored = np.load(self._file(done, f"{kind}-shingles"), mmap_mode="r")
            offsets = np.load(self._file(done, f"{kind}-offsets"))
            found, filled = np.zeros((len(inside), 2), np.uint64), offsets[inside] < offsets[inside + 1]
            found[filled, 0] = stored[offsets[inside[filled]]]
            found[filled, 1] = stored[offsets[inside[filled] + 1] - 1]
            parts.append(found)
        first, last = np.concatenate(parts).T
        return first, last

    def amend(self, changed: pl.DataFrame) -> None:
        """Give some rows other values: ``changed`` has their index (``row``, ascending) and the columns that change.

        What was read stays as it is in the index, for the run that goes on from a killed one, and for the next.
        """
        taken = 0
        for done, inside in self.by_piece(changed["row"].to_numpy().astype(np.int64)):
            own = changed[taken : taken + len(inside)].with_columns(pl.Series("row", inside, pl.UInt32))
            taken += len(inside)
            piece = pl.read_parquet(self._file(done, "rows")).with_row_index("row")
            piece = piece.update(own, on="row", include_nulls=True).drop("row")
            piece.write_parquet(self._amended_file(done))
            self._amended.add(done.number)
        self.__dict__.pop("frame", None)

    def texts(self, rows: I64, columns: Sequence[str] = ("messages",)) -> pl.DataFrame:
        """Return text columns of some rows (ascending), in that order."""
        frames = []
        for done, inside in self.by_piece(rows):
            frame = pl.read_parquet(self._file(done, "rows"), columns=list(columns))
            frames.append(frame[inside])
        return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(columns, pl.String))

    def by_piece(self, rows: I64) -> Iterator[tuple[Done, I64]]:
        """Yield the pieces that some rows (ascending) are in, and the rows' places there."""
        cuts = np.searchsorted(rows, self.starts)
        for number, done in enumerate(self.done):
            inside = rows[cuts[number] : cuts[number + 1]]
            if len(inside):
                yield done, inside - self.starts[number]

    def rows_file(self, done: Done) -> Path:
        """Return the file of a piece's rows."""
        return self._file(done, "rows")

    def _file(self, done: Done, kind: str) -> Path:
        if kind == "rows" and done.number in self._amended:
            return self._amended_file(done)
        return file_of(self.index.path(done.key), kind)

    def _amended_file(self, done: Done) -> Path:
        return self.scratch / f"amended-{done.number:06}.parquet"

    def _all(self, kind: str) -> pl.LazyFrame:
        return pl.scan_parquet([self._file(done, kind) for done in self.done])


class _Reading:
    """What has come of the pieces so far, and how far that is."""

    def __init__(self, bar: Bar, size: int) -> None:
        self.known: dict[int, Done] = {}
        self.made: dict[int, Done] = {}
        self.bytes: dict[int, int] = {}
        self._bar, self._pace, self._rows = bar, Pace(size), 0

    def find(self, one: Done) -> None:
        """Take in a piece that was done before."""
        self.known[one.number] = one
        self._pace.skip(self.bytes[one.number])
        self._tell(one)

    def make(self, one: Done) -> None:
        """Take in a piece that was done now."""
        self.made[one.number] = one
        self._pace.work(self.bytes[one.number], one.read)
        self._tell(one)

    def of(self, file: _File) -> list[Done]:
        """Return what has come of the pieces of a file."""
        return [self.known.get(number) or self.made[number] for number in file.numbers]

    def _tell(self, one: Done) -> None:
        self._rows += one.read
        self._bar.advance(self.bytes[one.number], rows=self._rows, **self._pace.facts("rows"))


@dataclass
class _File:
    """What has come of one file."""

    source: Source
    read: int = 0
    kept: int = 0
    first_fault: Any = None
    numbers: list[int] = field(default_factory=list)


def gather(worker: RowWorker, sources: dict[str, list[Source]], index: Index, scratch: Path) -> Gathered:
    """Read, repair and judge every row of every file; pieces that are in the index are taken from there.

    Raises:
        DataError: if a file cannot be what the recipe says, or none of its rows can be used.
        RecipeError: if a path of the recipe is no path.
    """
    recipe, files = worker.recipe, list[_File]()
    size = _bytes(sources)
    with steps("reading", size or None, unit="bytes") as bar:
        reading = _Reading(bar, size)
        jobs = _new(_jobs(recipe, sources, files, index, reading.bytes), index, reading)
        first = list(itertools.islice(jobs, 2))
        wished = recipe.data.processes or os.cpu_count() or 1
        processes = processes_within(recipe.data, wished) if len(first) > 1 else 1
        in_processes(_Keeping(worker, index), itertools.chain(first, jobs), processes, reading.make)
    gathered = Gathered(index, [one for file in files for one in reading.of(file)], scratch)
    faults = gathered.removed().group_by("source", "rule").len().sort("len", "rule", descending=[True, False])
    for file in files:
        before = sum(one.read for one in reading.of(file) if one.number in reading.known)
        _settle(file, reading.of(file), before, faults.filter(pl.col("source") == file.source.label))
    refuse_beyond(recipe.data, gathered.read, size)
    gathered.processes = processes_beside(recipe.data, gathered.read, wished)
    if not (gathered.frame["part"] == "train").any():
        raise DataError(f"{', '.join(recipe.data.train)}: no usable row is left", expected="at least ten usable rows")
    return gathered


def _jobs(
    recipe: Recipe, sources: dict[str, list[Source]], files: list[_File], index: Index, sizes: dict[int, int]
) -> Iterator[Job]:
    """Yield all pieces of all files, noting in ``sizes`` about how many bytes of its file each takes."""
    size, columns = _bytes(sources), set[str]()
    for part, own in sources.items():
        for source in own:
            beginning, first, following = begin(source)
            columns.update(beginning.columns)
            with contextlib.closing(following):
                if not files:
                    refuse_beyond(recipe.data, _rows_about(source, beginning, size), size)
                meaning, before = _meaning_of(beginning, recipe), 0
                files.append(_File(source))
                for piece in itertools.chain(first, following):
                    number, so_far = len(sizes), round(source.place.frac * source.bytes)
                    sizes[number], before = so_far - before, so_far
                    files[-1].numbers.append(number)
                    key = index.key(source.label, part, asdict(meaning), piece.digest)
                    yield Job(number, key, source.label, part, meaning, piece)
    for name in recipe.data.keep:
        need_column(name, sorted(columns), "all files together", "data.keep")


def _meaning_of(beginning: Table, recipe: Recipe) -> Meaning:
    """Return what the records of a file mean, and say how that was recognised."""
    meaning, how = converter(beginning, recipe)
    if (column := recipe.data.split.group_by) is not None:
        need_column(column, beginning.columns, beginning.label, "data.split.group_by")
    say(f"  {beginning.label}: {how}")
    return meaning


def _bytes(sources: dict[str, list[Source]]) -> int:
    return sum(source.bytes for own in sources.values() for source in own)


def _rows_about(source: Source, beginning: Table, size: int) -> int:
    """Return how many rows are in ``size`` bytes if all files are like the beginning of one."""
    rows, read_bytes = len(beginning.rows) + len(beginning.bad), source.place.frac * source.bytes
    return round(rows * size / read_bytes) if read_bytes else rows


@dataclass(frozen=True)
class _Keeping:
    """Does a job and keeps what it makes."""

    worker: RowWorker
    index: Index

    def warm_up(self) -> None:
        """Do what all jobs need."""
        self.worker.warm_up()

    def __call__(self, job: Job) -> Done:
        return Done.of(job, self.index.add(job.key, lambda folder: self.worker(job, folder).note()))


def _new(jobs: Iterator[Job], index: Index, reading: _Reading) -> Iterator[Job]:
    """Yield the jobs that no earlier run has done; tell what became of the others."""
    for job in jobs:
        note = index.find(job.key)
        if note is None:
            yield job
        else:
            reading.find(Done.of(job, note))


def _settle(file: _File, done: list[Done], before: int, faults: pl.DataFrame) -> None:
    """Say what has come of a file (``faults``: its rules and how often, the commonest first); refuse one of no use."""
    file.read, file.kept = sum(one.read for one in done), sum(one.kept for one in done)
    told = f", of which {before:,} as prepared before" if before else ""
    why = ", ".join(f"{rule} {count:,}" for rule, count in faults.select("rule", "len").head(SHOWN_FAULTS).iter_rows())
    why = f" (removed: {why}{', …' if faults.height > SHOWN_FAULTS else ''})" if why else ""
    say(f"  {file.source.label}: {file.read:,} rows{told}, {file.kept:,} usable{why}")
    if file.kept:
        return
    first = next(one.first_fault for one in done if one.first_fault is not None)
    evidence = ", ".join(f"{key}: {value}" for key, value in first.evidence.items())
    expected, hint = _way_out(first)
    raise DataError(
        f"{file.source.label}: none of {file.read:,} rows is usable; the first, line {first.line}: {first.rule}"
        + (f" ({evidence})" if evidence else ""),
        expected=expected,
        hint=hint,
    )


def _way_out(first: Removed) -> tuple[str, str]:
    """Return what was expected of a file whose first row broke a rule, and what to try."""
    if first.rule == "too_long":
        longest = first.evidence["max_tokens"]
        return (
            f"rows of at most {longest} tokens, prompt and answer",
            "raise train.max_tokens, or choose a base with a longer context",
        )
    if first.rule == "unknown_label":
        return "labels that data.labels.names lists", "correct the list, or leave it out"
    return (
        "rows with a question and its right answer, for the recipe's task",
        "check task, data.format and data.columns in the recipe",
    )
