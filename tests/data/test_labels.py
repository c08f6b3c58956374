"""The set of labels: what is no classification is refused, oddities are said."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tunesmith.core.errors import DataError
from tunesmith.data.labels import check_labels
from tunesmith.recipe import Recipe


def recipe_of(**data: Any) -> Recipe:
    return Recipe(name="t", task="classify", data={"train": ["x.csv"], **data})


def labelled(*labels: str) -> pl.DataFrame:
    return pl.DataFrame({"label": labels, "source": "x.csv", "line": range(2, 2 + len(labels))})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a"] * 9, r"x\.csv: every usable row has the same label, 'a'"),
        ([f"answer {number}" for number in range(40)], "40 different labels in 40 rows: this column is no label"),
        (["refund", "refund", "card", "card", "refnd"], r"x\.csv:6: the label 'refnd' occurs only once"),
    ],
)
def test_columns_that_are_no_labels_are_refused(labels, message):
    """Bug: a free-text column makes a classifier of a thousand classes; a typing error makes one more."""
    with pytest.raises(DataError, match=message):
        check_labels(labelled(*labels), recipe_of())


def test_labels_that_are_one_number_are_noted():
    """Bug: '1' and '1.0' compete and nobody is told; or zero, or a label that is none, is taken for one."""
    notes = check_labels(labelled(*["0", "0.0", "1", "1.0", "a", "b", "2"] * 2), recipe_of())
    assert any("same number" in note and note.endswith("0, 0.0, 1, 1.0") for note in notes)
    assert not any("same number" in note for note in check_labels(labelled(*["a", "b", "0", "1"] * 2), recipe_of()))


def test_oddities_of_labels_are_noted():
    """Bug: 'Refund' and 'refund' compete and nobody is told."""
    names = ["Refund", "refund", "card", "unused"]
    notes = check_labels(labelled("Refund", "Refund", "refund", "refund", "card"), recipe_of(labels={"names": names}))
    assert len(notes) == 3
    assert notes[0].endswith("kept in train: card")
    assert notes[1].endswith("Refund, refund") and notes[2].endswith("unused")
    assert check_labels(labelled("a", "a", "b", "b"), recipe_of()) == []
