"""Undo removals and repairs: rows and rules to let be, in ``restore.yaml`` beside the recipe, part of the Dataset's id.

Owns that file. Does not own the rules, which ask whether a row is restored.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tunesmith.core.errors import ArtifactError, DataError, did_you_mean
from tunesmith.data.report.words import known_rules

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

LEAKS = frozenset({"leak", "near_leak"})
"""Rules whose rows are examples, but would make the test easier than the world: they stay out."""

ROW_BY_ROW = frozenset({"contaminated"})
"""Rules that guard evaluations and may mistake a row: it comes back if it is named, and never all of them."""

REDACTED = frozenset({"pii", "secret"})
"""Repairs that take personal data and keys out: undone for a row only if they are named, and never for all rows."""

KINDS = ("rows", "rules", "repairs")
"""What ``restore.yaml`` may hold: removed rows, rules that remove none, and repaired rows or rules that repair none."""


@dataclass(frozen=True)
class Restored:
    """What the user wants back: single rows, all rows that some rules removed, and texts as they came.

    ``repairs`` holds ids of rows, names of rules, or both as ``id/rule``.
    """

    rows: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    repairs: frozenset[str] = frozenset()

    def keeps(self, row_id: str, rule: str) -> bool:
        """Tell whether a row that ``rule`` would remove stays."""
        return is_restorable(rule) and (row_id in self.rows or (rule in self.rules and rule not in ROW_BY_ROW))

    def undoes(self, row_id: str, rule: str) -> bool:
        """Tell whether what ``rule`` would repair in a row stays as it came."""
        if not self.repairs:
            return False
        named = {f"{row_id}/{rule}"} if rule in REDACTED else {f"{row_id}/{rule}", row_id, rule}
        return not named.isdisjoint(self.repairs)

    def lost(self, row_ids: Iterable[str]) -> list[str]:
        """Return a sentence for each row that is wanted back and is not among the ids of all rows that were read."""
        return [
            f"{FILE}: row {row_id} is in no file any more: it was changed, or stands in another line. Restore it anew"
            for row_id in sorted((self.rows | self._repaired_rows()).difference(row_ids))
        ]

    def in_vain(self, removed: Iterable[tuple[str, str]]) -> list[str]:
        """Return a sentence for each row that is wanted back and yet was removed, from pairs of row and rule."""
        return [
            f"{FILE}: row {row_id} stays out by {rule}: {_why_not(rule)}"
            for row_id, rule in sorted(removed)
            if row_id in self.rows
        ]

    def _repaired_rows(self) -> frozenset[str]:
        return frozenset(one.partition("/")[0] for one in self.repairs if one not in known_rules())

    def as_config(self) -> dict[str, list[str]]:
        """Return all as sorted lists, for the id of the Dataset."""
        return {kind: sorted(getattr(self, kind)) for kind in KINDS}


def is_restorable(rule: str) -> bool:
    """Tell whether rows removed by a rule can come back."""
    return rule not in NOT_EXAMPLES and rule not in LEAKS


def _why_not(rule: str) -> str:
    return "the test would leak into training" if rule in LEAKS else "it is no example"


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
        what = f"row {row['row_id']} ({row['source']}:{row['line']}) was removed by {row['rule']}: it"
        _refuse(what, row["rule"], json.loads(row["evidence"]).get("at"))
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
    if not is_restorable(rule) or rule in ROW_BY_ROW:
        _refuse(f"rows removed by {rule}", rule)
    return _note(recipe_dir, "rules", rule, f"{removed_by[rule]} rows of {dataset.id}")


def restore_repair(dataset: Artifact, what: str, recipe_dir: Path) -> Path:
    """Note in ``restore.yaml`` that a repaired row, or what a rule repaired, shall stay as it came; return the file.

    Args:
        dataset: holds the repairs.
        what: a row's id or its beginning, a rule, or both as ``id/rule``. A row alone keeps what is redacted redacted.
        recipe_dir: where the file lies.

    Raises:
        ArtifactError: if nothing of that name was repaired in the Dataset, or more than one id begins so.
        DataError: if the rule redacts and no row is named.
    """
    import polars as pl

    repairs = pl.read_parquet(dataset.path / "repairs.parquet").filter(pl.col("after").is_not_null())
    by_rule = dict(repairs["rule"].value_counts().iter_rows())
    if what in REDACTED:
        _refuse_redacted(what)
    if what in by_rule:
        return _note(recipe_dir, "repairs", what, f"{by_rule[what]} repairs of {dataset.id}")
    begin, _, rule = what.partition("/")
    found = repairs.filter(pl.col("row_id").str.starts_with(begin)) if begin else repairs.clear()
    if rule:
        found = found.filter(pl.col("rule") == rule)
    ids = found["row_id"].unique(maintain_order=True).to_list()
    if len(ids) != 1:
        told = f"{len(ids)} repaired rows begin with {begin!r}" if ids else f"nothing was repaired in or by {what!r}"
        raise ArtifactError(f"{dataset.id}: {told}", hint=f"{did_you_mean(what, by_rule)}, or a row of repairs.parquet")
    rules = sorted(set(found["rule"]))
    if not rule and set(rules) <= REDACTED:
        _refuse_redacted(rules[0], ids[0])
    return _note(recipe_dir, "repairs", f"{ids[0]}/{rule}" if rule else ids[0], ", ".join(rules))


def _refuse_redacted(rule: str, row_id: str = "ROW") -> None:
    setting = "data.privacy.pii" if rule == "pii" else "data.privacy.secrets"
    raise DataError(
        f"what {rule} redacted comes back only row by row, each named together with the rule",
        expected=f"--repair {row_id}/{rule}",
        hint=f"{setting}: flag leaves all of it in the rows",
    )


def _refuse(what: str, rule: str, twin: str | None = None) -> None:
    if rule in ROW_BY_ROW:
        raise DataError(
            f"{what} cannot be restored all at once: evaluation items would be learnt",
            expected="a row that holds no item after all, named: tunesmith restore ID ROW",
            hint="leave the file of the items out of data.decontaminate, if the model is not measured on it",
        )
    held_out = "correct it in its file; prepare sees the change"
    if rule in LEAKS:
        held_out = f"take its twin out of the held-out file{f', {twin}' if twin else ''}: then it is learnt"
    raise DataError(
        f"{what} cannot be restored: {_why_not(rule)}",
        expected="a row that was removed as noise, duplicate or not fitting",
        hint=held_out,
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
        DataError: if the file is damaged, or names a rule that there is not or that cannot be undone.
    """
    file = recipe_dir / FILE
    notes = _read(file)
    _refuse_unknown(f"{file}: rules", notes["rules"])
    _refuse_unknown(f"{file}: repairs", filter(None, map(_rule_in, notes["repairs"])))
    for rule in notes["rules"]:
        if not is_restorable(rule) or rule in ROW_BY_ROW:
            _refuse(f"{file}: rows removed by {rule}", rule)
    return Restored(**{kind: frozenset(notes[kind]) for kind in KINDS})


def _refuse_unknown(where: str, rules: Iterable[str]) -> None:
    for rule in rules:
        if rule not in known_rules():
            raise DataError(f"{where}: there is no rule {rule!r}", hint=did_you_mean(rule, known_rules()))


def _rule_in(repair: str) -> str:
    """Return the rule that a line of ``repairs`` names; empty for a row alone."""
    row, _, rule = repair.rpartition("/")
    return rule if row or not re.fullmatch("[0-9a-f]{16}", rule) else ""


def _read(file: Path) -> dict[str, dict[str, str]]:
    if not file.exists():
        return {kind: {} for kind in KINDS}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if unknown := set(content) - set(KINDS):
            raise KeyError(", ".join(sorted(map(str, unknown))))
        return {kind: {str(name): str(why) for name, why in (content.get(kind) or {}).items()} for kind in KINDS}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a list of restored rows ({type(error).__name__}: {str(error).splitlines()[0]})",
            expected="rows: {row id: why}, rules: {rule: why} and repairs: {row id or rule: why}",
            hint="delete it, or write it with tunesmith restore ID ROW",
        ) from error
