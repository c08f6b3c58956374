"""Many sequences in one row: no padding, no attention from one to another, a beginning they share read once.

Owns the attention within such a row. It goes through the attention registry of `transformers`, so every architecture
that uses the registry works unchanged; `shortcuts` finds out which do. Does not own which sequences share a row
(`train.batches`). Legend: T tokens of the row, H heads, D head size.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from tunesmith.models.transfer import sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from transformers import PreTrainedModel

NAME = "tunesmith_packed"
FLASH_HEAD_SIZE = 256
"""The widest head that flash attention's kernels read."""

_UNREAD = ("softcap", "s_aux", "position_bias")
"""What some families hand to their attention and this one does not compute."""


@dataclass(frozen=True)
class Packing:
    """How segments lie in a row of T tokens.

    Args:
        lengths: tokens of each segment, in order.
        parents: for each segment the index of the one before it that it continues, or -1 for one that begins. A
            segment sees its parent's tokens and then its own; a parent has no parent.
    """

    lengths: tuple[int, ...]
    parents: tuple[int, ...]

    @cached_property
    def starts(self) -> list[int]:
        """Where each segment begins in the row."""
        return [0, *accumulate(self.lengths)][:-1]

    def before(self, segment: int) -> int:
        """Return how many tokens of its parent a segment sees."""
        parent = self.parents[segment]
        return self.lengths[parent] if parent >= 0 else 0

    def positions(self) -> torch.Tensor:
        """Return each token's place in its own sequence (T)."""
        return torch.cat([torch.arange(n) + self.before(i) for i, n in enumerate(self.lengths)])

    def sequence_lengths(self) -> torch.Tensor:
        """Return for each token the length of its sequence, or the mean over those that share it (T)."""
        means: list[float] = []
        for segment, length in enumerate(self.key_lengths):
            sharing = [self.key_lengths[i] for i, parent in enumerate(self.parents) if parent == segment]
            means.append(sum(sharing) / len(sharing) if sharing else length)
        return torch.tensor(means).repeat_interleave(torch.tensor(self.lengths))

    @cached_property
    def key_lengths(self) -> list[int]:
        """How many tokens the last one of each segment sees."""
        return [n + self.before(i) for i, n in enumerate(self.lengths)]

    def key_places(self) -> torch.Tensor | None:
        """Return where in the row the tokens that each segment sees lie, end to end; None if that is the row itself."""
        if max(self.parents) < 0:
            return None
        seen = []
        for segment, parent in enumerate(self.parents):
            if parent >= 0:
                seen.append(torch.arange(self.lengths[parent]) + self.starts[parent])
            seen.append(torch.arange(self.lengths[segment]) + self.starts[segment])
        return torch.cat(seen)


class Segments(NamedTuple):
    """What a GPU's kernels want to know of a packing: where segments end, and which keys each one sees.

    ``alike`` is how many segments there are, if all are as long and see themselves alone; else 0.
    """

    query_ends: torch.Tensor
    key_ends: torch.Tensor
    key_places: torch.Tensor | None
    longest_query: int
    longest_key: int
    alike: int


_PACKING: ContextVar[Packing | None] = ContextVar("packing", default=None)


@contextlib.contextmanager
def attending_within(packing: Packing, device: torch.device) -> Iterator[dict[str, Any]]:
    """Within this context a model set by `attend_packed` reads its input as one packed row.

    It is to be called with the arguments that the context gives; they reach its attention as input of a compiled graph.
    """
    with _attending(packing):
        yield {"packed_segments": _place(packing, device)} if device.type == "cuda" else {}


def as_now() -> AbstractContextManager[None]:
    """Return a context in which attention reads rows as it does now, for work that is done again later."""
    return _attending(_PACKING.get())


@contextlib.contextmanager
def _attending(packing: Packing | None) -> Iterator[None]:
    token = _PACKING.set(packing)
    try:
        yield
    finally:
        _PACKING.reset(token)


def attend_packed(model: PreTrainedModel) -> None:
    """Make a model attend within packed rows where it is given one, and as before where it is not.

    Raises:
        ValueError: by `transformers`, for a model whose attention does not go through its registry.
    """
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:
        raise ValueError(f"{type(model).__name__} has an attention of its own")


