"""Training rows that contain an item of an evaluation file: removed, with the item and the span shown.

Owns what of an evaluation file is looked for (its questions), in which rows, and that what a piece of a file has of the
items is kept with it (`index`), so that only new pieces are scanned. Does not own the search (`contamination`).
Validation and test rows are left alone: they are not learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tunesmith.core.progress import steps
from tunesmith.data.asked import asked
from tunesmith.data.beside import records_of
from tunesmith.data.duplicates.contamination import Items
from tunesmith.data.duplicates.word_runs import Scan
from tunesmith.data.read.sources import expand
from tunesmith.data.rows import from_json, shortened
from tunesmith.data.workers import in_processes
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.core.spans import I64
    from tunesmith.data.fates import Fates
    from tunesmith.data.gather import Gathered
    from tunesmith.data.index import Index
    from tunesmith.data.read.sources import Source

SHOWN_CHARS = 300
FILE = "scan.npz"

ALONE_PIECES = 3
"""So many pieces are scanned in the time that other processes need to start."""


@dataclass(frozen=True)
class Item:
    """A question of an evaluation file and where it stands."""

    text: str
    at: str


def decontaminate(fates: Fates, gathered: Gathered, sources: Sequence[Source]) -> int:
    """Remove the living rows of train that contain an item (rule ``contaminated``); return how many items there are.

    Raises:
        DataError: if a file cannot be read, or nothing in it can be taken for a question.
    """
    items = [item for source in sources for item in items_of(source)]
    rows = fates.living("train")
    if not items or not len(rows):
        return len(items)
    index = Items([item.text for item in items])
    matches = index.matches(scans_of(gathered, rows, index), lambda some: _texts(gathered, rows[some]))
    texts = _texts(gathered, rows[np.array([match.row for match in matches], np.int64)])
    for match, text in zip(matches, texts, strict=True):
        item = items[match.item]
        evidence = {
            "item": item.at,
            "score": round(match.score, 3),
            "span": shortened(text[match.start : match.end], SHOWN_CHARS),
            "item_text": shortened(item.text, SHOWN_CHARS),
        }
        row = int(rows[match.row])
        if not fates.remove(row, "contaminated", evidence) and fates.alive[row]:
            fates.flag(row, "contaminated", evidence)
    return len(items)


def evaluation_files(entries: Sequence[str], recipe_dir: Path) -> list[Source]:
    """Return the files that ``data.decontaminate`` names.

    Raises:
        DataError: if one is not there.
    """
    return expand(entries, recipe_dir, "data.decontaminate")


def items_of(source: Source) -> list[Item]:
    """Return the questions of an evaluation file: user turns of a message format, or the column that bears the input.

    Raises:
        DataError: if it cannot be read, or no column can be told for the question.
    """
    found = records_of(source, "data.decontaminate")
    texts = ((line, one if isinstance(one, str) else one.input_text) for line, one in found)
    return [Item(text, f"{source.label}:{line}") for line, text in texts if text.strip()]


def scans_of(gathered: Gathered, rows: I64, items: Items) -> list[Scan]:
    """Return what some rows (ascending) have of the items, piece by piece; scanned are the pieces that never were."""
    parts = list(gathered.by_piece(rows))
    jobs = [_Job(_name(gathered.index, done.key, items), gathered.rows_file(done)) for done, _ in parts]
    new = [job for job in jobs if gathered.index.find(job.name) is None]
    if new:
        with steps("decontaminating", len(new)) as bar:
            processes = gathered.processes if len(new) > ALONE_PIECES else 1
            in_processes(_Scanner(gathered.index, items.texts), new, processes, lambda _: bar.advance())
    files = [gathered.index.path(job.name) / FILE for job in jobs]
    return [Scan.load(file).of(inside) for file, (_, inside) in zip(files, parts, strict=True)]


def _name(index: Index, piece: str, items: Items) -> str:
    return index.key("scan", piece, items.digest)


@dataclass(frozen=True)
class _Job:
    """A piece to scan: the name of what becomes of it in the index, and the file of its rows."""

    name: str
    rows: Path


@dataclass(frozen=True)
class _Scanner:
    """Scans pieces, in any process."""

    index: Index
    texts: Sequence[str]

    @cached_property
    def items(self) -> Items:
        """The items, indexed in the process that looks for them."""
        return Items(self.texts)

    def warm_up(self) -> None:
        """Index the items."""
        _ = self.items

    def __call__(self, job: _Job) -> None:
        """Scan all rows of a piece and keep what was found."""
        self.index.add(job.name, lambda folder: self._scan(job.rows, folder / FILE))

    def _scan(self, rows: Path, file: Path) -> dict[str, int]:
        messages = pl.read_parquet(rows, columns=["messages"])["messages"].to_list()
        pairs = [_exchange(one) for one in messages]
        self.items.scan([question for question, _ in pairs], [answer for _, answer in pairs]).save(file)
        return {"rows": len(pairs)}


def _exchange(messages: str) -> tuple[str, str]:
    parsed = from_json(messages)
    return asked(parsed, system=False), text_of(parsed[-1])


def _texts(gathered: Gathered, rows: I64) -> list[str]:
    order = np.argsort(rows, kind="stable")
    messages = gathered.texts(rows[order])["messages"].to_list()
    texts = [""] * len(rows)
    for place, one in zip(order.tolist(), messages, strict=True):
        texts[place] = "\n".join(_exchange(one))
    return texts
