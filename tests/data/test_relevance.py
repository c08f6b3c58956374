"""Relevance: the score and its calibration, and what becomes of rows that are far from the target."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.data.prepare import prepare
from tunesmith.data.relevance.judge import Judged, line
from tunesmith.data.relevance.score import bags, fit, ratio_of
from tunesmith.models.embed import WordVectors
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

DEMO = Path(__file__).parents[2] / "src" / "tunesmith" / "assets" / "demo"
FOODS = ("soup", "bread", "rice", "cake", "stew", "pie", "salad", "curry", "toast", "dumpling")
STEPS = ("simmer gently", "bake slowly", "season well", "chop finely", "stir often", "serve warm", "knead by hand")


def tickets() -> list[str]:
    with (DEMO / "tickets.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows if len(row["text"].split()) >= 6]


def cooking(count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [
        f"To cook {random.choice(FOODS)} {number} with {random.choice(FOODS)}, {random.choice(STEPS)} in a pan, "
        f"then {random.choice(STEPS)} before the {random.choice(FOODS)} cools"
        for number in range(count)
    ]


def lines(file: Path, key: str) -> list[str]:
    return [json.loads(line)[key] for line in file.read_text(encoding="utf-8").splitlines()[:500]]


def auc(above: Any, below: Any) -> float:
    return float(np.mean([[one > other for other in below] for one in above]))


def write(folder: Path, name: str, texts: list[str]) -> None:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent"])
        writer.writerows([text, "even" if number % 2 else "odd"] for number, text in enumerate(texts))


def prepared(folder: Path, *, seed: int = 0, home: str = "home", **data: Any) -> Artifact:
    data = {"labels": {"fix": "off"}, "dedup": {"near": None}, "processes": 1, "train": "a.csv", **data}
    recipe = Recipe(name="t", task="classify", seed=seed, data=data)
    return prepare(recipe, Workspace(folder / home), recipe_dir=folder)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with 300 tickets and 60 recipes for cooking in a.csv, and 50 other tickets in domain.txt."""
    texts = tickets()
    write(tmp_path, "a.csv", texts[50:350] + cooking(60))
    (tmp_path / "domain.txt").write_text("\n".join(text.replace("\n", " ") for text in texts[:50]), encoding="utf-8")
    return tmp_path


def test_what_a_text_says_of_itself_is_left_out_of_its_score():
    """Bug: a target text raises its own score, so the threshold is too high and the domain's other rows go."""
    target, pool = tickets()[:30], cooking(100)
    background = bags(pool)[0].counts()
    _, values = ratio_of(bags(target)[0], background)
    for left_out in (0, 7, 29):
        others, _ = ratio_of(bags(target[:left_out] + target[left_out + 1 :])[0], background)
        bag = bags([target[left_out]])[0]
        usual = ratio_of(bags(target)[0], background)[0].usual
        expected = (bag.sums(others.table) - bag.sizes * usual) / (bag.sizes + 3.0)
        assert values[left_out] == pytest.approx(expected[0], abs=1e-3)


def test_held_out_scores_are_those_of_rows_never_seen():
    """Bug: keep: 0.95 keeps half of the domain's rows, because the target's own scores are flattering."""
    kept = []
    for draw in range(3):
        texts = np.random.default_rng(draw).permutation(tickets()).tolist()
        scorer = fit(texts[:100], texts[100:500] + cooking(200))
        kept.append(float((scorer(texts[100:500]) >= np.quantile(scorer.held_out, 0.05)).mean()))
    assert 0.91 <= float(np.mean(kept)) <= 0.99


@pytest.mark.parametrize(
    ("texts", "keep", "below"),
    [(10, 0.95, 0), (44, 0.95, 0), (45, 0.95, 0), (77, 0.95, 1), (100, 0.95, 1), (200, 0.95, 5), (5000, 0.95, 229),
     (100, 1.0, 0), (50, 0.001, 49), (1, 0.5, 0)],
)  # fmt: skip
def test_the_threshold_keeps_what_was_asked_with_confidence(texts, keep, below):
    """Bug: of 50 examples the third lowest is the threshold, and in every second draw more than 5 % of the domain go."""
    assert line(np.arange(texts, dtype=float), keep) == below
    chance = np.random.default_rng(0).beta(below + 1, texts - below, 100_000) if 0 < keep < 1 else np.zeros(1)
    assert texts < 45 or float((chance <= 1 - keep).mean()) >= 0.895


