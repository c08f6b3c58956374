"""A sweep that is killed with -9 and started again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from sweep_project import ended_in, write_project
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.sweep.search import sweep

pytestmark = pytest.mark.slow


def start(recipe, home, *more):
    command = [sys.executable, "-m", "tunesmith", "sweep", str(recipe), "--home", str(home), "--json", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def alike(result):
    return {key: result[key] for key in ("trials", "best", "importance", "comparison", "sentence")}


def told(recipe, home, *more):
    process = start(recipe, home, *more)
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


def kill_when(process, condition, limit_s=120):
    until = time.monotonic() + limit_s
    while process.poll() is None and not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1].decode()
    process.send_signal(signal.SIGKILL)
    process.wait()  # and not for those that hold its pipes
    process.stdout.close()
    process.stderr.close()


def test_killed_in_a_trial_it_goes_on_and_ends_as_if_it_had_not_been(tiny, tmp_path):
    """Bug: a kill loses a finished trial, trains it again, draws other values after it, or chooses another winner."""
    recipe = write_project(tmp_path, tiny, trials=3, seeds=1)
    whole = sweep(flow.Project.of(recipe, tmp_path / "whole"))
    home = tmp_path / "killed"
    kill_when(start(recipe, home), lambda: len(ended_in(home)) == 1)
    before = ended_in(home)
    assert 1 <= len(before) < 3
    resumed = sweep(flow.Project.of(recipe, home))
    assert ended_in(home)[: len(before)] == before  # to the microsecond in which they began and ended
    assert alike(resumed) == alike(whole)
    assert not Workspace(home).list("model") and not Workspace(home).leftovers()


@pytest.mark.soak
def test_killed_at_random_moments_no_trial_is_lost_or_repeated(tiny, tmp_path):
    """Bug: a moment at which a kill costs more than the training that was going on: between a Model and its score,
    between a score and its trial's end, while the winner is trained again."""
    recipe = write_project(tmp_path, tiny)
    started = time.monotonic()
    undisturbed = told(recipe, tmp_path / "home")
    whole_s = time.monotonic() - started
    chance, seen = random.Random(8), []
    home = tmp_path / "killed"
    for _ in range(4):
        process = start(recipe, home)
        try:
            process.wait(timeout=chance.uniform(0.3, 0.7) * whole_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(ended_in(home))
        for artifact in Workspace(home).list():
            artifact.verify()  # whatever is visible is complete
    assert seen[-1]
    for before, after in pairwise(seen):
        assert after[: len(before)] == before
    assert alike(told(recipe, home)) == alike(undisturbed)
    assert not Workspace(home).list("model")


def children_of(process):
    return [int(one) for one in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.soak
def test_killed_with_trials_side_by_side_no_trial_that_ended_is_lost_or_repeated(tiny, tmp_path):
    """Bug: a trial that another process ended is lost, or one that was going on is never gone on with."""
    recipe = write_project(tmp_path, tiny, trials=6, seeds=1)
    home = tmp_path / "home"
    kill_when(start(recipe, home, "--devices", "2"), lambda: len(ended_in(home)) >= 2)
    before = ended_in(home)
    result = told(recipe, home, "--devices", "2")
    after = ended_in(home)
    assert all(one in after for one in before)
    assert [one["number"] for one in result["trials"]] == list(range(6))
    assert all(one["state"] != "running" for one in result["trials"])
    assert not Workspace(home).list("model") and not Workspace(home).leftovers()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes by /proc")
def test_killed_it_leaves_no_process_that_trains_on(tiny, tmp_path):
    """Bug: the sweep is dead, and its processes hold the GPUs until their trials end."""
    home = tmp_path / "home"
    process = start(write_project(tmp_path, tiny, epochs=400, trials=4), home, "--devices", "2")
    children = []

    def both_train():
        children[:] = children_of(process)
        return len(list((home / "work").glob("s-*.lock"))) == 2

    kill_when(process, both_train)
    time.sleep(2)
    assert len(children) >= 2 and not any(map(alive, children))
