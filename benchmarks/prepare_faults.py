"""Does prepare lose anything when files are spoilt or it is killed? The soak tests, with their counts written down.

Run: ``python benchmarks/prepare_faults.py [--rows N] [--kills N]``; needs the dev extra. Writes
benchmarks/results/prepare_faults.json. Calls what ``make soak`` calls: 10,000 rows of every format in every kind of
file that can hold it, of which most are spoilt at random (every one must be kept or removed, and nothing may raise
anything but a message to the user); 30 kills of the command and 6 of one of its processes at random moments (the next
run must end in the bytes of an undisturbed one). Any failure ends the script without a result.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "data"), str(ROOT / "tests" / "faults")]

from test_fuzz import FILES, accounted  # noqa: E402
from test_prepare_kill import ROWS, killed_and_finished, process_killed_and_finished  # noqa: E402

SEED = 2


def fuzzed(rows: int) -> dict[str, dict[str, object]]:
    """Prepare a spoilt file of each kind; return what became of its rows."""
    found = {}
    for name, ending in FILES:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            found[f"{name} .{ending}"] = accounted(Path(folder), name, ending, rows, SEED)
        print(name, ending, found[f"{name} .{ending}"], flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=30)
    given = parser.parse_args()
    result: dict[str, object] = {"rows_of_the_killed": ROWS}
    with tempfile.TemporaryDirectory() as folder:
        result["command_killed"] = killed_and_finished(Path(folder), given.kills, a_home=5)
    print(result, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result["process_killed"] = process_killed_and_finished(Path(folder), max(1, given.kills // 5))
    print(result["process_killed"], flush=True)
    result["fuzzed"] = {"rows_each": given.rows, "seed": SEED, "files": fuzzed(given.rows)}
    (ROOT / "benchmarks" / "results" / "prepare_faults.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
