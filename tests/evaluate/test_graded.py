"""Four graded models on 660 questions: accuracies, all comparisons and their p-values, recomputed by other means."""

import json
import os
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binomtest, norm

from tunesmith.core.estimates import paired_proportions
from tunesmith.core.two_groups import holm

DATA = Path(__file__).parents[3] / "shared" / "data" / "gsm8k_graded" / "solutions.jsonl"
PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "results" / "how_sure.json"
ACCURACIES = {"6b_finetuning": 0.220, "6b_verification": 0.389, "175b_finetuning": 0.320, "175b_verification": 0.565}
"""As the data's README has them, to three digits."""

pytestmark = pytest.mark.skipif(
    not DATA.exists() and os.environ.get("CI") != "true", reason="../shared/data is not on this machine"
)


@pytest.fixture(scope="module")
def right():
    found = defaultdict(dict)
    for line in DATA.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found[row["model"]][row["question"]] = row["is_correct"]
    order = sorted(found["6b_finetuning"])
    return {model: np.array([own[one] for one in order]) for model, own in sorted(found.items())}


def likelihood_interval(won, lost, n):
    """Return where the score of the difference is 1.96, its nuisance parameter found by maximising the likelihood."""

    def score(delta):
        def minus_log(p):  # p is the chance that theirs alone is right
            ours, neither = p + delta, 1 - 2 * p - delta
            return -(won * np.log(ours) + lost * np.log(p) + (n - won - lost) * np.log(neither))

        low, high = max(0.0, -delta), (1 - delta) / 2
        p = minimize_scalar(minus_log, bounds=(low + 1e-12, high - 1e-12), method="bounded", options={"xatol": 1e-12}).x
        return (won - lost - n * delta) / np.sqrt(n * (2 * p + delta * (1 - delta)))

    z, value = norm.ppf(0.975), (won - lost) / n
    return brentq(lambda d: score(d) - z, -0.99, value), brentq(lambda d: score(d) + z, value, 0.99)


def test_accuracies_are_those_of_the_data(right):
    assert all(len(own) == 660 for own in right.values())
    assert {model: round(float(own.mean()), 3) for model, own in right.items()} == ACCURACIES
    published = json.loads(PUBLISHED.read_text())["gsm8k"]
    for model, own in right.items():
        assert published["accuracy"][model]["value"] == own.mean()


def test_all_six_comparisons_are_right(right):
    pairs = list(combinations(right, 2))
    deltas = [paired_proportions(right[a], right[b]) for a, b in pairs]
    ps = []
    for (a, b), delta in zip(pairs, deltas, strict=True):
        won, lost = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
        ps.append(binomtest(won, won + lost).pvalue)
        assert delta.p == pytest.approx(ps[-1], rel=1e-9)
        assert np.sign(delta.value) == np.sign(ACCURACIES[a] - ACCURACIES[b])
        assert (delta.low, delta.high) == pytest.approx(likelihood_interval(won, lost, 660), abs=1e-6)
    steps = np.maximum.accumulate(np.sort(ps) * np.arange(6, 0, -1))  # Holm 1979, step by step
    corrected = np.empty(6)
    corrected[np.argsort(ps)] = np.minimum(steps, 1)
    assert holm([delta.p for delta in deltas]) == pytest.approx(corrected.tolist(), rel=1e-9)
    published = json.loads(PUBLISHED.read_text())["gsm8k"]["pairs"]
    assert [(one["ours"], one["theirs"]) for one in published] == pairs
    for one, delta, p in zip(published, deltas, corrected, strict=True):
        assert (one["value"], one["low"], one["high"]) == (delta.value, delta.low, delta.high)
        assert one["corrected_p"] == pytest.approx(p, rel=1e-9)
