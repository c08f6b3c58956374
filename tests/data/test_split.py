"""Held-out rows: nothing seen, labels in their shares, the same rows every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.data.rows import Row, frame_of, prompt_key
from tunesmith.data.split import split
from tunesmith.recipe import Split

SHARES = Split(valid=0.1, test=0.2)


def row(number: int, question: str, label: str | None, group: str | None = None, part: str = "train") -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": label or "answer"}]
    return Row(messages, label=label, group=group, row_id=f"r{number}", part=part)


def parted(rows: list[Row], seed: int = 0, alike: Sequence[Sequence[int]] = ()) -> dict[str, list[Row]]:
    parts = split(frame_of(rows), np.arange(len(rows)), SHARES, seed, alike)
    return {name: [rows[at] for at in own] for name, own in parts.items()}


def rows_of(counts: dict[str, int]) -> list[Row]:
    labels = [label for label, count in counts.items() for _ in range(count)]
    return [row(number, f"question {number}", label) for number, label in enumerate(labels)]


def test_labels_keep_their_shares():
    """Bug: a rare label is missing from the test, or is held out whole."""
    parts = parted(rows_of({"a": 100, "b": 50, "rare": 5}))
    test = Counter(one.label for one in parts["test"])
    assert test == {"a": 20, "b": 10, "rare": 1}
    assert Counter(one.label for one in parts["valid"]) == {"a": 10, "b": 5, "rare": 1}


def test_the_seed_decides_and_nothing_else():
    rows = rows_of({"a": 60, "b": 60})
    ids = [[one.row_id for one in parted(rows, seed)["test"]] for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_files_of_their_own_are_not_mixed():
    """Bug: the official test set loses rows, or train loses a share although the test has its own file."""
    rows = [*rows_of({"a": 40, "b": 40}), row(900, "official", "a", part="test")]
    parts = parted(rows)
    assert [one.row_id for one in parts["test"]] == ["r900"]
    assert len(parts["train"]) + len(parts["valid"]) == 80 and len(parts["valid"]) == 8


def test_one_group_with_nearly_all_rows_is_told():
    rows = [row(number, f"q{number}", "ab"[number % 2], group="one") for number in range(40)]
    with pytest.raises(DataError, match="the group 'one' holds 40 of 40"):
        parted(rows)


CELLS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from("abc"), st.none() | st.sampled_from("uvwxyz")),
    min_size=60,
    max_size=90,
)


@given(CELLS, st.integers(0, 5))
def test_nothing_straddles_and_every_label_can_be_learnt(cells, seed):
    """Bug: equal questions or one customer's rows lie on both sides, or a label is only in the test."""
    rows = [row(number, f"q{question}-{label}", label, group) for number, (question, label, group) in enumerate(cells)]
    try:
        parts = parted(rows, seed)
    except DataError:
        return  # groups tie nearly everything together
    for key in (prompt_key, lambda one: one.group):
        sides = [{key(one) for one in parts[name]} - {None} for name in ("train", "valid", "test")]
        assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])
    assert {one.label for one in parts["train"]} == {one.label for one in rows}
    assert sorted(one.row_id for own in parts.values() for one in own) == sorted(one.row_id for one in rows)


def test_alike_rows_stay_together():
    """Bug: two wordings of one question lie on both sides of the split."""
    rows = rows_of({"a": 100, "b": 100})
    pairs = [(at, at + 1) for at in range(0, 200, 2)]
    parts = parted(rows, alike=pairs)
    side = {one.row_id: name for name, own in parts.items() for one in own}
    assert len(parts["test"]) > 20 and all(side[f"r{one}"] == side[f"r{other}"] for one, other in pairs)
