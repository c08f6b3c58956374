"""Balance: rare groups count for more, large ones are capped, and what is held out stays as it is."""

from __future__ import annotations

import itertools
from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bad_data import csv_text
from tunesmith.core.artifacts import Workspace
from tunesmith.data.balance import MOST_WEIGHT, group_weights
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe


def made(folder, counts, **balance):
    rows = [(f"{label} question number {number}", label) for label, count in counts.items() for number in range(count)]
    (folder / "a.csv").write_text(csv_text(rows))
    data = {"train": "a.csv", "balance": balance, "dedup": {"near": None}, "labels": {"fix": "off"}}
    recipe = Recipe(name="t", task="classify", data=data)
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def split(dataset, name):
    return pl.read_parquet(dataset.path / f"{name}.parquet")


@given(st.dictionaries(st.text(max_size=3), st.integers(1, 1000), min_size=1, max_size=9), st.floats(0, 1))
def test_weights_keep_the_mean_and_the_order(counts, temperature):
    """Bug: balancing changes the size of the loss, or favours the largest group."""
    weights = group_weights(Counter(counts), temperature)
    total = sum(counts.values())
    if max(weights.values()) < MOST_WEIGHT:
        assert sum(weights[name] * count for name, count in counts.items()) == pytest.approx(total)
    ranked = sorted(counts, key=lambda name: counts[name])
    assert all(weights[one] >= weights[other] - 1e-9 for one, other in itertools.pairwise(ranked))
    if temperature == 1:
        assert all(weight == pytest.approx(1) for weight in weights.values())


def test_weights_go_into_train_and_nowhere_else(tmp_path):
    """Bug: validation loss is weighted, or a rare row is written twice."""
    dataset = made(tmp_path, {"many": 80, "few": 20}, by="target", temperature=0.0)
    train = split(dataset, "train")
    sums = {label: own["weight"].sum() for (label,), own in train.group_by("label")}
    assert sums["many"] == pytest.approx(sums["few"], rel=1e-4)
    assert train["row_id"].is_unique().all()
    assert set(split(dataset, "valid")["weight"]) == set(split(dataset, "test")["weight"]) == {1.0}


def test_the_cap_removes_with_a_reason_and_spares_what_is_held_out(tmp_path):
    """Bug: the test loses rows to balance, or rows vanish without a trace."""
    plain, capped = made(tmp_path, {"many": 80, "few": 20}, temperature=1.0), None
    capped = made(tmp_path, {"many": 80, "few": 20}, temperature=1.0, cap=30)
    assert split(capped, "train").filter(pl.col("label") == "many").height == 30
    assert split(capped, "test").equals(split(plain, "test"))
    assert capped.result["removed_by"] == {"balance_cap": 34}
    assert capped.result["rows"]["read"] == capped.result["rows"]["kept"] + capped.result["rows"]["removed"] == 100
