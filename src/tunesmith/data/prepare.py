"""The prepare stage: from the recipe's files to a Dataset, with every row either in a split or in ``removed.parquet``.

Owns the order of the steps and the Dataset's files. Does not own any step: reading (`sources`, `read`, `formats`),
noise and personal data (`clean`), single rows (`check`), several rows (`dedup`), held-out rows (`split`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tunesmith.core.artifacts import Artifact, Draft, Plan, Workspace
from tunesmith.core.clock import monotonic_s
from tunesmith.core.errors import DataError
from tunesmith.core.progress import say
from tunesmith.data.check import check_labels, check_row
from tunesmith.data.clean import Cleaner
from tunesmith.data.columns import need_column
from tunesmith.data.dedup import deduplicate
from tunesmith.data.formats import converter
from tunesmith.data.read import Table, read
from tunesmith.data.restore import restored_rows
from tunesmith.data.rows import (
    EXAMPLE_COLUMNS,
    SPLITS,
    Removed,
    Row,
    RowFault,
    frame_of,
    removed_frame,
    repair_frame,
    row_id_of,
    shortened,
    to_json,
)
from tunesmith.data.sources import Source, distinct_labels, expand
from tunesmith.data.split import split
from tunesmith.data.verdicts import verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.recipe import Recipe

CODE = "prepare-1"
"""Version of what this stage makes of the same files; part of every Dataset's id."""

_NOISE_RULES = frozenset({"encoding", "html", "control", "whitespace"})


