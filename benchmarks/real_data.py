"""The public commands on real data from nano: BANKING77 (77 intents) and RESTAURANTS-8K (text to JSON), official tests.

Run: ``python benchmarks/real_data.py [banking77|restaurant8k]``. Needs ../shared/data. Writes
benchmarks/results/{banking77,restaurant8k}.json: the scorecard's metrics with intervals, baselines, and wall seconds of
``tunesmith init`` and ``tunesmith run`` together, as a user waits for them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
TASKS = {
    "banking77": ("classify", DATA / "banking77" / "train.csv"),
    "restaurant8k": ("extract", DATA / "restaurant8k_slots" / "train_1.jsonl"),
}


def measure(name: str) -> dict:
    task, file = TASKS[name]
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        command = [sys.executable, "-m", "tunesmith"]
        subprocess.run([*command, "init", folder, "--task", task, "--data", str(file)], check=True)
        run = [*command, "run", f"{folder}/recipe.yaml", "--json", "--force"]
        done = subprocess.run(run, stdout=subprocess.PIPE, check=True)
        wall_s = time.monotonic() - started
        result = json.loads(done.stdout)
    card, trained = result["evaluate"], result["train"]
    return {
        "data": name,
        "task": task,
        "base": "nano",
        "rows": result["prepare"]["splits"],
        "metrics": card["metrics"],
        "baselines": card["baselines"],
        "deltas": card["deltas"],
        "verdict": card["verdict"],
        "summary": card["summary"],
        "train": {key: trained[key] for key in ("steps", "epochs", "stopped_by", "best", "seconds")},
        "wall_s": round(wall_s, 1),
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "load_at_end": os.getloadavg()[0]},
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    for name in sys.argv[1:] or TASKS:
        result = measure(name)
        (ROOT / "benchmarks" / "results" / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(name, result["summary"], f"{result['wall_s']} s")


if __name__ == "__main__":
    main()
