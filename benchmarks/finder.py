"""Is the peak that ``peak: auto`` finds as good as a grid's best, and what does finding it cost?

Run: ``OMP_NUM_THREADS=1 python benchmarks/finder.py [--home FOLDER] [--part NAME ...]``; needs ../shared/data, writes
``results/finder.json`` after each run. With --home a second run trains only what is missing there.

The bundled nano on real data: BANKING77 (classify), Dolly (chat, short answers) and bookings (extract; not looked at
when the rule was chosen), all weights and LoRA. The grid is
the default peak times powers of two from a quarter to four, and on while its best lies at an end. All runs of a part
have the same seed, rows and steps; the loss is the best validation loss of a run, which is what chooses its weights.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.train.schedule import default_peak
from tunesmith.train.stage import train

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "finder.json"
ROWS = 2000
LONGEST_CHARS = 200
PARTS = {
    f"{data}, {method}": (data, method)
    for data in ("banking77", "dolly", "restaurant8k")
    for method in ("full", "lora")
}
FACTORS = (-2, -1, 0, 1, 2)
MOST_FACTOR = 4
"""Powers of two times the default peak: the grid, and how far it goes on."""


def banking77(folder: Path) -> None:
    """Write messages and their intents."""
    with (DATA / "banking77" / "train.csv").open(newline="") as file:
        rows = random.Random(0).sample(list(csv.DictReader(file)), ROWS)
    with (folder / "banking77.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, ["text", "category"])
        table.writeheader()
        table.writerows(rows)


def dolly(folder: Path) -> None:
    """Write questions and people's short answers."""
    rows = map(json.loads, (DATA / "dolly6400" / "rows.jsonl").read_text("utf-8").splitlines())
    pairs = [(row["instruction"], row["response"].strip()) for row in rows if not row["maybe_truncated"]]
    short = [pair for pair in pairs if pair[1] and max(map(len, pair)) <= LONGEST_CHARS][:ROWS]
    with (folder / "dolly.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["input", "target"])
        table.writerows(short)


def restaurant8k(folder: Path) -> None:
    """Write messages and the slots in them, as JSON."""
    rows = map(json.loads, (DATA / "restaurant8k_slots" / "train_1.jsonl").read_text("utf-8").splitlines())
    pairs = [(row["text"], json.dumps(row["slots"])) for row in rows]
    with (folder / "restaurant8k.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "slots"), *random.Random(0).sample(pairs, ROWS)])


def recipe(data: str, method: str, peak: float | str) -> Recipe:
    """Return the recipe of one run."""
    task, asked, told = {
        "banking77": ("classify", "text", "category"), "dolly": ("chat", "input", "target"),
        "restaurant8k": ("extract", "text", "slots"),
    }[data]  # fmt: skip
    return Recipe.model_validate({
        "name": data, "task": task, "base": "nano",
        "data": {"train": f"{data}.csv", "columns": {"input": asked, "target": told}, "split": {"valid": 0.2, "test": 0.02}},
        "train": {"method": method, "epochs": 3 if data == "banking77" else 2, "batch_tokens": "auto",
                  "threads": 1, "schedule": {"peak": peak}},
    })  # fmt: skip


def outcome(model: Artifact) -> dict[str, Any]:
    """Return what is kept of a run."""
    result = model.result
    return {
        "peak": result["peak_learning_rate"], "valid_loss": result["best"]["value"], "at_step": result["best"]["step"],
        "steps": result["steps"], "seconds": result["seconds"],
    }  # fmt: skip


def grid(data: str, method: str, dataset: Artifact, workspace: Workspace, width: int) -> dict[int, dict[str, Any]]:
    """Return a run for each power of two."""
    start = default_peak(method, width)
    found = {at: outcome(train(recipe(data, method, start * 2.0**at), dataset, workspace)) for at in FACTORS}
    while True:
        best = min(found, key=lambda at: found[at]["valid_loss"])
        further = best + (1 if best == max(found) else -1)
        if best not in (min(found), max(found)) or abs(further) > MOST_FACTOR:
            return {at: found[at] for at in sorted(found)}
        found[further] = outcome(train(recipe(data, method, start * 2.0**further), dataset, workspace))


def compared(runs: dict[int, dict[str, Any]], model: Artifact) -> dict[str, Any]:
    """Return the grid, what was found, and how far its loss is above the grid's best."""
    best, own, search = min(one["valid_loss"] for one in runs.values()), outcome(model), model.result["peak_search"]
    above = own["valid_loss"] / best - 1
    return {
        "grid": list(runs.values()),
        "auto": {**own, "search": search},
        "auto_over_best": round(above, 4),
        "default_over_best": round(runs[0]["valid_loss"] / best - 1, 4),
        "within_1_percent": above <= 0.01,
        "searched_share_of_run": round(len(search["tried"]) * search["steps_each"] / own["steps"], 3),
    }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    versions = {name: metadata.version(name) for name in ("torch", "transformers", "peft")}
    known = json.loads(RESULT.read_text("utf-8"))["parts"] if RESULT.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace((options.home or Path(name)).resolve())
        width = int(load_model("nano").model.config.hidden_size)
        banking77(Path(name))
        dolly(Path(name))
        restaurant8k(Path(name))
        for part in options.part:
            data, method = PARTS[part]
            dataset = prepare(recipe(data, method, "auto"), workspace, recipe_dir=Path(name))
            runs = grid(data, method, dataset, workspace, width)
            auto = train(recipe(data, method, "auto"), dataset, workspace)
            known[part] = {"splits": dataset.result["splits"], **compared(runs, auto)}
            print(
                part, {key: value for key, value in known[part].items() if isinstance(value, float | bool)}, flush=True
            )
            parts = {key: known[key] for key in PARTS if key in known}
            result = {"base": "nano", "machine": platform.machine(), "threads": 1, "versions": versions, "parts": parts}
            RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