def _place(packing: Packing, device: torch.device) -> Segments:
    def ends(lengths: Sequence[int]) -> torch.Tensor:
        return sent(torch.tensor([0, *accumulate(lengths)], dtype=torch.int32), device)

    places = packing.key_places()
    return Segments(
        ends(packing.lengths),
        ends(packing.key_lengths),
        None if places is None else sent(places, device),
        max(packing.lengths),
        max(packing.key_lengths),
        len(packing.lengths) if places is None and len(set(packing.lengths)) == 1 else 0,
    )


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    packed_segments: Segments | None = None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as `transformers` asks: query, key, value (1, H, T, D) in, (1, T, H, D) out."""
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if packed_segments is None or query.dtype == torch.float32 or query.shape[-1] > FLASH_HEAD_SIZE:
        out: tuple[torch.Tensor, None] = _outside_a_graph(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling,
            sliding_window=sliding_window, **other,
        )  # fmt: skip
        return out
    _refuse_unread(other)
    if packed_segments.alike and sliding_window is None and not torch.are_deterministic_algorithms_enabled():
        return _alike(query, key, value, packed_segments.alike, dropout, scaling), None
    return _flash(query, key, value, packed_segments, dropout, scaling, sliding_window), None


@torch.compiler.disable  # type: ignore[untyped-decorator]  # which segments the row has is not for a graph to hold
def _outside_a_graph(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float,
    scaling: float | None,
    sliding_window: int | None,
    **other: Any,
) -> tuple[torch.Tensor, None]:
    packing = _PACKING.get()
    if packing is None:
        plain: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **other
        )
        return plain
    _refuse_unread(other)
    attend = _in_float32 if query.device.type == "cpu" else _each
    return attend(query, key, value, packing, dropout, scaling, sliding_window), None


def _refuse_unread(given: Mapping[str, Any]) -> None:
    if unread := [name for name in _UNREAD if given.get(name) is not None]:
        raise ValueError(f"packed attention does not compute {unread[0]}")


def _in_float32(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *given: Any) -> torch.Tensor:
    """Attend in float32, in which the kernel for CPUs is faster than in half of it: its tiles are small products."""
    with torch.autocast(query.device.type, enabled=False):
        return _each(query.float(), key.float(), value.float(), *given).to(query.dtype)


def _flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: Segments,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attend by flash attention's kernel for sequences of any lengths.

    Source: Dao 2023, "FlashAttention-2".
    """
    query, key, value = (x[0].transpose(0, 1) for x in (query, key, value))
    if segments.key_places is not None:
        key, value = key.index_select(0, segments.key_places), value.index_select(0, segments.key_places)
    sides = {} if window is None else {"window_size_left": window - 1, "window_size_right": 0}
    out: torch.Tensor = torch.ops.aten._flash_attention_forward(
        query, key, value, segments.query_ends, segments.key_ends, segments.longest_query, segments.longest_key,
        dropout, True, False, scale=scaling, **sides,
    )[0]  # fmt: skip
    return out[None]


def _alike(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, count: int, dropout: float, scaling: float | None
) -> torch.Tensor:
    """Attend in segments of one length, which cuDNN's kernel does faster, but in no fixed order."""
    heads, size = query.shape[1], query.shape[-1]
    query, key, value = (x.view(x.shape[1], count, -1, size).transpose(0, 1) for x in (query, key, value))
    with sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION], set_priority=True):
        out = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=heads != key.shape[1]
        )
    return out.transpose(1, 2).reshape(1, -1, heads, size)


def _each(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    packing: Packing,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attend one segment at a time."""
    lengths = list(packing.lengths)
    queries, keys, values = (torch.split(x, lengths, dim=2) for x in (query, key, value))
    outputs = []
    for segment, parent in enumerate(packing.parents):
        seen_keys, seen_values = keys[segment], values[segment]
        if parent >= 0:
            seen_keys = torch.cat([keys[parent], seen_keys], dim=2)
            seen_values = torch.cat([values[parent], seen_values], dim=2)
        mask = _mask(lengths[segment], packing.before(segment), window, query.device)
        outputs.append(
            torch.nn.functional.scaled_dot_product_attention(
                queries[segment], seen_keys, seen_values, attn_mask=mask, dropout_p=dropout, is_causal=mask is None,
                scale=scaling, enable_gqa=query.shape[1] != key.shape[1],
            )
        )  # fmt: skip
    return torch.cat(outputs, dim=2).transpose(1, 2)


def _mask(length: int, before: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """Return which keys (before + length) each query (length) sees; None where plain causality says it."""
    windowed = window is not None and window < before + length
    if not before and not windowed:
        return None
    mask = torch.ones(length, before + length, dtype=torch.bool, device=device).tril(before)
    return mask.triu(before - window + 1) if window is not None and windowed else mask


def _no_mask_when_packed(**given: Any) -> torch.Tensor | None:
    return None if _PACKING.get() else sdpa_mask(**given)


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, _no_mask_when_packed)
