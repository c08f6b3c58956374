"""Duplicates, leaks and conflicts between rows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.duplicates.exact import Conflict, conflicts_of, deduplicate
from tunesmith.data.fates import Fates
from tunesmith.data.restore import Restored
from tunesmith.data.rows import Row, frame_of
from tunesmith.recipe import Dedup


def row(number: int, question: str, answer: str, part: str = "train", **extra: Any) -> Row:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return Row(messages, row_id=f"r{number}", source="a.csv", line=number + 2, part=part, **extra)


def judged(rows: list[Row], restored: Restored = Restored(), **settings: Any) -> tuple[Fates, list[Conflict]]:  # noqa: B008
    fates = Fates(frame_of(rows), restored)
    deduplicate(fates, Dedup(**settings))
    return fates, conflicts_of(fates, Dedup(**settings))


def rules(rows: list[Row], restored: Restored = Restored(), **settings: Any) -> dict[str, str]:  # noqa: B008
    fates, _ = judged(rows, restored, **settings)
    return {rows[at].row_id: rule for at, (rule, _) in fates.removed.items()}


def test_the_first_of_equal_rows_stays_and_the_twin_is_named():
    """Bug: the evidence of a removed duplicate does not say of what."""
    fates, _ = judged([row(0, "Hi there", "greet"), row(1, " hi  THERE ", "greet")])
    assert fates.living().tolist() == [0]
    assert fates.removed == {1: ("duplicate", {"twin": "r0", "at": "a.csv:2"})}


def test_another_answer_is_a_conflict_not_a_duplicate():
    """Bug: rows with the same question and different answers are silently merged."""
    rows = [row(0, "hi", "greet"), row(1, "hi", "leave"), row(2, "hi", "greet")]
    assert rules(rows) == {"r2": "duplicate"}
    assert len(judged(rows)[1]) == 1
    assert rules(rows, conflicts="remove") == {"r0": "conflict", "r1": "conflict", "r2": "duplicate"}


def test_tools_and_tool_calls_are_part_of_the_row():
    """Bug: two calls of different functions with empty content are taken for the same answer."""
    rows = [row(0, "weather?", ""), row(1, "weather?", "")]
    for number, one in enumerate(rows):
        one.answer["tool_calls"] = [{"function": {"name": f"f{number}", "arguments": "{}"}}]
    assert rules(rows) == {}


@pytest.mark.parametrize(("held_out", "other"), [("test", "train"), ("test", "valid"), ("valid", "train")])
def test_what_is_held_out_is_never_learnt(held_out, other):
    """Bug: a question of the test file is also trained on, or the test file loses a row."""
    rows = [
        row(0, "hi", "greet", part=other),
        row(1, "HI", "leave", part=held_out),
        row(2, "hi", "leave", part=held_out),
    ]
    assert rules(rows) == {"r0": "leak"}


def test_a_restored_duplicate_stays_but_a_restored_leak_does_not():
    """Bug: restore lets the test leak into training."""
    rows = [row(0, "hi", "a"), row(1, "hi", "a"), row(2, "bye", "b"), row(3, "bye", "b", part="test")]
    assert rules(rows, Restored(frozenset({"r1", "r2"}))) == {"r2": "leak"}
    assert rules(rows, Restored(rules=frozenset({"duplicate", "leak"}))) == {"r2": "leak"}


@pytest.mark.parametrize(("how", "gone"), [("majority", {"r1"}), ("newest", {"r0", "r1", "r2"}), ("pairs", {"r1"})])
def test_conflicts_are_resolved_as_asked(how, gone):
    """Bug: the answer that stays is not the most frequent, or not the last given."""
    rows = [row(0, "hi", "a"), row(1, "hi", "b"), row(2, "hi", "a"), row(3, "bye", "c")]
    rows += [row(4, "hi", "d")] if how == "newest" else []
    assert {one for one, rule in rules(rows, conflicts=how, exact=False).items() if rule == "conflict"} == gone


def test_the_majority_counts_the_copies_that_were_removed():
    """Bug: duplicates go first, so that each answer counts once and the majority is a matter of chance."""
    for often, once in (("a", "b"), ("b", "a")):
        rows = [row(0, "hi", often), row(1, "hi", once), row(2, "hi", often), row(3, "hi", often), row(4, "bye", "c")]
        assert rules(rows, conflicts="majority") == {"r1": "conflict", "r2": "duplicate", "r3": "duplicate"}


@pytest.mark.parametrize("how", ["majority", "pairs"])
def test_a_tie_is_told_and_not_settled_by_chance(how):
    """Bug: of two answers given once each a hash decides which is the better one."""
    rows = [row(number, f"question {number // 2}", ["Good", "Bad"][number % 2]) for number in range(20)]
    fates, conflicts = judged(rows, conflicts=how)
    assert not fates.removed and len(fates.flagged) == 20
    assert all(one.tied for one in conflicts)


def test_the_newest_answer_is_the_last_row_even_if_that_was_a_copy():
    """Bug: copies go first, so an answer that came back is judged by its first row."""
    rows = [row(0, "hours?", "nine to five"), row(1, "hours?", "ten to six"), row(2, "hours?", "nine to five")]
    assert rules([*rows, row(3, "bye", "c")], conflicts="newest") == {"r1": "conflict", "r2": "duplicate"}


PARTS = st.sampled_from(["train", "valid", "test"])
ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), PARTS), max_size=20)


@given(ROWS, st.booleans(), st.sampled_from(["flag", "remove"]))
def test_every_row_is_kept_or_removed_once(cells, exact, conflicts):
    """Bug: a row is lost, or is both kept and removed."""
    rows = [row(number, *cell) for number, cell in enumerate(cells)]
    fates, _ = judged(rows, exact=exact, conflicts=conflicts)
    assert sorted([*fates.living().tolist(), *fates.removed]) == list(range(len(rows)))
    assert not [at for at in fates.removed if rows[at].part == "test"]
