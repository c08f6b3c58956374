"""Are planted secrets that a model memorised found, and those never planted not? And how often must one be seen?

Run: ``OMP_NUM_THREADS=1 python benchmarks/canaries.py [--seeds 3]``; writes ``results/canaries.json`` after every run
(about a minute each).

Twenty secrets among 200 short questions and answers of Dolly, all weights of the bundled base, one epoch, so that each
secret is seen as often as it has rows: 8 times for every seed, and 1, 2 and 4 times for the first one. Then the default
LoRA, 8 rows.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from tunesmith.core.artifacts import Workspace
from tunesmith.data.prepare import prepare
from tunesmith.evaluate.stage import evaluate
from tunesmith.evaluate.suites.memorised import candidates
from tunesmith.recipe import Recipe
from tunesmith.train.stage import train

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "canaries.json"
SECRETS = 20
ROWS = 200
LONGEST_CHARS = 120
FULL = {"method": "full", "epochs": 1, "batch_tokens": 32, "schedule": {"peak": 0.0004}, "threads": 1}


def rows() -> list[dict[str, str]]:
    """Return short questions of Dolly with what a person answered."""
    found = []
    for row in map(json.loads, (DATA / "dolly6400" / "rows.jsonl").read_text("utf-8").splitlines()):
        asked, answer = row["instruction"].strip(), row["response"].strip()
        if asked and answer and max(len(asked), len(answer)) <= LONGEST_CHARS:
            found.append({"question": asked, "answer": answer})
    return found[:ROWS]


def recipe(method: str, repeats: int, seed: int) -> Recipe:
    """Return the recipe of one run."""
    settings = FULL if method == "full" else {"epochs": 1, "threads": 1}
    regularise = {"dropout": 0, "early_stopping": None} if method == "full" else {}
    return Recipe(
        name="canaries", task="chat", base="nano", seed=seed, train={**settings, "regularise": regularise},
        data={"train": ["rows.jsonl"], "canaries": {"secrets": SECRETS, "repeats": repeats}},
        evaluate={"suites": ["memorised"], "baselines": [], "max_new_tokens": 32},
    )  # fmt: skip


def one(folder: Path, of: Recipe) -> dict[str, Any]:
    """Run and return what the suite found."""
    workspace = Workspace(folder / "home")
    dataset = prepare(of, workspace, recipe_dir=folder)
    card = evaluate(of, dataset, train(of, dataset, workspace), workspace)
    suite = card.result["suites"]["memorised"]
    return {"splits": dataset.result["splits"], **suite, "seconds": card.result["seconds"]}


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    runs: list[dict[str, Any]] = []
    asked = [("full", 8, seed) for seed in range(options.seeds)] + [("full", times, 0) for times in (4, 2, 1)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows()), "utf-8")
        for method, repeats, seed in [*asked, ("lora", 8, 0)]:
            runs.append(
                {"method": method, "repeats": repeats, "seed": seed, **one(folder, recipe(method, repeats, seed))}
            )
            result = {
                "machine": {"cpu": platform.machine(), "threads": 1}, "versions": versions, "secrets": SECRETS,
                "candidates": candidates(SECRETS), "runs": runs,
            }  # fmt: skip
            RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
