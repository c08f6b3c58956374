"""How probable given tokens are: likelihoods of whole answers, and of every label of a closed set.

Owns logits that are computed only where they are needed. Does not own generation (`generate`).
Legend: B batch, T positions, V vocabulary, N wanted positions.
"""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from tunesmith.models.forward import entering
from tunesmith.models.label_tree import LabelTree, Opening
from tunesmith.models.precision import choose_precision, compute_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from tunesmith.models.frozen_layers import Entry
    from tunesmith.models.load import LoadedModel

BATCH_TOKENS = 4096
"""Padded tokens of one forward pass; bounds memory, changes no result beyond rounding."""

HEAD_ROWS = 256
"""Positions whose logits over the whole vocabulary are turned into float32 at once; bounds memory."""

SHARED_TOKENS = 16
"""From this length on, a beginning that all prompts share is read once."""


class Nll(NamedTuple):
    """Negative log-likelihood of the targets of one sequence, in nats, and how many targets there are."""

    nats: float
    num_targets: int


@contextlib.contextmanager
def logits_only_at(model: PreTrainedModel, wanted_N: torch.Tensor) -> Iterator[None]:
    """Make the model's head compute logits only at wanted places of the flattened input: (N, V) instead of (B, T, V).

    Works on every architecture whose head is a module, because it selects the head's input.
    """
    head = model.get_output_embeddings()
    handle = head.register_forward_pre_hook(lambda _module, inputs: (inputs[0].flatten(0, 1)[wanted_N], *inputs[1:]))
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
    with logits_only_at(model, predicts_BT.flatten().nonzero()[:, 0]):
        output = model(input_ids=ids_BT, use_cache=False, **inputs)
    logits_NV: torch.Tensor = output.logits.float()
    return logits_NV


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
    loaded: LoadedModel,
    ids: Sequence[Sequence[int]],
    targets: Sequence[Sequence[int]],
    *,
    precision: str = "auto",
    entry_of: Callable[[Sequence[int], int], Entry | None] = lambda _rows, _width: None,
) -> list[Nll]:
    """Return the likelihood of each sequence's targets, in order. Empty input gives an empty list.

    ``entry_of`` gives the states with which a pass over some of the sequences begins, padded to a width, if any.
    """
    device = loaded.model.device
    results: list[Nll] = [Nll(0.0, 0)] * len(ids)
    for batch in batches_by_length([len(row) for row in ids], BATCH_TOKENS):
        ids_BT = pad_right([ids[i] for i in batch], 0, torch.long).to(device)
        targets_BT = pad_right([targets[i] for i in batch], False, torch.bool).to(device)
        targets_BT[:, 0] = False  # nothing predicts the first token
        entry = entry_of(batch, ids_BT.shape[1])
        begun = entering(None if entry is None else entry.to(device))
        with torch.inference_mode(), compute_in(choose_precision(precision, device), device), begun:
            logits_NV = target_logits(loaded.model, ids_BT, targets_BT)
        losses_N = torch.nn.functional.cross_entropy(logits_NV, ids_BT[targets_BT], reduction="none").cpu()
        counts = targets_BT.sum(1).tolist()
        for index, part in zip(batch, torch.split(losses_N, counts), strict=True):
            results[index] = Nll(float(part.double().sum()), len(part))
    return results


def nats_after(
    loaded: LoadedModel, shared: list[int], rows: Sequence[list[int]], *, precision: str = "auto"
) -> list[float]:
    """Return the nats of each row of tokens behind what they share, which is read once.

    ``shared`` must not be empty, nor any row. Empty input gives an empty list.
    """
    device, found = loaded.model.device, [0.0] * len(rows)
    prefix = _prefix_cache(loaded, shared[:-1], precision) if len(shared) > 1 else DynamicCache()
    start = len(shared) - 1
    for batch in batches_by_length([start + len(row) for row in rows], BATCH_TOKENS):
        cache = copy.deepcopy(prefix)
        if start:
            cache.batch_repeat_interleave(len(batch))
        read_BT = pad_right([[shared[-1], *rows[i][:-1]] for i in batch], 0, torch.long)
        wanted_BT = pad_right([[True] * len(rows[i]) for i in batch], False, torch.bool)
        places_BT = torch.arange(start, start + read_BT.shape[1]).expand(len(batch), -1)
        with (
            torch.inference_mode(),
            compute_in(choose_precision(precision, device), device),
            logits_only_at(loaded.model, wanted_BT.flatten().nonzero()[:, 0].to(device)),
        ):
            output = loaded.model(
                input_ids=read_BT.to(device), position_ids=places_BT.to(device), cache=cache, use_cache=True
            )
        ids_N = torch.tensor([token for i in batch for token in rows[i]], device=device)
        losses_N = torch.nn.functional.cross_entropy(output.logits.float(), ids_N, reduction="none").cpu().double()
        for index, part in zip(batch, torch.split(losses_N, [len(rows[i]) for i in batch]), strict=True):
            found[index] = float(part.sum())
    return found


