"""Which shortcuts give the same numbers on a model: found by trying each on a few tokens, not by a list of names.

A shortcut that is not exact on an architecture (state that leaks from one packed sequence to the next, logits that are
scaled after the head) is left off and the plain way is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from tunesmith.models.forward import Row, call_on, causal_lm, hidden_at
from tunesmith.models.packed import Packing, attend_packed
from tunesmith.models.precision import compute_in

if TYPE_CHECKING:
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
    """

    packed: bool = False
    shared: bool = False
    last_layer: bool = False
    head: bool = False

    def __and__(self, other: Shortcuts) -> Shortcuts:
        """Return what both allow."""
        return Shortcuts(**{f.name: getattr(self, f.name) and getattr(other, f.name) for f in fields(self)})


ALL = Shortcuts(packed=True, shared=True, last_layer=True, head=True)


@torch.no_grad()
def exact_shortcuts(model: PreTrainedModel, precision: str) -> Shortcuts:
    """Try each shortcut on the model and return those that give the same logits; the model then attends packed rows."""
    inner = causal_lm(model)
    training, attention = model.training, inner.config._attn_implementation
    model.eval()
    with compute_in(precision, inner.device):
        trial = _Trial(inner, precision)
        head = trial.same(trial.through_decoder(prune=False))
        packed = trial.packs()
        found = Shortcuts(
            packed,
            packed and trial.same(trial.shared()),
            head and trial.same(trial.through_decoder(prune=True)),
            head,
        )
    if not packed:
        inner.set_attn_implementation(attention)
    model.train(training)
    return found


class _Trial:
    """Three short sequences, two of which begin alike, and the last logits of each as the model itself gives them."""

    def __init__(self, model: Any, precision: str) -> None:
        self.model, self.tolerance = model, TOLERANCE[precision]
        vocabulary = model.get_input_embeddings().num_embeddings
        ids = (torch.arange(3 * max(_LENGTHS)) * 7 + 3) % vocabulary
        self.sequences = [ids[i * max(_LENGTHS) :][:n] for i, n in enumerate(_LENGTHS)]
        self.sequences[1][:_COMMON] = self.sequences[0][:_COMMON]
        self.plain = [
            self._logits(model(input_ids=one[None].to(model.device), use_cache=False)) for one in self.sequences
        ]

    def _logits(self, output: Any) -> torch.Tensor:
        logits_TV: torch.Tensor = output.logits[0].float()
        return logits_TV

    def same(self, got: torch.Tensor | None) -> bool:
        """Tell whether the sequences' last logits (3, V) are those of the plain way."""
        wanted = torch.stack([one[-1] for one in self.plain])
        return got is not None and bool((got - wanted).abs().max() <= self.tolerance * wanted.abs().max())

    def packs(self) -> bool:
        try:
            attend_packed(self.model)
            ends = torch.tensor(_LENGTHS).cumsum(0) - 1
            return self.same(self._run(torch.cat(self.sequences), ends, Packing(_LENGTHS, (-1, -1, -1))))
        except (ValueError, RuntimeError, TypeError):
            return False  # the architecture does not take packed rows

    def shared(self) -> torch.Tensor:
        first, second, third = self.sequences
        segments = [first[:_COMMON], first[_COMMON:], second[_COMMON:], third]
        packing = Packing(tuple(map(len, segments)), (-1, 0, 0, -1))
        ends = torch.tensor(packing.lengths).cumsum(0)[1:] - 1
        return self._run(torch.cat(segments), ends, packing)

    def _run(self, ids: torch.Tensor, ends: torch.Tensor, packing: Packing) -> torch.Tensor:
        row = Row(ids[None].to(self.model.device), ends, packing)
        return self._logits(call_on(self.model, row))[ends]

    def through_decoder(self, *, prune: bool) -> torch.Tensor | None:
        """Return the last logits of each sequence by decoder and head; None if the head is not one linear map."""
        head = self.model.get_output_embeddings()
        if type(head) is not torch.nn.Linear:
            return None
        rows = [Row(one[None].to(self.model.device), torch.tensor([len(one) - 1])) for one in self.sequences]
        return torch.cat([head(hidden_at(self.model, row, prune_last_layer=prune)) for row in rows]).float()
