"""kill -9 at random moments of prepare, of the command or of one of its processes.

No half Dataset is ever visible, a killed process is told in a sentence, and the next run ends in the same bytes.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tunesmith.core.artifacts import Workspace

ROWS = 24_000
"""Three pieces, so that two processes work and some are done when the kill comes."""


def project(folder: Path) -> Path:
    chance = random.Random(5)
    words = [f"{a}{b}{c}" for a in "bdkm" for b in "aeiou" for c in "lnrst"]
    with (folder / "a.jsonl").open("w") as file:
        for number in range(ROWS):
            asked, told = chance.choices(words, k=14), chance.choices(words, k=10)
            row = {"prompt": f"{' '.join(asked)} {number % 20_000}?", "completion": f"{' '.join(told)}."}
            file.write(json.dumps(row) + "\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text("name: kill\ntask: chat\ndata: {train: a.jsonl, processes: 2}\n")
    return recipe


def start(recipe: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunesmith", "prepare", str(recipe), "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(recipe: Path, home: Path) -> dict[str, str]:
    process = start(recipe, home)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    [dataset] = Workspace(home).list()
    dataset.verify()
    return {f"{dataset.id}/{name}": digest for name, digest in dataset.manifest["files"].items()}


def killed_and_finished(folder: Path, kills: int, a_home: int) -> dict[str, Any]:
    """Kill the command so often, ``a_home`` times before it may finish; return what came of it.

    The first kill of a home comes as soon as a piece is finished, the others at random. A run that finished before its
    kill came is not counted.
    """
    recipe = project(folder)
    began = time.monotonic()
    undisturbed = finished(recipe, folder / "home")
    whole_s, chance = time.monotonic() - began, random.Random(30)
    killed = resumed = homes = 0
    while killed < kills:
        home, goal = folder / f"home{homes}", min(killed + a_home, kills)
        homes += 1
        while killed < goal and killed_after(chance.uniform(0.1, 1.0) * whole_s, recipe, home):
            killed += 1
            resumed += has_piece(home)
            for dataset in Workspace(home).list():
                dataset.verify()
        assert finished(recipe, home) == undisturbed
        assert not [path for path in Workspace(home).leftovers() if path.is_dir()]
    assert resumed, "no kill came after a finished piece"
    return {
        "kills": killed,
        "behind_a_finished_piece": resumed,
        "finished_in_the_same_bytes": homes,
        "undisturbed_s": round(whole_s, 1),
    }


def has_piece(home: Path) -> bool:
    """Tell whether a piece is finished."""
    return any(home.glob("index/*/done.json"))


def killed_after(seconds: float, recipe: Path, home: Path) -> bool:
    """Start the command and kill it after so many seconds, not its workers; tell whether it was still running.

    Without a finished piece in its home it is killed when the first is there.
    """
    started, fresh = time.monotonic(), not has_piece(home)
    process = start(recipe, home)
    while process.poll() is None and not (has_piece(home) if fresh else time.monotonic() - started > seconds):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    return process.returncode == -signal.SIGKILL


def process_killed_and_finished(folder: Path, kills: int) -> dict[str, Any]:
    """Kill one of the processes that prepare works in, each time in a home of its own, and let it finish.

    A kill that comes when the process has done its work, and so ends nothing, is not counted.
    """
    recipe = project(folder)
    undisturbed = finished(recipe, folder / "home")
    chance, errors = random.Random(31), set()
    killed = homes = 0
    while killed < kills:
        home = folder / f"home{homes}"
        homes += 1
        process = start(recipe, home)
        victim = chance.choice(workers_of(process))
        time.sleep(chance.uniform(0.0, 3.0))
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have done its work
            victim.kill()
        _, told = process.communicate(timeout=300)
        if process.returncode == 0:
            assert finished(recipe, home) == undisturbed
            continue
        killed += 1
        assert process.returncode != 1 and b"Traceback" not in told, told.decode()
        errors |= {line for line in told.decode().splitlines() if line.startswith("error")}
        assert not Workspace(home).list()
        assert finished(recipe, home) == undisturbed
    return {"kills": killed, "errors": sorted(errors)}


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the two processes that work for a prepare, as soon as both are there."""
    for _ in range(600):
        found = [one for one in psutil.Process(process.pid).children(recursive=True) if "workers" in one.cmdline()[2]]
        if len(found) == 2:
            return found
        time.sleep(0.05)
    raise AssertionError("prepare works in one process")


@pytest.mark.slow
def test_killed_prepare_ends_in_the_same_bytes(tmp_path):
    """Bug: a piece half written is taken for done, or a worker of a dead run goes on writing."""
    killed_and_finished(tmp_path, kills=4, a_home=4)


@pytest.mark.slow
def test_a_killed_process_is_told_and_the_next_run_finishes(tmp_path):
    """Bug: prepare waits for a dead process for ever, ends with a traceback, or leaves what the next run trips over."""
    told = process_killed_and_finished(tmp_path, kills=1)
    assert told["errors"] == ["error: a process that prepares data was ended"]


@pytest.mark.soak
def test_prepare_killed_thirty_times(tmp_path):
    """Bug: as above, at one of thirty moments."""
    killed_and_finished(tmp_path, kills=30, a_home=5)


@pytest.mark.soak
def test_a_process_killed_six_times(tmp_path):
    """Bug: as above, at one of six moments."""
    process_killed_and_finished(tmp_path, kills=6)