def label_scores(
    loaded: LoadedModel,
    prompts: Sequence[list[int]],
    labels: Sequence[list[int]],
    *,
    right: Sequence[int | None] = (),
    precision: str = "auto",
) -> NDArray[np.float64]:
    """Return log-probabilities of every label for every prompt, normalised over the labels: (prompts, labels).

    A label's probability is that of its tokens one after the other. Labels are opened as a tree, most probable
    branches first, until at most `label_tree.LEFT_EACH` of the labels' whole probability is unresolved in any and the
    most probable label is certain; what is left is divided evenly within its branch. What all prompts begin with is
    computed once. A label that is likely to be given is read with its prompt, in one pass: of a tuned model that is
    often all there is to do.

    Args:
        loaded: the model.
        prompts: token ids that wait for an answer; none may be empty.
        labels: token ids of each label, with the end token.
        right: of each prompt the place of a label whose probability is wanted exactly, if any: it is read first.
        precision: see `precision.choose_precision`.
    """
    vocabulary = sorted({token for label in labels for token in label})
    column = {token: place for place, token in enumerate(vocabulary)}
    tree = LabelTree.of([[column[token] for token in label] for label in labels])
    openings = [Opening(tree) for _ in prompts]
    paths = [[0] if one is None else tree.path(one) for one in right or [None] * len(prompts)]
    shared = _shared_tokens(prompts)
    prefix = _prefix_cache(loaded, prompts[0][:shared], precision) if shared else None
    lengths = [len(prompt) + len(path) - 1 for prompt, path in zip(prompts, paths, strict=True)]
    for batch in batches_by_length(lengths, BATCH_TOKENS):
        walk = _Walk(loaded, tree, vocabulary, [openings[i] for i in batch], precision)
        walk.read_prompts([prompts[i] for i in batch], [paths[i] for i in batch], shared, prefix)
        while walk.open_more():
            pass
    rows = [opening.log_probabilities() for opening in openings]
    return np.array(rows).reshape(len(prompts), len(labels))


