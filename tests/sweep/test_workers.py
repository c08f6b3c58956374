"""Trials side by side, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time

import pytest

pytest.importorskip("optuna")

from sweep_project import ended_in, write_project
from tunesmith import flow
from tunesmith.core.errors import SetupError
from tunesmith.sweep.search import sweep

TWO = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")


@TWO
@pytest.mark.slow
def test_side_by_side_each_trial_is_made_once_and_reaches_what_it_reaches_alone(tiny, tmp_path):
    """Bug: two processes take one trial, a trial stays behind, or a process trains with other settings or threads."""
    recipe = write_project(tmp_path, tiny, trials=4, seeds=1)
    together = sweep(flow.Project.of(recipe, tmp_path / "two"), devices=2)
    trials = ended_in(tmp_path / "two")
    assert [one[1] for one in trials] == list(range(4))
    began, ended = [one[3] for one in trials], [one[4] for one in trials]
    assert sorted(began)[1] < sorted(ended)[0]  # the second begins before the first ends
    alone = sweep(flow.Project.of(recipe, tmp_path / "one"))
    assert {**together, "path": ""} == {**alone, "path": ""}  # all four are drawn at random, so none hangs on another
    assert not multiprocessing.active_children()


@TWO
@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_sweep_with_a_reason_and_the_next_call_goes_on(tiny, tmp_path):
    """Bug: the sweep waits forever for a process that memory ran out for, or the trial it was in is lost."""
    project = flow.Project.of(write_project(tmp_path, tiny, trials=3, seeds=1))
    killed = []

    def kill_one():
        until = time.monotonic() + 60
        while not (project.workspace.sweeps_dir.is_dir() and ended_in(project.workspace.root)):
            if time.monotonic() > until:
                return
            time.sleep(0.01)
        for one in multiprocessing.active_children():
            os.kill(one.pid, signal.SIGKILL)
            killed.append(one.pid)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(SetupError, match=r"its process was ended by a signal \(SIGKILL\)") as caught:
        sweep(project, devices=2)
    killer.join()
    assert killed and "fewer --devices" in caught.value.hint
    result = sweep(project)
    assert [one["number"] for one in result["trials"]] == [0, 1, 2]


def test_more_devices_than_there_are_are_refused(tiny, tmp_path):
    """Bug: a hundred processes on two cores, or an index error for the third GPU."""
    project = flow.Project.of(write_project(tmp_path, tiny))
    with pytest.raises(SetupError, match="--devices 4096: this machine has"):
        sweep(project, devices=4096)


def test_an_error_comes_through_a_pipe_whole():
    """Bug: what a training in another process ends by loses what was expected and what to try."""
    error = pickle.loads(pickle.dumps(SetupError("a", expected="b", hint="c")))
    assert (error.message, error.expected, error.hint) == ("a", "b", "c")
