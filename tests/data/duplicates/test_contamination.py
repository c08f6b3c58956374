"""Rows that contain an evaluation item, and rows that only look like it."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.duplicates.contamination import Items, Match
from tunesmith.data.duplicates.word_runs import Scan

WORDS = [f"{a}{b}{c}" for a in "bcdfghklm" for b in ("al", "en", "ik", "or", "ud") for c in ("a", "o", "is", "um")]
ITEM = (
    "Marta sold 48 lanterns at the harbour market in May, and then she sold half as many in June. Her brother, who "
    "keeps bees, gave her 12 jars of honey. How many lanterns did Marta sell altogether in these two months?"
)


def prose(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


ROWS = [prose(seed) for seed in range(200)]


def contaminated(texts: list[str], items: list[str], chunk_rows: int = 10_000) -> list[Match]:
    """Return matches in texts that are asked and get no answer."""
    index = Items(items)
    chunks = (texts[start : start + chunk_rows] for start in range(0, len(texts), chunk_rows))
    scans = (index.scan(chunk, [""] * len(chunk)) for chunk in chunks)
    return index.matches(scans, lambda rows: [texts[row] for row in rows.tolist()])


def only(rows: list[str], items: list[str]) -> list[Match]:
    """Return matches in some rows among 200 others, which must have none."""
    found = contaminated([*rows, *ROWS], items)
    assert all(match.row < len(rows) for match in found)
    return found


@pytest.mark.parametrize(
    "row",
    [
        ITEM,
        ITEM.upper(),
        f"{prose(900)}\n{ITEM.lower()}\n{prose(901)}",
        ITEM.replace(" ", "\n"),
        ITEM.replace(",", "").replace(".", ";").replace(" ", "  \t"),
        ITEM[: len(ITEM) // 2],
        f"{prose(902)} {ITEM[len(ITEM) // 2 :]} {prose(903)}",
        ITEM[len(ITEM) // 4 : 3 * len(ITEM) // 4],
    ],
)
def test_an_item_is_found_in_every_dress(row: str):
    """Bug: a re-cased, re-flowed or half-quoted evaluation item slips into training."""
    (match,) = only([row, prose(1000)], [prose(2000, 20), ITEM])
    assert (match.row, match.item) == (0, 1) and match.score >= 0.4


def test_the_span_is_where_the_item_stands():
    """Bug: the evidence shown is another part of the row."""
    row = f"{prose(900)} é中\n{ITEM}\n{prose(901)}"
    (match,) = only([row], [ITEM])
    assert row[match.start : match.end] == ITEM and match.score == 1.0


def test_what_many_rows_share_is_no_item():
    """Bug: a template that items and rows share makes every row contaminated."""
    template = (
        "Decide whether the sentiment of the following review of a product is good or bad, and answer in one word: {}"
    )
    items = [template.format(prose(seed, 8)) for seed in range(3)]
    rows = [template.format(prose(seed + 50, 12)) for seed in range(300)]
    assert contaminated(rows, items) == []
    assert [match.row for match in contaminated([items[1], *rows], items)] == [0]


def test_what_many_items_share_is_no_item():
    """Bug: an instruction of the evaluation's own makes a row contaminated that has it too."""
    rule = "Your whole answer must be in lower case letters only, and no capital letters are allowed anywhere in it."
    items = [f"{prose(4000 + seed, 15)} {rule}" for seed in range(40)]
    assert only([f"{prose(77, 40)} {rule}"], items) == []


def test_an_item_copied_into_many_rows_is_found_in_all():
    """Bug: the filter for common phrases hides an item because it leaked often."""
    found = contaminated([f"{prose(seed)} {ITEM}" for seed in range(300)], [ITEM])
    assert [match.row for match in found] == list(range(300))


def test_the_same_story_with_other_numbers_is_another_row():
    """Bug: every question of a common kind counts as a copy of the one in the test."""
    assert only([ITEM.replace("48", "36").replace("12 jars", "9 jars").replace("Marta", "Lena")], [ITEM]) == []


