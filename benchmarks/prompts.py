"""Does `tunesmith prompts` find a better prompt, does its report hold on the test, and does it help a tuned model?

Run: ``OMP_NUM_THREADS=1 python benchmarks/prompts.py [--home FOLDER]``; needs ../shared/data, writes
``results/prompts.json``; some ten minutes of one core. With --home a second run asks nothing again.

The base is the bundled nano, tuned on 2,000 rows of 65 of BANKING77's intents under one system message: it has learnt to name what a
customer wants. It is asked about the twelve other intents, of which it has seen no row; 30 % of their train rows validate. The
recipe's own prompt is a plain sentence; four candidates are written by hand, the message that the base was tuned under among
them; the rest are templates and numbers of shots. Then

- test: winner and own prompt are asked on BANKING77's own test rows of these intents, which the search did not read;
- flattery: all prompts are asked on all validation rows, and 500 times these are halved anew: what the best of them gains over
  the own prompt where it was chosen, and on the other half, and how often it is called better although it is not, where
  the prompts are shuffled row by row so that none is better than another;
- tuned: the base is tuned for one epoch with the own prompt and with the winner on three seeds: does the better prompt make a
  better model?
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import random
import tempfile
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np

from tunesmith import flow
from tunesmith.core.estimates import paired_proportions
from tunesmith.prompts import candidates as known
from tunesmith.prompts.asked import base_of, tasks_and_shots
from tunesmith.prompts.bench import Bench
from tunesmith.prompts.check import check
from tunesmith.prompts.rows import Halves
from tunesmith.prompts.search import search
from tunesmith.text.examples import read_examples

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "banking77"
RESULT = ROOT / "benchmarks" / "results" / "prompts.json"
INTENTS, LEARNT_ROWS, SEEDS, HALVINGS = 12, 2000, 3, 500

LEARNT = "You sort messages to a bank by what the customer wants."
"""The system message of the base."""

BASE = f"""name: base
task: classify
base: nano
data: {{train: others.csv, columns: {{input: text, target: category}}, split: {{valid: 0.05, test: 0.0}}}}
prompt: {{system: {LEARNT}}}
train: {{method: full, epochs: 2, threads: 1}}
"""

RECIPE = """name: intents
task: classify
base: BASE
data:
  train: train.csv
  test: test.csv
  columns: {input: text, target: category}
  split: {valid: 0.3}
prompt:
  system: Name the intent of the customer's message.
  candidates:
    - ""
    - LEARNT
    - A customer of a bank writes. Which of the known intents is it? Answer with the name of one intent.
    - {system: "", template: "Customer: {input}\\nIntent:"}
train: {method: full, epochs: 1, threads: 1}
evaluate: {baselines: [], gate: {against: []}}
"""


def write(folder: Path) -> Path:
    """Write the rows of some intents and of all others, tune the base on those, and write the recipe."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {part: list(csv.DictReader((DATA / f"{part}.csv").open(newline=""))) for part in ("train", "test")}
    names = sorted({row["category"] for row in rows["train"]})
    some = set(random.Random(0).sample(names, INTENTS))
    others = [row for row in rows["train"] if row["category"] not in some]
    table(folder / "others.csv", random.Random(0).sample(others, LEARNT_ROWS))
    for part, found in rows.items():
        table(folder / f"{part}.csv", [row for row in found if row["category"] in some])
    (folder / "base.yaml").write_text(BASE)
    base = flow.train(flow.Project.of(folder / "base.yaml"))
    (folder / "recipe.yaml").write_text(RECIPE.replace("BASE", base.id).replace("LEARNT", LEARNT))
    return folder / "recipe.yaml"


def table(path: Path, rows: list[dict[str, str]]) -> None:
    """Write messages and their intents."""
    with path.open("w", newline="") as file:
        written = csv.DictWriter(file, ["text", "category"])
        written.writeheader()
        written.writerows(rows)


def bench_of(project: flow.Project, rows: list[Any]) -> Bench:
    """Return what asks the base on some rows."""
    dataset = flow.prepare(project)
    task_of, _, _ = tasks_and_shots(project.recipe, dataset)
    train = read_examples(dataset.path / "train.parquet")
    loaded = base_of(project.recipe, project.workspace)
    return Bench(project.recipe, project.workspace, loaded, task_of, check(project), Halves(rows, []), train)


