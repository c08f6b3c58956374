"""The work on one fine-tuning job that the server took: its rows are checked, its model is trained, all of it is told.

Runs in a process of its own (``cli/tuning_job``), which may be killed at any moment and started again. Does not own
what a job asks for, nor what becomes of what is told (`serve.tuning`).
"""

from __future__ import annotations

import math
import re
import sys
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith import flow
from tunesmith.core.errors import DataError, RecipeError, TunesmithError
from tunesmith.data.report.words import rule_words
from tunesmith.recipe import Clean
from tunesmith.serve.tuning.progress import AGAIN, Teller
from tunesmith.serve.tuning.recipe import TRAIN_FILE, VALID_FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.serve.tuning.folder import JobFolder
    from tunesmith.train.checkpoint import Progress
    from tunesmith.train.underway import Underway

FEWEST_EXAMPLES = 10
"""Source: https://platform.openai.com/docs/guides/supervised-fine-tuning, example count recommendations."""

SHOWN = 5
"""Examples named in an error."""

WANTED = frozenset(Clean.model_fields) | {
    "duplicate", "near_duplicate", "semantic_duplicate", "leak", "near_leak", "conflict", "size", "balance_cap",
    "template_cap", "label_error", "secret", "schema",
}  # fmt: skip
"""Rules that take rows because the client asked for it, or because they are in the validation file; no fault."""


_OF_A_RECIPE = re.compile(r"data\.format says \w+, but its")
"""Words about a recipe, which no client has."""


class _Refused(Exception):
    """The job cannot be done as it is: what the client is told."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.told = {"code": code, "message": message, "param": param}


def work(folder: JobFolder, home: Path, *, train: bool) -> None:
    """Check the rows of a job and, with ``train``, train its model; go on where an earlier worker ended."""
    teller = Teller(folder.progress)
    project = replace(flow.Project.of(folder.recipe, home), file=None)  # whose lines no client has seen
    try:
        dataset = _checked(project, folder)
        rows = dataset.result["splits"]
        left_out = {rule: count for rule, count in dataset.result["removed_by"].items() if rule in WANTED}
        teller.tell("validated", train=rows["train"], valid=rows["valid"], left_out=left_out)
        if train:
            model = flow.train_on(project, dataset, along=lambda run: _follow(run, teller))
            teller.tell("done", model_id=model.id, trained_tokens=model.result["tokens"]["total"])
    except _Refused as error:
        teller.tell("failed", **error.told)
    except (DataError, RecipeError) as error:
        teller.tell("failed", **_told(error, project.recipe.base))
    except Exception:
        traceback.print_exc(file=sys.stderr)
        message = "The server cannot train this now; its log says why."
        teller.tell("failed", code="server_error", message=message, param=None)


def _told(error: TunesmithError, base: str) -> dict[str, Any]:
    """Return what the client is told of a fault of its own, in its words: without names of this machine's files."""
    words = {TRAIN_FILE: "training file", VALID_FILE: "validation file", base: "the model"}
    message = str(error) if isinstance(error, RecipeError) else str(DataError(error.message, expected=error.expected))
    message = _OF_A_RECIPE.sub("its", message)
    for name, own in words.items():
        message = message.replace(name, own)
    if isinstance(error, RecipeError):
        return {"code": "invalid_request", "message": message, "param": None}
    param = "validation_file" if error.message.startswith(VALID_FILE) else "training_file"
    return {"code": f"invalid_{param}", "message": message, "param": param}


def _checked(project: flow.Project, folder: JobFolder) -> Artifact:
    """Return the Dataset of a job.

    Raises:
        _Refused: if an example of a file cannot be learnt from, or there are too few.
    """
    dataset = flow.prepare(project)
    removed = pl.read_parquet(dataset.path / "removed.parquet").filter(~pl.col("rule").is_in(list(WANTED)))
    for name, param in ((TRAIN_FILE, "training_file"), (VALID_FILE, "validation_file")):
        faults = removed.filter(pl.col("source").str.ends_with(name)).sort("line")
        if faults.height:
            raise _Refused(f"invalid_{param}", _named(faults, folder.path / name), param)
    read = dataset.result["splits"]["train"]
    if read < FEWEST_EXAMPLES:
        message = f"Training file has {read} example(s), but must have at least {FEWEST_EXAMPLES} examples"
        raise _Refused("invalid_n_examples", message, "training_file")
    return dataset


def _named(faults: pl.DataFrame, file: Path) -> str:
    """Return which examples of a file are at fault, and how, the first few."""
    numbers = _numbers(file)
    told = [
        f"Example {numbers.get(line, line)}, line {line}, {rule_words(rule) or rule} ({rule}: {evidence})"
        for line, rule, evidence in faults.select("line", "rule", "evidence").head(SHOWN).iter_rows()
    ]
    more = f"; {faults.height - SHOWN} more" if faults.height > SHOWN else ""
    return f"Invalid file format. {'; '.join(told)}{more}"


def _numbers(file: Path) -> dict[int, int]:
    """Return the number of each line's example; lines without anything have none."""
    numbers: dict[int, int] = {}
    with file.open("rb") as lines:
        for line, content in enumerate(lines, 1):
            if content.strip():
                numbers[line] = len(numbers) + 1
    return numbers


def _follow(run: Underway, teller: Teller) -> Callable[[Progress], None]:
    """Tell of a run that begins, and return what tells of each step."""
    if not teller.tell("training", model_id=run.model_id, total_steps=run.total_steps):
        teller.tell(AGAIN)

    def see(progress: Progress) -> None:
        metrics = _metrics(progress, ends_epoch=progress.step in run.epoch_ends)
        teller.tell("step", **metrics, total_steps=run.total_steps)
        if progress.step in run.epoch_ends:
            teller.tell("checkpoint", step=progress.step, model_id=run.keep(progress).id, metrics=metrics)

    return see


def _metrics(progress: Progress, *, ends_epoch: bool) -> dict[str, Any]:
    """Return what the last step measured, under OpenAI's names; all validation rows are looked at each time."""
    row = progress.metrics[-1]
    found = {"step": progress.step, "train_loss": row.get("loss"), "valid_loss": row.get("valid_loss")}
    if ends_epoch:
        found["full_valid_loss"] = row.get("valid_loss")
    return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}
