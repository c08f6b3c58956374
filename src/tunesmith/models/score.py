"""How probable given tokens are: likelihoods of whole answers, and of every label of a closed set.

Owns logits that are computed only where they are needed. Does not own generation (`generate`).
Legend: B batch, T positions, V vocabulary, N wanted positions.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from tunesmith.models.precision import choose_precision, compute_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from tunesmith.models.load import LoadedModel

BATCH_TOKENS = 4096
"""Padded tokens of one forward pass; bounds memory, changes no result beyond rounding."""

RESIDUAL_MASS = 1e-3
"""Probability that may stay unresolved per prompt in `label_scores`; see there."""


class Nll(NamedTuple):
    """Negative log-likelihood of the targets of one sequence, in nats, and how many targets there are."""

    nats: float
    num_targets: int


@contextlib.contextmanager
def logits_only_at(model: PreTrainedModel, wanted_BT: torch.Tensor) -> Iterator[None]:
    """Make the model's head compute logits only at the wanted positions: (N, V) instead of (B, T, V).

    Works on every architecture whose head is a module, because it selects the head's input.
    """
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _module, inputs: (inputs[0][wanted_BT], *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


def target_logits(
    model: PreTrainedModel, ids_BT: torch.Tensor, targets_BT: torch.Tensor, **inputs: Any
) -> torch.Tensor:
    """Return float32 logits (N, V) that predict the target tokens, in row order.

    A target at position t is predicted at t - 1. Rows are padded on the right: with causal attention what follows
    a position cannot change it, so no mask is needed.
    """
    predicts_BT = torch.zeros_like(targets_BT)
    predicts_BT[:, :-1] = targets_BT[:, 1:]
    with logits_only_at(model, predicts_BT):
        output = model(input_ids=ids_BT, use_cache=False, **inputs)
    return output.logits.float()


def pad_right(rows: Sequence[Sequence[Any]], value: Any, dtype: torch.dtype) -> torch.Tensor:
    """Return the rows as one (B, T) tensor, padded on the right."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[value] * (width - len(row))] for row in rows], dtype=dtype)


def batches_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield lists of indices, longest first, whose padded size stays within a number of tokens.

    One longer than ``batch_tokens`` comes alone.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batch: list[int] = []
    for index in order:
        if batch and lengths[batch[0]] * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def nll(
    loaded: LoadedModel, ids: Sequence[list[int]], targets: Sequence[list[bool]], *, precision: str = "auto"
) -> list[Nll]:
    """Return the likelihood of each sequence's targets, in order. Empty input gives an empty list."""
    device = loaded.model.device
    results: list[Nll] = [Nll(0.0, 0)] * len(ids)
    for batch in batches_by_length([len(row) for row in ids], BATCH_TOKENS):
        ids_BT = pad_right([ids[i] for i in batch], 0, torch.long).to(device)
        targets_BT = pad_right([targets[i] for i in batch], False, torch.bool).to(device)
        targets_BT[:, 0] = False  # nothing predicts the first token
        with torch.inference_mode(), compute_in(choose_precision(precision, device), device):
            logits_NV = target_logits(loaded.model, ids_BT, targets_BT)
        losses_N = torch.nn.functional.cross_entropy(logits_NV, ids_BT[targets_BT], reduction="none").cpu()
        counts = targets_BT.sum(1).tolist()
        for index, part in zip(batch, losses_N.split(counts), strict=True):
            results[index] = Nll(float(part.double().sum()), len(part))
    return results


@dataclass(frozen=True)
class LabelTree:
    """The labels' token sequences as a tree; node 0 is the root (nothing generated yet).

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
            ValueError: if a label is empty, or two labels have the same ids, or one is a prefix of another.
        """
        tree = cls([-1], [-1], [0], [], [[]], [list(range(len(labels)))])
        for number, label in enumerate(labels):
            node = 0
            for token in label:
                node = tree._child(node, token)
                tree.below[node].append(number)
            tree.leaves.append(node)
        if any(tree.children[leaf] or leaf == 0 or len(tree.below[leaf]) > 1 for leaf in tree.leaves):
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


def label_scores(
    loaded: LoadedModel, prompts: Sequence[list[int]], labels: Sequence[list[int]], *, precision: str = "auto"
) -> NDArray[np.float64]:
    """Return log-probabilities of every label for every prompt, normalised over the labels: (prompts, labels).

    A label's probability is that of its tokens one after the other. The tree of labels is opened only where
    probability lies: a branch whose share is below `RESIDUAL_MASS` divided by the number of labels, relative to all
    labels, is closed and its share divided evenly among its labels. The most probable label is therefore exact
    unless its probability is below that share; the others are within `RESIDUAL_MASS`.

    Args:
        loaded: the model.
        prompts: token ids that wait for an answer.
        labels: token ids of each label, with the end token.
        precision: see `precision.choose_precision`.
    """
    tree = LabelTree.of(labels)
    scores = np.full((len(prompts), len(tree.tokens)), -np.inf)
    scores[:, 0] = 0.0
    frontier: dict[int, list[int]] = {row: [0] for row in range(len(prompts))}
    while frontier:
        rows = list(frontier)
        lengths = [len(prompts[row]) + _tree_size(tree, frontier[row]) for row in rows]
        for batch in batches_by_length(lengths, BATCH_TOKENS):
            _expand(loaded, tree, [rows[i] for i in batch], prompts, frontier, scores, precision)
        frontier = {row: opened for row in rows if (opened := _to_open(tree, frontier[row], scores[row]))}
    return _normalised(tree, scores)


