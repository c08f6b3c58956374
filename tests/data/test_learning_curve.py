"""How much is enough: the fit finds the law it was made of, the interval covers, and the command answers."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bad_data import csv_text
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.learning_curve import Curve, PowerLaw, fit, measure, ngram_probe, rows_enough, unseen_frac
from tunesmith.data.prepare import prepare
from tunesmith.data.size import curve_of
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

SIZES = (100, 200, 400, 800, 1600, 3200)


@given(st.floats(0.5, 5), st.floats(0.2, 1.0), st.floats(0, 0.2))
def test_a_power_law_is_found_again(a, b, c):
    """Bug: the exponent or the floor is not fitted, so every forecast is off."""
    true = PowerLaw(a, b, c)
    found = fit(SIZES, np.array([true.at(size) for size in SIZES]))
    for rows in (1600, 6400, 12800):
        assert found.at(rows) == pytest.approx(true.at(rows), rel=0.03, abs=2e-3)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_no_law_rises_or_falls_below_zero(means):
    """Bug: noise makes a curve that promises less than no error, or that more data hurt."""
    law = fit(SIZES, np.array(means))
    values = [law.at(rows) for rows in (10, 1000, 10**6, 10**9)]
    assert values == sorted(values, reverse=True) and values[-1] >= 0


def test_the_interval_covers_what_comes():
    """Bug: the interval is of the fit alone, and the truth lies outside of it most of the time."""
    true, inside = PowerLaw(2.0, 0.5, 0.05), 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        chances = np.array([true.at(size) for size in SIZES])
        hard = random.random((1, 1, 500))
        losses = (0.7 * hard + 0.3 * random.random((4, len(SIZES), 500)) < chances[None, :, None]).astype(float)
        loss = Curve(SIZES, losses).at(6400, seed)
        full = float(np.mean(0.7 * random.random(200_000) + 0.3 * random.random(200_000) < true.at(6400)))
        inside += loss.low <= full <= loss.high
    assert inside >= 34


def test_enough_is_where_nearly_all_is_reached():
    law = PowerLaw(1.0, 0.5, 0.1)
    enough = rows_enough(law, 10_000)
    assert 1 - law.at(enough) >= 0.98 * (1 - law.at(10_000)) > 1 - law.at(enough - 1)
    assert rows_enough(PowerLaw(0.0, 0.5, 0.3), 500) == 1


def test_subsets_are_nested_and_the_same_every_time():
    """Bug: each size draws rows of its own, so that a curve goes up and down by luck."""
    asked: list[list[int]] = []

    def probe(rows):
        asked.append(list(rows))
        return np.full(3, 1 / len(rows))

    first = measure(probe, 320, seed=4, repeats=2)
    assert len(first.sizes) == 8 and all(set(one) < set(other) for one, other in itertools.pairwise(asked[:8]))
    again = list(asked)
    asked.clear()
    measure(probe, 320, seed=4, repeats=2)
    assert asked == again


def test_an_ngram_model_learns_from_more_rows():
    """Bug: pairs run over the end of a row, or counts are not those of the subset."""
    texts = [
        f"thank you for your order number {n % 7} it will arrive on {['monday', 'tuesday', 'friday'][n % 3]}"
        for n in range(300)
    ]
    probe = ngram_probe(texts[:200], texts[200:])
    few, many = probe(range(5)).mean(), probe(range(200)).mean()
    assert many < few < 20 and probe([0]).shape == (100,)


def test_unseen_runs():
    rows = [f"one two three four five {n} six seven eight nine ten" for n in range(100)]
    assert unseen_frac(["a b c d e f g"] * 50) == 0 and unseen_frac([]) == 0
    assert 0.3 < unseen_frac(rows) < 1


def made(folder, task, rows, **data):
    (folder / "a.csv").write_text(csv_text(rows))
    data = {"train": "a.csv", "dedup": {"near": None}, "split": {"valid": 0.3, "test": 0.1}, **data}
    recipe = Recipe(name="t", task=task, data=data)
    return recipe, prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def test_the_command_s_answer(tmp_path):
    """Bug: the test rows are used, or the answer is not a sentence with the user's numbers."""
    words = {
        "delivery": "parcel late arrive courier box",
        "refund": "money back paid price card",
        "bug": "app crash login code screen",
    }
    rows = [(f"{' '.join(np.random.default_rng(n).permutation(words[label].split())[:2])} {n}", label)
            for n in range(80) for label in words]  # fmt: skip
    recipe, dataset = made(tmp_path, "classify", rows)
    result = curve_of(recipe, dataset)
    assert result["all"]["rows"] == dataset.result["splits"]["train"] and result["score"] == "accuracy"
    assert "rows reach 98% of what all of them reach; twice as many would add" in result["sentence"]
    assert result["sizes"][-1]["score"] > result["sizes"][0]["score"]


@pytest.mark.parametrize("task", ["chat", "extract"])
def test_free_answers_get_a_number_too(tmp_path, shared_data, task):
    """Bug: a chat or an extraction is told what its rows bring, never how many of them would do."""
    if task == "chat":
        lines = (shared_data("dolly6400") / "rows.jsonl").read_text(encoding="utf-8").splitlines()[:900]
    else:
        text = (shared_data("restaurant8k_slots") / "train_1.jsonl").read_text(encoding="utf-8")
        read = list(map(json.loads, text.splitlines()))
        rows = [{"prompt": one["text"], "completion": json.dumps(one["slots"])} for one in read[:900]]
        lines = list(map(json.dumps, rows))
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = {"train": "a.jsonl", "dedup": {"max_cluster_frac": 1.0}}
    recipe = Recipe(name="t", task=task, data=data)
    result = curve_of(recipe, prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path))
    enough, rows = result["rows_enough"], result["all"]["rows"]
    assert 1 < enough < rows and result["sentence"].startswith(
        f"{enough} of your {rows} rows bring the probe to within 2%"
    )
    law = PowerLaw(**result["law"])
    assert law.at(enough) <= law.at(rows) / 0.98 < law.at(enough - 1)


def test_too_few_rows_are_refused(tmp_path):
    recipe, dataset = made(tmp_path, "classify", [(f"a {n}", "ab"[n % 2]) for n in range(40)])
    with pytest.raises(DataError, match="too few for a curve"):
        curve_of(recipe, dataset)
