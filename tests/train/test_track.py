"""Trackers: what they get, what happens when they fail, and that a resumed run goes on in the same one.

CI has none of the four libraries: there the tests of them skip, and those of ``jsonl`` and of refusals stand for all.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bad_data import csv_text
from killed import killed_after
from made import CARDS, make_dataset
from tunesmith import flow
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import SetupError
from tunesmith.recipe import Recipe
from tunesmith.train import stage, track, trackers
from tunesmith.train.progress import Progress
from tunesmith.train.trackers import About, Sink


def recipe(base: Path, *names: str, **train: Any) -> Recipe:
    settings = {
        "method": "full",
        "epochs": 4,
        "batch_tokens": 24,
        "precision": "float32",
        "threads": 1,
        "eval_every": 2,
    }
    settings["schedule"] = {"peak": 0.02}
    return Recipe(
        name="made",
        task="classify",
        base=str(base),
        data={"train": "x"},
        train={**settings, "track": list(names), **train},
    )


def metrics_of(model: Artifact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]


def progress_of(steps: int) -> Progress:
    rows = [{"step": step, "loss": 1 / step, "lr": 0.1} for step in range(1, steps + 1)]
    return Progress(step=steps, metrics=rows, timed=[[step, 10, 10, 0.5] for step in range(1, steps + 1)])


def eventually(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def killed_and_resumed(base: Path, dataset: Artifact, workspace: Workspace, name: str) -> Artifact:
    """Train with a tracker: killed after a checkpoint and a step more, which the tracker may have and the run has not."""
    killed_after(3, lambda: stage.train(recipe(base, name), dataset, workspace))
    return stage.train(recipe(base, name), dataset, workspace)


def test_lines_of_a_resumed_run_are_those_of_its_model(workspace, dataset, base, capsys):
    """Would let through: steps that a tracker gets twice or never, results of a tracked run that differ."""
    model = killed_and_resumed(base, dataset, workspace, "jsonl")
    head, *rows = map(json.loads, (workspace.tracking_dir / f"{model.id}.jsonl").read_text().splitlines())
    assert head["id"] == model.id and head["settings"]["train.schedule.peak"] == 0.02
    assert all(row.pop("tokens_per_s") > 0 for row in rows)
    assert rows == metrics_of(model) and "valid_loss" in rows[1]
    assert capsys.readouterr().err.count("tracked by jsonl") == 2


def test_a_tracked_model_is_the_untracked_one(tmp_path, workspace, dataset, base):
    """Would let through: a tracker in the id or in the bytes of a Model."""
    tracked = stage.train(recipe(base, "jsonl"), dataset, workspace)
    elsewhere = Workspace(tmp_path / "elsewhere")
    plain = stage.train(recipe(base), make_dataset(elsewhere, CARDS[::2], CARDS[1::2]), elsewhere)
    ours, theirs = tracked.manifest["files"], plain.manifest["files"]
    assert tracked.id == plain.id and {name for name in ours if ours[name] != theirs[name]} <= {"train.html"}


@pytest.mark.parametrize("name", trackers.PACKAGES)
def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_spent(tmp_path, tiny, name):
    """Would let through: a run of a day whose curves go nowhere."""
    if trackers._installed(name):
        pytest.skip(f"{name} is installed")
    (tmp_path / "a.csv").write_text(csv_text(CARDS))
    (tmp_path / "recipe.yaml").write_text(
        f"name: t\ntask: classify\nbase: {tiny}\ndata: {{train: a.csv}}\ntrain:\n  track: [jsonl, {name}]\n"
    )
    project = flow.Project.of(tmp_path / "recipe.yaml")
    for verb in (flow.plan, flow.train, flow.run):
        with pytest.raises(SetupError, match=rf"recipe\.yaml:6: train\.track: {name} is not installed") as refused:
            verb(project)
        assert refused.value.hint.startswith(f"pip install {name}")
    assert not project.workspace.root.exists()


def test_a_folder_of_a_trackers_name_is_no_tracker(tmp_path, monkeypatch):
    """Would let through: the folder that wandb writes beside the recipe taken for wandb."""
    (tmp_path / "wandb_like").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not trackers._installed("wandb_like") and trackers._installed("json")


def test_a_tracker_that_cannot_be_opened_is_told_and_the_model_is_made(workspace, dataset, base, capsys):
    """Would let through: no Model because a tracker's disk or server is away."""
    workspace.root.mkdir(exist_ok=True)
    workspace.tracking_dir.write_text("in the way")
    assert stage.train(recipe(base, "jsonl"), dataset, workspace).result["steps"] > 3
    assert capsys.readouterr().err.count("jsonl no longer tracks this run") == 1


def test_a_tracker_that_fails_on_the_way_is_told_once(tmp_path, capsys):
    """Would let through: an error that stops training, one that is told at every step, one that nobody hears of."""
    file = tmp_path / "made.jsonl"
    with track.tracking(["jsonl"], About("made", "made", {}, tmp_path)) as see:
        see(progress_of(1))
        eventually(lambda: '"step": 1' in file.read_text())
        file.unlink()
        file.mkdir()
        for steps in range(2, 9):
            see(progress_of(steps))
            time.sleep(0.02)
    said = capsys.readouterr().err
    assert said.count("no longer tracks") == 1 and "IsADirectoryError" in said and "training goes on" in said


