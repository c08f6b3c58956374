"""The labels of a classification as a tree of tokens, and which of its nodes are worth a model's time.

Labels share beginnings ("card_lost", "card_stolen"), and a tuned model leaves almost all of them without
probability after a token or two. Owns the tree, the order in which it is opened, and the bounds. Does not own the
forward passes that fill in the scores (`score`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESIDUAL_MASS = 1e-3
"""Share of the labels' whole probability that may stay unresolved for a prompt."""

TOGETHER = 8
"""A subtree of at most this many inner nodes is opened whole: one pass instead of one per token."""

PER_PASS = 24
"""Most nodes opened for a prompt in one pass; bounds the memory of their logits."""


@dataclass(frozen=True)
class LabelTree:
    """Token sequences as a tree; node 0 is the root (nothing answered yet), parents come before children.

    ``parents[n]``, ``tokens[n]``, ``depths[n]`` describe node n; ``leaves[k]`` is label k's last node;
    ``below[n]`` lists the labels at or below node n; ``children[n]`` the nodes one token further.
    """

    parents: list[int]
    tokens: list[int]
    depths: list[int]
    leaves: list[int]
    children: list[list[int]]
    below: list[list[int]]

    @classmethod
    def of(cls, labels: Sequence[Sequence[int]]) -> LabelTree:
        """Build the tree. Each label's ids must end in a token that makes it no prefix of another (the end token).

        Raises:
            ValueError: if there is none, one is empty, two have the same ids, or one is the beginning of another.
        """
        tree = cls([-1], [-1], [0], [], [[]], [list(range(len(labels)))])
        for number, label in enumerate(labels):
            node = 0
            for token in label:
                node = tree._child(node, token)
                tree.below[node].append(number)
            tree.leaves.append(node)
        if not labels or any(tree.children[leaf] or leaf == 0 or len(tree.below[leaf]) > 1 for leaf in tree.leaves):
            raise ValueError("labels must be non-empty, distinct, and none the beginning of another")
        return tree

    def _child(self, node: int, token: int) -> int:
        for child in self.children[node]:
            if self.tokens[child] == token:
                return child
        self.parents.append(node)
        self.tokens.append(token)
        self.depths.append(self.depths[node] + 1)
        self.children[node].append(len(self.tokens) - 1)
        self.children.append([])
        self.below.append([])
        return len(self.tokens) - 1

    def inner_below(self, node: int) -> list[int]:
        """Return the node and all below it that have children, parents first."""
        found, place = [node], 0
        while place < len(found):
            found += [child for child in self.children[found[place]] if self.children[child]]
            place += 1
        return found


class Opening:
    """One prompt's way through the tree: what has been scored, what was opened, what to open next.

    ``scores[n]`` is the log-probability of the tokens down to node n, minus infinity where unknown. Unopened scored
    nodes bound the labels below them from above, so the share still unresolved is always known.
    """

    def __init__(self, tree: LabelTree) -> None:
        self.tree = tree
        self.scores = np.full(len(tree.tokens), -np.inf)
        self.scores[0] = 0.0
        self._edge = {0}

    def fill(self, nodes: Sequence[int], logp_NV: NDArray[np.float32]) -> None:
        """Score the children of opened nodes, parents first; row i of ``logp_NV`` follows the i-th of ``nodes``."""
        for place, node in enumerate(nodes):
            self._edge.discard(node)
            for child in self.tree.children[node]:
                self.scores[child] = self.scores[node] + float(logp_NV[place, self.tree.tokens[child]])
                self._edge.add(child)

    def next_nodes(self) -> list[int]:
        """Return the nodes to open now, parents first; empty once the unresolved share is within RESIDUAL_MASS."""
        edge = sorted(self._edge, key=lambda node: (-self.scores[node], node))
        unopened = [node for node in edge if self.tree.children[node]]
        shares = np.exp(self.scores[unopened] - np.logaddexp.reduce(self.scores[edge]))
        left = shares[::-1].cumsum()[::-1]  # the share of each node and of all less probable ones
        wanted: list[int] = []
        for node, unresolved in zip(unopened, left, strict=True):
            if unresolved <= RESIDUAL_MASS or len(wanted) >= PER_PASS:
                break
            below = self.tree.inner_below(node)
            wanted += below if len(below) <= TOGETHER else [node]
        return sorted(wanted)

    def log_probabilities(self) -> NDArray[np.float64]:
        """Return every label's log-probability, normalised; an unresolved branch is divided evenly among its labels."""
        shares = np.full(len(self.tree.leaves), -np.inf)
        for node in self._edge:
            below = self.tree.below[node]
            shares[below] = self.scores[node] - np.log(len(below))
        return np.asarray(shares - np.logaddexp.reduce(shares))
