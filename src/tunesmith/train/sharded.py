"""A model whose weights, gradients and moments lie in parts on the ranks: each has one, and fetches a layer when due.

FSDP2, so that a model trains which one device does not hold. The gradient of a step is the same sum as ever: every pass
adds to it, and all ranks make as many passes, one that counts for nothing where a rank has fewer. Does not own who does
which pass (`ranks`), nor how parts are written (`parts`).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from tunesmith.models.forward import causal_lm
from tunesmith.models.layers import decoder_layers
from tunesmith.train.optimizer import trainable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tunesmith.recipe import Train
    from tunesmith.train.loop import Run


def shards(settings: Train, device: torch.device) -> bool:
    """Return whether several ranks part a run's model among them."""
    wanted = settings.shard == "always" or (settings.shard == "auto" and device.type == "cuda")
    return wanted and not settings.kept_whole_by


def shard(run: Run) -> Run:
    """Part the run's model among its ranks, in place; return the run with the weights that then learn.

    Source: Rajbhandari et al. 2020, "ZeRO", stage 3; Zhao et al. 2023, "PyTorch FSDP".
    """
    model: Any = causal_lm(run.loaded.model)
    mesh = init_device_mesh(model.device.type, (run.ranks.count,))
    for layer in decoder_layers(model):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # a pass is weighed already
            module.set_force_sum_reduction_for_comms(True)
    model.whole_for = _call
    register_fsdp_forward_method(model, "whole_for")
    return replace(run, learning=replace(run.learning, weights=trainable(run.loaded.model)))


def within(model: Any, loss: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Return a loss, made while what the model reads is fetched if it lies in parts."""
    fetching = getattr(causal_lm(model), "whole_for", _call)
    made: torch.Tensor = fetching(loss)
    return made


@contextlib.contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Within this context the model can be asked in any way, if all ranks ask the same."""
    inner = causal_lm(model)
    if not isinstance(inner, FSDPModule):
        yield
        return
    inner.unshard()
    try:
        yield
    finally:
        inner.reshard()


def _call(work: Callable[[], torch.Tensor]) -> torch.Tensor:
    return work()
