"""What is done to each row by itself: convert, repair, judge, measure, sign; a piece of a file at a time.

Owns the order of these steps, the files a piece leaves in its folder, and which settings decide what is in them. Does
not own any step, nor anything that looks at two rows (`decide`). Runs in worker processes: what a piece leaves depends
on the piece and those settings alone, so the number of processes changes nothing, and no piece need be done twice
(`index`).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.errors import DataError
from tunesmith.data.asked import answered, asked
from tunesmith.data.check import check_row
from tunesmith.data.duplicates.facts import guard_key
from tunesmith.data.duplicates.shingles import SHINGLE_WORDS, sign
from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.noise.corpus import Habits
from tunesmith.data.noise.judge import Noise
from tunesmith.data.rows import (
    QUICK_ZSTD,
    BadRow,
    RawRow,
    Removed,
    Repair,
    Row,
    RowFault,
    compact_json,
    frame_of,
    removed_frame,
    repair_frame,
    row_id_of,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tunesmith.data.originals import Sealer
    from tunesmith.data.read.files import Piece
    from tunesmith.data.read.recognise import Meaning
    from tunesmith.data.restore import Restored
    from tunesmith.recipe import Recipe
    from tunesmith.text.lengths import LengthOf


SHINGLE_WORDS_OF = {"prompt": SHINGLE_WORDS, "answer": 2}
"""Words of a shingle. Answers are compared by pairs of words, which one changed word in ten does not hide; what is
alike by that is looked at closer (`alike`)."""

ENDINGS = {**dict.fromkeys(("rows", "removed", "repairs"), "parquet"), "originals": "enc"}
"""How the files end that a piece leaves; the rest are arrays."""

LATER: Any = {
    **dict.fromkeys(("train", "valid", "test", "processes", "memory", "dedup", "relevance"), True),
    **dict.fromkeys(("balance", "size", "decontaminate"), True),
    "labels": {"fix"},
    "split": {"valid", "test"},
    "privacy": {"originals"},
}
"""Settings of data that say nothing about a row by itself; all others, and those to come, do."""

FREE_ANSWERS = ("chat", "preference")
"""Tasks whose answers are texts of their own, worth comparing; labels and JSON repeat."""


@dataclass(frozen=True)
class Job:
    """A piece of a file to work on; ``number`` orders the pieces of all files, ``key`` names what becomes of it."""

    number: int
    key: str
    label: str
    part: str
    meaning: Meaning
    piece: Piece


@dataclass(frozen=True)
class Measure:
    """What lengths are measured with: the base whose tokenizer and template render, and the longest it can read."""

    base: str
    max_tokens: int | None


@dataclass(frozen=True)
class Done:
    """What became of a piece: rows read and kept, its part in the habits of the data, and the first removed row.

    ``ignored`` counts the kept rows with messages that have a key which is not read, by the key.
    """

    number: int
    key: str
    read: int
    kept: int
    habits: dict[str, Any]
    first_fault: Removed | None
    ignored: dict[str, int]

    @classmethod
    def of(cls, job: Job, note: dict[str, Any]) -> Done:
        """Return what became of a job from its `note`."""
        first = note["first_fault"]
        fault = Removed(**first) if first else None
        return cls(job.number, job.key, note["read"], note["kept"], note["habits"], fault, note["ignored"])

    def note(self) -> dict[str, Any]:
        """Return what is true of the piece wherever it stands among others."""
        return {name: value for name, value in asdict(self).items() if name not in ("number", "key")}


@dataclass
class _Yield:
    """Rows of a piece so far."""

    rows: list[Row] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    flags: list[Repair] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class RowWorker:
    """Works on pieces. It is sent to each process as the recipe it is made of, and builds its rules there."""

    recipe: Recipe
    restored: Restored
    measure: Measure | None
    sealer: Sealer | None = None

    def settings(self) -> dict[str, Any]:
        """Return all that decides what is done to a row, JSON-able; not what only decisions about all rows need."""
        from tunesmith.models.load import tokenizer_identity
        from tunesmith.text.names import pipeline_identity

        ner = self.recipe.data.privacy.ner
        lengths: dict[str, Any] = {}
        if self.measure is not None:
            lengths = {
                "tokenizer": tokenizer_identity(self.measure.base),
                "max_tokens": self.measure.max_tokens,
                "system": self.recipe.prompt.system,
                "template": self.recipe.prompt.template,
            }
        return {
            "task": self.recipe.task,
            "data": self.recipe.data.model_dump(mode="json", exclude=LATER),
            "ner": None if ner is None else pipeline_identity(ner),
            "restored": self.restored.as_config(),
            "lengths": lengths,
        }

    @cached_property
    def cleaner(self) -> Cleaner:
        """What repairs rows."""
        return Cleaner(self.recipe, self.restored)

    @cached_property
    def lenient(self) -> Cleaner:
        """What repairs rows that the user restored: as the recipe says, but it removes none."""
        clean = self.recipe.data.clean
        flags = {name: "flag" for name in type(clean).model_fields if getattr(clean, name) == "remove"}
        data = self.recipe.data.model_copy(update={"clean": clean.model_copy(update=flags)})
        return Cleaner(self.recipe.model_copy(update={"data": data}), self.restored)

    @cached_property
    def noise(self) -> Noise:
        """What judges rows."""
        return Noise(self.recipe)

    @cached_property
    def length_of(self) -> LengthOf:
        """What counts a row's tokens."""
        assert self.measure is not None
        return length_of(self.recipe, self.measure)

    def warm_up(self) -> None:
        """Build the rules and load the tokenizer."""
        _ = self.cleaner, self.noise, self.measure and self.length_of

    def __call__(self, job: Job, folder: Path) -> Done:
        """Do a piece and leave its files (`file_of`) in a folder: rows, removed, repairs, and signatures of prompts."""
        records = job.piece.records()
        self.cleaner.repairs.clear()
        self.cleaner.originals.clear()
        self.noise.habits = Habits()
        out = _Yield()
        for bad in records.bad:
            out.removed.append(self._unread(job, bad))
        self.cleaner.read_ahead(self._readable(job, records.rows))
        for raw in records.rows:
            self._row(job, raw, out)
        self._measure(out)
        self._write(folder, job.number, out)
        first = out.removed[len(records.bad)] if len(out.removed) > len(records.bad) else None
        read = len(records.rows) + len(records.bad)
        ignored = {self.cleaner.safe(key): count for key, count in sorted(out.ignored.items())}
        return Done(job.number, job.key, read, len(out.rows), asdict(self.noise.habits), first, ignored)

    def _unread(self, job: Job, bad: BadRow) -> Removed:
        row_id = row_id_of(job.label, bad.line, bad.text)
        text = shortened(self.cleaner.safe_removed(row_id, bad.text))
        return Removed(row_id, job.label, bad.line, bad.rule, bad.evidence, text)

    def _readable(self, job: Job, raws: Iterable[RawRow]) -> Iterator[Row]:
        """Yield the rows that their format allows."""
        for raw in raws:
            with contextlib.suppress(RowFault):
                yield job.meaning(raw.fields)

    def _row(self, job: Job, raw: RawRow, out: _Yield) -> None:
        original = compact_json(raw.fields)
        row_id = row_id_of(job.label, raw.line, original)
        before = len(self.cleaner.originals)
        try:
            row = job.meaning(raw.fields)
            row.row_id, row.source, row.line, row.part = row_id, job.label, raw.line, job.part
            row.group = self.cleaner.group_name(row.group or _group_of(self.recipe, raw.fields))
            row.kept = {name: raw.fields[name] for name in self.recipe.data.keep if name in raw.fields} or None
            self._judge(row, out)
        except RowFault as fault:
            del self.cleaner.originals[before:]  # its text is kept as it was read, with placeholders of its own
            text = shortened(self.cleaner.safe_removed(row_id, original))
            out.removed.append(Removed(row_id, job.label, raw.line, fault.rule, fault.evidence, text))
        else:
            out.rows.append(row)
            out.ignored.update(job.meaning.ignores(raw.fields))

    def _judge(self, row: Row, out: _Yield) -> None:
        """Repair and check a row; a restored row stays although a rule would remove it.

        Raises:
            RowFault: with the rule that removes it.
        """
        try:
            self.cleaner.clean(row)
        except RowFault as fault:
            if not self.restored.keeps(row.row_id, fault.rule):
                raise
            self.lenient.clean(row)  # what else is wrong with it is mended, personal data above all
            self.cleaner.take_over(self.lenient)
        check_row(row, self.recipe)
        for finding in self.noise.judge(row):
            removes = finding.action == "remove" and not self.restored.keeps(row.row_id, finding.rule)
            if removes and not finding.habit:
                raise RowFault(finding.rule, field=finding.field, **finding.evidence)
            out.flags.append(
                Repair(row.row_id, finding.field, finding.rule, "", None, finding.evidence, finding.habit, removes)
            )

    def _measure(self, out: _Yield) -> None:
        """Count tokens; remove rows that the base's template refuses, or whose answer would be cut."""
        if self.measure is None or not out.rows:
            return
        lengths = self.length_of([(row.messages, row.tools) for row in out.rows])
        rows, out.rows = out.rows, []
        longest = self.measure.max_tokens
        for row, found in zip(rows, lengths, strict=True):
            if isinstance(found, DataError):
                out.removed.append(self._removed(row, "not_rendered", {"error": found.message}))
                continue
            row.tokens, row.target_tokens = found
            if longest is None or row.tokens <= longest or self.restored.keeps(row.row_id, "too_long"):
                out.rows.append(row)
                continue
            evidence = {"tokens": row.tokens, "target_tokens": row.target_tokens, "max_tokens": longest}
            out.removed.append(self._removed(row, "too_long", evidence))

    def _removed(self, row: Row, rule: str, evidence: dict[str, Any]) -> Removed:
        text = shortened(self.cleaner.safe(compact_json(row.messages)))
        return Removed(row.row_id, row.source, row.line, rule, evidence, text)

    def _write(self, folder: Path, number: int, out: _Yield) -> None:
        """Write the files of a piece, everything in the order of its rows: where pieces end changes nothing."""
        repairs = [*self.cleaner.repairs, *out.flags]
        changed = {repair.row_id for repair in repairs if repair.after is not None}
        place = {row.row_id: at for at, row in enumerate(out.rows)}
        frame = frame_of(out.rows, changed)
        removed_frame(sorted(out.removed, key=lambda one: one.line)).write_parquet(file_of(folder, "removed"))
        repairs = sorted((one for one in repairs if one.row_id in place), key=lambda one: place[one.row_id])
        hints = {"habit": [one.habit for one in repairs], "removes": [one.removes for one in repairs]}
        whole = repair_frame(repairs).hstack(pl.DataFrame(hints, schema={"habit": pl.String, "removes": pl.Boolean}))
        whole.write_parquet(file_of(folder, "repairs"))
        texts = {"prompt": [asked(row.messages) for row in out.rows]}
        if self.recipe.task in FREE_ANSWERS:
            texts["answer"] = [answered(row.messages) for row in out.rows]
        for kind, own in texts.items():
            signed = sign(own, SHINGLE_WORDS_OF[kind])
            for name in ("bands", "shingles", "offsets"):
                np.save(file_of(folder, f"{kind}-{name}"), getattr(signed, name))
            facts = np.fromiter(map(guard_key, own), np.uint64, len(own))
            frame = frame.with_columns(
                pl.Series(f"{kind}_{name}", values)
                for name, values in (("exact", signed.exact), ("words", signed.words), ("facts", facts))
            )
        frame.write_parquet(file_of(folder, "rows"), compression_level=QUICK_ZSTD)
        if self.sealer is not None:
            sealed = self.sealer.seal(number, self.cleaner.originals)
            file_of(folder, "originals").write_text(sealed, encoding="utf-8")


def file_of(folder: Path, kind: str) -> Path:
    """Return the path of a kind of file in the folder of a piece."""
    return folder / f"{kind}.{ENDINGS.get(kind, 'npy')}"


def length_of(recipe: Recipe, measure: Measure) -> LengthOf:
    """Return what counts the tokens of conversations as the base renders them."""
    from tunesmith.models.load import load_tokenizer
    from tunesmith.text.chat import ensure_template
    from tunesmith.text.lengths import LengthOf
    from tunesmith.text.task import TaskSpec

    tokenizer = load_tokenizer(measure.base)
    ensure_template(tokenizer)
    return LengthOf(tokenizer, TaskSpec(recipe.task, (), recipe.prompt.system, recipe.prompt.template))


def _group_of(recipe: Recipe, fields: dict[str, Any]) -> str | None:
    name = recipe.data.split.group_by
    value = None if name is None else fields.get(name)
    return None if value in (None, "") or value != value else str(value)
