"""Undo a removal: ids of rows to keep, in ``restore.yaml`` beside the recipe; part of the next Dataset's id.

Owns that file. Does not own the rules (`dedup`, `clean`), which ask whether a row is restored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from tunesmith.core.errors import ArtifactError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact

FILE = "restore.yaml"
RESTORABLE = ("duplicate", "conflict", "encoding", "html", "control", "whitespace")
"""Rules whose rows are examples as they stand; a row that cannot be read or has no answer is none."""


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
    if row["rule"] not in RESTORABLE:
        raise DataError(
            f"row {row['row_id']} ({row['source']}:{row['line']}) was removed by {row['rule']}: it cannot be restored",
            expected=f"a row removed by {', '.join(RESTORABLE)}",
            hint="correct it in its file; prepare sees the change",
        )
    file = recipe_dir / FILE
    ids = {**_read(file), row["row_id"]: f"{row['rule']} {row['source']}:{row['line']}"}
    file.write_text(yaml.safe_dump({"rows": ids}, allow_unicode=True), encoding="utf-8")
    return file


def restored_rows(recipe_dir: Path) -> frozenset[str]:
    """Return the ids noted in ``restore.yaml``; without that file, none."""
    return frozenset(_read(recipe_dir / FILE))


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    try:
        rows = yaml.safe_load(file.read_text(encoding="utf-8"))["rows"]
        return {str(row_id): str(why) for row_id, why in rows.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a list of restored rows ({type(error).__name__})",
            expected="rows: {row id: why}",
            hint="delete it, or write it with tunesmith restore ID ROW",
        ) from error
