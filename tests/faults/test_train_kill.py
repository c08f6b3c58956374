"""kill -9 at a hundred random moments of train: full, LoRA, kept states of frozen layers, two ranks, two with parts.

The next run goes on, and what it ends in are the bytes of an undisturbed run. Of each way that passed the counts are
written to benchmarks/results/kills.json.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tiny import tiny_base
from tunesmith.core.artifacts import Workspace

WAYS = {
    "full": ("method: full", 1),
    "lora": ("method: lora", 1),
    "frozen_cache": ("method: full, freeze: {layers: '0:3'}", 1),
    "two_ranks": ("method: full", 2),
    "two_ranks_in_parts": ("method: full, shard: always", 2),
}
KILLS = int(os.environ.get("KILLS", "20"))
"""Of each way: ``make soak KILLS=3`` is quicker."""

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "kills.json"
RECIPE = """name: kill
task: chat
base: {base}
data: {{train: data.jsonl, split: {{valid: 0.2, test: 0.0}}, dedup: {{near: null}}}}
train: {{{how}, epochs: 8, batch_tokens: 60, eval_every: 2, threads: 1, schedule: {{peak: 0.01}},
        regularise: {{dropout: 0.1, early_stopping: null}}}}
"""


def project(folder: Path, base: Path, how: str) -> Path:
    folder.mkdir(parents=True)
    rows = [
        {"prompt": f"my {what} number {n} is lost", "completion": f"we block {what} {n} and send another"}
        for n in range(12)
        for what in ("card", "key", "phone")
    ]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(base=base, how=how))
    return recipe


def start(recipe: Path, home: Path, devices: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunesmith", "train", str(recipe), "--home", str(home)]
    command += ["--devices", str(devices)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(recipe: Path, home: Path, devices: int) -> dict[str, str]:
    """Train to the end; return the digests of the Model's weights."""
    process = start(recipe, home, devices)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    [model] = [one for one in Workspace(home).list() if one.manifest["stage"] == "model"]
    model.verify()
    return {name: digest for name, digest in model.manifest["files"].items() if name.endswith(".safetensors")}


def killed_and_finished(folder: Path, base: Path, way: str, kills: int, a_home: int) -> dict[str, Any]:
    """Kill the command so often, ``a_home`` times before it may finish; return what came of it.

    The first kill of a home comes as soon as there is a checkpoint, the others at random after it goes on.
    """
    how, devices = WAYS[way]
    recipe, chance = project(folder / way, base, how), random.Random(way)
    began_s = time.monotonic()
    undisturbed = finished(recipe, folder / way / "home", devices)
    whole_s = time.monotonic() - began_s
    killed = resumed = kept = homes = 0
    while killed < kills:
        home, goal = folder / way / f"home{homes}", min(killed + a_home, kills)
        homes += 1
        while killed < goal and killed_after(chance.uniform(0.3, 1.0) * whole_s, recipe, home, devices):
            killed += 1
            resumed += has_checkpoint(home)
            kept += has_states(home)
        assert finished(recipe, home, devices) == undisturbed
        assert not [path for path in Workspace(home).leftovers() if path.is_dir()]
    assert resumed, "no kill came after a checkpoint"
    assert bool(kept) == (way == "frozen_cache"), "states of frozen layers were on disk in no run, or in the wrong one"
    facts = {"kills": killed, "behind_a_checkpoint": resumed, "finished_in_the_same_bytes": homes}
    return {**facts, "with_kept_states": kept} if kept else facts


def has_checkpoint(home: Path) -> bool:
    return any(home.glob("work/*/latest/state.json"))


def has_states(home: Path) -> bool:
    return any(home.glob("work/*/frozen-*.states"))


def killed_after(seconds: float, recipe: Path, home: Path, devices: int) -> bool:
    """Start the command and kill it, and of ranks one, after so many seconds; tell whether it was still running."""
    started_s, fresh = time.monotonic(), not has_checkpoint(home)
    process = start(recipe, home, devices)
    while process.poll() is None and not (has_checkpoint(home) if fresh else time.monotonic() - started_s > seconds):
        time.sleep(0.02)
    ranks = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    _, alive = psutil.wait_procs(ranks, timeout=60)
    assert not alive
    return process.returncode == -signal.SIGKILL


def noted(way: str, facts: dict[str, Any] | None) -> None:
    """Write what came of a way; None takes away what an earlier run found."""
    known = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    known.pop(way, None)
    RESULT.write_text(json.dumps({**known, **({way: facts} if facts else {})}, indent=1) + "\n", encoding="utf-8")


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
def test_training_killed_twenty_times(tmp_path, way):
    """Bug: order, dropout, optimiser or kept states are not what they were when a run goes on."""
    noted(way, None)
    base = tiny_base(tmp_path / "base", num_hidden_layers=4)
    noted(way, killed_and_finished(tmp_path, base, way, kills=KILLS, a_home=4))
