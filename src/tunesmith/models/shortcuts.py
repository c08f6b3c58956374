"""Which shortcuts give the same numbers on a model: found by trying each on a few tokens, not by a list of names.

A shortcut that is not exact on an architecture (state that leaks from one packed sequence to the next, logits that are
scaled after the head) is left off and the plain way is taken.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.forward import Row, call_on, causal_lm, hidden_at
from tunesmith.models.frozen_layers import Entry, FrozenLayers
from tunesmith.models.head import linear_map
from tunesmith.models.packed import Packing, attend_packed
from tunesmith.models.precision import compute_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformers import PreTrainedModel

TOLERANCE = {"float32": 1e-4, "bfloat16": 5e-2}
"""Largest difference that is rounding, as a share of the largest logit."""

_LENGTHS = (7, 5, 9)
_COMMON = 3


@dataclass(frozen=True)
class Shortcuts:
    """What may be left out without changing the result.

    Args:
        packed: padding; sequences lie in one row.
        shared: beginnings that sequences of a row share are read once.
        last_layer: the last layer's work where no output is read.
        head: logits of more than a chunk of positions at once.
        frozen_cache: the frozen beginning of the model in every pass but the first.
    """

    packed: bool = False
    shared: bool = False
    last_layer: bool = False
    head: bool = False
    frozen_cache: bool = False

    def __and__(self, other: Shortcuts) -> Shortcuts:
        """Return what both allow."""
        return Shortcuts(**{f.name: getattr(self, f.name) and getattr(other, f.name) for f in fields(self)})


ALL = Shortcuts(packed=True, shared=True, last_layer=True, head=True)


LEAK = 1e-6
"""Least change of one sequence's logits, as a share of the largest, that another sequence of its row is blamed for. It
is zero where nothing leaks; a random state-space model leaks 1e-5, which is no rounding and grows with training."""

_LOUD = 1000.0
_NOT_TAKEN = (ValueError, RuntimeError, TypeError, AttributeError, IndexError, NotImplementedError)
"""How an architecture says that it does not take a packed row, or has no decoder of the usual kind."""


@torch.no_grad()
def exact_shortcuts(model: PreTrainedModel, precision: str, frozen_layers: int = 0) -> Shortcuts:
    """Try each shortcut on the model and return those that give the same logits; the model then attends packed rows.

    ``frozen_layers`` is how many of the lowest layers stay as they are, with everything below them.
    """
    inner = causal_lm(model)
    training, attention = model.training, inner.config._attn_implementation
    model.eval()
    with compute_in(precision, inner.device), _loud(inner):
        trial = _Trial(inner, precision)
        head = trial.same(trial.whole)
        last_layer = head and trial.same(trial.pruned)
        frozen_cache = frozen_layers > 0 and trial.same(lambda: trial.entered(frozen_layers))
        packed = trial.same(trial.packed)
        shared = packed and trial.same(trial.shared)
    if not packed:
        inner.set_attn_implementation(attention)
    model.train(training)
    return Shortcuts(packed, shared, last_layer, head, frozen_cache)


@contextlib.contextmanager
def _loud(model: Any) -> Iterator[None]:
    """Make the head's output so large that whatever bends it afterwards (a soft cap on the logits) shows."""
    handle = model.get_output_embeddings().register_forward_hook(lambda _module, _inputs, output: output * _LOUD)
    try:
        yield
    finally:
        handle.remove()


class _Trial:
    """Three short sequences, two of which begin alike, and the last logits (3, V) as the model itself gives them.

    Each other method gives them by one shortcut.
    """

    def __init__(self, model: Any, precision: str) -> None:
        self.model, self.precision, self.tolerance = model, precision, TOLERANCE[precision]
        ids = (torch.arange(3 * max(_LENGTHS)) * 7 + 3) % model.get_input_embeddings().weight.shape[0]
        self.sequences = [ids[i * max(_LENGTHS) :][:n] for i, n in enumerate(_LENGTHS)]
        self.sequences[1][:_COMMON] = self.sequences[0][:_COMMON]
        self.plain = torch.stack([call_on(model, self._alone(one)).logits[0, -1].float() for one in self.sequences])

    def same(self, shortcut: Callable[[], torch.Tensor]) -> bool:
        """Tell whether a shortcut gives the plain way's logits."""
        try:
            off = (shortcut() - self.plain).abs().max()
        except _NOT_TAKEN:
            return False
        return bool(off <= self.tolerance * self.plain.abs().max())

    def whole(self) -> torch.Tensor:
        """By decoder and head, each called alone."""
        return self._through_decoder(prune=False)

    def pruned(self) -> torch.Tensor:
        """By a last layer that works at the last position alone."""
        return self._through_decoder(prune=True)

    def packed(self) -> torch.Tensor:
        """By one row of all sequences."""
        attend_packed(self.model)
        packing = Packing(_LENGTHS, (-1, -1, -1))
        logits = self._at_ends(self.sequences, packing)
        others = self._at_ends([self.sequences[0].flip(0), *self.sequences[1:]], packing)
        if (logits - others)[1:].abs().max() > LEAK * logits.abs().max():
            raise ValueError(f"{type(self.model).__name__} carries state from one sequence of a row to the next")
        return logits

    def shared(self) -> torch.Tensor:
        """By one row in which the beginning of the first two stands once."""
        first, second, third = self.sequences
        segments = [first[:_COMMON], first[_COMMON:], second[_COMMON:], third]
        return self._at_ends(segments, Packing(tuple(map(len, segments)), (-1, 0, 0, -1)))[-3:]

    def entered(self, frozen_layers: int) -> torch.Tensor:
        """By a pass that begins above the frozen layers, with what came out of them in another pass."""
        layers = FrozenLayers(self.model, frozen_layers, self.precision)
        rows = [self._alone(one) for one in self.sequences]
        entries = [Entry(layers, layers.states(self.model, row)) for row in rows]
        others = [replace(row, ids_BT=row.ids_BT.flip(1), entry=one) for row, one in zip(rows, entries, strict=True)]
        return torch.stack([call_on(self.model, row).logits[0, -1].float() for row in others])

    def _alone(self, sequence: torch.Tensor) -> Row:
        return Row(sequence[None].to(self.model.device), torch.tensor([len(sequence) - 1]))

    def _at_ends(self, segments: list[torch.Tensor], packing: Packing) -> torch.Tensor:
        ends = torch.tensor(packing.lengths).cumsum(0) - 1
        row = Row(torch.cat(segments)[None].to(self.model.device), ends, packing)
        logits_SV: torch.Tensor = call_on(self.model, row).logits[0, ends].float()
        return logits_SV

    def _through_decoder(self, *, prune: bool) -> torch.Tensor:
        head = self.model.get_output_embeddings()
        linear_map(head)
        rows = [self._alone(one) for one in self.sequences]
        return torch.cat([head(hidden_at(self.model, row, prune_last_layer=prune)) for row in rows]).float()
