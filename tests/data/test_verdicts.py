"""The four verdicts of a Dataset: the word follows the number, the number is there for programs, the rows are real."""

from __future__ import annotations

import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bad_data import ROWS, csv_text
from tunesmith.cli.summaries import show_dataset
from tunesmith.core import progress
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data import verdicts as judging
from tunesmith.data.prepare import prepare
from tunesmith.data.verdicts import Measure, effective_number, judged
from tunesmith.recipe import Recipe, load_recipe

DEMO = Path(__file__).parents[2] / "src" / "tunesmith" / "assets" / "demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(DEMO, folder / "demo")
    return prepare(load_recipe(folder / "demo" / "recipe.yaml"), Workspace(folder / "home"), recipe_dir=folder / "demo")


def made(folder: Path, **data: Any) -> dict[str, Any]:
    recipe = Recipe(name="t", task=data.pop("task", "classify"), data={"train": data.pop("train", "a.csv"), **data})
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder).result["verdicts"]


def rows_of(dataset: Artifact) -> dict[str, dict[str, Any]]:
    frames = [pl.read_parquet(dataset.path / f"{split}.parquet") for split in ("train", "valid", "test")]
    return {row["row_id"]: row for row in pl.concat(frames).to_dicts()}


def test_every_verdict_has_its_number_and_rows_that_are_there(demo):
    """Bug: a program that reads the verdicts finds words alone, or ids of rows that are not in the Dataset."""
    rows = rows_of(demo)
    json.dumps(demo.result["verdicts"], allow_nan=False)
    for topic, one in demo.result["verdicts"].items():
        assert isinstance(one["why"], str) and {"verdict", "value", "threshold", "worst"} <= one.keys()
        if topic == "relevance":
            assert one["verdict"] == "not checked" and one["value"] is None
            continue
        own = one["measures"][one["measure"]]
        assert one["value"] == own["value"] and one["threshold"] in (own["look"], own["poor"])
        assert len(one["worst"]) == 5 and set(one["worst"]) <= rows.keys()


def test_the_worst_labels_of_the_demo_are_wrong(demo):
    """Bug: the rows to look at first are any rows, and the person who looks stops trusting the page."""
    flags = pl.read_parquet(demo.path / "repairs.parquet").filter(pl.col("rule") == "label_error")
    worst = demo.result["verdicts"]["cleanliness"]["worst"]
    chances = [json.loads(flags.filter(pl.col("row_id") == row)["evidence"][0]) for row in worst]
    assert all(one["p_likely"] > 0.8 and one["p_label"] < 0.1 for one in chances)


@pytest.mark.parametrize(("look", "poor", "values"), [(0.1, 0.5, (0.1, 0.11, 0.5, 0.51)), (20, 5, (20, 19.9, 5, 4.9))])
def test_words_change_at_their_thresholds(look, poor, values):
    """Bug: the word for what is exactly at the threshold, or the direction of a measure, is the wrong one."""
    words = [judged([Measure("m", value, look, poor, "told")], [])["verdict"] for value in values]
    assert words == ["good", "look", "look", "poor"]


def test_the_worst_measure_decides_and_is_told_first():
    """Bug: a good measure hides a bad one."""
    one = judged(
        [Measure("a", 0.01, 0.1, 0.5, "a is fine"), Measure("b", 3, 20, 5, "b is not"), Measure("c", 0, 1, 2, "")],
        "xyz",
    )
    assert (one["verdict"], one["measure"], one["value"], one["threshold"]) == ("poor", "b", 3, 5)
    assert one["why"] == "b is not; a is fine" and one["worst"] == ["x", "y", "z"]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_effective_numbers_lie_between_one_and_all(counts):
    """Bug: the perplexity of a distribution is off its bounds, so that evenness exceeds 1."""
    there = sum(count > 0 for count in counts)
    number = effective_number(counts)
    assert number == 0 if not there else 1 - 1e-9 <= number <= there + 1e-9


def test_effective_number_of_known_shares():
    """Bug: another logarithm, or counts taken for shares. Source: exp of Shannon's entropy, by hand."""
    assert effective_number([7, 7, 7, 7]) == pytest.approx(4)
    assert effective_number([3, 1]) == pytest.approx(math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)))


