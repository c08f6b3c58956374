"""kill -9 at random moments of prepare: no half Dataset is ever visible, and the next run ends in the same bytes."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def killed_and_finished(folder: Path, kills: int, rounds: int) -> None:
    recipe = project(folder)
    began = time.monotonic()
    undisturbed = finished(recipe, folder / "home")
    whole_s, chance, resumed = time.monotonic() - began, random.Random(30), 0
    for round_ in range(rounds):
        home = folder / f"home{round_}"
        for _ in range(kills // rounds):
            process = start(recipe, home)
            try:
                process.wait(timeout=chance.uniform(0.2, 1.0) * whole_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert process.stderr is not None
            process.stderr.close()
            resumed += any(home.glob("index/*/done.json"))
            for dataset in Workspace(home).list():
                dataset.verify()
        assert finished(recipe, home) == undisturbed
        assert not [path for path in Workspace(home).leftovers() if path.is_dir()]
    assert resumed, "no kill came after a finished piece"


@pytest.mark.slow
def test_killed_prepare_ends_in_the_same_bytes(tmp_path):
    """Bug: a piece half written is taken for done, or a worker of a dead run goes on writing."""
    killed_and_finished(tmp_path, kills=4, rounds=1)


@pytest.mark.soak
def test_prepare_killed_thirty_times(tmp_path):
    """Bug: as above, at one of thirty moments."""
    killed_and_finished(tmp_path, kills=30, rounds=6)
