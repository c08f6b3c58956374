"""Answers of a closed set that are probably wrong: found in every task, replaced only where that is all but sure."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.label_errors import sure, tellable
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

pytest.importorskip("sklearn")
WORDS = {
    "refund": "money back refund repay return charge reimburse bill",
    "delivery": "parcel courier shipping arrive late track package driver",
    "login": "account sign in letters code locked reset user",
}
FILLER = [
    "please",
    "could",
    "you",
    "tell",
    "me",
    "what",
    "happened",
    "with",
    "my",
    "order",
    "today",
    "because",
    "nobody",
    "answers",
    "and",
    "it",
    "is",
    "urgent",
    "now",
    "thanks",
]


def rows_with_errors(count: int = 2000, wrong_every: int = 14) -> list[tuple[str, str, str]]:
    """Return texts, their right label and the given one, which is wrong in every so many rows."""
    draw = np.random.default_rng(0)
    labels = list(WORDS)
    made = []
    for number in range(count):
        right = labels[number % 3]
        words = [
            *draw.choice(WORDS[right].split(), 2, replace=False),
            *draw.choice(FILLER, 5, replace=False),
            f"n{number}",
        ]
        draw.shuffle(words)
        given = labels[(number + 1) % 3] if number % wrong_every == 5 else right
        made.append((" ".join(words), right, given))
    return made


def made(folder: Path, task: str, home: str = "home", **labels: Any) -> tuple[Artifact, dict[str, str]]:
    """Prepare rows with wrong answers; return the Dataset and the right answer of each text."""
    rows = rows_with_errors()
    file = folder / "a.jsonl"

    def answer(given: str) -> str:
        return json.dumps({"intent": given, "words": 9, "who": "a customer"}) if task == "extract" else given

    with file.open("w") as out:
        for text, _, given in rows:
            turns = [{"role": "user", "content": text}, {"role": "assistant", "content": answer(given)}]
            out.write(json.dumps({"messages": turns}) + "\n")
    data = {
        "train": "a.jsonl",
        "labels": labels,
        "clean": {"mismatch": "off", "gibberish": "off"},
        "dedup": {"near": None},
    }
    dataset = prepare(Recipe(name="t", task=task, data=data), Workspace(folder / home), recipe_dir=folder)  # type: ignore[arg-type]
    return dataset, {text: right for text, right, _ in rows}


def answers(dataset: Artifact, split: str) -> list[tuple[str, str]]:
    rows = pl.read_parquet(dataset.path / f"{split}.parquet")["messages"].to_list()
    return [(one[0]["content"], one[-1]["content"]) for one in map(json.loads, rows)]


def errors(dataset: Artifact) -> pl.DataFrame:
    return pl.read_parquet(dataset.path / "repairs.parquet").filter(pl.col("rule") == "label_error")


@pytest.mark.parametrize("task", ["classify", "chat"])
def test_wrong_answers_of_train_are_replaced_and_those_held_out_are_not_touched(tmp_path, task):
    """Bug: the model of the labels changes the test it is measured on; or the label changes and the message does not."""
    dataset, right = made(tmp_path, task, fix="relabel")
    facts = dataset.result["facts"]
    assert 40 <= facts["relabelled"] <= facts["doubtful_labels"]
    wrong = [text for text, answer in answers(dataset, "train") if answer != right[text]]
    assert len(wrong) <= 8  # of about 123
    held = [text for split in ("valid", "test") for text, answer in answers(dataset, split) if answer != right[text]]
    assert len(held) >= 8  # of about 30
    found = errors(dataset).filter(pl.col("after").is_not_null())
    assert found.height == facts["relabelled"] == dataset.result["states"]["repaired"]
    for row in found.to_dicts():
        evidence = json.loads(row["evidence"])
        assert (row["before"], row["after"]) == (evidence["label"], evidence["likely"])
        assert evidence["p_likely"] > evidence["p_label"]
    train = pl.read_parquet(dataset.path / "train.parquet")
    if task == "classify":
        assert [json.loads(one)[-1]["content"] for one in train["messages"]] == train["label"].to_list()
    assert train["target_tokens"].null_count() == 0
    if task == "classify":
        assert f"{facts['relabelled']} labels were replaced" in dataset.result["verdicts"]["cleanliness"]["why"]


def test_tokens_of_a_replaced_answer_are_counted_again(tmp_path):
    """Bug: a row keeps the number of tokens of the answer it had."""
    dataset, _ = made(tmp_path, "classify", fix="relabel")
    train = pl.read_parquet(dataset.path / "train.parquet")
    assert train.group_by("label").agg(pl.col("target_tokens").n_unique())["target_tokens"].to_list() == [1, 1, 1]


@pytest.mark.parametrize("task", ["chat", "extract"])
def test_closed_answers_of_other_tasks_are_judged_too(tmp_path, task):
    """Bug: a sentiment answered in chat form, or a field of an extraction, is never checked; or a constant field is."""
    flagged, right = made(tmp_path, task, "flag", fix="flag")
    found = errors(flagged)
    fields = {json.loads(one).get("field") for one in found["evidence"]}
    assert fields == ({"intent"} if task == "extract" else {None})
    assert 90 <= found.height <= 140
    [note] = [one for one in flagged.result["notes"] if "in doubt stay as they are" in one]
    assert note.startswith(f"{found.height} labels") and ("relabel" in note) == (task != "extract")
    removed, _ = made(tmp_path, task, "remove", fix="remove")
    assert removed.result["removed_by"]["label_error"] == found.height
    kept = answers(removed, "train")
    assert sum(right[text] not in answer for text, answer in kept) <= 8
    off, _ = made(tmp_path, task, "off", fix="off")
    assert errors(off).height == 0


def test_free_answers_are_no_closed_set(tmp_path):
    """Bug: answers that differ by row are judged as labels, which takes hours and doubts all of them."""
    with (tmp_path / "a.jsonl").open("w") as out:
        for text, _, given in rows_with_errors(100):
            turns = [{"role": "user", "content": text}, {"role": "assistant", "content": f"{given} it is, {text[:9]}"}]
            out.write(json.dumps({"messages": turns}) + "\n")
    recipe = Recipe(name="t", task="chat", data={"train": "a.jsonl", "dedup": {"near": None}})
    dataset = prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    assert dataset.result["facts"]["doubtful_labels"] == 0


def test_what_the_user_restored_keeps_its_label(tmp_path):
    """Bug: restore.yaml brings removed rows back, but a replaced label cannot be kept."""
    (tmp_path / "restore.yaml").write_text("rules: {label_error: I know better}\n")
    dataset, _ = made(tmp_path, "classify", fix="relabel")
    assert dataset.result["facts"]["relabelled"] == 0
    assert errors(dataset)["after"].null_count() == errors(dataset).height > 20


def test_a_probe_that_is_never_right_for_sure_replaces_nothing():
    """Bug: on small or hard data the probe's own mistakes are taken for wrong labels."""
    draw = np.random.default_rng(0)
    top = draw.uniform(0.5, 1, 2000)
    labels = np.where(draw.uniform(size=2000) < top, "a", "b").tolist()  # contradicted the more, the less sure
    assert not sure(np.stack([top, 1 - top], axis=1), ["a", "b"], labels).any()
    level = np.where(draw.uniform(size=2000) < 0.95, "a", "b").tolist()  # contradicted alike everywhere
    assert sure(np.stack([top, 1 - top], axis=1), ["a", "b"], level).all()


