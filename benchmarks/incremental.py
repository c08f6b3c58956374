"""What rows added to a prepared file cost: CPU seconds of `tunesmith prepare` from scratch and with the kept index.

Run: ``python benchmarks/incremental.py [--venvs DIR] [--work DIR]``; both as in benchmarks/prepare.py, whose corpus (seed
11, 200,000 chats of about 84 words) it takes rows from. Writes benchmarks/results/incremental.json.

Rows are prepared, others are added at the end of the file, and it is prepared again: in the workspace of the first time,
and in an empty one. Both must give the same files. ``row_wise`` is reading, repairing, judging, counting tokens and signing alone (`gather`, with
the processes it starts; without the imports of the main one); ``prepare`` is the whole public command.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from near_duplicates import ROOT, ROWS, corpus, environments, machine
from prepare import chats, measured

ROW_WISE = """
import json, resource, sys, time
from pathlib import Path
from tunesmith.core.artifacts import Workspace
from tunesmith.data.gather import gather
from tunesmith.data.index import Index
from tunesmith.data.prepare import measure_of, sources_of
from tunesmith.data.restore import Restored
from tunesmith.data.rowwise import RowWorker
from tunesmith.data.workers import few_collections
from tunesmith.recipe import load_recipe
file, index = Path(sys.argv[1]), Path(sys.argv[2])
recipe = load_recipe(file)
worker = RowWorker(recipe, Restored(), measure_of(recipe, Workspace(index)))
def cpu_s():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
before = cpu_s()
with few_collections():
    read = gather(worker, sources_of(recipe, file.parent), Index(index), index).read
print(json.dumps({"rows": read, "cpu_s": round(cpu_s() - before, 2)}))
"""


def row_wise(folder: Path, index: Path) -> float:
    command = [sys.executable, "-c", ROW_WISE, str(folder / "recipe.yaml"), str(index)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["cpu_s"]


def prepared(folder: Path, home: Path) -> dict:
    """Run the public command; return what it used and the files it made."""
    command = [sys.executable, "-m", "tunesmith", "prepare", str(folder / "recipe.yaml"), "--home", str(home)]
    facts = measured(command)
    newest = max((home / "artifacts").iterdir(), key=lambda path: path.stat().st_mtime)
    manifest = json.loads((newest / "manifest.json").read_text())
    return {**facts, "rows": manifest["result"]["rows"], "files": manifest["files"]}


def one_run(folder: Path, work: Path, lines: list[str], first: int) -> dict:
    """Prepare the first rows, add the others, prepare again with and without what was kept."""
    file, home, index = folder / "rows.jsonl", work / "home", work / "index"
    file.write_text("".join(lines[:first]))
    begun = {"row_wise": row_wise(folder, index), "prepare": prepared(folder, home)["cpu_s"]}
    with file.open("a") as out:
        out.writelines(lines[first:])
    added = {"row_wise": row_wise(folder, index), **prepared(folder, home)}
    scratch = {"row_wise": row_wise(folder, work / "no index"), **prepared(folder, work / "no home")}
    assert added["files"] == scratch["files"], "not the same Dataset"
    size = sum(one.stat().st_size for one in (home / "index").rglob("*") if one.is_file())
    for used in (work / "home", work / "index", work / "no index", work / "no home"):
        shutil.rmtree(used, ignore_errors=True)
    return {
        "first_rows_cpu_s": begun,
        "added_cpu_s": {"row_wise": added["row_wise"], "prepare": added["cpu_s"]},
        "from_scratch_cpu_s": {"row_wise": scratch["row_wise"], "prepare": scratch["cpu_s"]},
        "rows": added["rows"],
        "same_files": True,
        "index_bytes_per_row": round(size / len(lines)),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--venvs", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--more", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        mine, work = Path(temporary), given.work or Path(temporary)
        if not (work / "chats" / "rows.jsonl").exists():
            corpus(environments(given.venvs or work)["main"], ROWS, work)
        with chats(str(work), work / "chats").open() as file:
            lines = list(itertools.islice(file, given.rows + given.more))
        folder = mine / "project"
        folder.mkdir()
        shutil.copy(work / "chats" / "recipe.yaml", folder)
        runs = []
        for _ in range(given.runs):
            runs.append(one_run(folder, mine, lines, given.rows))
            print(runs[-1], flush=True)
    times = {
        part: round(statistics.median(run["from_scratch_cpu_s"][part] / run["added_cpu_s"][part] for run in runs), 1)
        for part in ("row_wise", "prepare")
    }
    result = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows_prepared": given.rows,
        "rows_added": given.more,
        "times_less_cpu": times,
        "runs": runs,
    }
    (ROOT / "benchmarks" / "results" / "incremental.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(times))


if __name__ == "__main__":
    main()
