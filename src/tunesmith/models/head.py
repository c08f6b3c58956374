"""Cross-entropy through the output head, a chunk of positions at a time, with the gradients made on the way.

The logits of a large vocabulary are the largest tensor of a training step; here no more than `CHUNK_LOGITS` of them
exist at once. Owns the arithmetic for a head that is one linear map, a few rows of which may be learnt beside it
(`new_tokens`); `shortcuts` tells whether it is. Legend: N positions, D width, V vocabulary, K rows learnt beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.new_tokens import learnt_rows
from tunesmith.models.precision import product_type

if TYPE_CHECKING:
    from collections.abc import Callable

    _LossAndGradient = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, torch.Tensor]]
    """From logits (n, V), labels (n), weights (n) and smoothing: the weighted loss and its gradient (n, V)."""

CHUNK_LOGITS = {"cpu": 2**22, "cuda": 2**28}
"""Logits alive at once: about a core's cache share on a CPU, half a gibibyte in bfloat16 on a GPU."""

_TILE = 128
"""Positions that a GPU's matrix products take together; a chunk is a whole number of them."""


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
    hidden_ND: torch.Tensor,
    head: torch.nn.Module,
    labels_N: torch.Tensor,
    weights_N: torch.Tensor,
    smoothing: float = 0.0,
) -> torch.Tensor:
    """Return the weighted sum of -log p(label), in nats: a scalar whose gradient is already known.

    Products are in the type autocast says, sums and exponentials in float32. With ``smoothing`` that share of the
    wanted probability is spread evenly over the vocabulary.

    Source: the gradient of softmax cross-entropy, p - wanted; Szegedy et al. 2016, "Rethinking the Inception
    architecture", section 7 (label smoothing).
    """
    apply: Callable[..., torch.Tensor] = _HeadLoss.apply
    matrix, ids_K, rows_KD = linear_map(head)
    made = _made_by(matrix)
    loss = apply(hidden_ND, matrix.weight, matrix.bias, rows_KD, ids_K, labels_N, weights_N, smoothing, made)
    return loss


def compile_head(head: torch.nn.Module, backend: str = "inductor") -> None:
    """From now on make this head's softmax, loss and gradient in one compiled pass over the logits.

    Raises:
        TypeError: if the head is more than one linear map.
    """
    linear_map(head)[0]._made_by = torch.compile(_in_one_pass, dynamic=True, backend=backend)  # type: ignore[assignment]


def chunk_rows(weight_VD: torch.Tensor) -> int:
    """Return of how many positions the logits may exist at once."""
    rows = max(1, CHUNK_LOGITS.get(weight_VD.device.type, CHUNK_LOGITS["cuda"]) // weight_VD.shape[0])
    return rows - rows % _TILE if rows > _TILE else rows


def label_logps(hidden_ND: torch.Tensor, head: torch.nn.Module, labels_N: torch.Tensor) -> torch.Tensor:
    """Return log p(label) at each position (N), in nats, with gradient: logits are made again in the backward pass.

    As `head_loss`, but for a loss that is not known before all log-probabilities are.
    """
    apply: Callable[..., torch.Tensor] = _LabelLogps.apply
    matrix, ids_K, rows_KD = linear_map(head)
    logps_N = apply(hidden_ND, matrix.weight, matrix.bias, rows_KD, ids_K, labels_N, _made_by(matrix))
    return logps_N


def _made_by(matrix: torch.nn.Linear) -> _LossAndGradient:
    return getattr(matrix, "_made_by", _in_place)


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
        smoothing: float,
        made_by: _LossAndGradient,
    ) -> torch.Tensor:
        head = _Head(weight_VD, bias_V, rows_KD, ids_K, product_type(hidden_ND), made_by)
        _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        loss, made = head.loss(hidden_ND, labels_N, weights_N, smoothing, needs_weight, needs_bias)
        ctx.save_for_backward(*made)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        made = ctx.saved_tensors
        return (*(None if one is None else one.mul_(grad) for one in made), None, None, None, None, None)


class _LabelLogps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: torch.Tensor,
        weight_VD: torch.Tensor,
        bias_V: torch.Tensor | None,
        rows_KD: torch.Tensor | None,
        ids_K: torch.Tensor | None,
        labels_N: torch.Tensor,
        made_by: _LossAndGradient,
    ) -> torch.Tensor:
        ctx.dtype, ctx.made_by = product_type(hidden_ND), made_by
        ctx.save_for_backward(hidden_ND, weight_VD, bias_V, rows_KD, ids_K, labels_N)
        return _Head(weight_VD, bias_V, rows_KD, ids_K, ctx.dtype, made_by).logps(hidden_ND, labels_N)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_N: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden_ND, weight_VD, bias_V, rows_KD, ids_K, labels_N = ctx.saved_tensors
        _, needs_weight, needs_bias, *_ = ctx.needs_input_grad
        head = _Head(weight_VD, bias_V, rows_KD, ids_K, ctx.dtype, ctx.made_by)
        _, made = head.loss(hidden_ND, labels_N, -grad_N, 0.0, needs_weight, needs_bias)
        return (*made, None, None, None)


