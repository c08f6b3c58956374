"""Checkpoints: everything needed to go on, bit for bit, after a kill at any moment.

A checkpoint is a folder, complete or absent: written under a temporary name, fsynced, renamed. The best weights lie
beside it and are never rotated away. No random state is stored because none exists: order and dropout are functions
of (seed, epoch, step). Tensors are safetensors; nothing is pickled. ``writers`` are the ranks that write together, a
part each (`parts`); any number of ranks goes on from what they wrote.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.train.parts import as_lies, load_parts, save_parts
from tunesmith.train.progress import Progress
from tunesmith.train.ranks import ALONE
from tunesmith.train.stop import BestSoFar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from tunesmith.train.average import Average
    from tunesmith.train.ranks import Ranks
    from tunesmith.train.validate import Columns

    Weights = Mapping[str, nn.Parameter]
    """Everything that learns at some step of a run, by name."""

_LATEST, _BEST, _STATE, _WEIGHTS, _OPTIMIZER, _AVERAGE = (
    "latest",
    "best",
    "state.json",
    "weights",
    "optimizer",
    "average",
)


def save_checkpoint(
    folder: Path,
    weights: Weights,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    average: Average | None = None,
    writers: Ranks = ALONE,
) -> None:
    """Write the state under ``folder``, replacing the one before only when the new one is complete."""
    with _Replacing(folder / _LATEST, writers) as new:
        save_parts(weights, new, _WEIGHTS, writers.rank)
        save_parts(_optimizer_tensors(weights, optimizer), new, _OPTIMIZER, writers.rank)
        if average is not None:
            save_parts(average.tensors, new, _AVERAGE, writers.rank)
        if writers.first:
            (new / _STATE).write_text(json.dumps(asdict(progress)), encoding="utf-8")


def load_checkpoint(
    folder: Path, weights: Weights, optimizer: torch.optim.Optimizer, average: Average | None = None
) -> Progress | None:
    """Put a saved state back into weights, optimizer and average; None if there is none."""
    latest = _existing(folder / _LATEST)
    if latest is None:
        return None
    fields = json.loads((latest / _STATE).read_text(encoding="utf-8"))
    set_weights(weights, load_parts(latest, _WEIGHTS))
    _set_optimizer(weights, optimizer, load_parts(latest, _OPTIMIZER))
    progress = Progress(**{**fields, "best": BestSoFar(**fields["best"])})
    if average is not None:
        average.load(load_parts(latest, _AVERAGE), progress.taken)
    return progress


def saved_step(folder: Path) -> int:
    """Return the step a run would go on from; 0 if there is no checkpoint."""
    latest = _existing(folder / _LATEST)
    return int(json.loads((latest / _STATE).read_text(encoding="utf-8"))["step"]) if latest else 0


def as_lists(columns: Columns) -> dict[str, list[Any]]:
    """Return columns as a checkpoint holds them."""
    return {name: values.tolist() for name, values in columns.items()}


def save_best(folder: Path, weights: Weights, writers: Ranks = ALONE) -> None:
    """Keep the weights as the best so far."""
    with _Replacing(folder / _BEST, writers) as new:
        save_parts(weights, new, _WEIGHTS, writers.rank)


def load_best(folder: Path, weights: Weights) -> bool:
    """Put the best weights back; tell whether any were kept."""
    best = _existing(folder / _BEST)
    if best is not None:
        set_weights(weights, load_parts(best, _WEIGHTS))
    return best is not None


class _Replacing:
    """Yields a new folder that takes the place of ``path`` on leaving; a kill leaves one of the two, whole."""

    def __init__(self, path: Path, writers: Ranks) -> None:
        self.path, self.new, self.old = (
            path,
            path.with_name(path.name + ".new"),
            path.with_name(path.name + ".old"),
        )
        self.writers = writers

    def __enter__(self) -> Path:
        with self.writers.first_before_others():
            if self.writers.first:
                shutil.rmtree(self.new, ignore_errors=True)
                self.new.mkdir(parents=True)
        return self.new

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            return
        self.writers.wait()
        if self.writers.first:
            self._replace()
        self.writers.wait()

    def _replace(self) -> None:
        for file in [*self.new.iterdir(), self.new]:
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        if self.path.exists():
            shutil.rmtree(self.old, ignore_errors=True)
            self.path.rename(self.old)
        self.new.rename(self.path)
        shutil.rmtree(self.old, ignore_errors=True)


def _existing(path: Path) -> Path | None:
    """Return the folder, or the one before it if a kill fell between the two renames."""
    old = path.with_name(path.name + ".old")
    return path if path.is_dir() else old if old.is_dir() else None


def set_weights(weights: Weights, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give weights the values of tensors of their names."""
    with torch.no_grad():
        for name, parameter in weights.items():
            parameter.copy_(as_lies(tensors[name], parameter))


def _optimizer_tensors(weights: Weights, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}|{key}": value
        for name, parameter in weights.items()
        for key, value in optimizer.state[parameter].items()
    }


def _set_optimizer(weights: Weights, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    for full_name, value in tensors.items():
        name, key = full_name.rsplit("|", 1)
        optimizer.state[weights[name]][key] = as_lies(value, weights[name])
