"""AdamW over groups of weights: which rate each has relative to the schedule's, and whether it decays.

Owns parameter groups. Does not own the rate of a step (`schedule`) nor which weights learn (`freeze`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from tunesmith.models.layers import EMBEDDINGS, decoder_layers, depths, matching
from tunesmith.models.new_tokens import embedding_layers, is_new
from tunesmith.train.pull import Start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn
    from transformers import PreTrainedModel

    from tunesmith.recipe import Schedule, Train

BETAS = (0.9, 0.95)
"""Source: Brown et al. 2020 (GPT-3), table D.1; the shorter second memory suits short runs."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that learn, by name; tied weights once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build_optimizer(
    model: PreTrainedModel,
    settings: Train,
    factors: Mapping[str, float] | None = None,
    new_tokens: Sequence[int] = (),
) -> torch.optim.AdamW:
    """Return AdamW over what learns: matrices decay, vectors (norms, biases) do not; each group has its ``factor``.

    ``factors`` are those of `rate_factors`, if they are known.

    With ``regularise.l2sp`` its steps also pull the weights to the values they have now, but for the rows of
    ``new_tokens`` in the embeddings, which the base does not have.

    Raises:
        RecipeError: if a pattern of ``schedule.rates`` matches nothing that learns.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """
    factors = factors or rate_factors(model, settings.schedule)
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in trainable(model).items():
        decay = settings.regularise.weight_decay if parameter.ndim >= 2 else 0.0
        groups[factors[name], decay].append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": group, "factor": factor, "weight_decay": decay} for (factor, decay), group in groups.items()],
        lr=0.0, betas=BETAS, fused=True,
    )  # fmt: skip
    if strength := settings.regularise.l2sp:
        embeddings = [one for layer in embedding_layers(model).values() for one in layer.parameters()]
        start = Start(trainable(model).values(), dict.fromkeys(embeddings, new_tokens))
        optimizer.register_step_post_hook(lambda stepped, *_: start.pull(stepped, strength))
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group the rate of a step times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def rate_factors(model: PreTrainedModel, schedule: Schedule) -> dict[str, float]:
    """Return the factor on the learning rate of each weight that learns, by name.

    The top layer and what is above it have 1, each layer below ``layer_decay`` times that of the one above, the
    embeddings one step less than layer 0; rows of new tokens have 1. Patterns of ``rates`` multiply on top of that.

    Raises:
        RecipeError: if a pattern matches nothing that learns.

    Source: Howard & Ruder 2018, "ULMFiT", section 3.2 (discriminative fine-tuning); as one factor per layer,
    Clark et al. 2020, "ELECTRA", appendix A.2.
    """
    names, depth, top = list(trainable(model)), depths(model), len(decoder_layers(model)) - 1
    factors = {name: 1.0 if is_new(name) else schedule.layer_decay ** max(0, top - depth[name]) for name in names}
    for pattern, factor in schedule.rates.items():
        for name in matching(pattern, names, "train.schedule.rates"):
            factors[name] *= factor
    return factors


def told_factors(model: PreTrainedModel, schedule: Schedule) -> list[tuple[str, float, float]]:
    """Return (place, lowest factor, highest factor) from the embeddings up; empty if every factor is 1."""
    factors, depth, top = rate_factors(model, schedule), depths(model), len(decoder_layers(model))
    if set(factors.values()) == {1.0}:
        return []
    new = EMBEDDINGS - 1
    words = {new: "new tokens", EMBEDDINGS: "embeddings", top: "head"}
    at_place: dict[int, list[float]] = defaultdict(list)
    for name, factor in factors.items():
        at_place[new if is_new(name) else depth[name]].append(factor)
    return [(words.get(place, f"layer {place}"), min(here), max(here)) for place, here in sorted(at_place.items())]
