"""A base that minds its prompt, and projects that search for it: right answers under `GOOD`, wrong ones without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from bad_data import csv_text
from tunesmith import flow

GOOD = "Name the topic."
"""The system message under which the base answers rightly."""

LABELS = {"parcel": "delivery", "refund": "money", "cup": "damage"}
WRONG = {"delivery": "money", "money": "damage", "damage": "delivery"}


def rows(count: int) -> list[tuple[str, str]]:
    """Return questions of one length with their right labels, as many of each label as of any other."""
    return [(f"{word} {number}", label) for number in range(10, 10 + count) for word, label in LABELS.items()]


def minding_base(folder: Path, tiny: Path) -> Path:
    """Train the tiny base to answer rightly under `GOOD` alone; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "a.jsonl").open("w") as file:
        for text, label in rows(40):
            for system, answer in ((GOOD, label), (None, WRONG[label])):
                told = [{"role": "system", "content": system}] if system else []
                said = [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
                file.write(json.dumps({"messages": [*told, *said]}) + "\n")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: mind\ntask: classify\nbase: {tiny}\n"
        "data: {train: a.jsonl, dedup: {near: null}, labels: {fix: 'off'}, split: {valid: 0.1, test: 0.1}}\n"
        "train: {method: full, epochs: 12, batch_tokens: 128, threads: 1, schedule: {peak: 1e-2},\n"
        "        regularise: {early_stopping: null}}\n"
    )
    model = flow.train(flow.Project.of(recipe))
    shutil.copytree(model.path / "model", folder / "base")
    (folder / "base" / "task.json").unlink()
    (folder / "base" / "prompts.json").unlink()
    return folder / "base"


def write_project(folder: Path, base: Path | str, prompt: str = "", *, more: str = "", count: int = 40) -> Path:
    """Write questions and a recipe; return the recipe's file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.csv").write_text(csv_text(rows(count)))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        "# how to sort messages\n"
        f"name: p   # a name\ntask: classify\nbase: {base}\n"
        "data: {train: a.csv, dedup: {near: null}, split: {valid: 0.5, test: 0.1}}\n"
        f"{prompt}"
        "train: {method: full, epochs: 1, batch_tokens: 64, threads: 1}   # short\n"
        f"{more}"
    )
    return recipe
