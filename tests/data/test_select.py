"""Fewer rows to learn from: who stays, that no label is lost, and that the number is the recipe's or the curve's."""

from __future__ import annotations

import csv
import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bad_data import csv_text
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.data import select
from tunesmith.data.learning_curve import Curve
from tunesmith.data.prepare import prepare
from tunesmith.data.restore import restore_rule
from tunesmith.data.select import choose, facility_location, k_center, shares
from tunesmith.data.size import _needed
from tunesmith.data.vectors import rounded, unit
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow


def vectors(rows: int, seed: int = 0, wide: int = 8) -> np.ndarray:
    random = np.random.default_rng(seed)
    middles = random.normal(size=(max(2, rows // 20), wide))
    return rounded(unit(middles[random.integers(len(middles), size=rows)] + 0.4 * random.normal(size=(rows, wide))))


def write(file: Path, rows: list[tuple[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "intent"), *rows])


def made(
    folder: Path, *, home: str = "home", seed: int = 0, task: str = "classify", train: str = "a.csv", **data
) -> Artifact:
    recipe = Recipe(name="t", task=task, seed=seed, data={"train": train, "labels": {"fix": "off"}, **data})
    return prepare(recipe, Workspace(folder / home), recipe_dir=folder)


def rows_of(dataset: Artifact, name: str = "train") -> pl.DataFrame:
    return pl.read_parquet(dataset.path / f"{name}.parquet")


def gone(dataset: Artifact) -> pl.DataFrame:
    return pl.read_parquet(dataset.path / "removed.parquet").filter(pl.col("rule") == "size")


@pytest.fixture
def banking(tmp_path: Path, shared_data) -> Path:
    """A folder with every fourth row of BANKING77 in a.csv."""
    with (shared_data("banking77") / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)][::4]
    write(tmp_path / "a.csv", rows)
    return tmp_path


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.floats(0, 1))
def test_a_budget_is_shared_by_size_and_nobody_is_left_out(sizes, frac):
    """Bug: a rare label loses all its rows, or the shares do not add up to the budget."""
    budget = len(sizes) + round(frac * (sum(sizes) - len(sizes)))
    given_ = shares(sizes, budget)
    assert sum(given_) == budget
    assert all(1 <= share <= size for share, size in zip(given_, sizes, strict=True))
    ranked = sorted(zip(sizes, given_, strict=True))
    assert all(one[1] <= other[1] + 1 for one, other in itertools.pairwise(ranked))


def test_k_center_takes_the_farthest_row_each_time():
    """Bug: distances are not updated, so all rows chosen lie in one corner."""
    some = vectors(40).astype(np.float32)
    chosen = k_center(some, 6).tolist()
    apart = np.square(some[:, None] - some[None]).sum(-1)
    for turn in range(1, 6):
        reach = apart[:, chosen[:turn]].min(axis=1)
        assert reach[chosen[turn]] == reach.max()
    radius = np.sqrt(apart[:, chosen[:3]].min(axis=1).max())
    best = min(np.sqrt(apart[:, list(three)].min(axis=1).max()) for three in itertools.combinations(range(40), 3))
    assert radius <= 2 * best


@pytest.mark.parametrize("seed", range(5))
def test_lazy_greedy_is_greedy(seed):
    """Bug: a gain that is out of date decides, so the choice is worse than plain greedy's."""
    some = vectors(60, seed).astype(np.float32)
    alike, best, plain = np.maximum(some @ some.T, 0), np.zeros(60, np.float32), []
    for _ in range(12):
        gains = np.maximum(alike - best, 0).sum(axis=1, dtype=np.float64)
        gains[plain] = -1
        plain.append(int(gains.argmax()))
        best = np.maximum(best, alike[plain[-1]])
    assert facility_location(some, 12).tolist() == plain


def test_coverage_covers_better_than_chance_and_k_center_reaches_farther():
    """Bug: the two choices are mixed up, or a group larger than a block is chosen from at random."""
    some = vectors(900)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "BLOCK_ROWS", 128)
        found = {method: choose(some, [np.arange(900)], 60, method, 0) for method in ("random", "diverse", "coverage")}
    assert {int(one.stays.sum()) for one in found.values()} == {60}
    alike = {name: (some @ some[one.stays].astype(np.float32).T).max(axis=1) for name, one in found.items()}
    assert alike["coverage"].mean() > alike["random"].mean()
    assert alike["diverse"].min() > alike["random"].min()


def test_rows_without_words_and_copies_can_be_chosen_from():
    """Bug: equal rows, or rows of zeros, are chosen twice or never end the search."""
    same = np.concatenate([np.zeros((30, 8), np.int8), np.repeat(vectors(1), 30, axis=0)])
    for method in ("random", "diverse", "coverage"):
        assert int(choose(same, [np.arange(60)], 40, method, 0).stays.sum()) == 40


