"""Cross-entropy through the output head, a chunk of positions at a time, with the gradients made on the way.

The logits of a large vocabulary are the largest tensor of a training step; here no more than `CHUNK_LOGITS` of them
exist at once. Owns the arithmetic for a head that is one linear map, a few rows of which may be learnt beside it
(`new_tokens`); `shortcuts` tells whether it is. Legend: N positions, D width, V vocabulary, K rows learnt beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.new_tokens import learnt_rows

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_LOGITS = {"cpu": 2**22, "cuda": 2**27}
"""Logits alive at once: about a core's cache share on a CPU, half a gibibyte on a GPU."""


def linear_map(head: torch.nn.Module) -> tuple[torch.nn.Linear, torch.Tensor | None, torch.Tensor | None]:
    """Return a head's matrix, and the ids (K) and values (K, D) of the rows that are learnt beside it, if any.

    Raises:
        TypeError: if the head is more than one linear map.
    """
    matrix, ids_K, rows_KD = learnt_rows(head)
    if type(matrix) is not torch.nn.Linear:
        raise TypeError(f"the head is a {type(matrix).__name__}, not one linear map")
    return matrix, ids_K, rows_KD


def head_loss(
    hidden_ND: torch.Tensor, head: torch.nn.Module, labels_N: torch.Tensor, weights_N: torch.Tensor
) -> torch.Tensor:
    """Return the weighted sum of -log p(label), in nats: a scalar whose gradient is already known.

    Products are in the type autocast says, sums and exponentials in float32.

    Source: the gradient of softmax cross-entropy, p - onehot(label).
    """
    apply: Callable[..., torch.Tensor] = _HeadLoss.apply
    matrix, ids_K, rows_KD = linear_map(head)
    loss = apply(hidden_ND, matrix.weight, matrix.bias, rows_KD, ids_K, labels_N, weights_N)
    return loss


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: torch.Tensor,
        weight_VD: torch.Tensor,
        bias_V: torch.Tensor | None,
        rows_KD: torch.Tensor | None,
        ids_K: torch.Tensor | None,
        labels_N: torch.Tensor,
        weights_N: torch.Tensor,
    ) -> torch.Tensor:
        kind = hidden_ND.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden_ND.dtype
        _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        hidden, weight = hidden_ND.detach().to(dtype), _with_rows(weight_VD.detach().to(dtype), rows_KD, ids_K)
        grad_hidden = torch.empty_like(hidden_ND)
        grad_weight = torch.zeros_like(weight_VD) if needs_weight else None
        grad_bias = torch.zeros_like(bias_V) if needs_bias and bias_V is not None else None
        grad_rows = None if rows_KD is None else torch.zeros_like(rows_KD)
        total = torch.zeros((), device=hidden.device)
        rows = max(1, CHUNK_LOGITS.get(kind, CHUNK_LOGITS["cuda"]) // weight.shape[0])
        for first in range(0, len(hidden), rows):
            part = slice(first, first + rows)
            logits_nV = torch.nn.functional.linear(hidden[part], weight, None if bias_V is None else bias_V.to(dtype))
            loss, grad_nV = _loss_and_gradient(logits_nV.float(), labels_N[part], weights_N[part])
            total += loss
            grad_low = grad_nV.to(dtype)
            grad_hidden[part] = grad_low @ weight
            if grad_weight is not None:
                grad_weight += grad_low.T @ hidden[part]
            if grad_bias is not None:
                grad_bias += grad_nV.sum(0)
            if grad_rows is not None and ids_K is not None:
                grad_rows += grad_low.index_select(1, ids_K).T @ hidden[part]
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias, grad_rows)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        made = ctx.saved_tensors
        return (*(None if one is None else one.mul_(grad) for one in made), None, None, None)


def _with_rows(weight_VD: torch.Tensor, rows_KD: torch.Tensor | None, ids_K: torch.Tensor | None) -> torch.Tensor:
    """Return the head's matrix with the rows learnt beside it in their places."""
    if rows_KD is None or ids_K is None:
        return weight_VD
    return weight_VD.index_copy(0, ids_K, rows_KD.detach().to(weight_VD.dtype))


def _loss_and_gradient(
    logits_nV: torch.Tensor, labels_n: torch.Tensor, weights_n: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted loss and its gradient; the logits are overwritten."""
    total_n = torch.logsumexp(logits_nV, dim=1)
    labels_n1 = labels_n[:, None]
    loss = ((total_n - logits_nV.gather(1, labels_n1)[:, 0]) * weights_n).sum()
    grad_nV = logits_nV.sub_(total_n[:, None]).exp_().mul_(weights_n[:, None])
    grad_nV.scatter_add_(1, labels_n1, -weights_n[:, None])
    return loss, grad_nV
