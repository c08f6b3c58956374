"""Do the intervals hold what they promise, and how often does the gate err? On four graded models and on made-up ones.

Run: ``python benchmarks/how_sure.py`` (about a quarter of an hour on one core). Needs ../shared/data (gsm8k_graded).
Writes benchmarks/results/how_sure.json:

- ``gsm8k``: accuracy of four models on 660 questions and all six paired comparisons, p-values by Holm.
- ``coverage``: how many of 2,000 95 % intervals hold the truth that they were drawn from. Of proportions and their paired
  differences also the exact coverage, summed over all possible outcomes.
- ``gate``: how often a model passes that should not, and how often one passes that should (the power curve).
"""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from itertools import combinations, product
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import beta, binom

from tunesmith.core.clustered import clustered_paired_proportions, clustered_proportion
from tunesmith.core.clusters import Clusters
from tunesmith.core.estimates import Delta, Estimate, bootstrap, paired_proportions, paired_statistic, wilson
from tunesmith.core.two_groups import holm
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Contestant, smallest_visible
from tunesmith.evaluate.criteria import Criterion
from tunesmith.evaluate.gate import judge
from tunesmith.evaluate.metric import Metric, take
from tunesmith.evaluate.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = Path(__file__).parents[2] / "shared" / "data" / "gsm8k_graded" / "solutions.jsonl"
RESULT = Path(__file__).parent / "results" / "how_sure.json"

EXPERIMENTS = 2000
RESAMPLES = 500
"""Resamples of each simulated bootstrap; an evaluation takes 2,000."""
BAND = (0.94, 0.96)
SIZES = (50, 200, 1000)
SHARES = (0.5, 0.8, 0.95)
PAIRS = {"no effect": (0.05, 0.05), "small": (0.12, 0.07), "large": (0.40, 0.15)}
"""Chances that only ours, or only theirs, is right."""
CLUSTER_ROWS = 5
ALIKE = 0.2
"""Correlation of two rows of a cluster."""

CORRECT, VALID, OVERLAP = (
    next(metric for metric in METRICS[task] if metric.name == name)
    for task, name in (("extract", "exact_match"), ("extract", "valid_json"), ("chat", "token_f1"))
)
PERPLEXITY = next(metric for metric in METRICS["chat"] if metric.name == "perplexity")
NOTHING = Answers([], [], [], [])
Columns = dict[str, np.ndarray]


def gsm8k() -> dict[str, Any]:
    """Return accuracies and comparisons of the four models."""
    right: dict[str, dict[str, bool]] = defaultdict(dict)
    for line in DATA.open(encoding="utf-8"):
        row = json.loads(line)
        right[row["model"]][row["id"].rsplit("/", 1)[0]] = row["is_correct"]
    questions = sorted(next(iter(right.values())))
    columns = {model: [own[one] for one in questions] for model, own in sorted(right.items())}
    pairs = {(a, b): paired_proportions(columns[a], columns[b]) for a, b in combinations(columns, 2)}
    corrected = holm([delta.p for delta in pairs.values()])
    return {
        "questions": len(questions),
        "accuracy": {model: wilson(sum(own), len(own)).as_dict() for model, own in columns.items()},
        "pairs": [
            {"ours": a, "theirs": b, **delta.as_dict(), "corrected_p": p}
            for ((a, b), delta), p in zip(pairs.items(), corrected, strict=True)
        ],
    }


@cache
def counted(won: int, lost: int, n: int) -> Delta:
    """Return the paired difference of so many rows."""
    rest = n - won - lost
    return paired_proportions([True] * won + [False] * (lost + rest), [False] * won + [True] * lost + [False] * rest)


def cell(hits: int, exact: float | None = None) -> dict[str, Any]:
    """Return a coverage and whether it lies in the band."""
    share = hits / EXPERIMENTS
    found = {"simulated": share, "inside": BAND[0] <= share <= BAND[1]}
    return found if exact is None else found | {"exact": exact, "exact_inside": BAND[0] <= exact <= BAND[1]}


def proportions(draw: np.random.Generator) -> dict[str, Any]:
    """Return the coverage of Wilson's interval."""
    found = {}
    for n, p in product(SIZES, SHARES):
        covers = [one.low <= p <= one.high for one in (wilson(k, n) for k in range(n + 1))]
        logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
        chances = [math.exp(log + k * math.log(p) + (n - k) * math.log(1 - p)) for k, log in enumerate(logs)]
        exact = sum(chance for chance, hit in zip(chances, covers, strict=True) if hit)
        found[f"n {n}, p {p}"] = cell(sum(covers[k] for k in draw.binomial(n, p, EXPERIMENTS)), exact)
    return found


