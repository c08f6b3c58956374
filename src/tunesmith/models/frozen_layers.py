"""The lowest layers of a decoder as work that need not be done again: what comes out of them, and a pass without them.

Owns both ways through a model. Does not own where what comes out is kept (`train.frozen_cache`) nor whether a pass
without them is exact on an architecture (`shortcuts`). Legend: B rows, T positions, D width.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.forward import call_on
from tunesmith.models.layers import decoder_layers
from tunesmith.models.transfer import sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from tunesmith.models.forward import Row

STORED = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""In which type states are kept, by the precision of the products that read them."""


class FrozenLayers:
    """The lowest ``count`` layers of a model, at least 1, and everything below them."""

    def __init__(self, model: nn.Module, count: int, precision: str) -> None:
        self.count, self.stored = count, STORED[precision]
        self._layers = decoder_layers(model)[:count]
        self._dtype: torch.dtype | None = None
        self._in_tuple = False

    @property
    def seen(self) -> bool:
        """Whether it is known, from `states`, in which form layers hand on what comes out of them."""
        return self._dtype is not None

    @torch.no_grad()
    def states(self, model: Any, row: Row) -> torch.Tensor:
        """Return what comes out of the layers (B, T, D) for a row, in the type it is kept in; nothing above them runs.

        ``model`` is the one they belong to, or its decoder.

        Raises:
            ValueError: if it does not run its layers.
        """
        found: list[torch.Tensor] = []

        def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._in_tuple = isinstance(output, tuple)
            found.append(output[0] if self._in_tuple else output)
            raise _Reached

        handle = self._layers[-1].register_forward_hook(stop)
        try:
            call_on(model, row)
        except _Reached:
            self._dtype = found[0].dtype
            return found[0].to(self.stored)
        finally:
            handle.remove()
        raise ValueError(f"{type(model).__name__} does not run its layers")

    @contextlib.contextmanager
    def left_out(self, states_BTD: torch.Tensor) -> Iterator[None]:
        """Within this context the layers do nothing, and these states come out of the last of them.

        In the form in which they came out in `states`, which must have been called once.
        """
        assert self._dtype is not None, "states come before what reads them"
        states_BTD = states_BTD.to(self._dtype)
        last: Any = (states_BTD,) if self._in_tuple else states_BTD
        given = [*[_pass_on] * (self.count - 1), lambda *_inputs, **_named: last]
        for layer, forward in zip(self._layers, given, strict=True):
            layer.__dict__["forward"] = forward
        try:
            yield
        finally:
            for layer in self._layers:
                del layer.__dict__["forward"]


@dataclass(frozen=True)
class Entry:
    """States (B, T, D) with which a forward pass begins, in place of the layers they came out of."""

    layers: FrozenLayers
    states_BTD: torch.Tensor

    def to(self, device: torch.device) -> Entry:
        """Return the same on a device."""
        return Entry(self.layers, sent(self.states_BTD, device))


class _Reached(Exception):
    """The forward pass has come as far as it needs to."""


def _pass_on(hidden: Any, *_inputs: Any, **_named: Any) -> Any:
    return hidden
