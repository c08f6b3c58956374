"""Labels as a tree: the probabilities of the whole for the work of a small part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.models.label_tree import RESIDUAL_MASS, LabelTree, Opening
from tunesmith.models.load import load_model
from tunesmith.models.score import label_scores

END, VOCABULARY = 0, 6
LABELS = st.lists(
    st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=6), min_size=1, max_size=12, unique_by=tuple
).map(lambda labels: [[*label, END] for label in labels])


def walk(tree: LabelTree, logp_NV: np.ndarray) -> tuple[Opening, int]:
    """Open a tree whose every node has its own next tokens; return it with how many nodes were opened."""
    opening, opened = Opening(tree), 1
    opening.fill([0], logp_NV[:1])
    while nodes := opening.next_nodes():
        opening.fill(nodes, logp_NV[nodes])
        opened += len(nodes)
    return opening, opened


def exact(tree: LabelTree, logp_NV: np.ndarray) -> np.ndarray:
    """Return the labels' probabilities by the chain rule, normalised."""
    scores = np.zeros(len(tree.tokens))
    for node in range(1, len(tree.tokens)):
        scores[node] = scores[tree.parents[node]] + logp_NV[tree.parents[node], tree.tokens[node]]
    shares = scores[tree.leaves]
    return np.exp(shares - np.logaddexp.reduce(shares))


@settings(deadline=None)
@given(labels=LABELS, seed=st.integers(0, 2**32 - 1), sure=st.sampled_from([0.5, 3.0, 10.0]))
def test_no_probability_is_off_by_more_than_may_stay_unresolved(labels: Any, seed: int, sure: float) -> None:
    """Catches a branch that is left closed for being small by itself where many such are not, a share that is lost."""
    tree = LabelTree.of(labels)
    logits = sure * np.random.default_rng(seed).normal(size=(len(tree.tokens), VOCABULARY))
    logp_NV = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    opening, opened = walk(tree, logp_NV)
    found = np.exp(opening.log_probabilities())
    assert found.sum() == pytest.approx(1)
    assert np.abs(found - exact(tree, logp_NV)).max() <= RESIDUAL_MASS * (1 + 1e-9)
    assert opened <= sum(bool(own) for own in tree.children)


@pytest.mark.parametrize("rest", [5e-4, 9e-4, 2e-3])
def test_labels_that_hardly_weigh_together_are_not_opened(rest: float) -> None:
    """Catches a model's time spent on dozens of labels that a tuned model all but rules out: 2.2 times the tokens."""
    tree = LabelTree.of([[1 + first, *range(100, 111), END] for first in range(77)])
    falling = 0.8 ** np.arange(76)
    logp_NV = np.zeros((len(tree.tokens), 111))
    logp_NV[0, 1:78] = np.log([1 - rest, *(rest * falling / falling.sum())])
    _, opened = walk(tree, logp_NV)
    assert (opened > 13) == (rest > RESIDUAL_MASS), "the root and the twelve of the one label that counts"


def test_scores_are_those_of_each_label_read_whole(tiny: Any) -> None:
    """Catches positions or masks that are off where labels share beginnings, a prompt that sees another's tokens."""
    loaded = load_model(str(tiny), device="cpu")
    random = np.random.default_rng(0)
    prompts = [random.integers(3, 60, size).tolist() for size in (3, 9, 5)]
    labels = [[5, 6, 7, 2], [5, 6, 8, 2], [9, 2], [5, 10, 11, 12, 13, 2]]
    got = np.exp(label_scores(loaded, prompts, labels, precision="float32"))
    for prompt, row in zip(prompts, got, strict=True):
        whole = []
        for label in labels:
            with torch.no_grad():
                logits = loaded.model(torch.tensor([prompt + label])).logits[0, len(prompt) - 1 : -1]
            whole.append(float(torch.log_softmax(logits.float(), -1)[range(len(label)), label].sum()))
        wanted = np.exp(np.array(whole) - np.logaddexp.reduce(whole))
        assert row == pytest.approx(wanted, abs=RESIDUAL_MASS)