@pytest.mark.parametrize("embeddings", [False, True])
def test_banking_rows_among_other_sets(shared_data: Callable[[str], Path], embeddings: bool):
    """Bug: fifty examples are not enough to find a domain again (benchmarks/relevance.py has the full measurement)."""
    with (shared_data("banking77") / "train.csv").open(encoding="utf-8", newline="") as file:
        banking = [row["text"] for row in csv.DictReader(file)][::20]
    banking = np.random.default_rng(0).permutation(banking).tolist()
    dolly = lines(shared_data("dolly6400") / "rows.jsonl", "instruction")
    stories = lines(shared_data("corpus_tinystories_lc") / "stories.jsonl", "text")
    pool = banking[50:] + dolly + stories
    scores = fit(banking[:50], pool, WordVectors("nano") if embeddings else None)(pool)
    own = len(banking[50:])
    assert auc(scores[:own], scores[own:]) >= 0.98


def test_scores_do_not_hang_on_what_is_scored_together():
    """Bug: a row's fate changes with the piece it is in, so another number of processes makes another Dataset."""
    pool = [*tickets()[:200], *cooking(100), "", "?!", "日本語のテキスト", "word " * 5000]
    scorer = fit(tickets()[200:260], pool, WordVectors("nano"))
    whole = scorer(pool)
    assert whole.tolist() == [float(scorer([text])[0]) for text in pool]
    assert np.isfinite(whole).all()
    assert scorer([]).tolist() == []


