"""Batches: every example once an epoch, order a pure function of seed and epoch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.models.score import SHARED_TOKENS
from tunesmith.models.shortcuts import Shortcuts
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet, micro_batches, plan_steps, step_tokens, steps_of_epoch

ROW_TOKENS = 4096
COUNTS = st.lists(st.integers(1, 50), min_size=1, max_size=80)


@given(COUNTS, st.integers(1, 200), st.integers(0, 5), st.integers(0, 3))
def test_every_example_is_in_exactly_one_step(counts, batch_tokens, seed, epoch):
    steps = steps_of_epoch(counts, batch_tokens, seed, epoch)
    assert sorted(index for step in steps for index in step) == list(range(len(counts)))
    assert all(steps)
    assert steps == steps_of_epoch(counts, batch_tokens, seed, epoch)


@given(COUNTS, st.integers(1, 200))
def test_steps_hold_about_the_wanted_target_tokens(counts, batch_tokens):
    sizes = [sum(counts[i] for i in step) for step in steps_of_epoch(counts, batch_tokens, 0, 0)]
    # a last step under half the size is joined to the one before
    assert all(size < 1.5 * batch_tokens + 2 * max(counts) for size in sizes)
    assert all(size >= batch_tokens / 2 - max(counts) for size in sizes[:-1])


@given(COUNTS, st.integers(1, 100), st.floats(0.1, 4), st.none() | st.integers(1, 50))
def test_planned_steps_respect_epochs_and_the_limit(counts, batch_tokens, epochs, max_steps):
    plan = plan_steps(counts, batch_tokens, 0, epochs, max_steps)
    assert all(count >= 1 for count in plan) and len(plan) <= int(np.ceil(epochs))
    if max_steps is not None:
        assert sum(plan) <= max_steps


@given(st.lists(st.integers(2, 3000), min_size=1, max_size=60), st.booleans())
def test_micro_batches_cover_the_step_within_bounds(lengths, packed):
    """Catches an example left out or taken twice, a row over its bound, a target whose weight is another's."""
    rendered = [Rendered([7] * n, [False] * (n - 1) + [True], 1, 0) for n in lengths]
    tokens = TokenSet(rendered, [float(i) for i in range(len(lengths))])
    batches = micro_batches(tokens, range(len(lengths)), Shortcuts(packed=packed), ROW_TOKENS)
    assert sorted(w for batch in batches for w in batch.weights_N.tolist()) == [float(i) for i in range(len(lengths))]
    for batch in batches:
        examples, size = len(batch.labels_N), batch.row.ids_BT.numel()
        assert len(batch.weights_N) == len(batch.row.wanted_N) == examples
        assert examples == 1 or size <= ROW_TOKENS + (max(lengths) if packed else 0)
    if packed:
        assert sum(batch.row.ids_BT.numel() for batch in batches) == sum(lengths)


@given(st.integers(SHARED_TOKENS, 200), st.lists(st.integers(1, 30), min_size=2, max_size=40))
def test_a_beginning_that_examples_share_is_read_once_a_row(shared, lengths):
    """Catches a system prompt of 300 tokens that is read again for every example."""
    rendered = [
        Rendered([9] * shared + [10 + i] * n, [False] * shared + [True] * n, 1, 0) for i, n in enumerate(lengths)
    ]
    batches = micro_batches(
        TokenSet(rendered, [1.0] * len(lengths)), range(len(lengths)), Shortcuts(packed=True, shared=True), ROW_TOKENS
    )
    assert sum(batch.row.ids_BT.numel() for batch in batches) == shared * len(batches) + sum(lengths)
    for batch in batches:
        assert batch.row.ids_BT[0, :shared].tolist() == [9] * shared
        assert batch.row.packing.parents[1:] == (0,) * (len(batch.row.packing.lengths) - 1)


def test_one_that_begins_otherwise_does_not_part_the_others():
    """Would let through: a prompt of 77 shots read again by everyone, because one of them is shown a spare."""
    spare = [8] * 4
    rendered = [
        Rendered([9] * 400 + [10 + i] * 5, [False] * 400 + [True] * 5, 1, 0) for i in range(6)
    ] + [Rendered([9] * 40 + spare + [9] * 356 + [30] * 5, [False] * 400 + [True] * 5, 1, 0)]  # fmt: skip
    packed = Shortcuts(packed=True, shared=True)
    batches = micro_batches(TokenSet(rendered, [1.0] * 7), range(7), packed, ROW_TOKENS)
    assert sum(batch.row.ids_BT.numel() for batch in batches) == 400 + 6 * 5 + 405
    assert sorted(index for batch in batches for index in batch.places) == list(range(7))
    few = micro_batches(TokenSet(rendered[-2:], [1.0] * 2), range(2), packed, ROW_TOKENS)
    assert [batch.row.ids_BT.numel() for batch in few] == [40 + 2 * 365], "two short ones are no reason for a pass more"


@given(st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=60), min_size=1, max_size=12), st.integers(0, 60))
def test_sequences_that_share_are_whole_and_share_what_they_say(tails, shared):
    """Would let through: a sequence lost or taken twice where families part, or a beginning that is another's."""
    ids = [[7] * shared + tail for tail in tails]
    rendered = [Rendered(one, [False] * (len(one) - 1) + [True], 1, 0) for one in ids]
    tokens = TokenSet(rendered, [1.0] * len(ids))
    batches = micro_batches(tokens, range(len(ids)), Shortcuts(packed=True, shared=True), ROW_TOKENS)
    seen = {at: batch.row.ids_BT[0, places].tolist() for batch in batches for at, places in batch.places.items()}
    assert seen == dict(enumerate(ids))


def test_auto_counts_what_is_learnt():
    """Would let through: two steps an epoch of short labels, a step of one long answer, a step that holds everything."""
    labels, answers = [3] * 10_000, [400] * 2_000
    assert step_tokens("auto", labels) == 512 and step_tokens("auto", answers) == 8192
    assert step_tokens("auto", [600] * 100) == 4096
    assert len(steps_of_epoch([5] * 100, step_tokens("auto", [5] * 100), 0, 0)) >= 10
    assert step_tokens(77, labels) == 77


@given(COUNTS)
def test_auto_hangs_on_the_examples_alone(counts):
    """Would let through: other steps on another machine, or after a kill, from the same recipe and Dataset."""
    chosen = step_tokens("auto", counts)
    assert chosen == step_tokens("auto", counts[::-1]) and 1 <= chosen <= 8 * max(counts)
