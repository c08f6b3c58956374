"""Is the answer to "how much is enough" right? BANKING77's accuracy at full size, predicted from at most half of its rows.

Writes benchmarks/results/learning_curve.json. For each of ten seeds: a random half of the rows, nested subsets of it, a
power law through the errors of a linear model, and its accuracy at full size with a 95 % interval; beside it the accuracy
of the same model trained on all rows (mean of three orders). Other sets with labels are reported the same way.
"""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np

from tunesmith.data.learning_curve import linear_probe, measure, sentence

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
SEEDS = 10


def banking77():
    with (DATA / "banking77" / "train.csv").open(newline="") as file:
        train = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    with (DATA / "banking77" / "test.csv").open(newline="") as file:
        return train, [(row["text"], row["category"]) for row in csv.DictReader(file)]


def subjectivity():
    rows = [json.loads(line) for line in (DATA / "subjectivity" / "subjectivity.jsonl").open()]
    order = np.random.default_rng(0).permutation(len(rows))
    label = next(key for key in rows[0] if key in ("label", "category", "class"))
    text = next(key for key in rows[0] if key in ("text", "sentence"))
    pairs = [(rows[at][text], str(rows[at][label])) for at in order]
    return pairs[:8000], pairs[8000:]


def one_set(train, test) -> dict:
    held = [text for text, _ in test], [label for _, label in test]
    full = linear_probe([text for text, _ in train], [label for _, label in train], *held)
    orders = [np.random.default_rng([9, turn]).permutation(len(train)).tolist() for turn in range(3)]
    truth = 1 - float(np.mean([full(order).mean() for order in orders]))
    runs = []
    for seed in range(SEEDS):
        half = np.random.default_rng([7, seed]).permutation(len(train))[: len(train) // 2]
        rows = [train[at] for at in half]
        started = time.process_time()
        curve = measure(
            linear_probe([text for text, _ in rows], [label for _, label in rows], *held), len(rows), seed=seed
        )
        loss = curve.at(len(train), seed)
        runs.append({
            "seed": seed,
            "predicted": round(1 - loss.value, 4), "low": round(1 - loss.high, 4), "high": round(1 - loss.low, 4),
            "at_half": round(1 - float(curve.means[-1]), 4),
            "off_points": round(100 * (1 - loss.value - truth), 2),
            "inside": bool(1 - loss.high <= truth <= 1 - loss.low),
            "cpu_s": round(time.process_time() - started, 1),
            "sentence": sentence(curve, len(rows)),
        })  # fmt: skip
        print(runs[-1], flush=True)
    return {
        "rows": len(train),
        "test_rows": len(test),
        "accuracy_of_all_rows": round(truth, 4),
        "within_2_points_and_inside": sum(run["inside"] and abs(run["off_points"]) <= 2 for run in runs),
        "seeds": SEEDS,
        "runs": runs,
    }


def main() -> None:
    result = {"banking77": one_set(*banking77()), "subjectivity": one_set(*subjectivity())}
    (ROOT / "benchmarks" / "results" / "learning_curve.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