@pytest.mark.parametrize("method", ["random", "diverse", "coverage"])
def test_banking77_keeps_every_label_and_all_that_is_held_out(banking: Path, method: str):
    """Bug: a label vanishes, validation or test loses rows, or a row goes without a reason."""
    plain, small = made(banking), made(banking, size={"max_examples": 300, "select": method})
    assert rows_of(small).height == small.result["splits"]["train"] == 300
    assert set(rows_of(small)["label"]) == set(rows_of(plain)["label"])
    for name in ("valid", "test"):
        assert rows_of(small, name).equals(rows_of(plain, name))
    rows = small.result["rows"]
    assert rows["read"] == rows["kept"] + rows["removed"]
    assert small.result["removed_by"]["size"] == gone(small).height == rows_of(plain).height - 300
    assert small.result["verdicts"]["cleanliness"] == plain.result["verdicts"]["cleanliness"]
    assert f"300 of {rows_of(plain).height:,} rows kept, by {method}" in small.result["verdicts"]["size"]["why"]


def test_who_goes_names_a_like_row_that_stays(banking: Path):
    """Bug: the evidence names a row that went too, or any row at all."""
    small = made(banking, size={"max_examples": 300})
    labels = dict(rows_of(small).select("row_id", "label").iter_rows())
    evidence = [json.loads(one) for one in gone(small)["evidence"]]
    assert {one["like"] for one in evidence} <= labels.keys()
    assert np.mean([one["cosine"] for one in evidence]) > 0.4
    assert all(-1 <= one["cosine"] <= 1.01 for one in evidence)


def test_the_choice_hangs_on_the_seed_and_not_on_the_order_of_rows(banking: Path):
    """Bug: another order of the file, or another number of processes, makes another choice."""
    first = made(banking, size={"max_examples": 300}, split={"valid": 0, "test": 0}, dedup={"near": None})
    with (banking / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    write(banking / "a.csv", rows[::-1])
    turned = made(banking, size={"max_examples": 300}, split={"valid": 0, "test": 0}, dedup={"near": None})
    same = set(rows_of(first)["messages"]) & set(rows_of(turned)["messages"])
    assert len(same) >= 299
    drawn = [made(banking, seed=seed, size={"max_examples": 300, "select": "random"}) for seed in (0, 1)]
    assert set(rows_of(drawn[0])["row_id"]) != set(rows_of(drawn[1])["row_id"])


def test_restored_rows_come_back(banking: Path):
    """Bug: rows that were not chosen cannot be had back."""
    small = made(banking, size={"max_examples": 300})
    before = rows_of(small).height + gone(small).height
    restore_rule(small, "size", banking)
    back = made(banking, size={"max_examples": 300})
    assert rows_of(back).height == before and "size" not in back.result["removed_by"]


def test_fewer_rows_than_labels_are_refused(banking: Path):
    """Bug: a label is lost without a word."""
    with pytest.raises(RecipeError, match=r"data\.size\.max_examples: 70 rows are fewer than the 77 labels"):
        made(banking, size={"max_examples": 70})


def test_auto_keeps_all_where_more_would_still_pay(banking: Path):
    """Bug: auto cuts data that the model still learns from."""
    dataset = made(banking, size={"max_examples": "auto"})
    assert "size" not in dataset.result["removed_by"]
    assert "twice as many would add" in dataset.result["verdicts"]["size"]["why"]


def test_auto_cuts_what_adds_nothing(tmp_path: Path):
    """Bug: auto keeps everything, or goes below the floor."""
    random = np.random.default_rng(0)
    words = {"yes": ["good", "great", "fine", "nice"], "no": ["bad", "poor", "awful", "sad"]}
    rows = [
        (f"it was {random.choice(words[label])} and {random.choice(words[label])} in week {number}", label)
        for number in range(900)
        for label in ("yes", "no")
    ]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    dataset = made(tmp_path, size={"max_examples": "auto"}, dedup={"near": None})
    assert Counter(rows_of(dataset)["label"]) == {"yes": 100, "no": 100}
    assert "200 is the least that is kept" in dataset.result["verdicts"]["size"]["why"]


def test_the_curve_decides_between_floor_and_all():
    """Bug: a share of the score is taken for a share of the rows, or of the error."""
    sizes = (125, 250, 500, 1000, 2000, 4000)
    losses = np.array([0.3 * size**-1.0 * 100 + 0.1 for size in sizes])
    curve = Curve(sizes, np.repeat(losses[None, :, None], 50, axis=2))
    needed = _needed(curve, 4000, 200, True)
    reached = 1 - (30 / needed.rows + 0.1)
    assert 0.97 < reached / (1 - (30 / 4000 + 0.1)) < 0.985
    assert needed.why.startswith(f"{needed.rows:,} of 4,000 rows reach 98%")


def test_too_few_rows_for_a_curve_all_stay(tmp_path: Path):
    """Bug: a curve through ten rows decides, or auto is an error on small data."""
    (tmp_path / "a.csv").write_text(csv_text([(f"text number {n} of {'ab'[n % 2]}", "ab"[n % 2]) for n in range(60)]))
    dataset = made(tmp_path, size={"max_examples": "auto"}, dedup={"near": None})
    assert "too few for a curve" in dataset.result["verdicts"]["size"]["why"]
