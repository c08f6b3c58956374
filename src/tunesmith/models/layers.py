"""Where a weight lies in a decoder, and which weights a pattern names.

Owns the order from the embeddings up to the head, for every family and with PEFT's adapters in between. Does not own
what is done with it: freezing (`train.freeze`), rates (`train.optimizer`).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedModel

EMBEDDINGS = -1
"""The depth of what lies below layer 0. A head that is tied to the input embeddings is the same weight, so it too."""

NEAR_NAMES = 4
_EXPECTED = "whole parts of a weight's name, such as layers.3, self_attn.q_proj or embed_tokens"


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """Return the decoder's layers, the lowest first: the longest module list of the model."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max((list(one) for one in lists), key=len, default=[])


def depths(model: PreTrainedModel) -> dict[str, int]:
    """Return each weight's depth by name: `EMBEDDINGS`, 0 to L - 1 in L layers, L for what is above (norm, head)."""
    layers = decoder_layers(model)
    depth = {id(weight): at for at, layer in enumerate(layers) for weight in layer.parameters()}
    depth |= {id(weight): EMBEDDINGS for weight in _entering(model, layers[0])}
    return {name: depth.get(id(weight), len(layers)) for name, weight in model.named_parameters()}


def matching(pattern: str, names: Sequence[str], where: str) -> list[str]:
    """Return the names that a pattern of a setting, ``where``, stands for, in their order.

    A pattern is a run of whole parts of a dotted name, in which ``*`` stands for any letters of a part and ``[0-3]``
    for one of these: ``layers.1`` is in ``model.layers.1.mlp.up_proj.weight`` and not in ``model.layers.11.…``.

    Raises:
        RecipeError: if there is none, with near names, or if it is no pattern.
    """
    regex = _regex(pattern, where)
    found = [name for name in names if regex.search(name)]
    if not found:
        raise RecipeError(
            f"{where}: {pattern!r} matches none of {len(names):,} weights",
            expected=_EXPECTED,
            hint=f"names near it: {', '.join(_near(pattern, names))}",
        )
    return found


class _Reached(Exception):
    """The forward pass has come as far as it needs to."""


def _entering(model: PreTrainedModel, layer: nn.Module) -> list[nn.Parameter]:
    """Return the weights that a layer's input is made of, by following its gradient; nothing is computed above it."""
    inputs: list[torch.Tensor] = []

    def stop(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        inputs.append(args[0] if args else named["hidden_states"])
        raise _Reached

    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    learnt = [weight.requires_grad for weight in weights]
    handle = layer.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        with torch.enable_grad():
            for weight in weights:
                weight.requires_grad_(True)
            model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
    except _Reached:
        return list(_leaves(inputs[0].grad_fn))
    finally:
        handle.remove()
        for weight, learns in zip(weights, learnt, strict=True):
            weight.requires_grad_(learns)
    return []


def _leaves(node: Any) -> Iterator[nn.Parameter]:
    """Yield the weights at the ends of a graph; it is as small as an embedding."""
    if node is None:
        return
    if hasattr(node, "variable"):
        yield node.variable
    for below, _ in node.next_functions:
        yield from _leaves(below)


def _regex(pattern: str, where: str) -> re.Pattern[str]:
    kinds = {"*": r"[^.]*", "?": r"[^.]"}
    parts = re.split(r"(\*|\?|\[[\w-]+\])", pattern.strip("."))
    body = "".join(kinds.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)
    try:
        return re.compile(rf"(?:^|\.){body}(?:\.|$)")
    except re.error as error:
        raise RecipeError(f"{where}: {pattern!r} is no pattern: {error}", expected=_EXPECTED) from error


def _near(pattern: str, names: Sequence[str]) -> Sequence[str]:
    """Return runs of parts that look like the pattern; the first names if none does."""
    size = pattern.strip(".").count(".") + 1
    split = [name.split(".") for name in names]
    runs = {".".join(parts[at : at + size]): None for parts in split for at in range(len(parts) - size + 1)}
    return get_close_matches(pattern, list(runs), n=NEAR_NAMES, cutoff=0.5) or names[:NEAR_NAMES]
