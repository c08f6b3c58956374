"""Near-duplicates: recall, precision and rows per CPU second beside five other systems, each in its own environment.

Run: ``python benchmarks/near_duplicates.py [--venvs DIR] [--work DIR] [--templated]``. Needs ../shared/bench/dedup_bench.py (corpus
and the peers' code, run from there) and pip for the peers. Writes benchmarks/results/near_duplicates.json.

One process and one thread each, started in turn; imports are not counted, reading the corpus is (``cpu_s``). Ours also
says what it takes from a list of texts to a drop mask (``engine_cpu_s``). Peers too slow for 200,000 rows get 50,000.
The corpus has another seed than the harness's default. Then 3,000 rows of one template with different facts, by the
whole `tunesmith prepare`; with ``--templated`` only that part of the result is measured anew.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
HARNESS = ROOT.parent / "shared" / "bench"
RESULT = ROOT / "benchmarks" / "results" / "near_duplicates.json"
SEED, THRESHOLD, ROWS, SLOW_ROWS = 11, 0.7, 200_000, 50_000
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "RAYON")} | {"POLARS_MAX_THREADS": "1"}
PIP = {
    "main": [
        ["rensa==0.5.0", "datasketch==2.0.0", "polars==2.1.0", "pyarrow==26.0.1", "numpy==2.4.6", "psutil"],
        ["datatrove[processing]==0.10.1", "spacy==3.8.18", "datasets==5.2.0", "bitarray", "ftfy", "click<9", "rich<14",
         "pybloom-live"],
        ["--no-deps", "text-dedup==0.4.0", "click-option-group"],
    ],
    "dj": [["torch==2.13.0"], ["py-data-juicer==1.6.1", "aiohttp", "regex", "xxhash", "scipy", "psutil", "polars"]],
}  # fmt: skip
# name: harness engine, environment, modules imported before the clock starts, rows, runs
PEERS = {
    "rensa 0.5.0 RMinHashDeduplicator": ("rensa_dedup", "main", "rensa pyarrow.parquet", ROWS, 3),
    "datasketch 2.0.0": ("datasketch", "main", "datasketch pyarrow.parquet", ROWS, 1),
    "py-data-juicer 1.6.1": (
        "datajuicer", "dj",
        "loguru datasets data_juicer.core.data data_juicer.ops.deduplicator.document_minhash_deduplicator", SLOW_ROWS, 1,
    ),
    "datatrove 0.10.1": ("datatrove", "main", "spacy datatrove.executor datatrove.pipeline.dedup", SLOW_ROWS, 1),
    "text-dedup 0.4.0": ("textdedup040", "main", "datasets", SLOW_ROWS, 1),
}  # fmt: skip
DRIVER = """
import importlib, json, os, resource, shutil, sys, time
bench, engine, modules, data, work = sys.argv[1:6]
sys.path.insert(0, bench)
import dedup_bench as bench
for name in modules.split():
    importlib.import_module(name)