def test_short_items_must_stand_alone():
    """Bug: a short question is found inside another, longer question; or it is not found at all."""
    item = "How do I link my card?"
    rows = [
        "How do I link my card to another one?",
        "how do I link my card",
        f"{prose(1)}.\nHow do I link my card?\nSo.",
    ]
    assert [match.row for match in only(rows, [item])] == [1, 2]


def test_the_shortest_items_must_be_the_whole_row():
    """Bug: the item "Yes" or "42" makes half of the data contaminated."""
    assert [match.row for match in only(["Yes, of course. Yes.", "yes!", "42 is it"], ["Yes", "42", "", "…"])] == [1]


def test_a_row_that_asks_an_item_has_it_whatever_it_answers():
    """Bug: "Who is Lilith?" with an answer is no copy of the question "Who is Lilith?", since the words are common."""
    index, item = Items(["Who is Lilith?", "Yes"]), "who is lilith"
    asked = [item, f"Tell me who {prose(1)}", *[f"{item} of {prose(seed, 9)}" for seed in range(40)], "Is it?"]
    answered = [*["A figure of mythology."] * (len(asked) - 1), "Yes"]
    found = index.matches(
        [index.scan(asked, answered)], lambda rows: [f"{asked[row]}\n{answered[row]}" for row in rows]
    )
    assert [(match.row, match.item) for match in found] == [(0, 0)]


@given(st.data())
@settings(max_examples=30)
def test_what_is_kept_of_all_rows_serves_for_some(tmp_path_factory, data):
    """Bug: rows removed as duplicates count in how common a phrase is, or their hits are taken for those of others."""
    items = [prose(3000 + seed, 4 + 3 * seed) for seed in range(6)]
    asked = [*(f"{prose(seed)} {items[seed % 6][: 30 + 9 * seed]}" for seed in range(12)), *ROWS[:20], *items]
    answered = [prose(4000 + seed, 20) for seed in range(len(asked))]
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(asked) - 1)))), np.int64)
    index, file = Items(items), tmp_path_factory.mktemp("scans") / "scan.npz"
    index.scan(asked, answered).save(file)
    texts = [f"{asked[row]}\n{answered[row]}" for row in rows]
    few = index.scan([asked[row] for row in rows], [answered[row] for row in rows])
    found = [index.matches([one], lambda some: [texts[at] for at in some]) for one in (few, Scan.load(file).of(rows))]
    assert found[0] == found[1]


@given(st.integers(1, 50), st.permutations(range(6)))
@settings(max_examples=20)
def test_chunks_and_their_sizes_do_not_matter(chunk: int, order: list[int]):
    """Bug: a row's verdict hangs on the chunk it was read in."""
    items = [prose(3000 + seed, 9 + 3 * seed) for seed in range(6)]
    rows = [*(prose(seed) + " " + items[seed % 6][: 30 + 9 * seed] for seed in order), *ROWS[:30]]
    assert contaminated(rows, items, chunk_rows=chunk) == contaminated(rows, items)


@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=40), max_size=4))
def test_any_text_is_taken(rows: list[str], items: list[str]):
    """Bug: odd characters crash the scan; a row equal to an item of words is missed."""
    found = {match.row for match in contaminated([*rows, *items], items)}
    for at, item in enumerate(items):
        assert len(rows) + at in found or not Items([item]).words[0]
    assert all(0 <= match.start <= match.end <= len([*rows, *items][match.row]) for match in contaminated(rows, items))


def test_no_rows_and_no_items():
    """Bug: an empty evaluation file or part crashes."""
    assert contaminated([], [ITEM]) == contaminated(ROWS[:3], []) == Items([ITEM]).matches([], lambda rows: []) == []


def test_time_is_linear():
    """Bug: every item is compared with every row."""
    rows = [prose(seed % 500) for seed in range(4000)]
    start = time.process_time()
    contaminated(rows, [prose(9000 + seed, 40) for seed in range(1000)])
    assert time.process_time() - start < 4


def test_an_item_given_many_times_is_one_item():
    """Bug: an item that is in several evaluation files counts as a phrase that many items share, and is not found."""
    (match,) = only([f"{prose(900)} {ITEM[: len(ITEM) // 2]}"], [prose(2000, 20), *[ITEM] * 30, *[ITEM.upper()] * 30])
    assert match.item == 1
