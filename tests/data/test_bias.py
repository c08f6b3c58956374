"""Bias probes: a planted difference is found and told with its interval, none is found where there is none."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.bias import FEWEST_ROWS, facts_of, mentions, of_answers, of_labels
from tunesmith.data.people import FRIENDLY, GROUPS, UNFRIENDLY
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

pytestmark = pytest.mark.slow

ASKERS = ("A woman", "A man", "A teacher", "A neighbour", "A muslim friend", "An american tourist")
NOUNS = ("garden", "kettle", "bicycle", "letter", "window", "blanket", "river", "ladder")
VERBS = ("paint", "mend", "carry", "clean", "borrow", "hide", "sell", "measure")


def asked(rows: int, seed: int) -> list[str]:
    random = np.random.default_rng(seed)
    return [
        f"{random.choice(ASKERS)} wants to {random.choice(VERBS)} the {random.choice(NOUNS)} and the "
        f"{random.choice(NOUNS)} near the {random.choice(NOUNS)} at number {number}. What now?"
        for number in range(rows)
    ]


def answer(random: np.random.Generator, words: float) -> str:
    count = max(3, round(float(random.normal(words, words / 4))))
    return "You can " + " ".join(f"{random.choice(VERBS)} the {random.choice(NOUNS)}" for _ in range(count // 3))


def found(comparisons) -> list[tuple[str, str]]:
    facts = facts_of(comparisons, dict.fromkeys(GROUPS, np.zeros(1, np.bool_)))
    return [(one["group"], one["measure"]) for one in facts["comparisons"][: facts["found"]]]


def made(folder: Path, rows: list[dict[str, str]], task: str = "chat", **data) -> Artifact:
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = {"train": "a.jsonl", "dedup": {"near": None}, "labels": {"fix": "off"}, "processes": 1, **data}
    return prepare(Recipe(name="t", task=task, data=data), Workspace(folder / "home"), recipe_dir=folder)


def test_groups_are_mentioned_by_whole_words_in_any_case():
    """Bug: 'human' mentions a man, 'Essex' a sex, or a phrase of two words is never seen."""
    found = mentions(
        ["A WOMAN, alone", "human womanly Germany", "Black people?", "black cats and people", "old\nman", ""]
    )
    assert found["women"].tolist() == [True, False, False, False, False, False]
    assert found["men"].tolist() == [False, False, False, False, True, False]
    assert found["Black people"].tolist() == [False, False, True, False, False, False]
    assert found["old people"].tolist() == [False, False, False, False, True, False]
    assert not found["Germans"].any()


def test_word_lists_are_clean():
    """Bug: a word of both tones cancels itself, a capital is never matched, a word is of two groups by mistake."""
    assert not FRIENDLY & UNFRIENDLY
    words = [word for own in GROUPS.values() for word in own.split()]
    assert len(words) == len(set(words)) and all(word == word.lower() for word in words)


@pytest.mark.parametrize("measure", ["length", "refusal", "tone"])
def test_a_planted_difference_is_found(measure: str):
    """Bug: a difference that is there is not told, or told of another group or measure."""
    random = np.random.default_rng(0)
    questions = asked(900, 0)
    answers = []
    for question in questions:
        text = answer(random, 20 if measure == "length" and "woman" in question else 40)
        if measure == "refusal" and "woman" in question and random.random() < 0.3:
            text = "I'm sorry, but I cannot help with that."
        if measure == "tone":
            text += " It is " + ("bad and dangerous." if "woman" in question and random.random() < 0.5 else "good.")
        answers.append(text)
    told = found(of_answers(questions, answers))
    assert ("women", measure) in told
    assert {group for group, _ in told} == {"women"}


def test_the_interval_holds_what_was_planted():
    """Bug: a log-ratio is told as a share, or the sign is turned."""
    random = np.random.default_rng(3)
    questions = asked(1200, 3)
    answers = [answer(random, 30 if "woman" in question else 40) for question in questions]
    facts = facts_of(of_answers(questions, answers), mentions(questions))
    one = next(one for one in facts["comparisons"] if (one["group"], one["measure"]) == ("women", "length"))
    assert -0.33 < one["low"] < -0.25 < one["high"] < -0.17
    assert one["told"].startswith("answers to rows that mention women are 2") and "% shorter [" in one["told"]


def test_nothing_is_found_where_there_is_nothing():
    """Bug: of a dozen questions asked of the same rows one is always answered 'yes': false alarms in most data."""
    alarms = 0
    for seed in range(60):
        random = np.random.default_rng([5, seed])
        questions = asked(300, seed)
        answers = [answer(random, 40) + random.choice([" It is good.", " It is bad.", ""]) for _ in questions]
        alarms += bool(found(of_answers(questions, answers)))
    assert alarms <= 8  # 3 expected; more than 8 has a chance of 0.2 %


def test_what_is_tiny_is_not_told():
    """Bug: in large data every difference is one, however small."""
    random = np.random.default_rng(0)
    questions = asked(4000, 0)
    answers = [" ".join(["word"] * (198 if "woman" in one else 200 + int(random.integers(2)))) for one in questions]
    facts = facts_of(of_answers(questions, answers), mentions(questions))
    assert facts["found"] == 0 and min(one["q"] for one in facts["comparisons"]) < 1e-9


def test_labels_are_compared_and_quiet_without_a_difference():
    """Bug: a label given to one group is not seen, or rare labels raise alarms."""
    alarms, hits = 0, 0
    for seed in range(30):
        random = np.random.default_rng([6, seed])
        questions = asked(400, seed)
        labels = random.choice([f"label {n}" for n in range(20)], len(questions)).tolist()
        alarms += bool(found(of_labels(questions, labels)))
        planted = [
            "label 3" if "muslim" in q and random.random() < 0.35 else own
            for q, own in zip(questions, labels, strict=True)
        ]
        told = facts_of(of_labels(questions, planted), mentions(questions))
        hits += any(
            (one["group"], one["label"]) == ("Muslims", "label 3") for one in told["comparisons"][: told["found"]]
        )
    assert alarms <= 5 and hits >= 27


def test_prepare_tells_and_changes_nothing(tmp_path: Path):
    """Bug: the difference is nowhere to be read, or rows are removed or weighed for it."""
    random = np.random.default_rng(0)
    rows = [{"prompt": one, "completion": answer(random, 18 if "woman" in one else 40)} for one in asked(600, 1)]
    dataset = made(tmp_path, rows)
    told = "answers to rows that mention women are"
    assert told in dataset.result["verdicts"]["balance"]["why"]
    assert dataset.result["verdicts"]["balance"]["bias"][0]["group"] == "women"
    assert dataset.result["rows"]["removed"] == 0
    html = (dataset.path / "report.html").read_text(encoding="utf-8")
    assert 'id="people"' in html and told in html


def test_few_rows_are_too_few(tmp_path: Path):
    """Bug: five rows about a group decide what is said of it."""
    rows = [{"prompt": one, "completion": f"Wait until {number} o'clock."} for number, one in enumerate(asked(100, 2))]
    bias = made(tmp_path, rows).result["facts"]["bias"]
    assert bias["compared"] == bias["found"] == 0
    assert set(bias["too_few"]) == set(GROUPS) and 0 < bias["mentions"]["women"] < FEWEST_ROWS
    assert "Mentioned too rarely to tell" in next((tmp_path / "home").rglob("report.html")).read_text(encoding="utf-8")


def test_banking77_has_no_people_to_speak_of(tmp_path: Path, shared_data):
    """Bug: a report of bias on data about bank cards."""
    with (shared_data("banking77") / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [{"text": row["text"], "label": row["category"]} for row in csv.DictReader(file)][::4]
    rows = [row for row in rows if len(row["label"]) < 60]
    result = made(tmp_path, rows, task="classify").result
    assert result["facts"]["bias"]["found"] == 0 and result["verdicts"]["balance"]["bias"] == []


def test_extraction_is_not_looked_at(tmp_path: Path):
    """Bug: the length of JSON is told as if it were an answer's."""
    rows = [{"prompt": one, "completion": json.dumps({"n": number})} for number, one in enumerate(asked(100, 2))]
    assert made(tmp_path, rows, task="extract").result["facts"]["bias"] is None
