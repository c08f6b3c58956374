"""Does it help? Each schedule and each regulariser beside plain training, on real data, over three seeds.

Run: ``OMP_NUM_THREADS=1 python benchmarks/helps.py [--data banking77 dolly] [--seeds 3] [--only NAME ...]``. Needs
../shared/data. Writes benchmarks/results/helps.json after every run; runs that are in it already are not done again.

Plain is full fine-tuning of nano with the default peak, a cosine, no dropout, no decay, no early stopping; every other
line changes one thing. Few rows and several epochs, so that there is something to lose by learning them by heart. Of a
run: the lowest and the last validation loss (nats a target token), and for BANKING77 the accuracy of the weights of the
lowest on 1,000 test rows. A line helps, or harms, if all seeds agree, each beside plain of the same seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from transfer import accuracy
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe
from tunesmith.train.stage import train

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "helps.json"
SEEDS = 3
NO_MORE = {"dropout": 0.0, "weight_decay": 0.0, "early_stopping": None}

DATA: dict[str, dict[str, Any]] = {
    "banking77": {
        "task": "classify", "epochs": 6,
        "data": {"train": str(SHARED / "banking77" / "train.csv"), "test": str(SHARED / "banking77" / "test.csv"),
                 "columns": {"input": "text", "target": "category"}, "size": {"max_examples": 770, "select": "random"}},
    },
    "dolly": {
        "task": "chat", "epochs": 3,
        "data": {"train": str(SHARED / "dolly6400" / "rows.jsonl"), "columns": {"input": "instruction", "target": "response"},
                 "size": {"max_examples": 400, "select": "random"}},
    },
}  # fmt: skip

LINES: dict[str, dict[str, Any]] = {
    "plain": {},
    "constant": {"schedule": {"shape": "constant"}},
    "linear": {"schedule": {"shape": "linear"}},
    "restarts": {"schedule": {"shape": "restarts"}},
    "cyclic triangular": {"schedule": {"shape": "cyclic"}},
    "cyclic triangular2": {"schedule": {"shape": "cyclic", "mode": "triangular2"}},
    "cyclic exp_range": {"schedule": {"shape": "cyclic", "mode": "exp_range", "gamma": 0.995}},
    "one_cycle": {"schedule": {"shape": "one_cycle"}},
    "wsd": {"schedule": {"shape": "wsd"}},
    "inverse_sqrt": {"schedule": {"shape": "inverse_sqrt"}},
    "polynomial": {"schedule": {"shape": "polynomial"}},
    "plateau": {"schedule": {"shape": "plateau"}},
    "no warm-up": {"schedule": {"warmup": 1}},
    "layer_decay 0.9": {"schedule": {"layer_decay": 0.9}},
    "dropout 0.05": {"regularise": {"dropout": 0.05}},
    "dropout 0.1": {"regularise": {"dropout": 0.1}},
    "weight_decay 0.1": {"regularise": {"weight_decay": 0.1}},
    "label_smoothing 0.1": {"regularise": {"label_smoothing": 0.1}},
    "neftune 5": {"regularise": {"neftune": 5}},
    "r_drop 1, dropout 0.1": {"regularise": {"r_drop": 1, "dropout": 0.1}},
    "l2sp 3": {"regularise": {"l2sp": 3}},
    "gradient_noise 0.1": {"regularise": {"gradient_noise": 0.1}},
    "ema 0.99": {"regularise": {"ema": 0.99}},
    "average 0.3": {"regularise": {"average": 0.3}},
    "early stopping": {"regularise": {"early_stopping": {"patience": 2}}},
    "lowest 3 of 4 frozen": {"freeze": {"layers": "0:3"}},
    "gradual unfreezing": {"freeze": {"unfreeze": "gradual"}},
}


def recipe(data: str, seed: int, line: dict[str, Any]) -> Recipe:
    """Return the recipe of one run."""
    of = DATA[data]
    settings = {"method": "full", "epochs": of["epochs"], "threads": 1, **line}
    settings["regularise"] = {**NO_MORE, **line.get("regularise", {})}
    return Recipe(name=data, task=of["task"], base="nano", seed=seed, data=of["data"], train=settings)


def one(data: str, of: Recipe, dataset: Artifact, home: Path) -> dict[str, Any]:
    """Train; return what is kept of it."""
    model = train(of, dataset, Workspace(home))
    rows = [json.loads(row) for row in (model.path / "metrics.jsonl").read_text().splitlines()]
    losses = [row["valid_loss"] for row in rows if "valid_loss" in row]
    told = {"lowest": min(losses), "last": losses[-1], "steps": len(rows), "seconds": round(model.result["seconds"], 1)}
    return told | ({"accuracy": accuracy(model, dataset)["value"]} if data == "banking77" else {})


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return for each line what it changes beside plain of the same seed, and whether all seeds agree."""
    found = []
    for data in DATA:
        own = [run for run in runs if run["data"] == data]
        plain = {run["seed"]: run for run in own if run["line"] == "plain"}
        for line in LINES:
            some = [run for run in own if run["line"] == line and run["seed"] in plain]
            if not some:
                continue
            row: dict[str, Any] = {"data": data, "line": line, "seeds": len(some)}
            for name, sign in (("lowest", -1), ("last", -1), ("accuracy", 1)):
                if name in some[0]:
                    apart = [run[name] - plain[run["seed"]][name] for run in some]
                    row[name] = {
                        "mean": round(statistics.mean(run[name] for run in some), 4),
                        "beside_plain": round(statistics.mean(apart), 4),
                        "all_seeds": verdict([sign * one for one in apart]),
                    }
            found.append(row)
    return found


def verdict(gains: list[float]) -> str:
    """Return in a word whether all seeds agree; nothing is said before there are some."""
    if len(gains) < SEEDS:
        return f"{len(gains)} of {SEEDS} seeds"
    return "helps" if min(gains) > 0 else "harms" if max(gains) < 0 else "differ"


def main() -> None:
    """Make the runs that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--only", nargs="+", default=list(LINES), choices=LINES)
    given = parser.parse_args()
    runs = json.loads(RESULT.read_text())["runs"] if RESULT.exists() else []
    done = {(run["data"], run["line"], run["seed"]) for run in runs}
    with tempfile.TemporaryDirectory() as folder:
        datasets = {}
        for seed in range(given.seeds):
            for data in given.data:
                if data not in datasets:
                    datasets[data] = prepare(recipe(data, 0, {}), Workspace(Path(folder) / "home"), recipe_dir=ROOT)
                for line in given.only:
                    if (data, line, seed) in done:
                        continue
                    told = one(data, recipe(data, seed, LINES[line]), datasets[data], Path(folder) / "home")
                    runs.append({"data": data, "line": line, "seed": seed, **told})
                    print(runs[-1], flush=True)
                    RESULT.write_text(json.dumps({"table": table(runs), "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
