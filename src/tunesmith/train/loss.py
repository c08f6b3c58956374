"""The supervised loss: cross-entropy summed over target tokens.

The caller divides by the step's total target weight, so accumulation, grouping and padding change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tunesmith.models.score import target_logits

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tunesmith.train.batches import Batch


def supervised_loss(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Return the weighted sum over targets of -log p(token | what is before), in nats; a scalar with gradient."""
    logits_NV = target_logits(model, batch.ids_BT, batch.targets_BT)
    losses_N = torch.nn.functional.cross_entropy(logits_NV, batch.ids_BT[batch.targets_BT], reduction="none")
    return (losses_N * batch.weights_N).sum()