def _tree_size(tree: LabelTree, nodes: list[int]) -> int:
    return len(_with_ancestors(tree, nodes))


def _with_ancestors(tree: LabelTree, nodes: list[int]) -> list[int]:
    """Return the nodes and their ancestors without the root, parents first."""
    found: set[int] = set()
    for node in nodes:
        while node > 0 and node not in found:
            found.add(node)
            node = tree.parents[node]
    return sorted(found)


def _expand(
    loaded: LoadedModel,
    tree: LabelTree,
    rows: list[int],
    prompts: Sequence[list[int]],
    frontier: dict[int, list[int]],
    scores: NDArray[np.float64],
    precision: str,
) -> None:
    """Fill in the scores of the children of each row's frontier nodes, with one forward pass for all rows."""
    model, device = loaded.model, loaded.model.device
    nodes = [_with_ancestors(tree, frontier[row]) for row in rows]
    width = max(len(prompts[row]) + len(own) for row, own in zip(rows, nodes, strict=True))
    ids_BT = torch.zeros(len(rows), width, dtype=torch.long)
    positions_BT = torch.zeros_like(ids_BT)
    wanted_BT = torch.zeros(len(rows), width, dtype=torch.bool)
    seen_BTT = torch.eye(width, dtype=torch.bool).repeat(len(rows), 1, 1)
    places: list[dict[int, int]] = []
    for b, (row, own) in enumerate(zip(rows, nodes, strict=True)):
        start = len(prompts[row])
        place = {0: start - 1} | {node: start + offset for offset, node in enumerate(own)}
        ids_BT[b, :start] = torch.tensor(prompts[row])
        positions_BT[b, :start] = torch.arange(start)
        seen_BTT[b, :start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
        for node in own:
            at, before = place[node], place[tree.parents[node]]
            ids_BT[b, at] = tree.tokens[node]
            positions_BT[b, at] = start - 1 + tree.depths[node]
            seen_BTT[b, at] |= seen_BTT[b, before]
        for node in frontier[row]:
            wanted_BT[b, place[node]] = True
        places.append(place)
    inputs: dict[str, Any] = {}
    if any(nodes):  # the prompt alone is plain causal attention
        inputs["position_ids"] = positions_BT.to(device)
        blocked = torch.zeros(seen_BTT.shape, dtype=model.dtype).masked_fill(~seen_BTT, torch.finfo(model.dtype).min)
        inputs["attention_mask"] = blocked[:, None].to(device)
    with (
        torch.inference_mode(),
        compute_in(choose_precision(precision, device), device),
        logits_only_at(model, wanted_BT.to(device)),
    ):
        logits_NV = model(input_ids=ids_BT.to(device), use_cache=False, **inputs).logits
    logp_NV = torch.log_softmax(logits_NV.float(), -1).cpu()
    at = {(b, t): n for n, (b, t) in enumerate(wanted_BT.nonzero().tolist())}
    for b, row in enumerate(rows):
        for node in frontier[row]:
            logp_V = logp_NV[at[b, places[b][node]]]
            for child in tree.children[node]:
                scores[row, child] = scores[row, node] + float(logp_V[tree.tokens[child]])


def _to_open(tree: LabelTree, opened: list[int], scores: NDArray[np.float64]) -> list[int]:
    """Return the children of the nodes just opened whose share is still worth resolving."""
    children = [child for node in opened for child in tree.children[node] if tree.children[child]]
    known = _leaf_shares(tree, scores)
    total = np.logaddexp.reduce(known)
    limit = np.log(RESIDUAL_MASS / len(tree.leaves))
    return [child for child in children if scores[child] - total > limit]


def _leaf_shares(tree: LabelTree, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each label's log-probability: its own where resolved, else an even part of its last known ancestor's."""
    shares = np.empty(len(tree.leaves))
    for number, leaf in enumerate(tree.leaves):
        node = leaf
        while np.isneginf(scores[node]):
            node = tree.parents[node]
        shares[number] = scores[node] - np.log(len(tree.below[node]))
    return shares


def _normalised(tree: LabelTree, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shares = np.array([_leaf_shares(tree, row) for row in scores]).reshape(len(scores), len(tree.leaves))
    return np.asarray(shares - np.logaddexp.reduce(shares, axis=1, keepdims=True))