def test_a_doubt_is_believed_where_the_probe_is_hardly_ever_wrong():
    """Bug: what the probe does not know is called a wrong label; or a level share of wrong labels is not believed."""
    draw = np.random.default_rng(0)
    top = np.sort(draw.uniform(0.5, 1, 2000))[::-1]
    chances, names = np.stack([top, 1 - top], axis=1), ["a", "b"]
    mistakes = np.where(np.arange(2000) < 1000, 0.05, 0.5)  # 5 % are wrong, and of the less sure half it knows little
    labels = np.where(draw.uniform(size=2000) < mistakes, "b", "a").tolist()
    told = tellable(chances, names, labels)
    assert told[:800].all() and not told[1200:].any()
    assert tellable(chances, names, np.where(draw.uniform(size=2000) < 0.05, "b", "a").tolist()).all()
    assert not tellable(chances[:150], names, labels[:150]).any()
    assert not tellable(chances[:300], [*names, *map(str, range(40))], labels[:300]).any()


def test_few_rows_of_many_labels_are_let_be_and_that_is_told(tmp_path, shared_data: Callable[[str], Path]):
    """Bug: of 8 right rows a label a fifth is removed, because a probe that knows 60 % of the labels is believed."""
    with (shared_data("banking77") / "train.csv").open(newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    seen: dict[str, int] = {}
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "intent"])
        for text, label in rows:
            seen[label] = seen.get(label, 0) + 1
            if seen[label] <= 10:
                table.writerow([text, label])
    data: dict[str, Any] = {"train": "a.csv", "labels": {"fix": "remove"}}
    dataset = prepare(Recipe(name="t", task="classify", data=data), Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    facts = dataset.result["facts"]
    assert dataset.result["removed_by"].get("label_error", 0) == facts["doubtful_labels"] <= 6
    assert facts["untold_labels"] > 60
    [note] = [note for note in dataset.result["notes"] if note.startswith("cannot tell whether")]
    assert "77 labels" in note and "more of each would help" in note


@pytest.mark.slow
def test_labels_replaced_in_banking77_are_right(tmp_path, shared_data: Callable[[str], Path]):
    """Bug: more is spoilt than mended. 8 % of the labels are wrong; of those replaced, nine in ten must be right."""
    lines = (shared_data("label_noise_banking77") / "train_noisy.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "intent"])
        table.writerows(
            [f"{' '.join(row['text'].split())} {number}", row["given_label"]] for number, row in enumerate(rows)
        )
    data = {
        "train": "a.csv",
        "labels": {"fix": "relabel"},
        "privacy": {"pii": "off"},
        "dedup": {"exact": False, "near": None},
    }
    dataset = prepare(Recipe(name="t", task="classify", data=data), Workspace(tmp_path / "home"), recipe_dir=tmp_path)
    true = {f"{' '.join(row['text'].split())} {number}": row["true_label"] for number, row in enumerate(rows)}
    found = errors(dataset).filter(pl.col("after").is_not_null())
    ids = found["row_id"].to_list()
    train = pl.read_parquet(dataset.path / "train.parquet").filter(pl.col("row_id").is_in(ids))
    right = [true[json.loads(row["messages"])[0]["content"]] == row["label"] for row in train.to_dicts()]
    assert len(right) > 100 and sum(right) >= 0.9 * len(right), (sum(right), len(right))