shutil.rmtree(work, ignore_errors=True); os.makedirs(work)
both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
cpu = lambda: sum(sum(resource.getrusage(who)[:2]) for who in both)
start, wall = cpu(), time.time()
drop, note = bench.ENG[engine](data, work)
spent = {"cpu_s": cpu() - start, "wall_s": time.time() - wall, "note": note}
spent["peak_rss_mb"] = max(resource.getrusage(who).ru_maxrss for who in both) >> 10
print(json.dumps(spent | bench.score(drop, data, note)))
"""


def ours(data: str) -> dict:
    """Drop the near-duplicates of a corpus with the product's functions, in this process."""
    import polars as pl

    from tunesmith.data.duplicates.facts import Facts
    from tunesmith.data.duplicates.near import near_duplicates
    from tunesmith.data.duplicates.shingles import sign

    start, wall = time.process_time(), time.time()
    texts = pl.read_parquet(f"{data}/corpus.parquet", columns=["text"])["text"].to_list()
    read = time.process_time()
    signed = sign(texts)
    facts = Facts(lambda rows: [texts[row] for row in rows.tolist()])
    twins = near_duplicates(signed, signed.of, threshold=THRESHOLD, keys_of=facts.keys_of, allows=facts.allows)
    drop = twins.mask(len(texts))
    end = time.process_time()
    spent = {"cpu_s": end - start, "engine_cpu_s": end - read, "wall_s": time.time() - wall}
    spent["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.path.insert(0, str(HARNESS))
    import dedup_bench

    return spent | dedup_bench.score(drop, data, "")


def templated(rows: int = 3000) -> dict:
    """Prepare ``rows`` rows of one template, each another fact, by the public command with the recipe's defaults.

    Returns how many of the facts (an article and its number) are in the splits, what removed the others, and how many
    rows a search without the guard of facts would have dropped.
    """
    import polars as pl

    asks = (
        "Article {}: you are asked about the stock of our warehouse in the harbour, which is counted every evening by "
        "the two clerks of the night shift and written into the ledger before the gates are closed. How many units are "
        "left on the shelves after the delivery of this morning was booked, and the returns of the last week were "
        "taken out?"
    )
    answers = "The number of units of it that are left on the shelves is {}."
    facts = {(asks.format(10_000 + row), answers.format(row * 7 % 3001)) for row in range(rows)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (json.dumps({"prompt": ask, "completion": answer}) + "\n" for ask, answer in sorted(facts))
        (folder / "rows.jsonl").write_text("".join(lines))
        (folder / "recipe.yaml").write_text("name: templated\ntask: chat\ndata: {train: rows.jsonl}\n")
        command = [sys.executable, "-m", "tunesmith", "prepare", str(folder / "recipe.yaml"), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        result = json.loads(done.stdout)
        parts = [pl.read_parquet(Path(result["path"]) / f"{part}.parquet") for part in ("train", "valid", "test")]
        kept = [tuple(one["content"] for one in json.loads(text)) for text in pl.concat(parts)["messages"]]
    return {
        "rows": rows, "facts": len(facts), "facts_kept": len(facts & set(kept)), "removed_by": result["removed_by"],
        "splits": result["splits"], "dropped_without_guard": without_guard([" ".join(fact) for fact in sorted(facts)]),
    }  # fmt: skip


def without_guard(texts: list[str]) -> int:
    """Return how many texts are near-duplicates if facts do not count."""
    from tunesmith.data.duplicates.near import near_duplicates
    from tunesmith.data.duplicates.shingles import sign

    signed = sign(texts)
    return len(near_duplicates(signed, signed.of, threshold=THRESHOLD).row)


def told(command: list[str]) -> dict:
    """Run a command with one thread and return the last line it printed, as JSON."""
    environment = os.environ | ONE_THREAD | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800, check=False)
    if done.returncode:
        return {"error": (done.stderr or done.stdout)[-500:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def environments(folder: Path) -> dict[str, Path]:
    """Make the peers' environments in a folder, or use those that are there."""
    for name, calls in PIP.items():
        python = folder / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
            for packages in calls:
                subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return {name: folder / name / "bin" / "python" for name in PIP}


def corpus(python: Path, rows: int, folder: Path) -> str:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import dedup_bench as b; b.gen(int(sys.argv[2]), sys.argv[3], seed=int(sys.argv[4]))"
    if not (folder / "truth.npz").exists():
        subprocess.run([str(python), "-c", code, str(HARNESS), str(rows), str(folder), str(SEED)], check=True)
    return str(folder)


def summary(name: str, runs: list[dict]) -> dict:
    """Return one engine's line: the median run, rates, and the spread of its CPU seconds."""
    good = [run for run in runs if "error" not in run]
    if not good:
        return {"engine": name, "error": runs[0]["error"]}
    line = sorted(good, key=lambda run: run["cpu_s"])[len(good) // 2]
    cpu = [run["cpu_s"] for run in good]
    out = {"engine": name, "runs": len(good), **line, "rows_per_cpu_s": round(line["rows"] / statistics.median(cpu))}
    if "engine_cpu_s" in line:
        engine = [run["engine_cpu_s"] for run in good]
        out["engine_rows_per_cpu_s"] = round(line["rows"] / statistics.median(engine))
        out["engine_cpu_s_all"] = [round(one, 2) for one in engine]
    out["cpu_s_all"] = [round(one, 2) for one in cpu]
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in out.items()}


def compare(rows: int, data: str, pythons: dict[str, Path], work: Path) -> list[dict]:
    """Run ours and the peers of one corpus size in turn."""
    peers = {name: peer for name, peer in PEERS.items() if peer[3] == rows}
    runs: dict[str, list[dict]] = {"tunesmith": []} | {name: [] for name in peers}
    for turn in range(3):
        runs["tunesmith"].append(told([sys.executable, __file__, "--ours", data]))
        for name, (engine, venv, modules, _, times) in peers.items():
            if turn < times:
                scratch = str(work / f"{engine}.work")
                command = [str(pythons[venv]), "-c", DRIVER, str(HARNESS), engine, modules, data, scratch]
                runs[name].append(told(command))
                print(name, json.dumps(runs[name][-1])[:300], file=sys.stderr, flush=True)
        print("tunesmith", json.dumps(runs["tunesmith"][-1])[:300], file=sys.stderr, flush=True)
    lines = [summary(name, some) for name, some in runs.items()]
    for line in lines[1:]:
        if "rows_per_cpu_s" in line:
            line["ours_times_faster"] = round(lines[0]["rows_per_cpu_s"] / line["rows_per_cpu_s"], 2)
    return lines


def machine() -> dict:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"cpu": models[0].split(": ")[1] if models else platform.machine(), "cores": os.cpu_count()}


def everything(venvs: Path | None, folder: Path | None) -> dict:
    """Compare all engines on both corpora."""
    with tempfile.TemporaryDirectory() as name:
        work = folder or Path(name)
        pythons = environments(venvs or work / "venvs")
        result = {"seed": SEED, "threshold": THRESHOLD, "machine": machine(), "python": platform.python_version()}
        for rows in (ROWS, SLOW_ROWS):
            data = corpus(pythons["main"], rows, work / f"corpus{rows}")
            result[f"rows_{rows}"] = compare(rows, data, pythons, work)
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--venvs", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--ours", metavar="CORPUS")
    parser.add_argument("--templated", action="store_true")
    asked = parser.parse_args()
    if asked.ours:
        print(json.dumps(ours(asked.ours)))
        return
    result = json.loads(RESULT.read_text()) if asked.templated else everything(asked.venvs, asked.work)
    result |= {"templated": templated(), "date": datetime.now(UTC).date().isoformat()}
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