def on_test(project: flow.Project, found: dict[str, Any]) -> dict[str, Any]:
    """Return winner and own prompt on the test rows, looked at once, when all was chosen."""
    rows = read_examples(flow.prepare(project).path / "test.parquet")
    bench = bench_of(project, rows)
    words = {key: found["winner"][key] for key in ("name", "system", "template", "shots")}
    right = [
        bench.chosen_by(one, len(rows))["correct"] for one in (known.Candidate(**words), known.own(project.recipe))
    ]
    delta = paired_proportions(right[0].tolist(), right[1].tolist())
    return {
        "rows": len(rows),
        "winner": float(right[0].mean()),
        "own": float(right[1].mean()),
        "delta": delta.as_dict(),
    }


def flattery(project: flow.Project, found: dict[str, Any]) -> dict[str, Any]:
    """Return what the best prompt gains where it is chosen and elsewhere, over many halvings of all validation rows."""
    rows = read_examples(flow.prepare(project).path / "valid.parquet")
    bench = bench_of(project, rows)
    some = [one for one in found["candidates"] if one["state"] != "refused" and one["name"] != known.OWN]
    prompts = [known.own(project.recipe)] + [
        known.Candidate(*(one[key] for key in ("name", "system", "template", "shots"))) for one in some
    ]
    right_PR = np.array([bench.chosen_by(one, len(rows))["correct"] for one in prompts])
    chance = np.random.default_rng(0)
    alike_PR = np.array([chance.permutation(column) for column in right_PR.T]).T
    return {
        "prompts": len(prompts), "rows": len(rows), "halvings": HALVINGS,
        "as they are": _halved(right_PR, chance), "none better than another": _halved(alike_PR, chance, anew=True),
    }  # fmt: skip


def _halved(right_PR: Any, chance: np.random.Generator, *, anew: bool = False) -> dict[str, float]:
    chosen, reported, better, better_where_chosen = [], [], 0, 0
    for _ in range(HALVINGS):
        if anew:
            right_PR = np.array([chance.permutation(column) for column in right_PR.T]).T
        order = chance.permutation(right_PR.shape[1])
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        best = int(right_PR[:, first].mean(1).argmax())
        for half, gains in ((first, chosen), (second, reported)):
            gains.append(float(right_PR[best, half].mean() - right_PR[0, half].mean()))
        if best:
            pairs = [(right_PR[best, half].tolist(), right_PR[0, half].tolist()) for half in (first, second)]
            better_where_chosen += paired_proportions(*pairs[0]).low > 0
            better += paired_proportions(*pairs[1]).low > 0
    return {
        "gain where chosen": mean(chosen), "gain on the other half": mean(reported),
        "called better by the rows that chose": better_where_chosen / HALVINGS, "called better": better / HALVINGS,
    }  # fmt: skip


def tuned(project: flow.Project, found: dict[str, Any]) -> dict[str, Any]:
    """Return the test accuracy of nano tuned with the own prompt and with the winner, over seeds."""
    words = {key: found["winner"][key] for key in ("system", "template", "shots")}
    scores: dict[str, list[float]] = {"own": [], "winner": []}
    for name, prompt in (("own", project.recipe.prompt), ("winner", project.recipe.prompt.model_copy(update=words))):
        for seed in range(1, SEEDS + 1):
            recipe = project.recipe.model_copy(update={"prompt": prompt, "seed": seed})
            inner = replace(project, recipe=recipe, file=None)
            dataset = flow.prepare(project)
            scores[name].append(flow.test_score(inner, dataset, flow.train_on(inner, dataset))["value"])
            print(name, seed, scores[name][-1], flush=True)
    return {name: {"values": values, "mean": mean(values), "sd": stdev(values)} for name, values in scores.items()}


def main() -> None:
    """Search, look at the test, halve anew, tune, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        project = flow.Project.of(write(options.home or Path(name)))
        searching_s = time.monotonic()
        found = search(project)
        searched_s = time.monotonic() - searching_s
        print(found["sentence"], flush=True)
        summary = {
            "what": f"nano, tuned on 65 intents of BANKING77, asked about {INTENTS} others",
            "machine": platform.machine(), "threads": 1, "versions": {"torch": metadata.version("torch")},
            "search_seconds": round(searched_s, 1),
            **{key: found[key] for key in ("metric", "rows", "candidates", "winner", "comparison", "verdict", "sentence")},
            "test": on_test(project, found),
            "flattery": flattery(project, found),
            "tuned": tuned(project, found),
            "seconds": round(time.monotonic() - began_s, 1),
        }  # fmt: skip
    RESULT.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    print(json.dumps({key: summary[key] for key in ("test", "flattery", "tuned", "seconds")}, indent=1))


if __name__ == "__main__":
    main()
