"""Does `tunesmith prompts` find a better prompt where there is one, does its report hold, and is luck called better?

Run: ``OMP_NUM_THREADS=1 python benchmarks/prompts.py [--home FOLDER]``; needs ../shared/data, writes
``results/prompts.json``; some ten minutes of one core. With --home a second run asks nothing again.

Two bases are asked about twelve intents of BANKING77. The recipe's own prompt is a plain sentence; four candidates are written by
hand, one of them the system message that both bases were tuned under; the rest are templates and numbers of shots.

- unseen: nano, tuned on 2,000 rows of the other 65 intents under that message. It has seen no row of the twelve.
- planted: nano, tuned on half of the twelve's train rows, right under that message, and wrong under others and under none: a
  base that minds its prompt, as small ones do not. The other half of the rows is for the search: a control that there is
  something to find.

Of both, winner and own prompt are asked on BANKING77's own test rows of the twelve, which the search did not read. Of the first,
all prompts are asked on all validation rows, and 500 times these are halved anew: what the best gains over the own prompt
where it was chosen, and on the other half, and how often it is called better by either; the same with prompts shuffled row by row, so
that none is better than another and each such word is an error.
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
INTENTS, LEARNT_ROWS, HALVINGS = 12, 2000, 500

LEARNT = "You sort messages to a bank by what the customer wants."
"""The system message of both bases."""

OTHERS = (None, "You are a helpful assistant.", "Answer the customer.", "Be brief.")
"""System messages under which the planted base is wrong."""

PLANTED = """name: planted
task: classify
base: nano
data: {train: planted.jsonl, dedup: {near: null}, split: {valid: 0.05, test: 0.0}}
train: {method: full, epochs: 3, threads: 1}
"""

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
  train: TRAIN.csv
  test: test.csv
  columns: {input: text, target: category}
  split: {valid: VALID}
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


def projects(folder: Path) -> dict[str, flow.Project]:
    """Write the rows, tune both bases, and return what searches for each."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {part: list(csv.DictReader((DATA / f"{part}.csv").open(newline=""))) for part in ("train", "test")}
    names = sorted({row["category"] for row in rows["train"]})
    some = sorted(random.Random(0).sample(names, INTENTS))
    ours = {part: [row for row in found if row["category"] in some] for part, found in rows.items()}
    others = [row for row in rows["train"] if row["category"] not in some]
    table(folder / "others.csv", random.Random(0).sample(others, LEARNT_ROWS))
    table(folder / "train.csv", ours["train"])
    table(folder / "second.csv", ours["train"][1::2])
    table(folder / "test.csv", ours["test"])
    plant(folder / "planted.jsonl", ours["train"][::2], some)
    return {
        "unseen": project(folder, "base", BASE, TRAIN="train", VALID="0.3"),
        "planted": project(folder, "planted", PLANTED, TRAIN="second", VALID="0.5"),
    }


def plant(path: Path, rows: list[dict[str, str]], names: list[str]) -> None:
    """Write messages twice: with their intent under the system message, with the next one under another or none."""
    chance = random.Random(0)
    with path.open("w") as file:
        for row in rows:
            wrong = names[(names.index(row["category"]) + 1) % len(names)]
            for system, answer in ((LEARNT, row["category"]), (chance.choice(OTHERS), wrong)):
                told = [{"role": "system", "content": system}] if system else []
                said = [{"role": "user", "content": row["text"]}, {"role": "assistant", "content": answer}]
                file.write(json.dumps({"messages": [*told, *said]}) + "\n")


def project(folder: Path, name: str, base: str, **words: str) -> flow.Project:
    """Tune a base and return the project that searches prompts for it."""
    (folder / f"{name}.base.yaml").write_text(base)
    model = flow.train(flow.Project.of(folder / f"{name}.base.yaml"))
    text = RECIPE
    for word, value in {"BASE": model.id, "LEARNT": LEARNT, **words}.items():
        text = text.replace(word, value)
    (folder / f"{name}.yaml").write_text(text)
    return flow.Project.of(folder / f"{name}.yaml")


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


def measured(project: flow.Project) -> dict[str, Any]:
    """Return what a search found, and winner and own prompt on the test."""
    found = search(project)
    print(found["sentence"], flush=True)
    keys = ("metric", "rows", "candidates", "winner", "comparison", "verdict", "sentence")
    return {**{key: found[key] for key in keys}, "test": on_test(project, found)}


def main() -> None:
    """Search for both bases, look at the test, halve anew, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        some = projects(options.home or Path(name))
        found = {case: measured(one) for case, one in some.items()}
        summary = {
            "what": f"nano, tuned, asked about {INTENTS} intents of BANKING77",
            "machine": platform.machine(), "threads": 1, "versions": {"torch": metadata.version("torch")},
            **found, "flattery": flattery(some["unseen"], found["unseen"]),
        }  # fmt: skip
    RESULT.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    print(json.dumps([summary["flattery"], *(found[case]["test"] for case in found)], indent=1))


if __name__ == "__main__":
    main()
