"""Does DPO on the bundled base come to prefer what people wrote, on questions it has not seen? And at which peak?

Run: ``OMP_NUM_THREADS=1 python benchmarks/preference.py [--seeds 3] [--data onestop dolly]``; writes
``results/preference.json`` after every run.

Two kinds of real pairs. onestop: a sentence of a news article is to be said in plain English; chosen is the teacher's
version for the next lower level or two, rejected the sentence as it was. dolly: a question; chosen is a person's answer, rejected
that of Flan-T5 large. Peaks are compared on the validation pairs; the test pairs are looked at for all, chosen by none.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.evaluate.stage import evaluate
from tunesmith.recipe import Recipe
from tunesmith.train.stage import train

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "preference.json"
PAIRS = 200
LONGEST_CHARS = 300
SFT_PEAK = 8e-4
"""The default peak of plain fine-tuning of nano, all weights."""

FACTORS = (0.1, 0.3, 1.0)
DROPOUT = 0.1


def onestop() -> list[dict[str, str]]:
    """Return pairs of a teacher's plain sentence and the advanced one."""
    pairs: dict[str, str] = {}
    for row in map(json.loads, (DATA / "onestop_english" / "sentence_pairs.jsonl").read_text("utf-8").splitlines()):
        hard, plain = (text for key, text in row.items() if key != "kind")
        if hard != plain:
            pairs.setdefault(hard, plain)
    return [
        {"prompt": f"Say it in plain English: {hard}", "chosen": plain, "rejected": hard}
        for hard, plain in pairs.items()
        if len(hard) <= LONGEST_CHARS
    ]


def dolly() -> list[dict[str, str]]:
    """Return pairs of a person's answer and that of Flan-T5 large."""
    rows = map(json.loads, (DATA / "dolly6400" / "rows.jsonl").read_text("utf-8").splitlines())
    texts = [(row["instruction"], row["response"].strip(), row["flan_t5_large"].strip()) for row in rows]
    return [
        {"prompt": asked, "chosen": own, "rejected": other}
        for asked, own, other in texts
        if own and other and own != other and max(map(len, (asked, own, other))) <= LONGEST_CHARS
    ]


def recipe(name: str, seed: int, factor: float, dropout: float) -> Recipe:
    """Return the recipe of one run."""
    settings = {"method": "full", "epochs": 1, "threads": 1, "schedule": {"peak": factor * SFT_PEAK}}
    settings["regularise"] = {"dropout": dropout}
    return Recipe(
        name=name, task="preference", base="nano", seed=seed, train=settings,
        data={"train": [f"{name}.jsonl"], "size": {"max_examples": PAIRS, "select": "random"}},
    )  # fmt: skip


def one(dataset: Artifact, workspace: Workspace, of: Recipe) -> dict[str, Any]:
    """Train and evaluate; return what is kept of it."""
    model = train(of, dataset, workspace)
    card = evaluate(of, dataset, model, workspace).result
    lines = map(json.loads, (model.path / "metrics.jsonl").read_text("utf-8").splitlines())
    seen = [row for row in lines if "valid_loss" in row]
    best = min(seen, key=lambda row: row["valid_loss"])
    return {
        "valid_loss": best["valid_loss"],
        "valid_accuracy": best["preference_accuracy"],
        "seconds": model.result["seconds"],
        **{name: card[name] for name in ("metrics", "baselines", "deltas", "verdict", "summary")},
    }


def main() -> None:
    """Measure, and write the result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=["dolly", "onestop"])
    options = parser.parse_args()
    versions = {name: metadata.version(name) for name in ("torch", "transformers")}
    result: dict[str, Any] = {
        "machine": {"cpu": platform.machine(), "threads": 1}, "versions": versions, "pairs": PAIRS, "sft_peak": SFT_PEAK,
        "data": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workspace = Workspace(folder / "home")
        for source in options.data:
            pairs = {"onestop": onestop, "dolly": dolly}[source]()
            (folder / f"{source}.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs), "utf-8")
            dataset = prepare(recipe(source, 0, 0.1, 0.0), workspace, recipe_dir=folder)
            runs: dict[str, list[Any]] = {}
            result["data"][source] = {"splits": dataset.result["splits"], "runs": runs, "median": {}}
            for seed in range(options.seeds):
                for factor, dropout in [*((factor, 0.0) for factor in FACTORS), (1.0, DROPOUT)]:
                    found = one(dataset, workspace, recipe(source, seed, factor, dropout))
                    key = f"factor {factor:g}, dropout {dropout:g}"
                    runs.setdefault(key, []).append({"seed": seed, **found})
                    accuracies = [run["metrics"]["preference_accuracy"]["value"] for run in runs[key]]
                    losses = [run["valid_loss"] for run in runs[key]]
                    result["data"][source]["median"][key] = {
                        "valid_loss": statistics.median(losses), "test_accuracy": statistics.median(accuracies)
                    }  # fmt: skip
                    RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
