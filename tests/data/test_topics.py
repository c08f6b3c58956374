"""Topics: rows that lie together are found, named and told of, the same every time; and train can be evened out by them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data import topics as looked_at
from tunesmith.data.kmeans import k_means
from tunesmith.data.prepare import prepare
from tunesmith.data.topics import Topics, _most_telling, told_of
from tunesmith.data.vectors import rounded, unit
from tunesmith.recipe import Recipe

COOKING = ("soup", "bread", "rice", "cake", "stew", "pie", "salad", "curry", "toast", "dumpling")
SPORTS = ("football", "tennis", "hockey", "rowing", "cycling", "boxing", "fencing", "skiing", "golf", "rugby")


DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def spelled(number: int) -> str:
    return f"{DAYS[number % 7]}, {DAYS[number // 7 % 7]} and {DAYS[number // 49 % 7]}"


def two_topics(cooking: int, sports: int) -> list[str]:
    random = np.random.default_rng(0)
    meals = [
        f"How do I cook {random.choice(COOKING)} with {random.choice(COOKING)} for dinner on {spelled(number)}?"
        for number in range(cooking)
    ]
    games = [
        f"Who won the {random.choice(SPORTS)} match after the {random.choice(SPORTS)} game of {spelled(number)}?"
        for number in range(sports)
    ]
    return meals + games


def made(folder: Path, texts: list[str], home: str = "home", **data) -> Artifact:
    rows = [{"prompt": text, "completion": f"You asked: {text}"} for text in texts]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {
        "train": "a.jsonl",
        "dedup": {"exact": False, "near": None},
        "clean": {"echo": "off"},
        "split": {"valid": 0, "test": 0},
        "processes": 1,
        **data,
    }
    return prepare(Recipe(name="t", task="chat", data=data), Workspace(folder / home), recipe_dir=folder)


def test_k_means_finds_groups_that_are_there():
    """Bug: centres do not move, or rows are given to the centre farthest away."""
    random = np.random.default_rng(1)
    truth = random.integers(6, size=600)
    vectors = rounded(unit(np.eye(6, 16)[truth] + 0.15 * random.normal(size=(600, 16))))
    found = k_means(vectors, 6, 0)
    pairs = Counter(zip(truth.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 6
    assert np.array_equal(found, k_means(vectors, 6, 0))


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 5))
def test_k_means_numbers_its_groups_without_gaps(rows, k, distinct):
    """Bug: copies or rows of zeros leave a group empty, or the seeding never ends."""
    vectors = np.repeat(np.eye(distinct + 1, 8, dtype=np.int8) * 100, rows, axis=0)
    vectors[:rows] = 0
    groups = k_means(vectors, k, 0)
    assert set(groups.tolist()) == set(range(int(groups.max()) + 1))
    assert groups.max() < k


def test_topics_of_plain_subjects_are_told_apart_and_named(tmp_path: Path):
    """Bug: a topic's words are those that all rows share, or rows of two subjects are one topic."""
    facts = made(tmp_path, two_topics(300, 100)).result["facts"]["topics"]
    meals = [one for one in facts["topics"] if set(one["words"]) & {"cook", "dinner"}]
    games = [one for one in facts["topics"] if set(one["words"]) & {"match", "game"}]
    assert len(meals) + len(games) == facts["number"] and meals and games
    assert sum(one["rows"] for one in meals) == pytest.approx(300, abs=25)
    assert not [word for one in facts["topics"] for word in one["words"] if word in ("the", "with", "who")]
    assert sum(one["rows"] for one in facts["topics"]) == facts["rows"] == facts["of"] == 400
    assert 1 < facts["effective"] <= facts["number"]


def test_the_verdict_and_the_page_tell_of_topics(tmp_path: Path):
    """Bug: topics are computed and shown nowhere."""
    dataset = made(tmp_path, two_topics(300, 100))
    balance = dataset.result["verdicts"]["balance"]
    facts = dataset.result["facts"]["topics"]
    assert f"effective number of topics {facts['effective']:.0f} of {facts['number']}" in balance["why"]
    assert balance["topics"]["largest_frac"] == facts["largest_frac"]
    html = (dataset.path / "report.html").read_text(encoding="utf-8")
    assert 'id="topics"' in html and facts["topics"][0]["words"][0] in html


