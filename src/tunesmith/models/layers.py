"""Where a weight lies in a decoder, and which weights a pattern names.

Owns the order from the embeddings up to the head, for every family and with PEFT's adapters in between. Does not own
what is done with it: freezing (`train.freeze`), rates (`train.optimizer`).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from torch import nn

from tunesmith.core.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PreTrainedModel

NEAR_NAMES = 4
EMBEDDINGS = -1
"""The depth of the input embeddings: below layer 0. A head that is tied to them is the same weight, so it is there too."""


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """Return the decoder's layers, the lowest first: the longest module list of the model."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max((list(one) for one in lists), key=len, default=[])


def depths(model: PreTrainedModel) -> dict[str, int]:
    """Return each weight's depth by name: `EMBEDDINGS`, 0 to L - 1 in L layers, L for what is above (norm, head)."""
    layers = decoder_layers(model)
    low = model.get_input_embeddings()
    depth = {id(weight): at for at, layer in enumerate(layers) for weight in layer.parameters()}
    depth |= {id(weight): EMBEDDINGS for weight in low.parameters()}
    below = _embeddings_beside(model, low)
    depth |= {id(weight): EMBEDDINGS for weight in below}
    return {name: depth.get(id(weight), len(layers)) for name, weight in model.named_parameters()}


def _embeddings_beside(model: PreTrainedModel, low: nn.Module) -> list[nn.Parameter]:
    """Return what else is added to the embeddings before layer 0, such as GPT-2's position embeddings."""
    decoder = model.get_decoder() if hasattr(model, "get_decoder") else model
    kin = [child for child in decoder.children() if isinstance(child, nn.Embedding) and child is not low]
    return [weight for child in kin for weight in child.parameters()]


def matching(pattern: str, names: Sequence[str], where: str) -> list[str]:
    """Return the names that a pattern stands for, in their order.

    A pattern is a run of whole parts of a dotted name, in which ``*`` stands for any letters of a part and ``[0-3]`` for
    one of these: ``layers.1`` is in ``model.layers.1.mlp.up_proj.weight`` and not in ``model.layers.11.…``.

    Raises:
        RecipeError: if there is none; it lists near names. ``where`` is the setting that has the pattern.
    """
    found = [name for name in names if _regex(pattern).search(name)]
    if not found:
        raise RecipeError(
            f"{where}: {pattern!r} matches none of the {len(names):,} weights that may learn",
            expected="a run of whole parts of a weight's name, such as layers.3, self_attn.q_proj or embed_tokens",
            hint=f"names near it: {', '.join(_near(pattern, names))}",
        )
    return found


def _regex(pattern: str) -> re.Pattern[str]:
    kinds = {"*": r"[^.]*", "?": r"[^.]"}
    parts = re.split(r"(\*|\?|\[[\w-]+\])", pattern.strip("."))
    body = "".join(kinds.get(part) or (part if part.startswith("[") else re.escape(part)) for part in parts)
    return re.compile(rf"(?:^|\.){body}(?:\.|$)")


def _near(pattern: str, names: Sequence[str]) -> Iterable[str]:
    """Return runs of parts that look like the pattern; the first names if none does."""
    size = pattern.strip(".").count(".") + 1
    split = [name.split(".") for name in names]
    runs = {".".join(parts[at : at + size]): None for parts in split for at in range(len(parts) - size + 1)}
    return get_close_matches(pattern, list(runs), n=NEAR_NAMES, cutoff=0.5) or names[:NEAR_NAMES]