def _shared_tokens(prompts: Sequence[list[int]]) -> int:
    """Return how many leading tokens all prompts share, if enough to be worth it; each keeps one of its own."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    same = next((place for place in range(most) if first[place] != last[place]), most)
    return same if same >= SHARED_TOKENS else 0


def _prefix_cache(loaded: LoadedModel, ids: list[int], precision: str) -> DynamicCache:
    device, cache = loaded.model.device, DynamicCache()
    with torch.inference_mode(), compute_in(choose_precision(precision, device), device):
        loaded.model(input_ids=torch.tensor([ids], device=device), cache=cache, use_cache=True, logits_to_keep=1)
    return cache


class _Walk:
    """A batch of prompts on its way through the label tree; keys and values of all tokens read are kept.

    The tree's tokens are places in ``vocabulary``, the ids that labels are made of. ``seen_BNS[b][n]`` are the slots of
    the cache that node n of row b attends to: its prompt, its ancestors, itself.
    """

    def __init__(
        self, loaded: LoadedModel, tree: LabelTree, vocabulary: list[int], openings: list[Opening], precision: str
    ) -> None:
        self.model, self.tree, self.vocabulary, self.openings = loaded.model, tree, vocabulary, openings
        self.precision = choose_precision(precision, loaded.model.device)
        self.cache = DynamicCache()
        self.slots = 0
        self.prompt_tokens: list[int] = []
        self.seen_BNS: list[dict[int, NDArray[np.bool_]]] = []

    def read_prompts(
        self, prompts: list[list[int]], paths: list[list[int]], shared: int, prefix: DynamicCache | None
    ) -> None:
        """Read the prompts, each with the nodes of a path from the root behind it, and open these."""
        if prefix is not None:
            self.cache = copy.deepcopy(prefix)
            self.cache.batch_repeat_interleave(len(prompts))
        own = [prompt[shared:] for prompt in prompts]
        behind = [[self.vocabulary[self.tree.tokens[node]] for node in path[1:]] for path in paths]
        ids_BT = pad_right([[*row, *more] for row, more in zip(own, behind, strict=True)], 0, torch.long)
        wanted_BT = pad_right(
            [[False] * (len(row) - 1) + [True] * len(path) for row, path in zip(own, paths, strict=True)],
            False, torch.bool,
        )  # fmt: skip
        positions_BT = torch.arange(shared, shared + ids_BT.shape[1]).expand(len(own), -1)
        logp_NV = self._forward(ids_BT, positions_BT, wanted_BT, None)
        self.slots = shared + ids_BT.shape[1]
        self.prompt_tokens = [len(prompt) for prompt in prompts]
        slots = np.arange(self.slots)
        self.seen_BNS = [
            {node: slots < length + place for place, node in enumerate(path)}
            for length, path in zip(self.prompt_tokens, paths, strict=True)
        ]
        self._fill(paths, logp_NV)

    def open_more(self) -> bool:
        """Open the next nodes of every row in one pass; False when no row has any left."""
        opened = [opening.next_nodes() for opening in self.openings]
        width = max(map(len, opened))
        if width == 0:
            return False
        self._keep([b for b, nodes in enumerate(opened) if nodes])
        opened = [nodes for nodes in opened if nodes]
        ids_BT = pad_right([[self.vocabulary[self.tree.tokens[n]] for n in nodes] for nodes in opened], 0, torch.long)
        depths_BT = pad_right([[self.tree.depths[n] for n in nodes] for nodes in opened], 1, torch.long)
        wanted_BT = pad_right([[True] * len(nodes) for nodes in opened], False, torch.bool)
        positions_BT = depths_BT + torch.tensor(self.prompt_tokens)[:, None] - 1
        seen_BTS = self._see(opened, width)
        self.slots += width
        self._fill(opened, self._forward(ids_BT, positions_BT, wanted_BT, seen_BTS))
        return True

    def _fill(self, opened: list[list[int]], logp_NV: NDArray[np.float32]) -> None:
        start = 0
        for opening, nodes in zip(self.openings, opened, strict=True):
            opening.fill(nodes, logp_NV[start : start + len(nodes)])
            start += len(nodes)

    def _keep(self, rows: list[int]) -> None:
        """Drop the rows that are done."""
        if len(rows) == len(self.openings):
            return
        self.cache.batch_select_indices(torch.tensor(rows, device=self.model.device))
        self.openings = [self.openings[b] for b in rows]
        self.prompt_tokens = [self.prompt_tokens[b] for b in rows]
        self.seen_BNS = [self.seen_BNS[b] for b in rows]

    def _see(self, opened: list[list[int]], width: int) -> torch.Tensor:
        """Return which slots each opened node attends to: (B, width, slots + width); padding sees only itself."""
        total = self.slots + width
        seen_BTS = np.zeros((len(opened), width, total), dtype=np.bool_)
        seen_BTS[:, np.arange(width), self.slots + np.arange(width)] = True
        for b, nodes in enumerate(opened):
            for place, node in enumerate(nodes):
                before = self.seen_BNS[b][self.tree.parents[node]]
                seen_BTS[b, place, : len(before)] |= before
                self.seen_BNS[b][node] = seen_BTS[b, place]
        return torch.from_numpy(seen_BTS)

    def _forward(
        self, ids_BT: torch.Tensor, positions_BT: torch.Tensor, wanted_BT: torch.Tensor, seen_BTS: torch.Tensor | None
    ) -> NDArray[np.float32]:
        """Read tokens into the cache; return the vocabulary's log-probabilities after the wanted ones, in row order."""
        model, device = self.model, self.model.device
        inputs: dict[str, Any] = {}
        if seen_BTS is not None:
            lowest = torch.finfo(torch.float32).min
            inputs["attention_mask"] = torch.zeros(seen_BTS.shape).masked_fill(~seen_BTS, lowest)[:, None].to(device)
        with (
            torch.inference_mode(),
            compute_in(self.precision, device),
            logits_only_at(model, wanted_BT.flatten().nonzero()[:, 0].to(device)),
        ):
            output = model(
                input_ids=ids_BT.to(device), position_ids=positions_BT.to(device), cache=self.cache, use_cache=True,
                **inputs,
            )  # fmt: skip
        parts = [part.float() for part in output.logits.split(HEAD_ROWS)]
        logp_NV = torch.cat([part[:, self.vocabulary] - part.logsumexp(-1, keepdim=True) for part in parts])
        found: NDArray[np.float32] = logp_NV.cpu().numpy()
        return found
