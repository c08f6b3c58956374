"""Pairs of answers as tokens, and the slow way to train on them: one answer at a time, all logits, formulas as printed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from switches import VOCABULARY
from tunesmith.text.chat import Rendered
from tunesmith.train.batches import TokenSet


def rendered(prompt: list[int], answer: list[int]) -> Rendered:
    """Return a question with its answer, which is the target."""
    return Rendered([*prompt, *answer], [False] * len(prompt) + [True] * len(answer), 1, 0)


def random_pairs(seed: int, lengths: list[tuple[int, int, int]], weights: list[float] | None = None) -> TokenSet:
    """Return pairs of random tokens; each has the lengths of its question and of its two answers."""
    random = np.random.default_rng(seed)

    def some(count: int) -> list[int]:
        return random.integers(0, VOCABULARY, count).tolist()

    sequences = []
    for question, chosen, rejected in lengths:
        prompt = some(question)
        sequences += [rendered(prompt, some(chosen)), rendered(prompt, some(rejected))]
    each = weights or [1.0] * len(lengths)
    return TokenSet(sequences, [one for one in each for _ in range(2)], per_example=2)


@st.composite
def pairs(draw: st.DrawFn) -> TokenSet:
    """Return one to four pairs; questions of 1 to 40 tokens, so that some are long enough to be shared."""
    lengths = draw(
        st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=4)
    )
    weights = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=len(lengths), max_size=len(lengths)))
    return random_pairs(draw(st.integers(0, 2**32 - 1)), lengths, weights)


def slow_logps(model: Any, tokens: TokenSet) -> list[torch.Tensor]:
    """Return the log-probability of each sequence's targets, by a pass for each and all of its logits."""
    found = []
    for one in tokens.rendered:
        ids, wanted = torch.tensor(one.ids), torch.tensor(one.targets)[1:]
        logps = model(input_ids=ids[None], use_cache=False).logits[0, :-1].double().log_softmax(-1)
        found.append(logps.gather(1, ids[1:, None])[:, 0][wanted].sum())
    return found


def slow_loss(variant: str, logps: list[Any], reference: list[float], lengths: list[int], **settings: Any) -> Any:
    """Return the loss of a pair (chosen, rejected) by a variant's formula as its paper prints it."""
    beta, wrong = settings.get("beta", 0.1), settings.get("label_smoothing", 0.0)
    chosen, rejected = logps
    won, lost = chosen - reference[0], rejected - reference[1]
    mean_won, mean_lost = chosen / lengths[0], rejected / lengths[1]
    gain = beta * (won - lost)
    formulas = {
        "sigmoid": lambda: -(1 - wrong) * _log(_sigma(gain)) - wrong * _log(_sigma(-gain)),
        "ipo": lambda: (won / lengths[0] - lost / lengths[1] - 1 / (2 * beta)) ** 2,
        "hinge": lambda: max(1 - gain, 0 * gain),
        "robust": lambda: (-(1 - wrong) * _log(_sigma(gain)) + wrong * _log(_sigma(-gain))) / (1 - 2 * wrong),
        "exo": lambda: (
            _sigma(gain) * (_log(_sigma(gain)) - math.log(1 - wrong))
            + _sigma(-gain) * (_log(_sigma(-gain)) - math.log(wrong))
        ),
        "apo_zero": lambda: 1 - _sigma(beta * won) + _sigma(beta * lost),
        "apo_down": lambda: _sigma(beta * won) + 1 - _sigma(gain),
        "simpo": lambda: -_log(_sigma(beta * mean_won - beta * mean_lost - settings["margin"])),
        "orpo": lambda: -mean_won - beta * _log(_sigma(_log(_odds(mean_won) / _odds(mean_lost)))),
    }
    return formulas[variant]() - settings.get("nll_weight", 0.0) * mean_won


def slow_kto(
    logps: list[Any], reference: list[float], divergence: float, beta: float, wanted: float, not_: float
) -> Any:
    """Return the mean loss of a pair's two answers by the formula of KTO's paper."""
    won, lost = logps[0] - reference[0], logps[1] - reference[1]
    value_won = wanted * _sigma(beta * (won - divergence))
    value_lost = not_ * _sigma(beta * (divergence - lost))
    return ((wanted - value_won) + (not_ - value_lost)) / 2


def _sigma(x: Any) -> Any:
    return 1 / (1 + (-x).exp())


def _log(x: Any) -> Any:
    return x.log()


def _odds(mean: Any) -> Any:
    return mean.exp() / (1 - mean.exp())
