"""The trackers a recipe may name, and how each is opened: one function each, which imports its library.

A run that goes on after a kill goes on in the tracker's run of the same name, from the last step that the tracker has.
Does not own when rows are sent (`track`) nor what is in them (`loop`).

Adding one: its name in `recipe.section.Tracker`, a function here, a line in `OPENERS`.
"""

from __future__ import annotations

import importlib.util
import json
import os
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.core.clock import now_utc
from tunesmith.core.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    Row = tuple[int, dict[str, float]]
    """A step and what was measured at it."""

PACKAGES = ("tensorboard", "mlflow", "wandb", "trackio")
"""Trackers that are packages, each installed by its name."""


@dataclass(frozen=True)
class About:
    """What a tracker is told of a run.

    Args:
        id: of the Model; the same again when the run goes on after a kill.
        project: the recipe's name.
        settings: dotted keys to values.
        folder: where trackers that write files write.
        step: the step that the run goes on from.
    """

    id: str
    project: str
    settings: Mapping[str, Any]
    folder: Path
    step: int = 0


@dataclass(frozen=True)
class Sink:
    """An opened tracker: takes rows, is closed (with whether the run went well), says its last step and its place."""

    send: Callable[[Sequence[Row]], None]
    close: Callable[[bool], None]
    last: int
    place: str


def check(names: Sequence[str]) -> None:
    """Refuse trackers that are not installed, before anything is spent.

    Raises:
        SetupError: with how to install them.
    """
    missing = [name for name in names if name in PACKAGES and not _installed(name)]
    if missing:
        are = "are" if len(missing) > 1 else "is"
        raise SetupError(
            f"train.track: {' and '.join(missing)} {are} not installed",
            expected="every tracker that the recipe names",
            hint=f"pip install {' '.join(missing)}, or leave {'them' if len(missing) > 1 else 'it'} out",
        )


def _installed(name: str) -> bool:
    """Tell whether a package is there; a folder of its name, such as one that wandb writes, is none."""
    found = importlib.util.find_spec(name)
    return found is not None and found.origin is not None


def _jsonl(about: About) -> Sink:
    """Lines in a file of the workspace, for ``tail -f`` and for tools of your own."""
    file = about.folder / f"{about.id}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    whole = [line for line in lines if line.endswith("\n") and json.loads(line).get("step", 0) <= about.step]
    head = whole or [json.dumps({"id": about.id, "settings": dict(about.settings)}) + "\n"]
    file.write_text("".join(head), encoding="utf-8")

    def send(rows: Sequence[Row]) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps({"step": step, **values}) + "\n" for step, values in rows)

    return Sink(send, lambda well: None, json.loads(head[-1]).get("step", 0), str(file))


def _tensorboard(about: About) -> Sink:
    from torch.utils.tensorboard import SummaryWriter

    folder = about.folder / "tensorboard" / about.id
    writer = SummaryWriter(str(folder), purge_step=about.step + 1 if about.step else None)
    writer.add_text("settings", "\n".join(f"    {key}: {value}" for key, value in about.settings.items()), about.step)

    def send(rows: Sequence[Row]) -> None:
        for step, values in rows:
            for name, value in values.items():
                writer.add_scalar(name, value, step)
        writer.flush()

    return Sink(send, lambda well: writer.close(), about.step, f"tensorboard --logdir {folder.parent}")


def _mlflow(about: About) -> Sink:
    """The server of ``$MLFLOW_TRACKING_URI``, or a database in the workspace."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own 7 with their pauses take minutes
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{about.folder / 'mlflow.db'}"
    about.folder.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(place)
    known = client.get_experiment_by_name(about.project)
    experiment = known.experiment_id if known else client.create_experiment(about.project)
    found = client.search_runs([experiment], f"tags.tunesmith_model = '{about.id}'", max_results=1)
    if found:
        run = found[0].info.run_id
        client.update_run(run, status="RUNNING")
        last = max((one.step for name in ("lr", "loss") for one in client.get_metric_history(run, name)), default=0)
    else:
        created = client.create_run(experiment, run_name=about.id, tags={"tunesmith_model": about.id})
        run, last = created.info.run_id, 0
        settings = [Param(key, str(value)[:6000]) for key, value in about.settings.items()]
        for first in range(0, len(settings), 100):  # the most it takes at once
            client.log_batch(run, params=settings[first : first + 100])

    def send(rows: Sequence[Row]) -> None:
        now_ms = int(now_utc().timestamp() * 1000)
        metrics = [Metric(name, value, now_ms, step) for step, values in rows for name, value in values.items()]
        for first in range(0, len(metrics), 1000):  # the most it takes at once
            client.log_batch(run, metrics=metrics[first : first + 1000])

    return Sink(send, lambda well: client.set_terminated(run, "FINISHED" if well else "FAILED"), last, place)


def _wandb(about: About) -> Sink:
    import wandb

    about.folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        project=about.project, id=about.id, name=about.id, resume="allow", config=dict(about.settings),
        dir=str(about.folder), settings=wandb.Settings(console="off", init_timeout=30),
    )  # fmt: skip

    def send(rows: Sequence[Row]) -> None:
        for step, values in rows:
            run.log(values, step=step)

    last = run.step - 1 if run.resumed else about.step
    return Sink(send, lambda well: run.finish(exit_code=0 if well else 1), last, run.url or run.dir)


def _trackio(about: About) -> Sink:
    """After a kill it has the steps since the last checkpoint twice, with the same values: it does not say its last."""
    import trackio

    settings = dict(about.settings)
    run = copy_context().run(  # what it takes for its current run it closes once more at exit, to stdout
        lambda: trackio.init(project=about.project, name=about.id, config=settings, resume="allow")
    )

    def send(rows: Sequence[Row]) -> None:
        for step, values in rows:
            run.log(values, step=step)

    return Sink(send, lambda well: run.finish(), about.step, f"trackio show --project {about.project}")


OPENERS: dict[str, Callable[[About], Sink]] = {
    "jsonl": _jsonl,
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
    "trackio": _trackio,
}
"""Name in the recipe to what opens the tracker."""
