"""Our preference losses are the numbers that TRL 1.16.0 computed, held without TRL.

From ``benchmarks/preference_trl.py``, which compares gradients too: nano on four pairs, the reference with noise.
"""

from __future__ import annotations

import pytest
import torch

from tunesmith.train.objectives import VARIANTS, Likelihoods, Settings, dpo, kto

MODEL = [
    -24.992971897,
    -17.416574001,
    -55.27132225,
    -23.457714558,
    -108.00744009,
    -52.511575699,
    -46.999353409,
    -65.199748993,
]
REFERENCE = [
    -25.095883369,
    -17.488832474,
    -55.261819839,
    -22.981148243,
    -107.763204098,
    -52.678212643,
    -47.494668961,
    -63.946335793,
]
KTO_REFERENCE = [
    -22.141498566,
    -15.970043182,
    -55.715111256,
    -20.502104759,
    -116.192159653,
    -51.653786182,
    -51.285056591,
    -62.506447792,
]
KTO_DIVERGENCE = 0.8724560737609863
"""KTO's reference has more noise: on the others' its divergence is clamped to 0."""

TOKENS = [4, 3, 12, 3, 18, 7, 9, 14]
TRL = {
    "sigmoid": 0.633907675743103,
    "ipo": 2.567186117172241,
    "hinge": 0.8623327612876892,
    "robust": 0.61669921875,
    "exo": 0.44622454047203064,
    "apo_zero": 0.9658858776092529,
    "apo_down": 0.9727634787559509,
    "simpo": 0.9522495269775391,
    "orpo": 0.16477864980697632,
    "kto": 0.35652661323547363,
}
"""TRL's loss in float32; beta 0.3, wrong 0.1 for robust and exo, margin 0.7 for simpo; of ORPO the odds ratio."""


def likelihoods(own: int, reference: list[float] = REFERENCE) -> Likelihoods:
    return Likelihoods(*(torch.tensor(one[own::2], dtype=torch.float64) for one in (MODEL, reference, TOKENS)))


def ours(variant: str) -> float:
    if variant == "kto":
        wanted, sides = torch.ones(4, dtype=torch.bool), (likelihoods(0, KTO_REFERENCE), likelihoods(1, KTO_REFERENCE))
        losses = [kto(side, want, KTO_DIVERGENCE, 0.3) for side, want in zip(sides, (wanted, ~wanted), strict=True)]
        return float((losses[0] + losses[1]).mean() / 2)
    chosen, rejected = likelihoods(0), likelihoods(1)
    wrong = 0.1 if variant in ("robust", "exo") else 0.0
    without = -1.0 if variant == "orpo" else 0.0  # TRL takes ORPO's likelihood over the prompt too
    return float(dpo(chosen, rejected, variant, Settings(0.3, wrong, 0.7), without).mean())


@pytest.mark.parametrize("variant", TRL)
def test_the_loss_is_trls(variant):
    """Lets through: a formula that differs from the one others publish results with."""
    assert ours(variant) == pytest.approx(TRL[variant], abs=2e-6)


def test_every_variant_is_held():
    """Lets through: a new variant that nobody compared."""
    assert {*TRL} == {*VARIANTS, "kto"}
