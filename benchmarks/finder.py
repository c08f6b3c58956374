"""Is the peak that ``peak: auto`` finds as good as a grid's best, and what does finding it cost?

Run: ``OMP_NUM_THREADS=1 python benchmarks/finder.py [--home FOLDER] [--part NAME ...] [--seeds 0 1 2]``; needs
../shared/data, writes ``results/finder.json`` after each seed of a part. With --home a second run trains only what is missing there.

The bundled nano on real data: BANKING77 (classify), Dolly (chat, short answers) and bookings (extract; not looked at
when the rule was chosen), all weights and LoRA. The grid is
the default peak times powers of two from a quarter to four, and on while its best lies at an end. All runs of a part's
seed have the same rows and steps; the loss is the best validation loss of a run, which is what chooses its weights. A part's
figures are of its seeds' mean losses: the best of a grid of single runs is in part luck.
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
from statistics import mean
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


def recipe(data: str, method: str, peak: float | str, seed: int) -> Recipe:
    """Return the recipe of one run."""
    task, asked, told = {
        "banking77": ("classify", "text", "category"), "dolly": ("chat", "input", "target"),
        "restaurant8k": ("extract", "text", "slots"),
    }[data]  # fmt: skip
    return Recipe.model_validate({
        "name": data, "task": task, "base": "nano", "seed": seed,
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


def grid(part: str, seed: int, factors: set[int], dataset: Artifact, workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return a run for each power of two: some, and further ones while the best lies at an end."""
    data, method = PARTS[part]
    start = peak_by_default(method)

    def run(at: int) -> dict[str, Any]:
        return outcome(train(recipe(data, method, start * 2.0**at, seed), dataset, workspace))

    found = {at: run(at) for at in sorted(factors)}
    while True:
        best = min(found, key=lambda at: found[at]["valid_loss"])
        further = best + (1 if best == max(found) else -1)
        if best not in (min(found), max(found)) or abs(further) > MOST_FACTOR:
            return {str(at): found[at] for at in sorted(found)}
        found[further] = run(further)


def peak_by_default(method: str) -> float:
    """Return the peak that a run has whose recipe gives none."""
    return default_peak(method, int(load_model("nano").model.config.hidden_size))


def measured(part: str, seed: int, factors: set[int], workspace: Workspace, folder: Path) -> dict[str, Any]:
    """Return a seed's grid and the run whose peak is found."""
    asked = recipe(*PARTS[part], "auto", seed)
    dataset = prepare(asked, workspace, recipe_dir=folder)
    runs = grid(part, seed, factors, dataset, workspace)
    model = train(asked, dataset, workspace)
    auto = {**outcome(model), "search": model.result["peak_search"]}
    return {"splits": dataset.result["splits"], "grid": runs, "auto": auto}


def compared(seeds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return how far what was found is above the grid's best, and the default; of losses' means over the seeds."""
    grids = [one["grid"] for one in seeds.values()]
    factors = set.union(*map(set, grids))
    means = {at: mean(grid[at]["valid_loss"] for grid in grids) for at in factors if all(at in grid for grid in grids)}
    best, autos = min(means.values()), [one["auto"] for one in seeds.values()]
    above = mean(one["valid_loss"] for one in autos) / best - 1
    tried = sum(len(one["search"]["tried"]) * one["search"]["steps_each"] for one in autos)
    return {
        "auto_over_best": round(above, 4),
        "default_over_best": round(means["0"] / best - 1, 4),
        "within_1_percent": above <= 0.01,
        "grids_alike": len(means) == len(factors),
        "searched_share_of_run": round(tried / sum(one["steps"] for one in autos), 3),
    }


def known() -> dict[str, dict[str, Any]]:
    """Return what is measured already, by part."""
    return json.loads(RESULT.read_text("utf-8"))["parts"] if RESULT.exists() else {}


def keep(part: str, seed: int, found: dict[str, Any]) -> None:
    """Write a seed of a part to the results, and say how the part stands."""
    parts = known()
    seeds = dict(sorted({**parts.get(part, {}).get("seeds", {}), str(seed): found}.items()))
    parts[part] = {**compared(seeds), "seeds": seeds}
    versions = {name: metadata.version(name) for name in ("torch", "transformers", "peft")}
    ordered = {key: parts[key] for key in PARTS if key in parts}
    result = {"base": "nano", "machine": platform.machine(), "threads": 1, "versions": versions, "parts": ordered}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(part, list(seeds), compared(seeds), flush=True)


def main() -> None:
    """Measure, and write the result; a second time round a grid that went on for one seed does for the others."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace((options.home or Path(name)).resolve())
        for write in (banking77, dolly, restaurant8k):
            write(Path(name))
        for part in options.part:
            for seed in [*options.seeds, *options.seeds]:
                grids = (one["grid"] for one in known().get(part, {}).get("seeds", {}).values())
                factors = {*FACTORS, *(int(at) for grid in grids for at in grid)}
                keep(part, seed, measured(part, seed, factors, workspace, Path(name)))


if __name__ == "__main__":
    main()
