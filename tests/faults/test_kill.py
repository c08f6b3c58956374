"""kill -9 at random moments of prepare, train and evaluate: the same artifacts in the end, and never half of one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bad_data import csv_text
from tunesmith.core.artifacts import Workspace

COMPARED = ("train.parquet", "valid.parquet", "test.parquet", "removed.parquet", "labels.json", "examples.parquet")


TRAIN = {
    "all that changes as it goes": "schedule: {shape: plateau, patience: 0, layer_decay: 0.5}, freeze: {unfreeze: gradual, pace: 0.2}",
    "a rate that follows the validations": "schedule: {shape: plateau, patience: 0}",
    "states of frozen layers": 'freeze: {layers: "0:1"}',
    "unfreezing": "freeze: {unfreeze: gradual, pace: 0.2}, schedule: {layer_decay: 0.5}",
    "words that are drawn": "",
    "a teacher": "",
}
PROMPT = {
    "all that changes as it goes": "shots: 3, variants: [{system: Name the topic.}]",
    "words that are drawn": "shots: 3, variants: [{system: Name the topic.}]",
    "a teacher": "teacher: {system: Name the topic., shots: 4}",
}


def write_project(folder: Path, base: Path, name: str) -> Path:
    rows = [(f"{what} number {number}", label) for number in range(60) for what, label in
            (("where is parcel", "delivery"), ("refund for order", "refund"), ("broken cup in box", "damage"))]  # fmt: skip
    (folder / "a.csv").write_text(csv_text(rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: kill\ntask: classify\nbase: {base}\ndata: {{train: a.csv}}\n"
        f"train: {{method: full, epochs: 12, batch_tokens: 64, eval_every: 5, threads: 1, {TRAIN[name]}}}\n"
        f"prompt: {{{PROMPT.get(name, '')}}}\n"
        "evaluate: {baselines: [base, linear], gate: {against: []}}\n"
    )
    return recipe


def start(recipe: Path, home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunesmith", "run", str(recipe), "--home", str(home), "--force"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(recipe: Path, home: Path) -> dict[str, str]:
    """Run to the end; return artifact/file to digest of everything that must be reproduced."""
    process = start(recipe, home)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    digests = {}
    for artifact in Workspace(home).list():
        artifact.verify()
        kept = {name: value for name, value in artifact.manifest["files"].items()
                if name in COMPARED or name.startswith("model/")}  # fmt: skip
        digests |= {f"{artifact.id}/{name}": value for name, value in kept.items()}
    return digests


QUICK = "all that changes as it goes"
"""Killed in CI; tests of training kill it with a teacher and with states of frozen layers, too."""


@pytest.mark.parametrize(
    ("name", "rounds", "kills"),
    [
        pytest.param(QUICK, 1, 2, marks=pytest.mark.slow, id="few"),
        *(pytest.param(name, 4, 5, marks=pytest.mark.soak, id=f"{name}, twenty") for name in TRAIN),
    ],
)
def test_killed_at_random_moments_and_still_the_same(name, rounds, kills, tiny, tmp_path):
    """Bug: a checkpoint, a half-written folder, half a file of states or a lock of a dead process changes the result
    or stops the next run; a resumed run forgets what is unfrozen by now, draws other words, or asks a half-trained teacher.
    """
    recipe = write_project(tmp_path, tiny, name)
    started = time.monotonic()
    undisturbed = finished(recipe, tmp_path / "home")
    whole_s = time.monotonic() - started
    assert sum("model.safetensors" in name for name in undisturbed) == 1
    chance = random.Random(20)
    reached = set()
    for round_ in range(rounds):
        home = tmp_path / f"home{round_}"
        for _ in range(kills):
            process = start(recipe, home)
            try:
                process.wait(timeout=chance.uniform(0.15, 1.0) * whole_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert process.stderr is not None
            process.stderr.close()
            for artifact in Workspace(home).list():
                artifact.verify()  # whatever is visible is complete
            reached.add(len(Workspace(home).list()))
        assert finished(recipe, home) == undisturbed
        assert not [path for path in Workspace(home).leftovers() if path.is_dir()]
    assert rounds == 1 or len(reached) > 1, "all kills hit the same stage"