def other_methods() -> dict[str, Any]:
    """Return the exact coverage of intervals that might have been chosen instead of Wilson's."""
    found: dict[str, Any] = {}
    for n, p in product(SIZES, SHARES):
        k = np.arange(n + 1)
        exact = (beta.ppf(0.025, k, n - k + 1), beta.ppf(0.975, k + 1, n - k))
        middle = (beta.ppf(0.025, k + 0.5, n - k + 0.5), beta.ppf(0.975, k + 0.5, n - k + 0.5))
        below = binom.cdf(k, n, p) - binom.pmf(k, n, p) / 2
        covers = {
            "clopper-pearson": ~((exact[0] > p) | (exact[1] < p)),  # at 0 and n one end is not a number, and no limit
            "jeffreys": ((middle[0] <= p) | (k == 0)) & ((p <= middle[1]) | (k == n)),
            "mid-p": (below >= 0.025) & (1 - below >= 0.025),
        }
        chances = binom.pmf(k, n, p)
        found[f"n {n}, p {p}"] = {name: float(chances[hit].sum()) for name, hit in covers.items()}
    return found


def paired(draw: np.random.Generator) -> dict[str, Any]:
    """Return the coverage of Tango's interval, and how often McNemar's test finds an effect where there is none."""
    found = {}
    for n, (name, (win, lose)) in product(SIZES, PAIRS.items()):
        tables = draw.multinomial(n, [win, lose, 1 - win - lose], EXPERIMENTS)[:, :2].tolist()
        deltas = [counted(won, lost, n) for won, lost in tables]
        hits = sum(one.low <= win - lose <= one.high for one in deltas)
        exact, rejected = exactly(n, win, lose)
        found[f"n {n}, {name}"] = cell(hits, exact) | {"p_below_0.05": rejected}
    return found


def exactly(n: int, win: float, lose: float) -> tuple[float, float]:
    """Return the exact coverage and the chance of p <= 0.05; outcomes farther off than 6 deviations are left out."""

    def near(p: float) -> range:
        reach = 6 * math.sqrt(n * p * (1 - p)) + 3
        return range(max(0, int(n * p - reach)), min(n, int(n * p + reach)) + 1)

    covered = rejected = total = 0.0
    logs = [math.log(one) for one in (win, lose, 1 - win - lose)]
    for won, lost in product(near(win), near(lose)):
        if won + lost <= n:
            counts = (won, lost, n - won - lost)
            log = math.lgamma(n + 1) - sum(math.lgamma(k + 1) for k in counts)
            chance = math.exp(log + sum(k * one for k, one in zip(counts, logs, strict=True)))
            if chance < 1e-9:
                continue
            delta = counted(won, lost, n)
            total += chance
            covered += chance * (delta.low <= win - lose <= delta.high)
            rejected += chance * (delta.p <= 0.05)
    return covered / total, rejected / total


