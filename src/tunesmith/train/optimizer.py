"""AdamW over groups of weights: which rate each has relative to the schedule's, and how much it decays.

Owns parameter groups. Does not own the rate of a step (`schedule`) nor which weights learn (`freeze`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch

from tunesmith.models.layers import EMBEDDINGS, decoder_layers, depths, matching

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from torch import nn
    from transformers import PreTrainedModel

    from tunesmith.recipe import Train

BETAS = (0.9, 0.95)
"""Source: Brown et al. 2020 (GPT-3), table D.1; the shorter second memory suits short runs."""


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that learn, by name; tied weights once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def build_optimizer(
    model: PreTrainedModel, settings: Train, *, undecayed: Collection[str] = ()
) -> torch.optim.AdamW:
    """Return AdamW over what learns; each group's ``factor`` is for `set_rate`.

    Args:
        model: with ``requires_grad`` set on what learns.
        settings: the recipe's ``train`` section.
        undecayed: names of weights that must not decay, because some of their rows stay as they are.

    Raises:
        RecipeError: if a pattern of ``schedule.rates`` or ``regularise.decays`` matches nothing that learns.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """
    parameters = trainable(model)
    factors, decays = rate_factors(model, settings), weight_decays(parameters, settings)
    decays |= dict.fromkeys(undecayed, 0.0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in parameters.items():
        groups[factors[name], decays[name]].append(parameter)
    return torch.optim.AdamW(
        [{"params": group, "factor": factor, "weight_decay": decay} for (factor, decay), group in groups.items()],
        lr=0.0, betas=BETAS, fused=True,
    )  # fmt: skip


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group the rate of a step times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def rate_factors(model: PreTrainedModel, settings: Train) -> dict[str, float]:
    """Return the factor on the learning rate of each weight that learns, by name.

    The top layer and what is above it have 1, each layer below ``layer_decay`` times that of the one above, the
    embeddings one step less than layer 0. Patterns of ``schedule.rates`` multiply on top of that.

    Source: Howard & Ruder 2018, "ULMFiT", section 3.2 (discriminative fine-tuning); as one factor per layer,
    Clark et al. 2020, "ELECTRA", appendix A.2.
    """
    names, depth, top = list(trainable(model)), depths(model), len(decoder_layers(model)) - 1
    decay = settings.freeze.layer_decay if settings.freeze else 1.0
    factors = {name: decay ** max(0, top - depth[name]) for name in names}
    for pattern, factor in settings.schedule.rates.items():
        for name in matching(pattern, names, "train.schedule.rates"):
            factors[name] *= factor
    return factors


def weight_decays(parameters: dict[str, nn.Parameter], settings: Train) -> dict[str, float]:
    """Return each weight's decay by name: matrices decay, vectors (norms, biases) do not, unless a pattern says so.

    Of several patterns that match a weight the last one counts.
    """
    common = settings.regularise.weight_decay
    decays = {name: common if parameter.ndim >= 2 else 0.0 for name, parameter in parameters.items()}
    for pattern, decay in settings.regularise.decays.items():
        decays |= dict.fromkeys(matching(pattern, list(parameters), "train.regularise.decays"), decay)
    return decays


def told_factors(model: PreTrainedModel, settings: Train) -> list[tuple[str, float]]:
    """Return what `plan` shows of the factors: (place, lowest factor there) from the embeddings up; empty if all are 1."""
    factors = rate_factors(model, settings)
    if set(factors.values()) <= {1.0}:
        return []
    return list(_by_place(factors, depths(model), len(decoder_layers(model))))


def _by_place(factors: dict[str, float], depth: dict[str, int], layers: int) -> Iterator[tuple[str, float]]:
    words = {EMBEDDINGS: "embeddings", layers: "head"}
    for place in range(EMBEDDINGS, layers + 1):
        here = [factor for name, factor in factors.items() if depth[name] == place]
        if here:
            yield words.get(place, f"layer {place}"), min(here)
