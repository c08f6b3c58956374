"""Two made-up systems that know nothing of questions: one is always right, one answers other rows' questions.

Owns their answers. Does not own what they are for: to find the level of no skill (`limits`), to test the gate
(`controls`).
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tunesmith.evaluate.answers import LEAST_PROBABILITY, Answers

if TYPE_CHECKING:
    from collections.abc import Sequence


def all_right(expected: Sequence[str], like: Answers) -> Answers:
    """Return the right answer to every row, given with certainty; ``like`` are a model's answers to the same rows."""
    rows = len(expected)
    return replace(
        like, graded={}, texts=list(expected), confidences=[1.0] * rows, nats=[0.0] * rows, tokens=_counted(like),
        too_long=0, cut=0, leads=[1.0] * len(like.leads),
        margins=[max(map(abs, like.margins), default=0.0)] * len(like.margins),
    )  # fmt: skip


def shuffled(expected: Sequence[str], like: Answers, seed: int) -> Answers:
    """Return right answers, each given to another row by the seed; of pairs, preferences by a coin.

    The right answer to a row is as improbable to it as can be.
    """
    draw, tokens = random.Random(seed), _counted(like)
    signs = [draw.choice((-1.0, 1.0)) for _ in like.leads]
    return replace(
        like, graded={}, texts=draw.sample(list(expected), len(expected)), confidences=[1.0] * len(expected),
        nats=[-math.log(LEAST_PROBABILITY) * count for count in tokens], tokens=tokens, too_long=0, cut=0,
        leads=signs, margins=[sign * abs(one) for sign, one in zip(signs, like.margins, strict=True)],
    )  # fmt: skip


def _counted(like: Answers) -> list[int]:
    return [max(count, 1) for count in like.tokens]
