"""Benchmarks can still be started: what they import is there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
OF_PEERS = {"train_cpu_peer", "preference_trl"}
"""These run in an environment of another system."""


@pytest.mark.slow
def test_every_benchmark_can_be_imported():
    """Catches a function that moved, and a benchmark that nobody can run any more."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in OF_PEERS)
    code = "import importlib, sys\nfor name in sys.argv[1:]: assert callable(importlib.import_module(name).main), name"
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER.parent / "tests"), str(FOLDER.parent / "src")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *names], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
