"""The work on one fine-tuning job that the server took: its rows are checked, its model is trained, all of it is told.

Runs in a process of its own (``cli/tuning_job``), which may be killed at any moment and started again. Does not own
what a job asks for, nor what becomes of what is told (`serve.tuning`).
"""

from __future__ import annotations

import math
import re
import sys
import traceback
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith import flow
from tunesmith.core.errors import DataError, RecipeError, TunesmithError
from tunesmith.data.report.words import rule_words
from tunesmith.recipe import Clean
from tunesmith.serve.tuning.progress import AGAIN, Teller
from tunesmith.serve.tuning.recipe import TRAIN_FILE, VALID_FILE
from tunesmith.serve.tuning.rows import SHOWN, form_of, look_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Recipe
    from tunesmith.serve.tuning.folder import JobFolder
    from tunesmith.train.progress import Progress
    from tunesmith.train.underway import Underway

FEWEST_EXAMPLES = 10
"""Source: https://platform.openai.com/docs/guides/supervised-fine-tuning, example count recommendations."""

WANTED = frozenset(Clean.model_fields) | {
    "duplicate", "near_duplicate", "semantic_duplicate", "leak", "near_leak", "conflict", "size", "balance_cap",
    "template_cap", "label_error", "secret", "schema",
}  # fmt: skip
"""Rules that take rows because the client asked for it, or because they are in the validation file; no fault."""


_OF_A_RECIPE = re.compile(r"data\.format says \w+, but its")
"""Words about a recipe, which no client has."""

_METHODS = {"openai": "supervised", "openai_preference": "dpo"}
"""What a recipe says of rows (``data.format``), and the method that is for such."""


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
        dataset, unread = _checked(project, folder)
        rows = dataset.result["splits"]
        left_out = {rule: count for rule, count in dataset.result["removed_by"].items() if rule in WANTED}
        teller.tell("validated", train=rows["train"], valid=rows["valid"], left_out=left_out, unread=unread)
        if train:
            model = flow.train_on(project, dataset, along=lambda run: _follow(run, teller))
            teller.tell("done", model_id=model.id, trained_tokens=model.result["tokens"]["total"])
    except _Refused as error:
        teller.tell("failed", **error.told)
    except (DataError, RecipeError) as error:
        teller.tell("failed", **_told(error, project.recipe))
    except Exception:
        traceback.print_exc(file=sys.stderr)
        message = "The server cannot train this now; its log says why."
        teller.tell("failed", code="server_error", message=message, param=None)


def _told(error: TunesmithError, recipe: Recipe) -> dict[str, Any]:
    """Return what the client is told of a fault of its own, in its words: without names of this machine's files."""
    words = {TRAIN_FILE: "training file", VALID_FILE: "validation file", recipe.base: "the model"}
    message = str(error) if isinstance(error, RecipeError) else str(_for_clients(error, recipe))
    for name, own in words.items():
        message = message.replace(name, own)
    if isinstance(error, RecipeError):
        return {"code": "invalid_request", "message": message, "param": None}
    param = "validation_file" if error.message.startswith(VALID_FILE) else "training_file"
    return {"code": f"invalid_{param}", "message": message, "param": param}


def _for_clients(error: TunesmithError, recipe: Recipe) -> DataError:
    """Return a fault of the data without what only the machine's owner can do; of a file's form, what a client can."""
    message = _OF_A_RECIPE.sub("its", error.message)
    if not message.startswith((TRAIN_FILE, VALID_FILE)):
        return DataError(message, expected=error.expected)
    fitting = next((method for one, method in _METHODS.items() if error.hint.endswith(f"data.format: {one}")), None)
    hint = f"method: {{type: {fitting}}} is for such rows" if fitting else ""
    return DataError(message, expected=form_of(_METHODS[recipe.data.format]), hint=hint)


def _checked(project: flow.Project, folder: JobFolder) -> tuple[Artifact, dict[str, int]]:
    """Return the Dataset of a job, and keys that are not read with the number of examples that have them.

    Raises:
        _Refused: if an example of a file cannot be learnt from, or there are too few.
    """
    dataset = flow.prepare(project)
    unread = Counter({f"messages[].{key}": count for key, count in dataset.result["ignored_keys"].items()})
    removed = pl.read_parquet(dataset.path / "removed.parquet").filter(~pl.col("rule").is_in(list(WANTED)))
    for name, param in ((TRAIN_FILE, "training_file"), (VALID_FILE, "validation_file")):
        faults = removed.filter(pl.col("source").str.ends_with(name)).sort("line")
        if faults.height:
            raise _Refused(f"invalid_{param}", _named(faults, folder.path / name), param)
        if (folder.path / name).exists():
            unread += _looked_at(folder.path / name, param, project.recipe)
    read = dataset.result["splits"]["train"]
    if read < FEWEST_EXAMPLES:
        message = f"Training file has {read} example(s), but must have at least {FEWEST_EXAMPLES} examples"
        raise _Refused("invalid_n_examples", message, "training_file")
    return dataset, dict(unread.most_common(SHOWN))


def _looked_at(file: Path, param: str, recipe: Recipe) -> Counter[str]:
    """Return the keys of a file that are not read.

    Raises:
        _Refused: if something in it is not as OpenAI's form has it.
    """
    look = look_at(file, recipe.data.keep)
    if look.faults:
        form = form_of(_METHODS[recipe.data.format])
        raise _Refused(f"invalid_{param}", f"{_listed(look.faults, look.count)}. Expected: {form}", param)
    return look.unread


def _named(faults: pl.DataFrame, file: Path) -> str:
    """Return which examples of a file are at fault, and how, the first few."""
    numbers = _numbers(file)
    told = [
        f"Example {numbers.get(line, line)}, line {line}, {rule_words(rule) or rule} ({rule}: {evidence})"
        for line, rule, evidence in faults.select("line", "rule", "evidence").head(SHOWN).iter_rows()
    ]
    return _listed(told, faults.height)


def _listed(told: list[str], count: int) -> str:
    """Return the first of so many faults as one sentence."""
    more = f"; {count - len(told)} more" if count > len(told) else ""
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