def cluster_rows(n: int, draw: np.random.Generator) -> np.ndarray:
    """Return the cluster of each row: n / 5 clusters of 1 row and more, 5 in the mean."""
    return np.repeat(np.arange(n // CLUSTER_ROWS), draw.poisson(CLUSTER_ROWS - 1, n // CLUSTER_ROWS) + 1)


def alike(mean: float, of: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return a chance for each row, the same within a cluster, so that rows of one are correlated by `ALIKE`."""
    size = (1 - ALIKE) / ALIKE
    return draw.beta(mean * size, (1 - mean) * size, int(of.max()) + 1)[of]


def clustered_shares(draw: np.random.Generator) -> dict[str, Any]:
    """Return the coverage of Wilson's interval with clusters, and without minding them."""
    found = {}
    for n, p in product(SIZES, SHARES):
        hits = naive = 0
        for _ in range(EXPERIMENTS):
            of = cluster_rows(n, draw)
            right = draw.random(len(of)) < alike(p, of, draw)
            one, plain = clustered_proportion(right, Clusters(of)), wilson(int(right.sum()), len(right))
            hits, naive = hits + (one.low <= p <= one.high), naive + (plain.low <= p <= plain.high)
        found[f"n {n}, p {p}"] = cell(hits) | {"clusters": n // CLUSTER_ROWS, "if_ignored": naive / EXPERIMENTS}
    return found


def clustered_pairs(draw: np.random.Generator) -> dict[str, Any]:
    """Return the coverage of the clustered paired interval, and false alarms of its test; also without the clusters."""
    found = {}
    for n, (name, (win, lose)) in product(SIZES, PAIRS.items()):
        hits = naive = alarms = naive_alarms = 0
        for _ in range(EXPERIMENTS):
            of = cluster_rows(n, draw)
            differ = draw.random(len(of)) < win + lose
            ours = draw.random(len(of)) < alike(win / (win + lose), of, draw)
            one = clustered_paired_proportions(differ & ours, differ & ~ours, Clusters(of))
            plain = counted(int((differ & ours).sum()), int((differ & ~ours).sum()), len(of))
            hits += one.low <= win - lose <= one.high
            naive += plain.low <= win - lose <= plain.high
            alarms, naive_alarms = alarms + (one.p <= 0.05), naive_alarms + (plain.p <= 0.05)
        found[f"n {n}, {name}"] = cell(hits) | {
            "clusters": n // CLUSTER_ROWS, "p_below_0.05": alarms / EXPERIMENTS, "if_ignored": naive / EXPERIMENTS,
            "p_below_0.05_if_ignored": naive_alarms / EXPERIMENTS,
        }  # fmt: skip
    return found


def likelihoods(of: np.ndarray, draw: np.random.Generator, worse: float) -> Columns:
    """Return skewed nats of answers of 1 to 30 tokens, ``worse`` per token in the mean; clusters are hard or easy."""
    tokens = draw.integers(1, 31, len(of))
    hard = draw.gamma(5, 1 / 5, int(of.max()) + 1)[of]
    return {"nats": draw.gamma(tokens / 2, 2 * worse) * hard, "tokens": tokens}


def overlaps(of: np.ndarray, draw: np.random.Generator, none: float) -> np.ndarray:
    """Return word F1 as models reach it: ``none`` are zero, of the rest half are one; the mean is 0.75 (1 - none)."""
    zero = draw.random(len(of)) < alike(none, of, draw)
    return np.where(zero, 0.0, np.where(draw.random(len(of)) < 0.5, 1.0, draw.beta(2, 2, len(of))))


def resampled(draw: np.random.Generator, *, clusters: bool) -> dict[str, Any]:
    """Return the coverage of the bootstrap of a mean, of perplexity and of their paired differences."""
    truths = {
        "mean": 0.75 * 0.7, "difference of means": 0.75 * 0.05,
        "perplexity": math.e, "difference of perplexities": math.e - math.exp(1.1),
    }  # fmt: skip
    found = {}
    for n in SIZES:
        hits: dict[str, int] = defaultdict(int)
        for number in range(EXPERIMENTS):
            of = cluster_rows(n, draw) if clusters else np.arange(n)
            ours, theirs = likelihoods(of, draw, 1.0), likelihoods(of, draw, 1.1)
            f1, apart = overlaps(of, draw, 0.3), -overlaps(of, draw, 0.35)
            apart += f1
            kept: dict[str, Any] = {"seed": number, "resamples": RESAMPLES, "expanded": True}
            kept["clusters"] = Clusters(of) if clusters else None
            made = {
                "mean": bootstrap(mean_of(f1), len(of), **kept),
                "difference of means": paired_statistic(mean_of(apart), len(of), **kept),
                "perplexity": bootstrap(perplexity_of(ours), len(of), **kept),
                "difference of perplexities": paired_statistic(less(ours, theirs), len(of), **kept),
            }
            for name, one in made.items():
                hits[name] += one.low <= truths[name] <= one.high
        found |= {f"n {n}, {name}": cell(count) for name, count in hits.items()}
    return found


def mean_of(values: np.ndarray) -> Any:
    """Return what gives the mean at some rows."""
    return lambda index: float(values[index].mean())


def perplexity_of(columns: Columns) -> Any:
    """Return what gives the perplexity at some rows."""
    return lambda index: PERPLEXITY.value(take(columns, index))


def less(ours: Columns, theirs: Columns) -> Any:
    """Return what gives the difference of two perplexities at some rows."""
    one, other = perplexity_of(ours), perplexity_of(theirs)
    return lambda index: one(index) - other(index)


def contestants(ours: Columns, theirs: Columns, metrics: list[Metric], seed: int) -> tuple[Contestant, Contestant]:
    """Return two systems as an evaluation makes them of their columns."""
    rows = list(range(len(ours["nats"])))
    both = [{m.name: Estimate(m.value(c), 0.0, 1.0, len(rows), "not needed") for m in metrics} for c in (ours, theirs)]
    deltas = {m.name: m.compare(ours, theirs, seed) for m in metrics}
    return Contestant("tuned", rows, NOTHING, ours, both[0]), Contestant("base", rows, NOTHING, theirs, both[1], deltas)


def graded(n: int, draw: np.random.Generator, gains: tuple[float, float, float]) -> tuple[Columns, Columns]:
    """Return the columns of two systems on the same rows, whose three metrics differ by so much: right (0.6 of rows for
    the other), valid (0.8), overlap. Hard rows are hard for both, and for all metrics."""
    hard = draw.normal(size=n)

    def passes(share: float) -> np.ndarray:
        own = 0.7 * hard + math.sqrt(1 - 0.49) * draw.normal(size=n)
        return own > NormalDist().inv_cdf(1 - share)

    def system(gain: tuple[float, float, float]) -> Columns:
        overlap = np.clip(0.5 + 0.2 * hard + 0.2 * draw.normal(size=n), 0, 1) + gain[2]
        zeros = np.zeros(n)
        return {"correct": passes(0.6 + gain[0]), "valid": passes(0.8 + gain[1]), "overlap": overlap, "nats": zeros}

    return system(gains), system((0.0, 0.0, 0.0))


def false_passes(draw: np.random.Generator) -> dict[str, Any]:
    """Return how often the gate of three metrics passes a model, or claims one of them to be better, in error."""
    over = [Criterion(metric, "over", 0.0, "base") for metric in (CORRECT, VALID, OVERLAP)]
    margin = [Criterion(CORRECT, "not_worse", -0.05, "base")]
    cases = {
        "no effect on any of three": ((0.0, 0.0, 0.0), over),
        "two far better, no effect on the third": ((0.15, 0.0, 0.2), over),
        "worse by exactly the margin": ((-0.05, 0.0, 0.0), margin),
    }
    found = {}
    for name, (gains, criteria) in cases.items():
        passed = claimed = failed = 0
        for number in range(EXPERIMENTS):
            ours, base = contestants(*graded(200, draw, gains), [one.metric for one in criteria], number)
            verdict = judge(criteria, ours, {"base": base}, {})
            passed, failed = passed + (verdict.answer == "pass"), failed + (verdict.answer == "fail")
            claimed += any(
                one.answer == "pass" for one, gain in zip(verdict.findings, gains, strict=False) if gain <= 0
            )
        found[name] = {
            "rows": 200, "passed": passed / EXPERIMENTS, "failed": failed / EXPERIMENTS,
            "any_false_claim": claimed / EXPERIMENTS,
        }  # fmt: skip
    return found


def power(draw: np.random.Generator) -> list[dict[str, Any]]:
    """Return how often one criterion passes at a true gain, by rows: a fifth of them told apart by the two systems."""
    found = []
    criterion = Criterion(CORRECT, "over", 0.0, "base")
    for n, gain in product((100, 200, 500, 1000, 2000), (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12)):
        tables = draw.multinomial(n, [0.1 + gain / 2, 0.1 - gain / 2, 0.8], EXPERIMENTS)[:, :2].tolist()
        passed, seen = 0, []
        for won, lost in tables:
            delta = counted(won, lost, n)
            seen.append(smallest_visible(delta))
            ours = Contestant("tuned", [], NOTHING, {}, {CORRECT.name: wilson(n // 2 + won - lost, n)})
            base = Contestant("base", [], NOTHING, {}, {CORRECT.name: wilson(n // 2, n)}, {CORRECT.name: delta})
            passed += judge([criterion], ours, {"base": base}, {}).answer == "pass"
        found.append(
            {"rows": n, "gain": gain, "passed": passed / EXPERIMENTS, "said_detectable": float(np.median(seen))}
        )
    return found


PARTS: dict[str, Callable[[np.random.Generator], Any]] = {
    "coverage.proportions": proportions,
    "coverage.paired differences of proportions": paired,
    "coverage.proportions in clusters": clustered_shares,
    "coverage.paired differences of proportions in clusters": clustered_pairs,
    "coverage.bootstrap": lambda draw: resampled(draw, clusters=False),
    "coverage.bootstrap in clusters": lambda draw: resampled(draw, clusters=True),
    "gate.false_passes": false_passes,
    "gate.power": power,
    "gsm8k": lambda _: gsm8k(),
    "instead_of_wilson": lambda _: other_methods(),
}


def main() -> None:
    """Measure part by part, each with random numbers of its own, and write the result after every part."""
    started_s = time.perf_counter()
    result: dict[str, Any] = {"experiments": EXPERIMENTS, "band": BAND}
    draws = np.random.default_rng(2026).spawn(len(PARTS))
    for (name, measured), draw in zip(PARTS.items(), draws, strict=True):
        part, _, inner = name.partition(".")
        found = measured(draw)
        if inner:
            result.setdefault(part, {})[inner] = found
        else:
            result[part] = found
        result |= {"date": datetime.now(UTC).date().isoformat(), "outside": outside(result.get("coverage", {}))}
        result["seconds"] = round(time.perf_counter() - started_s)
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def outside(coverage: dict[str, Any]) -> list[str]:
    """Return the cells whose coverage lies outside of the band, in words."""
    return [
        f"{what}: {name}: {one['simulated']:.3f}" + (f" (exact {one['exact']:.3f})" if "exact" in one else "")
        for what, cells in coverage.items()
        for name, one in cells.items()
        if not one["inside"]
    ]


if __name__ == "__main__":
    main()
