"""What is removed only if the data have a habit, and answers that are answers only by habit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.data.prepare import prepare
from tunesmith.data.restore import restore_row
from tunesmith.recipe import Recipe

Pairs = list[tuple[str, str]]
STRANGER = ("Who painted Guernica?", "Compost needs moisture, warmth and regular turning.")


def said(count: int, end: str = ".") -> Pairs:
    return [(f"Which way is hall {n}?", f"Hall {n} is behind hall {n * 7 + 1}{end}") for n in range(count)]


def made(folder: Path, pairs: Pairs, **data: Any) -> Artifact:
    messages = [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}] for asked, answer in pairs
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps({"messages": one}) + "\n" for one in messages))
    recipe = Recipe(name="t", task="chat", base="openai:none", data={"train": "a.jsonl", "processes": 1, **data})
    return prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def test_remove_waits_for_the_habit_and_then_removes(tmp_path):
    """Bug: `mismatch: remove` only flags, or removes where answers never take up words of their questions."""
    clean = {"mismatch": "remove", "truncated": "remove"}
    cut = ("What is rain?", "Rain is water that falls from the high clouds over sea")
    result = made(tmp_path, [STRANGER, cut, *said(100)], clean=clean).result
    assert result["removed_by"] == {"mismatch": 1, "truncated": 1} and result["rows"]["read"] == 102
    strangers = [(f"Who is the {n}th of them?", f"Compost needs moisture {n}, warmth, turning") for n in range(100)]
    other = tmp_path / "other"
    other.mkdir()
    assert made(other, [cut, *strangers], clean=clean).result["removed_by"] == {}


def test_a_row_that_a_habit_removed_can_be_restored(tmp_path):
    """Bug: what is removed after reading is not seen by restore, or stays without a word about why."""
    pairs = [STRANGER, *said(100)]
    first = made(tmp_path, pairs, clean={"mismatch": "remove"})
    (row,) = pl.read_parquet(first.path / "removed.parquet").to_dicts()
    assert (row["rule"], row["line"], json.loads(row["evidence"])["field"]) == ("mismatch", 1, "messages[1]")
    restore_row(first, row["row_id"], tmp_path)
    again = made(tmp_path, pairs, clean={"mismatch": "remove"}).result
    assert (again["removed_by"], again["flagged_by"]) == ({}, {"mismatch": 1})


SPANISH = ("Name a lake.", "El lago Titicaca es el lago más grande de América del Sur.")


def test_an_answer_in_another_language_than_the_data_s_is_flagged_whatever_short_question_it_answers(tmp_path):
    """Bug: a Spanish answer to 'Name a lake.' passes in English data, or each one is flagged in Spanish data."""
    english = [(f"Hall {n}?", f"The hall is behind the tower and it is number {n}.") for n in range(60)]
    spanish = [(f"Lago {n}?", f"El lago {n} es el más grande de la región y está en el norte.") for n in range(60)]
    flagged = {}
    for name, pairs in {"english": english, "spanish": spanish, "both": english + spanish}.items():
        (folder := tmp_path / name).mkdir()
        flagged[name] = made(folder, [SPANISH, *pairs], clean={"mismatch": "off"}).result["flagged_by"]
    assert flagged == {"english": {"language": 1}, "spanish": {}, "both": {}}


@pytest.mark.parametrize("answer", ["N/A", "n.a.", "null", "No answer", "Not applicable."])
def test_an_answer_that_a_good_share_of_the_rows_give_is_one(tmp_path, answer):
    """Bug: the questions without an answer go from data that have them on purpose, and the model invents answers."""
    pairs = [*said(90), *((f"Who owns hall {n}?", answer) for n in range(10))]
    result = made(tmp_path, pairs).result
    assert result["removed_by"] == {} and "no_answer" not in result["flagged_by"]
    assert any("10 of 100 rows" in note for note in result["notes"])


def test_a_few_rows_without_an_answer_still_go(tmp_path):
    """Bug: every 'N/A' is taken for an answer, and the blanks of an export are learnt."""
    pairs = [*said(200), *((f"Who owns hall {n}?", "N/A") for n in range(4))]
    result = made(tmp_path, pairs).result
    assert result["removed_by"] == {"no_answer": 4} and result["notes"] == []


@pytest.mark.parametrize("answer", ["<no output>", "TODO", "[insert answer here]", "...", "see attached"])
def test_what_never_is_an_answer_goes_however_often_it_is_given(tmp_path, answer):
    """Bug: a third of an export is '<no output>' and is learnt since it is so frequent."""
    pairs = [*said(60), *((f"Who owns hall {n}?", answer) for n in range(30))]
    assert made(tmp_path, pairs).result["removed_by"] == {"no_answer": 30}


def test_a_value_of_a_closed_set_is_an_answer(tmp_path):
    """Bug: of yes, no and N/A the third goes, since it is rare."""
    values = ["Yes."] * 150 + ["No."] * 144 + ["N/A"] * 6
    pairs = [(f"Does hall {n} have a door to the street?", value) for n, value in enumerate(values)]
    assert made(tmp_path, pairs, dedup={"near": None}).result["removed_by"] == {}


def test_questions_without_a_word_are_no_error(tmp_path):
    """Bug: rows of nothing but emoji, with answers that repeat, end in a traceback of the probe of labels."""
    pairs = [("\U0001f600" * (n + 1), "\U0001f44d" * (n % 5 + 1)) for n in range(60)]
    assert made(tmp_path, pairs).result["rows"]["read"] == 60


def test_a_record_a_thousand_lists_deep_is_one_removed_row(tmp_path):
    """Bug: the report parses what no parser takes, and one odd line ends in a traceback."""
    deep = '{"question": ' + "[" * 3000 + "]" * 3000 + "}\n"
    sound = "".join(json.dumps({"question": asked, "answer": answer}) + "\n" for asked, answer in said(30))
    (tmp_path / "b.jsonl").write_text(sound + deep)
    assert made(tmp_path, said(1), train=["b.jsonl"]).result["removed_by"]["invalid_json"] == 1


def test_the_habit_is_that_of_a_file(tmp_path):
    """Bug: a file of unanswerable questions makes the blanks of another file answers."""
    pairs = [*said(80), *((f"Who owns hall {n}?", "N/A") for n in range(20))]
    blanks = [*((f"Way to room {n}?", f"Room {n} is behind room {n * 7 + 1}.") for n in range(100)), ("Who?", "N/A")]
    messages = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in blanks]
    (tmp_path / "b.jsonl").write_text("".join(json.dumps({"messages": one}) + "\n" for one in messages))
    dataset = made(tmp_path, pairs, train=["a.jsonl", "b.jsonl"])
    removed = pl.read_parquet(dataset.path / "removed.parquet")
    assert removed.select("source", "rule").rows() == [("b.jsonl", "no_answer")]
