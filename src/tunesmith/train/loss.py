"""The supervised loss: cross-entropy summed over target tokens.

The caller's weights sum to one over the step, so accumulation, grouping and padding change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tunesmith.models.forward import call_on, causal_lm, hidden_at
from tunesmith.models.head import head_loss
from tunesmith.models.score import logits_only_at

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tunesmith.models.shortcuts import Shortcuts
    from tunesmith.train.batches import Batch


def supervised_loss(model: PreTrainedModel, batch: Batch, shortcuts: Shortcuts) -> torch.Tensor:
    """Return the weighted sum over targets of -log p(token | what is before), in nats; a scalar with gradient."""
    if shortcuts.head:
        hidden_ND = hidden_at(model, batch.row, prune_last_layer=shortcuts.last_layer)
        return head_loss(hidden_ND, causal_lm(model).get_output_embeddings(), batch.labels_N, batch.weights_N)
    with logits_only_at(model, batch.row.wanted_N.to(batch.labels_N.device)):
        logits_NV = call_on(model, batch.row).logits.float()
    losses_N = torch.nn.functional.cross_entropy(logits_NV, batch.labels_N, reduction="none")
    return (losses_N * batch.weights_N).sum()