@dataclass(frozen=True)
class _Head:
    """A head's numbers, the type of its products, and what makes loss and gradient from logits."""

    weight_VD: torch.Tensor
    bias_V: torch.Tensor | None
    rows_KD: torch.Tensor | None
    ids_K: torch.Tensor | None
    dtype: torch.dtype
    made_by: _LossAndGradient

    def logps(self, hidden_ND: torch.Tensor, labels_N: torch.Tensor) -> torch.Tensor:
        """Return log p(label) at each position (N)."""
        hidden, weight = hidden_ND.detach().to(self.dtype), self._whole_matrix()
        logps_N = torch.empty(len(hidden), device=hidden.device)
        rows = chunk_rows(weight)
        for first in range(0, len(hidden), rows):
            part = slice(first, first + rows)
            logps_nV = torch.log_softmax(self._logits(hidden[part], weight).float(), dim=1)
            logps_N[part] = logps_nV.gather(1, labels_N[part, None])[:, 0]
        return logps_N

    def loss(
        self, hidden_ND: torch.Tensor, labels_N: torch.Tensor, weights_N: torch.Tensor, smoothing: float,
        needs_weight: bool, needs_bias: bool,
    ) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:  # fmt: skip
        """Return the weighted loss and its gradients for hidden states, matrix, bias and rows learnt beside it."""
        hidden, weight = hidden_ND.detach().to(self.dtype), self._whole_matrix()
        grad_hidden = torch.empty_like(hidden_ND)
        grad_weight = torch.zeros_like(self.weight_VD) if needs_weight else None
        grad_bias = torch.zeros_like(self.bias_V) if needs_bias and self.bias_V is not None else None
        grad_rows = None if self.rows_KD is None else torch.zeros_like(self.rows_KD)
        total = torch.zeros((), device=hidden.device)
        rows = chunk_rows(weight)
        for first in range(0, len(hidden), rows):
            part = slice(first, first + rows)
            logits_nV = self._logits(hidden[part], weight)
            loss, grad_nV = self.made_by(logits_nV, labels_N[part], weights_N[part], smoothing)
            total += loss
            grad_hidden[part] = grad_nV @ weight
            if grad_weight is not None:
                _add_product(grad_weight, grad_nV.T, hidden[part])
            if grad_bias is not None:
                grad_bias += grad_nV.sum(0, dtype=torch.float32)
            if grad_rows is not None and self.ids_K is not None:
                grad_rows += grad_nV.index_select(1, self.ids_K).T @ hidden[part]
        return total, (grad_hidden, grad_weight, grad_bias, grad_rows)

    def _logits(self, hidden_nD: torch.Tensor, weight_VD: torch.Tensor) -> torch.Tensor:
        bias_V = None if self.bias_V is None else self.bias_V.to(self.dtype)
        return torch.nn.functional.linear(hidden_nD, weight_VD, bias_V)

    def _whole_matrix(self) -> torch.Tensor:
        """Return the matrix with the rows learnt beside it in their places."""
        weight_VD = self.weight_VD.detach().to(self.dtype)
        if self.rows_KD is None or self.ids_K is None:
            return weight_VD
        return weight_VD.index_copy(0, self.ids_K, self.rows_KD.detach().to(self.dtype))


def _add_product(sum_VD: torch.Tensor, left_Vn: torch.Tensor, right_nD: torch.Tensor) -> None:
    """Add a product to a float32 sum; on a GPU within the product, so that it never lies there rounded."""
    if sum_VD.is_cuda and left_Vn.dtype != sum_VD.dtype:
        torch.addmm(sum_VD, left_Vn, right_nD, out_dtype=sum_VD.dtype, out=sum_VD)
    else:
        sum_VD += left_Vn @ right_nD


def _in_place(
    logits_nV: torch.Tensor, labels_n: torch.Tensor, weights_n: torch.Tensor, smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weighted loss and its gradient in the logits' type."""
    labels_n1 = labels_n[:, None]
    logps_nV = torch.log_softmax(logits_nV.float(), dim=1)  # one pass, where logsumexp makes five
    wanted_n = (1 - smoothing) * logps_nV.gather(1, labels_n1)[:, 0]
    if smoothing:
        wanted_n += smoothing * logps_nV.mean(1)
    loss = -(wanted_n * weights_n).sum()
    grad_nV = logps_nV.exp_()
    if smoothing:
        grad_nV -= smoothing / grad_nV.shape[1]
    grad_nV.mul_(weights_n[:, None]).scatter_add_(1, labels_n1, -(1 - smoothing) * weights_n[:, None])
    return loss, grad_nV.to(logits_nV.dtype)


def _in_one_pass(
    logits_nV: torch.Tensor, labels_n: torch.Tensor, weights_n: torch.Tensor, smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `_in_place`, in operations that a compiler makes one of."""
    dtype, size, logits_nV = logits_nV.dtype, logits_nV.shape[1], logits_nV.float()
    total_n = torch.logsumexp(logits_nV, dim=1)
    is_label_nV = torch.arange(size, device=labels_n.device) == labels_n[:, None]
    wanted_n = (1 - smoothing) * torch.where(is_label_nV, logits_nV, 0.0).sum(1)
    if smoothing:
        wanted_n = wanted_n + smoothing * logits_nV.mean(1)
    loss = ((total_n - wanted_n) * weights_n).sum()
    wanted_nV = torch.where(is_label_nV, 1 - smoothing, 0.0) + smoothing / size
    grad_nV = ((logits_nV - total_n[:, None]).exp() - wanted_nV) * weights_n[:, None]
    return loss, grad_nV.to(dtype)
