"""Labels as a tree: the probabilities of the whole for the work of a small part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.models.label_tree import LEFT_EACH, LEFT_TOGETHER, PER_PASS, LabelTree, Opening
from tunesmith.models.load import load_model
from tunesmith.models.score import label_scores

END, VOCABULARY = 0, 6
LABELS = st.lists(
    st.lists(st.integers(1, VOCABULARY - 1), min_size=1, max_size=6), min_size=1, max_size=12, unique_by=tuple
).map(lambda labels: [[*label, END] for label in labels])


def walk(tree: LabelTree, logp_NV: np.ndarray, right: int | None = None) -> tuple[Opening, int]:
    """Open a tree whose every node has its own next tokens; return it with how many nodes were opened."""
    first = [0] if right is None else tree.path(right)
    opening, opened = Opening(tree), len(first)
    opening.fill(first, logp_NV[first])
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
@given(
    labels=LABELS, seed=st.integers(0, 2**32 - 1), sure=st.sampled_from([0.5, 3.0, 10.0]), labels_alone=st.booleans()
)  # fmt: skip
def test_no_probability_is_off_by_more_than_may_stay_unresolved(
    labels: Any, seed: int, sure: float, labels_alone: bool
) -> None:
    """Catches a branch that is left closed where many small ones weigh much, a share that is lost."""
    tree = LabelTree.of(labels)
    logits = sure * np.random.default_rng(seed).normal(size=(len(tree.tokens), VOCABULARY))
    if labels_alone:
        for node, children in enumerate(tree.children):
            logits[node, sorted({*range(VOCABULARY)} - {tree.tokens[one] for one in children})] -= 60
    logp_NV = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    opening, opened = walk(tree, logp_NV)
    found = np.exp(opening.log_probabilities())
    assert found.sum() == pytest.approx(1)
    wanted = exact(tree, logp_NV)
    assert np.abs(found - wanted).max() <= (LEFT_EACH if labels_alone else LEFT_TOGETHER) * (1 + 1e-9)
    assert found.argmax() == wanted.argmax()
    assert opened <= sum(bool(own) for own in tree.children)
    for label in range(len(labels)):
        asked_for, more = walk(tree, logp_NV, label)
        assert more <= sum(bool(own) for own in tree.children)
        assert asked_for.log_probabilities()[label] == pytest.approx(np.log(wanted[label]), abs=2 * LEFT_TOGETHER)


def test_the_most_probable_of_very_many_labels_is_certain() -> None:
    """Catches a stop at a hundredth unresolved while a label in it still weighs more than every resolved one."""
    tree = LabelTree.of([[1 + first, END] if first < 999 else [1 + first, 2000, END] for first in range(1000)])
    logp_NV = np.full((len(tree.tokens), 2001), np.log(1e-9))
    logp_NV[:, END] = 0.0
    logp_NV[0, 1:1000], logp_NV[0, 1000] = np.log(0.9945 / 999), np.log(0.0055)
    logp_NV[tree.children[0][999], 2000] = np.log(0.1)
    opening, _ = walk(tree, logp_NV)
    assert opening.log_probabilities().argmax() != 999
    assert opening.log_probabilities()[999] == pytest.approx(np.log(0.00055), rel=1e-2)


@pytest.mark.parametrize("rest", [2e-3, 4e-2, 6e-2])
def test_labels_that_hardly_weigh_together_are_not_opened(rest: float) -> None:
    """Catches a model's time spent on dozens of labels that a tuned model all but rules out: 2.2 times the tokens."""
    tree = LabelTree.of([[1 + first, *range(100, 111), END] for first in range(77)])
    falling = 0.9 ** np.arange(76)
    logp_NV = np.zeros((len(tree.tokens), 111))
    logp_NV[0, 1:78] = np.log([1 - rest, *(rest * falling / falling.sum())])
    _, opened = walk(tree, logp_NV)
    assert (opened > 1 + PER_PASS) == (rest > LEFT_TOGETHER), "one pass reads the twelve of the one label that counts"


@pytest.mark.parametrize("right", [(), (3, None, 0)])
@pytest.mark.parametrize("per_pass", [2, 5, 16])
def test_scores_are_those_of_each_label_read_whole(
    monkeypatch: pytest.MonkeyPatch, per_pass: int, right: tuple[int | None, ...]
) -> None:
    """Catches positions or masks that are off where labels share beginnings, a prompt that sees another's tokens or its
    own label's, a node that sees its neighbours: each moves a log-probability by far more than rounding.
    """
    monkeypatch.setattr("tunesmith.models.label_tree.LEFT_EACH", 1e-12)
    monkeypatch.setattr("tunesmith.models.label_tree.PER_PASS", per_pass)
    loaded = load_model("nano", device="cpu")

    def ids(text: str) -> list[int]:
        return list(loaded.tokenizer(text, add_special_tokens=False)["input_ids"])

    prompts = [ids(text) for text in ("I lost my card and need a new one", "where is it", "the machine kept my money")]
    names = ("card lost", "card stolen", "card kept by the machine", "money back", "money lost", "where is my card")
    labels = [[*ids(name), min(loaded.stop_ids)] for name in names]
    got = label_scores(loaded, prompts, labels, right=right, precision="float32")
    for prompt, row in zip(prompts, got, strict=True):
        whole = []
        for label in labels:
            with torch.no_grad():
                logits = loaded.model(torch.tensor([prompt + label])).logits[0, len(prompt) - 1 : -1]
            whole.append(float(torch.log_softmax(logits.float(), -1)[range(len(label)), label].sum()))
        wanted = np.array(whole) - np.logaddexp.reduce(whole)
        assert row == pytest.approx(wanted, abs=1e-4)
        assert wanted.min() > -40, "each label weighs enough to be looked at"