def test_rows_far_from_the_target_go_with_their_evidence(mixed: Path):
    """Bug: the domain's rows go instead, or nobody can see why a row went."""
    dataset = prepared(mixed, relevance={"to": "domain.txt"})
    removed = pl.read_parquet(dataset.path / "removed.parquet").filter(pl.col("rule") == "irrelevant")
    lines = set(removed["line"].to_list())
    with (mixed / "a.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    assert sum("To cook" in text for text in removed["text"]) >= 58
    assert len(lines) <= 60 + 0.15 * 300 and len(texts) == 360
    evidence = json.loads(removed.filter(pl.col("text").str.contains("To cook"))["evidence"][0])
    assert evidence["score"] < evidence["threshold"]
    assert evidence["nearest"] in (mixed / "domain.txt").read_text(encoding="utf-8") or "…" in evidence["nearest"]
    rows = dataset.result["rows"]
    assert rows["read"] == rows["kept"] + rows["removed"]
    verdict = dataset.result["verdicts"]["relevance"]
    assert verdict["verdict"] == "look" and 0.1 < verdict["value"] < 0.35
    assert 0.5 < verdict["auc"]["low"] < verdict["auc"]["value"] < verdict["auc"]["high"] <= 1
    assert len(verdict["worst"]) == len(verdict["rows"]) == 5
    assert dataset.result["facts"]["relevance"]["removed"] == len(lines)


def test_flag_keeps_the_rows(mixed: Path):
    """Bug: action flag removes."""
    dataset = prepared(mixed, relevance={"to": "domain.txt", "action": "flag"})
    assert "irrelevant" not in dataset.result["removed_by"]
    assert dataset.result["flagged_by"]["irrelevant"] >= 58


def test_held_out_files_are_never_touched(mixed: Path):
    """Bug: validation or test rows far from the target are removed, so the score is flattered."""
    write(mixed, "valid.csv", cooking(20, seed=1))
    write(mixed, "test.csv", cooking(20, seed=2))
    dataset = prepared(mixed, relevance={"to": "domain.txt"}, valid="valid.csv", test="test.csv")
    assert (dataset.result["splits"]["valid"], dataset.result["splits"]["test"]) == (20, 20)


def test_the_validation_files_can_be_the_target(mixed: Path):
    """Bug: 'valid' is taken for a text of one word."""
    write(mixed, "valid.csv", tickets()[350:450])
    dataset = prepared(mixed, relevance={"to": "valid"}, valid="valid.csv")
    assert dataset.result["removed_by"]["irrelevant"] >= 58
    with pytest.raises(RecipeError, match=r"data\.valid names none"):
        prepared(mixed, relevance={"to": "valid"})


def test_the_target_can_be_a_table_or_texts_in_the_recipe(mixed: Path):
    """Bug: a column of a file is not found, or texts in the recipe are taken for names of files."""
    texts = [text.replace("\n", " ") for text in tickets()[:50]]
    (mixed / "domain.jsonl").write_text("".join(json.dumps({"id": 1, "text": text}) + "\n" for text in texts))
    found = [prepared(mixed, home=str(n), relevance={"to": to}) for n, to in enumerate(("domain.jsonl", texts))]
    assert {one.result["facts"]["relevance"]["examples"] for one in found} == {50}
    assert found[0].result["removed_by"] == found[1].result["removed_by"]
    with pytest.raises(DataError, match=r"data\.relevance\.to: no file 'domian\.jsonl'"):
        prepared(mixed, relevance={"to": "domian.jsonl"})


def test_conversations_are_compared_with_their_answers(tmp_path: Path):
    """Bug: for chat the domain shows in the answers, and only questions are compared."""
    texts, others = tickets()[:350], cooking(60)
    rows = [
        {"messages": [{"role": "user", "content": f"Go on, part {number}"}, {"role": "assistant", "content": text}]}
        for number, text in enumerate([*texts, *others])
    ]
    for name, part in (("a.jsonl", rows[50:]), ("domain.jsonl", rows[:50])):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
    data = {"train": "a.jsonl", "relevance": {"to": "domain.jsonl"}, "processes": 1, "dedup": {"near": None}}
    recipe = Recipe(name="t", task="chat", data=data)
    dataset = prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    assert dataset.result["removed_by"]["irrelevant"] >= 55


def test_a_target_of_a_few_words_removes_nothing(mixed: Path):
    """Bug: two short examples decide over thousands of rows."""
    few = ["Why was I charged twice?", "Where is my parcel?"]
    with pytest.raises(DataError, match="too few"):
        prepared(mixed, relevance={"to": few})
    dataset = prepared(mixed, relevance={"to": few, "action": "flag"})
    assert dataset.result["verdicts"]["relevance"]["verdict"] == "look"
    assert "irrelevant" not in dataset.result["flagged_by"]


def test_what_cannot_be_told_from_the_target_stays(tmp_path: Path):
    """Bug: of rows that are all of the domain the farthest are removed, at every prepare again."""
    texts = tickets()
    write(tmp_path, "a.csv", texts[50:350])
    dataset = prepared(tmp_path, relevance={"to": texts[:50]})
    verdict = dataset.result["verdicts"]["relevance"]
    assert dataset.result["removed_by"].get("irrelevant", 0) == 0
    assert verdict["verdict"] == "look" and "cannot be told" in verdict["why"]


def test_the_chance_is_known_of_many_examples_too():
    """Bug: the number of ways to choose 200 of 4,000 is no float, so a target of many examples ends in a traceback."""
    held = np.arange(5_000) / 5_000
    assert Judged(np.arange(9), np.full(9, 0.5), held, 0.05).chance == 1.0
    assert Judged(np.arange(100), np.linspace(-1, 1, 100), held, 0.05).chance < 1e-9
    few = Judged(np.arange(100), np.linspace(-1, 99, 100), np.arange(10.0), 0.95)
    share = 0.01 / 1.4
    assert few.chance == pytest.approx(min(1.0, 2 * (1 - share) ** 10))


def test_resampling_draws_the_share_asked_for_and_prefers_the_domain(mixed: Path):
    """Bug: the draw is not the recipe's share, is not seeded, or does not look at the score."""
    drawn = [
        prepared(mixed, home=str(number), seed=seed, relevance={"to": "domain.txt", "keep": 0.5, "action": "resample"})
        for number, seed in enumerate((0, 0, 1))
    ]
    gone = [pl.read_parquet(one.path / "removed.parquet").filter(pl.col("rule") == "irrelevant") for one in drawn]
    kept = [one.result["splits"] for one in drawn]
    assert gone[0]["row_id"].to_list() == gone[1]["row_id"].to_list() != gone[2]["row_id"].to_list()
    assert abs(gone[0].height - sum(kept[0].values())) <= 1
    assert sum("To cook" in text for text in gone[0]["text"]) >= 50


def test_a_restored_row_stays(mixed: Path):
    """Bug: what the user brought back is removed again."""
    first = prepared(mixed, relevance={"to": "domain.txt"})
    removed = pl.read_parquet(first.path / "removed.parquet").filter(pl.col("rule") == "irrelevant")["row_id"].to_list()
    (mixed / "restore.yaml").write_text(f"rows: {{{removed[0]}: wanted}}\n")
    second = prepared(mixed, relevance={"to": "domain.txt"})
    assert pl.read_parquet(second.path / "train.parquet")["row_id"].to_list().count(removed[0]) <= 1
    assert second.result["removed_by"]["irrelevant"] == len(removed) - 1


def test_without_a_target_nothing_is_checked(tmp_path: Path):
    """Bug: relevance is judged, or paid for, although no recipe asked."""
    write(tmp_path, "a.csv", tickets()[:60])
    verdict = prepared(tmp_path).result["verdicts"]["relevance"]
    assert verdict["verdict"] == "not checked"
    assert not math.isfinite(verdict["value"] or math.nan)