def test_a_tracker_that_hangs_holds_nothing_up(tmp_path, capsys, monkeypatch):
    """Would let through: a step that waits for a server, rows that pile up for ever, an end that never comes."""
    never = threading.Event()
    hangs = Sink(lambda rows: print("to stdout") or bool(never.wait(60)), lambda well: None, 0, "nowhere")
    monkeypatch.setitem(trackers.OPENERS, "jsonl", lambda about: hangs)
    monkeypatch.setattr(track, "MOST_WAITING", 20)
    monkeypatch.setattr(track, "LAST_WAIT_S", 0.2)
    began = time.monotonic()
    with track.tracking(["jsonl"], About("made", "made", {}, tmp_path)) as see:
        for steps in range(1, 60):
            see(progress_of(steps))
    assert time.monotonic() - began < 10
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("no longer tracks") == 1 and "20 rows behind" in told.err
    never.set()


def test_an_interrupted_run_is_closed_as_such(tmp_path, monkeypatch):
    """Would let through: a tracker that shows a broken run as finished."""
    ended: list[bool] = []
    monkeypatch.setitem(trackers.OPENERS, "jsonl", lambda about: Sink(lambda rows: None, ended.append, 0, ""))
    for well in (True, False):
        try:
            with track.tracking(["jsonl", "jsonl"], About("made", "made", {}, tmp_path)) as see:
                see(progress_of(1))
                if not well:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
    assert ended == [True, False]


def test_what_is_no_number_is_not_sent(tmp_path):
    """Would let through: a tracker that refuses a row because a step was left out or its loss was infinite."""
    rows = [{"step": 1, "skipped": "why", "examples": ["a:1"], "lr": 0.0}, {"step": 2, "loss": float("inf"), "lr": 0.1}]
    assert track._rows(Progress(step=2, metrics=rows), 0) == [(1, {"lr": 0.0}), (2, {"lr": 0.1})]


@pytest.mark.filterwarnings("ignore")
def test_tensorboard(workspace, dataset, base):
    """Would let through: curves that TensorBoard does not find, steps of a killed run that it shows twice."""
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = killed_and_resumed(base, dataset, workspace, "tensorboard")
    found = accumulators.EventAccumulator(str(workspace.tracking_dir / "tensorboard" / model.id)).Reload()
    for name in ("loss", "lr", "grad_norm", "valid_loss"):
        expected = [(row["step"], row[name]) for row in metrics_of(model) if name in row]
        ours = [(event.step, event.value) for event in found.Scalars(name)]
        assert ours == [(step, pytest.approx(value, rel=1e-6)) for step, value in expected]


@pytest.mark.filterwarnings("ignore")
def test_mlflow(workspace, dataset, base, monkeypatch):
    """Would let through: a run of MLflow for each time a run goes on, settings or steps it lacks."""
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    model = killed_and_resumed(base, dataset, workspace, "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{workspace.tracking_dir / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("made").experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == model.id
    assert run.data.params["train.schedule.peak"] == "0.02"
    for name in ("loss", "valid_loss"):
        ours = [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]
        assert ours == [(row["step"], row[name]) for row in metrics_of(model) if name in row]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_that_is_not_there_stops_nothing(workspace, dataset, base, monkeypatch, capsys):
    """Would let through: a run that dies, or waits for minutes, because the server of MLflow is down."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert stage.train(recipe(base, "mlflow"), dataset, workspace).result["steps"] > 3
    assert capsys.readouterr().err.count("mlflow no longer tracks") == 1


@pytest.mark.filterwarnings("ignore")
def test_wandb_without_network(workspace, dataset, base, monkeypatch, capsys):
    """Would let through: settings that wandb refuses, a terminal that it takes over, output on stdout."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    stage.train(recipe(base, "wandb"), dataset, workspace)
    told = capsys.readouterr()
    assert told.out == "" and "no longer" not in told.err
    assert list(workspace.tracking_dir.rglob("*.wandb"))


@pytest.mark.filterwarnings("ignore")
def test_trackio_on_this_machine(workspace, dataset, base, monkeypatch, tmp_path, capsys):
    """Would let through: a call that trackio does not have, output on stdout."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # read when it is imported
    pytest.importorskip("trackio")
    model = killed_and_resumed(base, dataset, workspace, "trackio")
    from trackio.sqlite_storage import SQLiteStorage

    steps = [row["step"] for row in SQLiteStorage.get_logs("made", model.id)]
    assert set(steps) == {row["step"] for row in metrics_of(model)} and steps == sorted(steps)
    told = capsys.readouterr()
    assert told.out == "" and "no longer" not in told.err
    left = sys.modules["trackio"].context_vars.current_run.get()  # it would close it at exit, and say so on stdout
    assert left is None
