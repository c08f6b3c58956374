"""Log-probabilities of whole answers in the training engine's batches, with gradient and for many at once without.

Owns the way from a batch to one number a sequence. Does not own what is made of the numbers (`objectives`) nor the
arithmetic of the head (`models.head`). Legend: N targets, S sequences.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from tunesmith.models.embedding_noise import noisy_embeddings
from tunesmith.models.forward import causal_lm, hidden_at
from tunesmith.models.head import label_logps
from tunesmith.models.precision import compute_in
from tunesmith.train.batches import micro_batches
from tunesmith.train.loss import logits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.train.batches import Batch, TokenSet
    from tunesmith.train.frozen_cache import States
    from tunesmith.train.loop import Run

EXAMPLES_AT_ONCE = 256
"""Examples that are laid out in rows at a time, where there may be millions."""


def sequence_logps(model: PreTrainedModel, batch: Batch, shortcuts: Shortcuts, neftune: float = 0.0) -> torch.Tensor:
    """Return the log-probability of each sequence's targets (S), in nats, with gradient; float64, as sums are long."""
    with noisy_embeddings(model, neftune, batch.row.lengths_BT() if neftune else batch.row.ids_BT):
        if shortcuts.head:
            hidden_ND = hidden_at(model, batch.row, prune_last_layer=shortcuts.last_layer)
            logps_N = label_logps(hidden_ND, causal_lm(model).get_output_embeddings(), batch.labels_N)
        else:
            logps_N = logits_of(model, batch).log_softmax(-1).gather(1, batch.labels_N[:, None])[:, 0]
    return by_sequence(batch, logps_N)


def by_sequence(batch: Batch, values_N: torch.Tensor) -> torch.Tensor:
    """Return the sum over each sequence's targets (S), in float64."""
    of_N = torch.repeat_interleave(torch.arange(len(batch.counts_S)), batch.counts_S).to(values_N.device)
    sums_S = torch.zeros(len(batch.counts_S), dtype=torch.float64, device=values_N.device)
    return sums_S.index_add(0, of_N, values_N.double())


def logps_of(
    run: Run, tokens: TokenSet, examples: Sequence[int], states: States | None = None
) -> dict[int, NDArray[np.float64]]:
    """Return the log-probabilities of each example's sequences by the model as it is, without dropout.

    ``states`` are what comes out of frozen lowest layers for these tokens, if that is kept.
    """
    found: dict[int, float] = {}

    def see(batch: Batch) -> None:
        logps_S = sequence_logps(run.loaded.model, batch, run.shortcuts)
        found.update(zip(batch.places, logps_S.tolist(), strict=True))

    visit(run, tokens, examples, see, states)
    return {one: np.array([found[at] for at in tokens.sequences_of([one])]) for one in examples}


def visit(
    run: Run, tokens: TokenSet, examples: Sequence[int], see: Callable[[Batch], None], states: States | None = None
) -> None:
    """Show all batches of some examples to ``see``, on the model's device, where it has no dropout and no gradient.

    ``states`` are what comes out of frozen lowest layers for these tokens, if that is kept.
    """
    device = run.loaded.model.device
    with _in_evaluation(run.loaded.model), torch.no_grad():
        for first in range(0, len(examples), EXAMPLES_AT_ONCE):
            some = tokens.sequences_of(examples[first : first + EXAMPLES_AT_ONCE])
            for batch in micro_batches(tokens, some, run.shortcuts, run.row_tokens):
                entered = states.entered(batch) if states else batch
                with compute_in(run.precision, device):
                    see(entered.to(device))


@contextlib.contextmanager
def _in_evaluation(model: torch.nn.Module) -> Iterator[None]:
    """Within this context no module is in training; afterwards each is as before."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
