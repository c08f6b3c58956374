"""What the self-audit and the learning curve say of real data, through the public commands.

Run: ``python benchmarks/audit.py``. Needs ../shared/data (dolly6400, banking77, restaurant8k_slots). Writes
benchmarks/results/audit.json: recall and precision of each rule on defects planted in Dolly and BANKING77, and how many
rows of Dolly and of the restaurant bookings are enough.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "shared" / "data"
RESULT = Path(__file__).parent / "results" / "audit.json"


COLUMNS = {
    "dolly": ("chat", "dolly6400/rows.jsonl", "{input: instruction, target: response}"),
    "banking77": ("classify", "banking77/train.csv", "{input: text, target: category}"),
    "restaurant8k": ("extract", "restaurant8k_slots/train_1.jsonl", "{input: text, target: slots}"),
}


def recipe(name: str) -> str:
    """Return the shortest recipe for a data set: all rules as they come."""
    task, file, columns = COLUMNS[name]
    return f"name: {name}\ntask: {task}\ndata: {{train: [{DATA / file}], columns: {columns}}}\n"


def answer(name: str, folder: Path, *command: str) -> dict[str, Any]:
    """Return what a command prints as JSON for a data set."""
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(recipe(name), encoding="utf-8")
    verb, *options = command
    run = [sys.executable, "-m", "tunesmith", verb, "recipe.yaml", *options, "--json"]
    done = subprocess.run(run, cwd=folder, check=True, stdout=subprocess.PIPE)
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def main() -> None:
    """Run every case and write the result."""
    result: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "audit": {}, "curve": {}}
    with tempfile.TemporaryDirectory() as name:
        for case in ("dolly", "banking77"):
            result["audit"][case] = answer(case, Path(name) / case, "prepare", "--audit")["audit"]
        for case in ("dolly", "restaurant8k"):
            result["curve"][case] = answer(case, Path(name) / case, "curve")
    RESULT.write_text(json.dumps(result, indent=1).replace(name, "<folder>").replace(str(DATA), "shared/data") + "\n")


if __name__ == "__main__":
    main()
