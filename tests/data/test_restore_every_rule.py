"""Rules that need a setting of their own: what each removes comes back, by its id and with all others."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.data.restore import is_restorable, restore_row, restore_rule
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "src" / "tunesmith" / "assets" / "demo"
PLACES = ("harbour", "market", "bridge", "tower", "garden", "mill", "chapel", "orchard", "quarry", "ferry", "castle")
FOODS = ("soup", "bread", "rice", "cake", "stew", "pie", "salad", "curry")
STEPS = ("simmer gently", "bake slowly", "season well", "chop finely", "stir often", "serve warm", "knead by hand")


def tickets(rows: int) -> list[str]:
    with (DEMO / "tickets.csv").open(encoding="utf-8", newline="") as file:
        texts = dict.fromkeys(row["text"] for row in csv.DictReader(file))
    return [text for text in texts if len(text.split()) >= 6][:rows]


def labelled(texts: list[str]) -> list[dict[str, str]]:
    return [{"text": text, "intent": "even" if n % 2 else "odd"} for n, text in enumerate(texts)]


def cooking(rows: int) -> list[str]:
    return [
        f"To cook {FOODS[n % 8]} {n} with {FOODS[(n + 3) % 8]}, {STEPS[n % 7]} in a pan, then {STEPS[(n + 2) % 7]}"
        for n in range(rows)
    ]


def answered(asks: list[str], answer: Any) -> list[dict[str, str]]:
    return [{"prompt": ask, "completion": json.dumps(answer(n))} for n, ask in enumerate(asks)]


ASKED = "please tell me how I can change the delivery address of my order before Friday"
AGAIN = "before Friday can I change the address of delivery of my order please tell me how"
SHORT = [f"Where is the {one} beyond the {other}?" for one in PLACES for other in PLACES[:4]]
SCHEMA = {"type": "object", "required": ["at"], "properties": {"at": {"type": "integer"}}}

CASES: dict[str, tuple[str, list[dict[str, str]], dict[str, Any]]] = {
    "irrelevant": (
        "classify",
        labelled([*tickets(300), *cooking(60)]),
        {"relevance": {"to": tickets(360)[300:]}, "dedup": {"near": None}},
    ),
    "balance_cap": ("classify", labelled(tickets(120)), {"balance": {"by": "target", "cap": 30}}),
    "size": ("classify", labelled(tickets(200)), {"size": {"max_examples": 100}}),
    "template_cap": (
        "extract",
        answered([f"Tell me what the way from {one} to the {two} is like" for one in PLACES for two in PLACES[:5]],
                 lambda n: {"at": n}),
        {"dedup": {"max_template_rows": 20}},
    ),
    "too_long": ("classify", labelled([*tickets(60), *(f"{one} word" * 700 for one in PLACES)]), {}),
    "semantic_duplicate": (
        "classify",
        [*labelled(tickets(200)), {"text": ASKED, "intent": "odd"}, {"text": AGAIN, "intent": "odd"}],
        {"dedup": {"semantic": 0.95}},
    ),
    "schema": (
        "extract",
        answered(SHORT, lambda n: {"at": n} if n % 9 else {"at": f"mile {n}"}),
        {"clean": {"answer_schema": SCHEMA}},
    ),
    "label_error": (
        "classify",
        [
            {"text": text, "intent": "money" if money == (n % 15 > 0) else "place"}
            for n in range(240)
            for money in (True, False)
            for text in [f"{'pay the bill of invoice' if money else 'find the road on a map'} {PLACES[n % 11]} {n}"]
        ],
        {"labels": {"fix": "remove"}, "dedup": {"near": None}},
    ),
}  # fmt: skip


def made(folder: Path, rule: str) -> Artifact:
    task, rows, data = CASES[rule]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"labels": {"fix": "off"}, "train": "a.jsonl", "processes": 1, **data}
    dataset = prepare(Recipe(name="t", task=task, data=data), Workspace(folder / ".tunesmith"), recipe_dir=folder)
    counts, places = dataset.result["rows"], [*in_splits(dataset), *gone(dataset)]
    assert counts["read"] == counts["kept"] + counts["removed"] == len(places) == len(set(places))
    return dataset


def in_splits(dataset: Artifact) -> list[str]:
    frames = [pl.read_parquet(dataset.path / f"{part}.parquet") for part in ("train", "valid", "test")]
    return [row for frame in frames for row in frame["row_id"]]


def gone(dataset: Artifact, rule: str | None = None) -> list[str]:
    removed = pl.read_parquet(dataset.path / "removed.parquet")
    return (removed if rule is None else removed.filter(pl.col("rule") == rule))["row_id"].to_list()


@pytest.mark.parametrize("rule", CASES)
def test_a_row_that_is_named_comes_back(tmp_path, rule):
    """Bug: the rule does not ask what was restored, or loses another row for it without counting."""
    first = made(tmp_path, rule)
    row, before = gone(first, rule)[0], len(gone(first, rule))
    restore_row(first, row, tmp_path)
    again = made(tmp_path, rule)
    assert row in in_splits(again) and again.id != first.id
    assert before - 1 <= len(gone(again, rule)) <= before


@pytest.mark.parametrize("rule", CASES)
def test_all_that_a_rule_removed_comes_back(tmp_path, rule):
    """Bug: the rule is named in restore.yaml and removes all the same."""
    first = made(tmp_path, rule)
    assert is_restorable(rule) and gone(first, rule)
    restore_rule(first, rule, tmp_path)
    again = made(tmp_path, rule)
    assert gone(again, rule) == [] and set(gone(first, rule)) <= set(in_splits(again))