@dataclass
class Work:
    """Rows on their way: those still in, those removed, and sentences people should read."""

    recipe: Recipe
    cleaner: Cleaner
    restored: frozenset[str] = frozenset()
    rows: list[Row] = field(default_factory=list)
    removed: list[Removed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    read: int = 0
    conflicts: int = 0


def prepare(recipe: Recipe, workspace: Workspace, *, recipe_dir: Path) -> Artifact:
    """Make the Dataset of a recipe, or return it if it is already there.

    Raises:
        DataError: if a file cannot be what the recipe says, or too little is left to train on.
        RecipeError: if a path of the recipe is no path.
    """
    sources = _sources(recipe, recipe_dir)
    restored = restored_rows(recipe_dir)
    plan = _plan(recipe, sources, restored)
    if (done := workspace.find(plan.id)) is not None:
        return done
    started_s = monotonic_s()
    work = gather(recipe, sources, restored)
    parts = split(work.rows, recipe.data.split, recipe.seed)
    with workspace.draft(plan) as draft:
        _write(work, parts, draft)
        draft.result["seconds"] = round(monotonic_s() - started_s, 2)
    return workspace.get(plan.id)


def _sources(recipe: Recipe, recipe_dir: Path) -> dict[str, list[Source]]:
    lists = {"train": recipe.data.train, "valid": recipe.data.valid, "test": recipe.data.test}
    return distinct_labels({part: expand(entries, recipe_dir, f"data.{part}") for part, entries in lists.items()})


def _plan(recipe: Recipe, sources: dict[str, list[Source]], restored: frozenset[str]) -> Plan:
    settings = recipe.data.model_dump(mode="json", exclude={"train", "valid", "test"})
    inputs = {f"{part}:{source.label}": source.digest for part, own in sources.items() for source in own}
    return Plan(
        name=recipe.name,
        stage="dataset",
        config={"task": recipe.task, "data": settings, "restored": sorted(restored)},
        given=recipe.given(),
        inputs=inputs,
        code=CODE,
        seed=recipe.seed,
    )


def gather(recipe: Recipe, sources: dict[str, list[Source]], restored: frozenset[str] = frozenset()) -> Work:
    """Read, clean and check every row, then drop duplicates; nothing is written.

    Raises:
        DataError: as `prepare`.
    """
    work = Work(recipe, Cleaner(recipe), restored)
    for part, own in sources.items():
        for source in own:
            _add_file(work, source, part)
    if not any(row.part == "train" for row in work.rows):
        raise DataError(f"{', '.join(recipe.data.train)}: no usable row is left", expected="at least ten usable rows")
    found = deduplicate(work.rows, recipe.data.dedup, restored)
    work.rows, work.conflicts = found.rows, found.conflicts
    work.removed += [_without_pii(work, removed) for removed in found.removed]
    if recipe.task == "classify":
        work.notes += check_labels(work.rows, recipe)
    return work


def _add_file(work: Work, source: Source, part: str) -> None:
    table = read(source)
    convert, how = converter(table, work.recipe)
    say(f"  {source.label}: {len(table.rows) + len(table.bad):,} rows, {how}")
    _need_group(work.recipe, table)
    work.read += len(table.rows) + len(table.bad)
    for bad in table.bad:
        row_id = row_id_of(source.label, bad.line, bad.text)
        text = shortened(work.cleaner.safe(bad.text))
        work.removed.append(Removed(row_id, source.label, bad.line, bad.rule, bad.evidence, text))
    before, faults = len(work.rows), []
    for raw in table.rows:
        original = to_json(raw.fields)
        row_id = row_id_of(source.label, raw.line, original)
        try:
            row = convert(raw.fields)
            row.row_id, row.source, row.line, row.part = row_id, source.label, raw.line, part
            row.original = original
            row.group = row.group or _group_of(work.recipe, raw.fields)
            _usable(work, row)
        except RowFault as fault:
            text = shortened(work.cleaner.safe(original))
            faults.append(Removed(row_id, source.label, raw.line, fault.rule, fault.evidence, text))
        else:
            work.rows.append(row)
    work.removed += faults
    if len(work.rows) == before:
        _refuse_file(source, faults)


def _usable(work: Work, row: Row) -> None:
    """Repair and check one row; a restored row stays although it is noisy."""
    try:
        work.cleaner.clean(row)
    except RowFault as fault:
        if row.row_id not in work.restored or fault.rule not in _NOISE_RULES:
            raise
    check_row(row, work.recipe)


def _need_group(recipe: Recipe, table: Table) -> None:
    if recipe.data.split.group_by is not None:
        need_column(recipe.data.split.group_by, table.columns, table.label, "data.split.group_by")


def _group_of(recipe: Recipe, fields: dict[str, Any]) -> str | None:
    name = recipe.data.split.group_by
    value = None if name is None else fields.get(name)
    return None if value in (None, "") else str(value)


def _refuse_file(source: Source, faults: list[Removed]) -> None:
    first = faults[0]
    evidence = ", ".join(f"{key}: {value}" for key, value in first.evidence.items())
    raise DataError(
        f"{source.label}: none of {len(faults):,} rows is usable; the first, line {first.line}: {first.rule}"
        + (f" ({evidence})" if evidence else ""),
        expected="rows with a question and its right answer, for the recipe's task",
        hint="check task, data.format and data.columns in the recipe",
    )


def _without_pii(work: Work, removed: Removed) -> Removed:
    text = shortened(work.cleaner.safe(removed.text))
    return Removed(removed.row_id, removed.source, removed.line, removed.rule, removed.evidence, text)


def _write(work: Work, parts: dict[str, list[Row]], draft: Draft) -> None:
    from tunesmith.data.report import write_report

    for name in SPLITS:
        frame_of(parts[name]).select(list(EXAMPLE_COLUMNS)).write_parquet(draft.path / f"{name}.parquet")
    removed_frame(work.removed).write_parquet(draft.path / "removed.parquet")
    kept = {row.row_id for row in work.rows}
    repairs = [repair for repair in work.cleaner.repairs if repair.row_id in kept]
    repair_frame(repairs).write_parquet(draft.path / "repairs.parquet")
    if work.recipe.task == "classify":
        names = work.recipe.data.labels.names or sorted({row.label or "" for row in work.rows})
        text = json.dumps(names, ensure_ascii=False, indent=1)
        (draft.path / "labels.json").write_text(text + "\n", encoding="utf-8")
    draft.result = _result(work, parts, draft.id)
    draft.counts = {**draft.result["splits"], "removed": len(work.removed), "repairs": len(repairs)}
    write_report(draft.path / "report.html", work, parts, repairs, draft.result)


def _result(work: Work, parts: dict[str, list[Row]], dataset_id: str) -> dict[str, Any]:
    kept = sum(map(len, parts.values()))
    return {
        "dataset": dataset_id,
        "rows": {"read": work.read, "kept": kept, "removed": len(work.removed)},
        "removed_by": dict(sorted(Counter(removed.rule for removed in work.removed).items())),
        "repaired_by": dict(
            sorted(Counter(repair.rule for repair in work.cleaner.repairs if repair.after is not None).items())
        ),
        "conflicts": work.conflicts,
        "splits": {name: len(rows) for name, rows in parts.items()},
        "verdicts": verdicts(work.recipe, parts, work.read, work.removed, work.conflicts),
        "notes": work.notes,
    }
