"""The whole ring as a newcomer runs it: the demo, then the undo it promises."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def tunesmith(*args: str, cwd: Path) -> tuple[str, str]:
    """Run a command that must succeed; return stdout and stderr."""
    environment = {**os.environ, "COLUMNS": "120"}
    command = [sys.executable, "-m", "tunesmith", *args]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=560)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_the_ring_turns_and_turns_again(tmp_path):
    """Bug: any link of the ring breaks: the demo stops, learns nothing from corrections, or forgets what it knew."""
    out, told = tunesmith("demo", "--json", cwd=tmp_path)
    result = json.loads(out)
    assert result["prepare"]["rows"]["read"] == result["prepare"]["rows"]["kept"] + result["prepare"]["rows"]["removed"]
    tuned, base = result["evaluate"]["metrics"]["accuracy"], result["evaluate"]["baselines"]["base"]["accuracy"]
    assert tuned["low"] > base["high"] and result["evaluate"]["verdict"] == "pass"
    assert result["before"]["new"]["value"] == 0
    assert result["after"]["new"]["low"] > 0.4, "the new intent was not learnt"
    assert result["after"]["old"]["value"] > result["before"]["old"]["value"] - 0.1, "the old intents were forgotten"
    assert result["update"]["release"] == "tickets@production"
    assert result["peak_memory_gib"] <= 3.0
    assert "Traceback" not in told and "Warning" not in told

    home = ["--home", "tunesmith-demo/.tunesmith"]
    releases = json.loads(tunesmith("models", "--json", *home, cwd=tmp_path)[0])
    assert result["update"]["train"]["model"] in json.dumps(releases)
    tunesmith("rollback", "tickets", *home, cwd=tmp_path)
    answer, _ = tunesmith("chat", "tickets", "--message", "what is the balance of my gift card?", *home, cwd=tmp_path)
    assert answer.strip() and answer.strip() != "gift_card", "the model rolled back to never heard of gift cards"