def test_train_is_evened_out_by_topic(tmp_path: Path):
    """Bug: balance.by topic weighs by something else, or topics differ between weights and facts."""
    plain = made(tmp_path, two_topics(300, 100), home="plain")
    even = made(tmp_path, two_topics(300, 100), balance={"by": "topic", "temperature": 0.0})
    groups = even.result["facts"]["balance"]["groups"]
    sums = [one["rows"] * one["weight"] for one in groups.values()]
    assert max(sums) == pytest.approx(min(sums), rel=0.02)
    names = {one["name"]: one["rows"] for one in plain.result["facts"]["topics"]["topics"]}
    assert {name: one["rows"] for name, one in groups.items()} == names
    train = pl.read_parquet(even.path / "train.parquet")
    assert train["weight"].mean() == pytest.approx(1, abs=1e-3)


def test_train_is_evened_out_by_language(tmp_path: Path):
    """Bug: a language has no weight, or rows too short to tell are a language of their own."""
    german = [f"Wie kann ich die Karte Nummer {number} wieder aus dem Konto entfernen?" for number in range(40)]
    english = [f"How can I remove the card number {number} from my account again?" for number in range(150)]
    dataset = made(tmp_path, [*german, *english, "ok 1", "ok 2"], balance={"by": "language", "temperature": 0.0})
    groups = dataset.result["facts"]["balance"]["groups"]
    assert {name: one["rows"] for name, one in groups.items()} == {"en": 152, "de": 40}
    assert groups["de"]["weight"] > groups["en"]["weight"]


def test_few_rows_have_no_topics(tmp_path: Path):
    """Bug: topics of thirty rows are told as if they meant something."""
    dataset = made(tmp_path, two_topics(30, 20))
    assert dataset.result["facts"]["topics"] is None
    assert "topics" not in dataset.result["verdicts"]["balance"]


def test_a_sample_says_that_it_is_one(tmp_path: Path):
    """Bug: shares of a sample are told as those of all rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looked_at, "LOOKED_AT_ROWS", 150)
        dataset = made(tmp_path, two_topics(300, 100))
    assert (dataset.result["facts"]["topics"]["rows"], dataset.result["facts"]["topics"]["of"]) == (150, 400)
    assert "(150 of 400 looked at)" in (dataset.path / "report.html").read_text(encoding="utf-8")


def test_words_that_all_topics_share_tell_nothing():
    """Bug: a topic is named by what every row says, or by a word of one row."""
    own, everywhere = Counter(you=10, cook=9, oven=4, pan=1), Counter(you=100, cook=12, oven=50, pan=1)
    assert _most_telling(own, 10, everywhere, 100) == ["cook"]


def test_names_are_never_shared_by_two_topics():
    """Bug: two topics with the same words are one group, and their weight is wrong."""
    topics = Topics(np.arange(3), np.arange(3), [["a", "b"], ["a", "b"], []], "nano")
    assert len(set(topics.names())) == 3
    assert told_of(topics, [0, 1], 3)["number"] == 2


def test_topics_of_banking77(tmp_path: Path, shared_data):
    """Bug: on real rows one topic swallows most, as with vectors whose common part is left in."""
    with (shared_data("banking77") / "train.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][::4]
    facts = made(tmp_path, texts).result["facts"]["topics"]
    assert facts["number"] == pytest.approx(18, abs=1)
    assert facts["effective"] > 0.7 * facts["number"] and facts["largest_frac"] < 0.2
    told = {word for one in facts["topics"] for word in one["words"][:4]}
    assert (
        len(told & {"declined", "exchange", "fee", "pin", "refund", "top", "transfer", "withdrawal", "identity"}) >= 5
    )
