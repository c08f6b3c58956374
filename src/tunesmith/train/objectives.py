"""What training on preferences makes small: one function of log-probabilities for each objective.

Pure arithmetic on whole answers. Does not own how a model gives the log-probabilities nor their gradients
(`preference`). Legend: P pairs of a chosen and a rejected answer, S single answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid

if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT_REFERENCE = ("simpo", "orpo")
"""Variants that do not look at the untuned model."""


@dataclass(frozen=True)
class Likelihoods:
    """Log-probabilities of answers in nats, by the model and by the reference, and the tokens of each answer."""

    model: torch.Tensor
    reference: torch.Tensor
    tokens: torch.Tensor

    @property
    def ratio(self) -> torch.Tensor:
        """How much more probable the model makes an answer than the reference does, as a logarithm."""
        return self.model - self.reference

    @property
    def mean(self) -> torch.Tensor:
        """The model's log-probability per token."""
        return self.model / self.tokens


@dataclass(frozen=True)
class Settings:
    """The numbers of `dpo`: strength of the pull to the reference, share of wrong preferences, SimPO's margin."""

    beta: float = 0.1
    label_smoothing: float = 0.0
    margin: float = 1.0


def dpo(
    chosen: Likelihoods,
    rejected: Likelihoods,
    variant: str = "sigmoid",
    settings: Settings | None = None,
    nll_weight: float = 0.0,
) -> torch.Tensor:
    """Return the loss of each pair (P) by a variant of direct preference optimisation.

    ``nll_weight`` adds that much of the chosen answer's negative log-likelihood per token.

    Raises:
        KeyError: for a variant that is none of `VARIANTS`.

    Source: of each variant in its function; the added likelihood, Pang et al. 2024, "Iterative reasoning preference
    optimization", equation 1.
    """
    losses_P = VARIANTS[variant](chosen, rejected, settings or Settings())
    return losses_P - nll_weight * chosen.mean if nll_weight else losses_P


def kto(
    answers: Likelihoods,
    desirable_S: torch.Tensor,
    divergence: float,
    beta: float = 0.1,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> torch.Tensor:
    """Return the loss of each answer (S); ``desirable_S`` says which are wanted.

    ``divergence`` is how far the model is from the reference on answers to other questions, in nats and at least 0; no
    gradient goes through it.

    Source: Ethayarajh et al. 2024, "KTO: model alignment as prospect theoretic optimization", equation 7.
    """
    gain_S = beta * (answers.ratio - divergence)
    return torch.where(
        desirable_S,
        desirable_weight * (1 - torch.sigmoid(gain_S)),
        undesirable_weight * (1 - torch.sigmoid(-gain_S)),
    )


def _sigmoid(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Rafailov et al. 2023, "Direct preference optimization", equation 7; with smoothing (conservative DPO),
    Mitchell 2023, "A note on DPO with noisy preferences".
    """
    margin_P = settings.beta * (chosen.ratio - rejected.ratio)
    return -(1 - settings.label_smoothing) * logsigmoid(margin_P) - settings.label_smoothing * logsigmoid(-margin_P)


def _ipo(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Azar et al. 2023, "A general theoretical paradigm to understand learning from human preferences",
    equation 17, per token as in TRL, whose documentation says that the authors confirm it.
    """
    margin_P = chosen.ratio / chosen.tokens - rejected.ratio / rejected.tokens
    return (margin_P - 1 / (2 * settings.beta)) ** 2


def _hinge(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Zhao et al. 2023, "SLiC-HF", with ratios to the reference as in Liu et al. 2023, "Statistical rejection
    sampling improves preference optimization".
    """
    return torch.relu(1 - settings.beta * (chosen.ratio - rejected.ratio))


def _robust(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Chowdhury et al. 2024, "Provably robust DPO"."""
    wrong, margin_P = settings.label_smoothing, settings.beta * (chosen.ratio - rejected.ratio)
    return (wrong * logsigmoid(-margin_P) - (1 - wrong) * logsigmoid(margin_P)) / (1 - 2 * wrong)


def _exo(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Ji et al. 2024, "Towards efficient exact optimization of language model alignment", equation 16."""
    margin_P = settings.beta * (chosen.ratio - rejected.ratio)
    wrong = margin_P.new_tensor(settings.label_smoothing)
    wins_P, loses_P = logsigmoid(margin_P), logsigmoid(-margin_P)
    return wins_P.exp() * (wins_P - torch.log1p(-wrong)) + loses_P.exp() * (loses_P - torch.log(wrong))


def _apo_zero(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """For chosen answers that are better than the model's own. Source: D'Oosterlinck et al. 2024, "Anchored preference
    optimization", equation 7.
    """
    return 1 - torch.sigmoid(settings.beta * chosen.ratio) + torch.sigmoid(settings.beta * rejected.ratio)


def _apo_down(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """For chosen answers that are worse than the model's own. Source: as `_apo_zero`, equation 8."""
    apart_P = torch.sigmoid(settings.beta * (chosen.ratio - rejected.ratio))
    return torch.sigmoid(settings.beta * chosen.ratio) + 1 - apart_P


def _simpo(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Meng et al. 2024, "SimPO: simple preference optimization with a reference-free reward", equation 6."""
    return -logsigmoid(settings.beta * (chosen.mean - rejected.mean) - settings.margin)


def _orpo(chosen: Likelihoods, rejected: Likelihoods, settings: Settings) -> torch.Tensor:
    """Source: Hong et al. 2024, "ORPO: monolithic preference optimization without reference model", equation 6."""
    odds_P = chosen.mean - rejected.mean - _log1mexp(chosen.mean) + _log1mexp(rejected.mean)
    return -chosen.mean - settings.beta * logsigmoid(odds_P)


def _log1mexp(value: torch.Tensor) -> torch.Tensor:
    """Return log(1 - exp(value)) of values below 0; closer to 0 than rounding tells, as if that far below.

    Source: Maechler 2012, "Accurately computing log(1 - exp(-|a|))", equation 7.
    """
    value = value.clamp(max=-torch.finfo(value.dtype).eps)
    far = value < -0.6931471805599453
    return torch.where(
        far, torch.log1p(-value.clamp(max=-0.5).exp()), torch.log(-torch.expm1(value.clamp(min=-1.0)))
    )  # fmt: skip


VARIANTS: dict[str, Callable[[Likelihoods, Likelihoods, Settings], torch.Tensor]] = {
    "sigmoid": _sigmoid,
    "ipo": _ipo,
    "hinge": _hinge,
    "robust": _robust,
    "exo": _exo,
    "apo_zero": _apo_zero,
    "apo_down": _apo_down,
    "simpo": _simpo,
    "orpo": _orpo,
}
"""Name to loss of each pair."""
