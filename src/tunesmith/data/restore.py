"""Undo removals: rows and rules to let be, in ``restore.yaml`` beside the recipe; part of the next Dataset's id.

Owns that file. Does not own the rules, which ask whether a row is restored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tunesmith.core.errors import ArtifactError, DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact

FILE = "restore.yaml"
NOT_EXAMPLES = frozenset({
    "invalid_csv", "ragged_row", "invalid_json", "not_an_object", "wrong_format", "unknown_role", "unsupported_content",
    "roles", "empty_input", "empty_answer", "no_weight", "bad_weight", "not_json", "unknown_label", "no_rejected",
    "same_answers", "not_rendered",
})  # fmt: skip
"""Rules whose rows cannot be read or have nothing to learn: there is no example to bring back."""

HELD_OUT_FIRST = frozenset({"leak", "near_leak", "contaminated"})
"""Rules whose rows are examples, but would make the test easier than the world: they stay out."""


@dataclass(frozen=True)
class Restored:
    """What the user wants back: single rows, and all rows that some rules removed."""

    rows: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()

    def keeps(self, row_id: str, rule: str) -> bool:
        """Tell whether a row that ``rule`` would remove stays."""
        return is_restorable(rule) and (row_id in self.rows or rule in self.rules)

    def lost(self, row_ids: Iterable[str]) -> list[str]:
        """Return a sentence for each row that is wanted back and is not among the ids of all rows that were read."""
        return [
            f"{FILE}: row {row_id} is in no file any more: it was changed, or stands in another line. Restore it anew"
            for row_id in sorted(self.rows.difference(row_ids))
        ]

    def as_config(self) -> dict[str, list[str]]:
        """Return both as sorted lists, for the id of the Dataset."""
        return {"rows": sorted(self.rows), "rules": sorted(self.rules)}


def is_restorable(rule: str) -> bool:
    """Tell whether rows removed by a rule can come back."""
    return rule not in NOT_EXAMPLES and rule not in HELD_OUT_FIRST


def restore_row(dataset: Artifact, row_id: str, recipe_dir: Path) -> Path:
    """Note in ``restore.yaml`` that a removed row shall stay, and return the file. Noting it twice changes nothing.

    Raises:
        ArtifactError: if the Dataset removed no such row, or more than one id begins so.
        DataError: if the row cannot be an example, or would leak the test into training.
    """
    import polars as pl

    removed = pl.read_parquet(dataset.path / "removed.parquet")
    found = removed.filter(pl.col("row_id").str.starts_with(row_id)).to_dicts() if row_id else []
    if len(found) != 1:
        what = f"{len(found)} removed rows begin with {row_id!r}" if found else f"no removed row {row_id!r}"
        raise ArtifactError(f"{dataset.id}: {what}", hint=f"{dataset.path / 'report.html'} lists the removed rows")
    row = found[0]
    if not is_restorable(row["rule"]):
        _refuse(f"row {row['row_id']} ({row['source']}:{row['line']}) was removed by {row['rule']}: it", row["rule"])
    return _note(recipe_dir, "rows", row["row_id"], f"{row['rule']} {row['source']}:{row['line']}")


def restore_rule(dataset: Artifact, rule: str, recipe_dir: Path) -> Path:
    """Note in ``restore.yaml`` that no row shall be removed by a rule, and return the file.

    Raises:
        ArtifactError: if the Dataset removed no row by that rule.
        DataError: if rows removed by it cannot come back.
    """
    removed_by = dataset.result["removed_by"]
    if rule not in removed_by:
        raise ArtifactError(f"{dataset.id}: no row was removed by {rule!r}", hint=did_you_mean(rule, removed_by))
    if not is_restorable(rule):
        _refuse(f"rows removed by {rule}", rule)
    return _note(recipe_dir, "rules", rule, f"{removed_by[rule]} rows of {dataset.id}")


def _refuse(what: str, rule: str) -> None:
    leaks = rule in HELD_OUT_FIRST
    raise DataError(
        f"{what} cannot be restored: " + ("the test would leak into training" if leaks else "it is no example"),
        expected="a row that was removed as noise, duplicate or not fitting",
        hint="remove its twin from the held-out file" if leaks else "correct it in its file; prepare sees the change",
    )


def _note(recipe_dir: Path, kind: str, name: str, why: str) -> Path:
    file = recipe_dir / FILE
    notes = _read(file)
    notes[kind][name] = why
    text = yaml.safe_dump({key: value for key, value in notes.items() if value}, allow_unicode=True)
    file.write_text(text, encoding="utf-8")
    return file


def restored(recipe_dir: Path) -> Restored:
    """Return what is noted in ``restore.yaml``; without that file, nothing.

    Raises:
        DataError: if the file is damaged.
    """
    notes = _read(recipe_dir / FILE)
    return Restored(frozenset(notes["rows"]), frozenset(notes["rules"]))


def _read(file: Path) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {"rows": {}, "rules": {}}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not set(content) <= {"rows", "rules"}:
            raise KeyError("rows, rules")
        return {
            kind: {str(name): str(why) for name, why in (content.get(kind) or {}).items()} for kind in ("rows", "rules")
        }
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a list of restored rows ({type(error).__name__})",
            expected="rows: {row id: why} and rules: {rule: why}",
            hint="delete it, or write it with tunesmith restore ID ROW",
        ) from error
