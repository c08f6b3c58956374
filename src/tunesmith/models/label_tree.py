"""The labels of a classification as a tree of tokens, and which of its nodes are worth a model's time.

Labels share beginnings ("card_lost", "card_stolen"), and a tuned model leaves almost all of them without
probability after a token or two. Owns the tree, the order in which it is opened, and the bounds. Does not own the
forward passes that fill in the scores (`score`).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

LEFT_EACH, LEFT_TOGETHER = 1e-2, 3e-2
"""Shares of the labels' whole probability that may stay unresolved for a prompt: in one branch, and in all.

A label in an unopened branch is off by no more than the branch weighs. One that is resolved is off by nothing if the
model says labels and nothing else, as tuned ones do, and in any case by no more than that part of it which all branches
weigh together.
"""

PER_PASS = 16
"""Nodes opened for a prompt in one pass: every row of a pass then has the same width, and fewer passes are needed."""


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

    @cached_property
    def inner(self) -> list[list[int]]:
        """Of every node the children that have children."""
        return [[child for child in own if self.children[child]] for own in self.children]

    @cached_property
    def choices(self) -> list[tuple[NDArray[np.intp], NDArray[np.intp], float]]:
        """Of every node its children, their tokens, and the logarithm of how many they are."""
        tokens = np.array(self.tokens)
        arrays = (np.array(own, dtype=np.intp) for own in self.children)
        return [(own, tokens[own], math.log(max(1, len(own)))) for own in arrays]

    def path(self, label: int) -> list[int]:
        """Return the nodes above a label's last one, from the root down."""
        node, found = self.leaves[label], list[int]()
        while node:
            node = self.parents[node]
            found.append(node)
        return found[::-1]


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
            children, tokens, _ = self.tree.choices[node]
            self.scores[children] = self.scores[node] + logp_NV[place, tokens].astype(np.float64)
            self._edge.discard(node)
            self._edge.update(self.tree.children[node])

    def next_nodes(self) -> list[int]:
        """Return up to PER_PASS nodes to open now, parents first; empty once the probabilities are known.

        They are once what is unresolved is within LEFT_EACH and LEFT_TOGETHER, and no unopened branch weighs more than
        the best label. What is opened beyond the unopened branches lies below them: the score of a node whose parent is
        not opened yet is guessed by dividing its parent's evenly among the children.
        """
        unopened = [node for node in self._edge if self.tree.children[node]]
        if self._resolved(unopened):
            return []
        heap = [(-float(self.scores[node]), node) for node in unopened]
        heapq.heapify(heap)
        wanted: list[int] = []
        while heap and len(wanted) < PER_PASS:
            cost, node = heapq.heappop(heap)
            wanted.append(node)
            cost += self.tree.choices[node][2]
            for child in self.tree.inner[node]:
                heapq.heappush(heap, (cost, child))
        return sorted(wanted)

    def _resolved(self, unopened: list[int]) -> bool:
        if not unopened:
            return True
        edge = self.scores[list(self._edge)]
        if not np.isfinite(edge.max()):
            return False
        left, edge = np.exp(self.scores[unopened] - edge.max()), np.exp(edge - edge.max())
        all_of_it, most = edge.sum(), left.max()
        return bool(
            most <= LEFT_EACH * all_of_it and left.sum() <= LEFT_TOGETHER * all_of_it and most < edge.max()
        )  # fmt: skip

    def log_probabilities(self) -> NDArray[np.float64]:
        """Return every label's log-probability, normalised; an unresolved branch is divided evenly among its labels."""
        shares = np.full(len(self.tree.leaves), -np.inf)
        for node in self._edge:
            below = self.tree.below[node]
            shares[below] = self.scores[node] - np.log(len(below))
        return np.asarray(shares - np.logaddexp.reduce(shares))
