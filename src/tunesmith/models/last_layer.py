"""The last decoder layer's work only at the positions whose output is read.

All positions give keys and values, but only those that predict a target need the last layer's query, its output
projection and its feed-forward block. Each is position-wise, so its input is selected and its output put back among
zeros. Owns which modules those are; `shortcuts` tests that it is so for a given architecture.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tunesmith.models.dropout import decoder_layers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn
    from transformers import PreTrainedModel

_POSITION_WISE = ("mlp", "feed_forward", "self_attn.q_proj", "self_attn.o_proj", "self_attn.dense", "attn.c_proj")


@contextlib.contextmanager
def last_layer_at(model: PreTrainedModel, wanted_M: torch.Tensor) -> Iterator[None]:
    """Within this context the model's last layer works only at distinct positions of its flattened input (B·T).

    What it gives elsewhere is not to be read.
    """
    handles = [handle for module in _modules(model) for handle in _only_at(module, wanted_M)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _modules(model: PreTrainedModel) -> list[nn.Module]:
    layers = decoder_layers(model)
    named = dict(layers[-1].named_modules()) if layers else {}
    return [named[name] for name in _POSITION_WISE if name in named]


def _only_at(module: nn.Module, wanted_M: torch.Tensor) -> list[Any]:
    shape: list[torch.Size] = []

    def select(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        shape[:] = [inputs[0].shape]
        return (inputs[0].flatten(0, -2).index_select(0, wanted_M)[None], *inputs[1:])

    def put_back(_module: nn.Module, _inputs: Any, output_1MD: torch.Tensor) -> torch.Tensor:
        size = shape[0][:-1]
        whole = output_1MD.new_zeros(size.numel(), output_1MD.shape[-1]).index_copy(0, wanted_M, output_1MD[0])
        return whole.view(*size, -1)

    return [module.register_forward_pre_hook(select, prepend=True), module.register_forward_hook(put_back)]
