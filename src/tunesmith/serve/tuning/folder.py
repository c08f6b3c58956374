"""The folder of a job: its recipe, its rows, and what its worker writes.

Owns where they lie and that they are on disk for sure before the store knows the job. Does not own what the worker
writes (`progress`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from tunesmith.core.disk import fsync
from tunesmith.serve.tuning import LOCK
from tunesmith.serve.tuning.recipe import TRAIN_FILE, VALID_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.recipe import Recipe

FORGOTTEN_S = 3600
"""Age from which on a folder whose job the store does not know is what a crash left."""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    @property
    def recipe(self) -> Path:
        """What to train."""
        return self.path / "recipe.yaml"

    @property
    def progress(self) -> Path:
        """What the worker tells, a JSON object a line."""
        return self.path / "progress.jsonl"

    @property
    def log(self) -> Path:
        """What the worker says to people."""
        return self.path / "worker.log"

    @property
    def lock(self) -> Path:
        """Held by the worker, with its process id in it."""
        return self.path / LOCK

    def fill(self, recipe: Recipe, train: Path, valid: Path | None) -> None:
        """Write the recipe and keep the rows, also if their file is deleted meanwhile.

        Raises:
            OSError: if the disk refuses; then nothing is left.
        """
        try:
            self.path.mkdir(parents=True)
            _keep(train, self.path / TRAIN_FILE)
            if valid is not None:
                _keep(valid, self.path / VALID_FILE)
            text = yaml.safe_dump(recipe.given(), allow_unicode=True, sort_keys=False)
            self.recipe.write_text(text, encoding="utf-8")
            for file in (*self.path.iterdir(), self.path, self.path.parent):
                fsync(file)
        except BaseException:
            self.delete()
            raise

    def base(self) -> str:
        """Return what its recipe trains: a Model's id, or a name; nothing if the folder is not here, or the recipe is
        damaged, of which no worker can train anything either.
        """
        try:
            tree = yaml.safe_load(self.recipe.read_text(encoding="utf-8"))
        except (FileNotFoundError, UnicodeDecodeError, yaml.YAMLError):
            return ""
        return str(tree.get("base", "")) if isinstance(tree, dict) else ""

    def delete(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def has_rows(self) -> bool:
        """Tell whether rows are still kept."""
        return (self.path / TRAIN_FILE).exists()

    def drop_rows(self) -> None:
        """Delete the rows, when nobody will read them again."""
        for name in (VALID_FILE, TRAIN_FILE):
            (self.path / name).unlink(missing_ok=True)


def _keep(source: Path, target: Path) -> None:
    """Link a file, or copy it where links cannot be made."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def tidy(folder: Path, known: set[str]) -> None:
    """Delete folders that a crash left: of no known job, and not of this hour."""
    if not folder.is_dir():
        return
    for path in folder.glob("ftjob-*"):
        with contextlib.suppress(FileNotFoundError):
            if path.name not in known and time.time() - path.stat().st_mtime > FORGOTTEN_S:
                shutil.rmtree(path)
