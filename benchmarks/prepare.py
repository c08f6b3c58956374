"""The whole default `tunesmith prepare`: rows per CPU second and peak memory, beside an equivalent Data-Juicer recipe.

Run: ``python benchmarks/prepare.py [--venvs DIR] [--work DIR] [--million]``. Needs ../shared/bench/dedup_bench.py (the
corpus's generator, run from there) and pip for the peer. Writes benchmarks/results/prepare.json.

The corpus (seed 11, about 84 words a row) is written as chats, half of the words asked and half answered, and prepared by
the public command with the recipe's defaults: reading, repair, 23 noise rules, personal data, tokens by nano's chat
template, exact and near duplicates, splits, report. CPU seconds are those of the command and all its processes, imports
counted. Data-Juicer has fewer rules: unicode, whitespace, HTML, e-mail and IP mappers, length, repetition and special-character
filters, MinHash duplicates; its imports are counted too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from near_duplicates import ROOT, corpus, environments, machine

MEASURED = """
import json, os, resource, sys, subprocess, threading, time
import psutil
peak, stop = [0], threading.Event()
def watch(child):
    while not stop.wait(0.25):  # a look costs milliseconds of the cores that are measured
        try:
            both = [child, *child.children(recursive=True)]
            peak[0] = max(peak[0], sum(one.memory_full_info().uss for one in both))
        except psutil.Error:
            pass
started = time.time()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
thread = threading.Thread(target=watch, args=(psutil.Process(process.pid),), daemon=True); thread.start()
code = process.wait(); stop.set()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"rc": code, "cpu_s": round(used.ru_utime + used.ru_stime, 1), "wall_s": round(time.time() - started, 1),
                  "peak_mb": peak[0] >> 20}))
"""
JUICER = """
project_name: peer
dataset_path: {data}
export_path: {out}
np: 2
text_keys: text
open_tracer: false
use_cache: false
process:
  - fix_unicode_mapper:
  - whitespace_normalization_mapper:
  - clean_html_mapper:
  - clean_email_mapper:
  - clean_ip_mapper:
  - text_length_filter: {{min_len: 1, max_len: 20000}}
  - character_repetition_filter: {{rep_len: 10, max_ratio: 0.5}}
  - word_repetition_filter: {{lang: en, tokenization: false, rep_len: 10, max_ratio: 0.5}}
  - special_characters_filter: {{min_ratio: 0.0, max_ratio: 0.5}}
  - document_minhash_deduplicator: {{tokenization: space, window_size: 5, lowercase: true, num_permutations: 128, jaccard_threshold: 0.7, num_bands: 16, num_rows_per_band: 8}}
"""


def chats(data: str, folder: Path) -> Path:
    """Write a corpus as chats: the first half of a text's words asks, the second answers."""
    import polars as pl

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rows.jsonl"
    if not file.exists():
        with file.open("w") as out:
            for text in pl.read_parquet(f"{data}/corpus.parquet", columns=["text"])["text"]:
                words = text.split(" ")
                half = max(1, len(words) // 2)
                messages = [
                    {"role": "user", "content": " ".join(words[:half])},
                    {"role": "assistant", "content": " ".join(words[half:]) or "ok"},
                ]
                out.write(json.dumps({"messages": messages}) + "\n")
    (folder / "recipe.yaml").write_text("name: bench\ntask: chat\ndata: {train: rows.jsonl}\n")
    return file


def measured(command: list[str], **environment: str) -> dict:
    """Run a command and return its CPU and wall seconds and the peak of its processes' own memory (USS)."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode or json.loads(done.stdout.splitlines()[-1])["rc"]:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def ours(folder: Path, rows: int) -> dict:
    """Prepare a folder's chats with the public command."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        command = [sys.executable, "-m", "tunesmith", "prepare", str(folder / "recipe.yaml"), "--home", home]
        facts = measured(command)
        [artifact] = Path(home, "artifacts").iterdir()
        result = json.loads((artifact / "manifest.json").read_text())["result"]
    return {
        **facts,
        "rows_per_cpu_s": round(rows / facts["cpu_s"]),
        "rows": result["rows"],
        "removed_by": result["removed_by"],
    }


def juicer(python: Path, folder: Path, file: Path, rows: int) -> dict:
    """Run the peer's recipe over as many rows."""
    peer = folder / "peer"
    peer.mkdir(exist_ok=True)
    data = peer / "rows.jsonl"
    with file.open() as lines, data.open("w") as out:
        for _, line in zip(range(rows), lines, strict=False):
            messages = json.loads(line)["messages"]
            out.write(json.dumps({"text": "\n".join(message["content"] for message in messages)}) + "\n")
    config = peer / "recipe.yaml"
    config.write_text(JUICER.format(data=data, out=peer / "out.jsonl"))
    facts = measured([str(python.with_name("dj-process")), "--config", str(config)], HF_HUB_OFFLINE="1")
    return {**facts, "rows": rows, "rows_per_cpu_s": round(rows / facts["cpu_s"])}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--venvs", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peer-rows", type=int, default=20_000)
    parser.add_argument("--million", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        pythons = environments(given.venvs or Path(temporary))
        data = corpus(pythons["main"], given.rows, work)
        file = chats(data, work / "chats")
        runs, peers = [], []
        for _ in range(given.runs):
            runs.append(ours(work / "chats", given.rows))
            print("ours", runs[-1], flush=True)
            if given.peer_rows and not peers:
                peers.append(juicer(pythons["dj"], work, file, given.peer_rows))
                print("data-juicer", peers[-1], flush=True)
        middle = sorted(runs, key=lambda run: run["cpu_s"])[len(runs) // 2]
        result = {
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "median": middle,
            "runs": runs,
        }
        if peers:
            result["data_juicer"] = peers[0]
            result["times_data_juicer"] = round(middle["rows_per_cpu_s"] / peers[0]["rows_per_cpu_s"], 1)
        if given.million:
            (work / "million").mkdir(exist_ok=True)
            chats(corpus(pythons["main"], 1_000_000, work / "million"), work / "million")
            big = ours(work / "million", 1_000_000)
            result["million"] = {**big, "times_as_long_cpu": round(big["cpu_s"] / middle["cpu_s"], 2)}
            print("million", big, flush=True)
    (ROOT / "benchmarks" / "results" / "prepare.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=1))


if __name__ == "__main__":
    started = time.time()
    main()
    print(f"{time.time() - started:.0f} s")
