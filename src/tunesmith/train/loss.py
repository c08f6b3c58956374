"""The supervised loss: cross-entropy summed over target tokens, and what regularises it.

The caller's weights sum to one over the step, so accumulation, grouping and padding change nothing.
Legend: N targets, D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.checkpoint import checkpoint

from tunesmith.models.embedding_noise import noisy_embeddings
from tunesmith.models.forward import call_on, causal_lm, hidden_at
from tunesmith.models.head import chunk_rows, head_loss
from tunesmith.models.score import logits_only_at
from tunesmith.train.validate import likelihood_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import PreTrainedModel

    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.recipe import Regularise
    from tunesmith.train.batches import Batch
    from tunesmith.train.loop import Run
    from tunesmith.train.validate import Columns, Judge


@dataclass(frozen=True)
class Terms:
    """What makes the loss more than cross-entropy; all zero is plain.

    Args:
        label_smoothing: share of the wanted probability that is spread over the whole vocabulary.
        neftune: size of the noise on embeddings, see `models.embedding_noise`.
        r_drop: weight of the difference between two draws of dropout.
    """

    label_smoothing: float = 0.0
    neftune: float = 0.0
    r_drop: float = 0.0

    @classmethod
    def of(cls, settings: Regularise) -> Terms:
        """Return the terms that a recipe asks for."""
        return cls(settings.label_smoothing, settings.neftune, settings.r_drop)


PLAIN = Terms()


class Supervised:
    """The objective ``sft``: cross-entropy, the mean over a step's tokens by their weights.

    A token's weight is that of its example times that of its turn and of `answer_weights`, or for a prompt
    `prompt_loss_weight`. The divisor is the sum of the weights, so the loss is always nats a token, and clipping means
    the same whatever prompts weigh.

    Source: Huerta-Enochian and Ko 2024, "Instruction fine-tuning: does prompt loss matter?", for the weight of prompts;
    the divisor is our choice.
    """

    name = "sft"

    def of_step(self, run: Run, rows: Sequence[int], batches: Sequence[Batch]) -> _Step:
        """Return the loss of a step that is laid out in some batches."""
        del rows
        return _Step(run, float(sum(batch.weights_N.sum() for batch in batches)))

    def judge(self, run: Run) -> Judge:
        """Return the judge of the validation loss."""
        return likelihood_judge(run)

    def facts(self, columns: Columns) -> dict[str, float]:
        """Return what a validation notes beside its loss: nothing."""
        del columns
        return {}


class _Step:
    def __init__(self, run: Run, whole: float) -> None:
        self._run, self._whole, self._terms = run, whole, Terms.of(run.settings.regularise)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the batch's share of the loss, with gradient."""
        model = self._run.loaded.model
        return supervised_loss(model, batch.share(self._whole).to(model.device), self._run.shortcuts, self._terms)

    def facts(self) -> dict[str, float]:
        """Return what is noted of the step beside its loss: nothing."""
        return {}


def supervised_loss(model: PreTrainedModel, batch: Batch, shortcuts: Shortcuts, terms: Terms = PLAIN) -> torch.Tensor:
    """Return the weighted sum over targets of -log p(token | what is before), in nats; a scalar with gradient.

    With ``r_drop`` it is the mean of two passes, which differ by their dropout, and the weighted divergence of the two.
    """
    with noisy_embeddings(model, terms.neftune, batch.row.lengths_BT() if terms.neftune else batch.row.ids_BT):
        if terms.r_drop:
            return _of_two_draws(model, batch, shortcuts, terms)
        if not shortcuts.head:
            return _cross_entropy(logits_of(model, batch), batch, terms)
        hidden_ND = hidden_at(model, batch.row, prune_last_layer=shortcuts.last_layer)
    head = causal_lm(model).get_output_embeddings()
    return head_loss(hidden_ND, head, batch.labels_N, batch.weights_N, terms.label_smoothing)


def logits_of(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the logits that predict the targets (N, V), all at once, in float32."""
    with logits_only_at(model, batch.row.wanted_N.to(batch.labels_N.device)):
        logits_NV: torch.Tensor = call_on(model, batch.row).logits.float()
    return logits_NV


def _cross_entropy(logits_NV: torch.Tensor, batch: Batch, terms: Terms) -> torch.Tensor:
    losses_N = torch.nn.functional.cross_entropy(
        logits_NV, batch.labels_N, reduction="none", label_smoothing=terms.label_smoothing
    )
    return (losses_N * batch.weights_N).sum()


def _of_two_draws(model: PreTrainedModel, batch: Batch, shortcuts: Shortcuts, terms: Terms) -> torch.Tensor:
    """Return the mean loss of two passes and the mean of both Kullback-Leibler divergences, weighted.

    Source: Liang et al. 2021, "R-Drop", equation 4, halved so that it is the plain loss where dropout does nothing.
    """
    if not shortcuts.head:
        one_NV, other_NV = logits_of(model, batch), logits_of(model, batch)
        return _loss_of_two(one_NV, other_NV, batch.labels_N, batch.weights_N, terms)
    head = causal_lm(model).get_output_embeddings()
    one_ND, other_ND = (hidden_at(model, batch.row, prune_last_layer=shortcuts.last_layer) for _ in range(2))
    total = one_ND.new_zeros(())
    rows = chunk_rows(head.weight)
    for first in range(0, len(one_ND), rows):
        of = slice(first, first + rows)
        total = total + checkpoint(
            lambda one, other, labels, weights: _loss_of_two(head(one), head(other), labels, weights, terms),
            one_ND[of], other_ND[of], batch.labels_N[of], batch.weights_N[of],
            use_reentrant=False, preserve_rng_state=False,
        )  # fmt: skip
    return total


def _loss_of_two(
    one_NV: torch.Tensor, other_NV: torch.Tensor, labels_N: torch.Tensor, weights_N: torch.Tensor, terms: Terms
) -> torch.Tensor:
    cross_entropy: Callable[..., torch.Tensor] = torch.nn.functional.cross_entropy
    log_one, log_other = (logits.float().log_softmax(-1) for logits in (one_NV, other_NV))
    losses_N = sum(
        cross_entropy(log, labels_N, reduction="none", label_smoothing=terms.label_smoothing) / 2
        for log in (log_one, log_other)
    )
    apart_N = ((log_one.exp() - log_other.exp()) * (log_one - log_other)).sum(-1) / 2
    return ((losses_N + terms.r_drop / 2 * apart_N) * weights_N).sum()