def test_rare_labels_are_named_with_a_row_each(tmp_path):
    """Bug: an imbalance of 1 to 30 is called good, or the rows shown are of the common label."""
    rows = [(f"where is my parcel number {n} please", "delivery") for n in range(90)]
    rows += [(f"give me my money back for {n}", "refund") for n in range(4)]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    one = made(tmp_path, dedup={"near": None})["balance"]
    assert one["verdict"] == "look" and one["measure"] == "imbalance_ratio" and one["value"] > 10
    assert len(one["worst"]) == 2 and one["effective"] < 1.4


def _chats(folder: Path, answers: list[str]) -> None:
    lines = [
        {"messages": [{"role": "user", "content": f"Question number {n} about topic {n * n}?"},
                      {"role": "assistant", "content": answer}]}
        for n, answer in enumerate(answers)
    ]  # fmt: skip
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_few_long_answers_outweigh_all_others(tmp_path):
    """Bug: lengths of a chat are not looked at, and a tenth of the rows is nearly all that is learnt."""
    even = [f"The answer to this one is {n} and that is all." for n in range(60)]
    _chats(tmp_path, even)
    assert made(tmp_path, task="chat", train="a.jsonl")["balance"]["verdict"] == "good"
    story = " ".join(f"Then the {n}th traveller crossed river {n * 7} and told tale {n * 13}." for n in range(30))
    _chats(tmp_path, [f"{answer} {story} {n}" if n % 12 == 0 else answer for n, answer in enumerate(even)])
    one = made(tmp_path, task="chat", train="a.jsonl")["balance"]
    assert one["verdict"] in ("look", "poor") and one["value"] > 0.5 and "longest tenth" in one["why"]


def test_contradictions_count_by_their_share(tmp_path):
    """Bug: two answers to the same question are no matter of cleanliness."""
    (tmp_path / "a.csv").write_text(csv_text([*ROWS, ("odd words here", "refund"), ("odd words here", "delivery")]))
    one = made(tmp_path, clean={"mismatch": "off"})["cleanliness"]
    assert one["measure"] == "conflict_frac" and one["value"] == pytest.approx(2 / 26) and one["verdict"] == "poor"
    assert "1 prompt has different answers" in one["why"] and len(one["worst"]) >= 2


def test_nothing_to_test_on_is_poor():
    """Bug: a division by no test rows, or 'good' for a model that nobody can measure."""
    train = pl.DataFrame({"row_id": ["a"] * 500, "tokens": [9] * 500, "target_tokens": [3] * 500, "chars": [40] * 500})
    one = judging._size(Recipe(name="t", task="chat", data={"train": "a"}), train, 0)
    assert (one["verdict"], one["measure"]) == ("poor", "test_half_width_frac") and "none to test on" in one["why"]


@pytest.mark.parametrize("terminal", [True, False])
def test_the_summary_fits_a_terminal_and_is_whole_elsewhere(demo, monkeypatch, terminal):
    """Bug: long labels or many rules wrap into a page of text that nobody reads; or a log ends in '…'."""
    result = json.loads(json.dumps({**demo.result, "path": "/x"}))
    result["removed_by"] = {f"some_long_rule_name_{n}": n for n in range(30)}
    result["verdicts"]["balance"]["why"] = f"{'very_long_label_' * 10} has 3 rows; more"
    result["notes"] = [f"a long note, {n} {'words ' * 30}" for n in range(5)]
    out = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=out, width=80, highlight=False))
    monkeypatch.setattr(Console, "is_terminal", terminal)
    show_dataset(result)
    lines = out.getvalue().splitlines()
    assert len(lines) <= 10 and (max(map(len, lines)) <= 80) is terminal
    assert ("some_long_rule_name_1 1" in lines[1]) is not terminal and ("…" in out.getvalue()) is terminal
    assert "1,490 rows read" in lines[0] and "report.html" in lines[-1]
    assert {line.split()[0] for line in lines} >= {"relevance", "cleanliness", "balance", "size"}
