"""What the answers give a reason to do: baselines that do as well, pairs that are mixed up, too few test rows."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from tunesmith.advise.advice import Advice, Gain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tunesmith.advise.evidence import Evidence

MIXED_UP_ROWS = 3
MIXED_UP_SHARE = 0.1
"""Of all wrong answers: a pair of labels with fewer is not worth a word."""

PAIRS_SHOWN = 3
MOST_ROWS = 1_000_000
"""Of a test: more than that is no advice."""

_LEAST_SHARE = 1e-9
"""Of the interval's half-width: a difference that is nearer to the limit lies on it."""

FORGOTTEN_BITS = 0.03
"""Least loss of general knowledge, by the lower end of its interval, that is told: the gate's own margin."""

OVERCONFIDENT = 0.05
"""Least calibration error, by the lower end of its interval, that is told."""

_INSTEAD = {
    "linear": "take a larger base, or serve the linear model itself",
    "nearest": "take a larger base, or serve the nearest example's answer",
    "prompt": "serve the base with the prompt, or take a larger base",
    "base": "look at the run before anything else: tuning changed nothing",
    "majority": "look at the data before anything else: always giving one answer does as well",
}


def does_not_pay(known: Evidence) -> Iterator[Advice]:
    """A baseline that does as well or better."""
    metric, deltas = known.metric, known.scorecard.get("deltas", {})
    for name, instead in _INSTEAD.items():
        delta = deltas.get(name, {}).get(metric)
        if delta is None or delta["low"] > 0:
            continue
        better = delta["high"] < 0
        gain = Gain(metric, -delta["value"], f"the lead of {name}", -delta["high"], -delta["low"])
        yield Advice(
            f"{name} does as well",
            instead,
            f"tuned minus {name} is {delta['value']:+.3f} [{delta['low']:+.3f}, {delta['high']:+.3f}] of {metric} on "
            f"{delta['n']:,} rows" + ("" if better else ": not told apart"),
            settings=(("base", "a larger one"),) if name in ("linear", "nearest", "prompt") else (),
            gain=gain if better else None,
            urgent=name in ("base", "majority"),
        )


def outdone(known: Evidence) -> Iterator[Advice]:
    """A rival elsewhere that does surely better: it could be the teacher."""
    for name in known.scorecard.get("rivals", {}):
        delta = known.scorecard.get("deltas", {}).get(name, {}).get(known.metric)
        if delta is not None and delta["high"] < 0:
            yield Advice(
                f"{name} does better",
                f"let {name} answer more questions and learn from them (tunesmith distill), if its terms allow that",
                f"tuned minus {name} is {delta['value']:+.3f} [{delta['low']:+.3f}, {delta['high']:+.3f}] of "
                f"{known.metric} on {delta['n']:,} rows",
                settings=(("distill.teacher", f"as evaluate.rivals.{name}"),),
                gain=Gain(known.metric, -delta["value"], f"the lead of {name}", -delta["high"], -delta["low"]),
            )


def mixed_up(known: Evidence) -> Iterator[Advice]:
    """Pairs of labels that are taken for one another."""
    if known.task != "classify" or not len(known.wrong):
        return
    pairs: Counter[tuple[str, str]] = Counter()
    for one in known.wrong.select("expected", "answer").iter_rows():
        pairs[min(one), max(one)] += 1
    least = max(MIXED_UP_ROWS, MIXED_UP_SHARE * len(known.wrong))
    found = [(pair, count) for pair, count in pairs.most_common(PAIRS_SHOWN) if count >= least]
    if not found:
        return
    rows = sum(count for _, count in found)
    shown = "; ".join(f"{one} and {other} in {count} rows" for (one, other), count in found)
    yield Advice(
        "labels mixed up",
        "write down what divides these labels, check their rows by it, add rows of the border; or make them one label",
        f"{shown}: {rows} of {len(known.wrong)} wrong answers",
        gain=Gain(
            "answers right", rows / known.num_answers, f"{rows} of {known.num_answers:,} test rows", at_most=True
        ),
    )


def undecided(known: Evidence) -> Iterator[Advice]:
    """A gate that could not decide for want of test rows."""
    for one in known.scorecard.get("criteria", []):
        delta = known.scorecard.get("deltas", {}).get(one["against"], {}).get(one["metric"])
        if one["answer"] != "undecided" or delta is None:
            continue
        rows = rows_needed(delta, one["least"])
        wanted = f"about {rows:,} test rows" if rows else "no number of rows that one could have"
        yield Advice(
            "undecided",
            f"hold out more rows for the test: it needs {wanted}" if rows else "change the model, not the test",
            f"{one['why']}; {wanted} would decide, if the difference stays as it is",
            settings=(("data.split.test", "more, or a file of its own"),) if rows else (),
            urgent=bool(rows),
        )


def rows_needed(delta: dict[str, Any], least: float) -> int:
    """Return how many rows would put a difference's interval on one side of a limit; 0 if more than anyone has.

    The interval's half-width falls with the square root of the rows.
    """
    distance = abs(delta["value"] - least)
    half = (delta["high"] - delta["low"]) / 2
    rows = delta["n"] * (half / distance) ** 2 if distance > half * _LEAST_SHARE else math.inf
    return math.ceil(rows) if rows <= MOST_ROWS else 0


def overconfident(known: Evidence) -> Iterator[Advice]:
    """Probabilities that are not the shares of right answers."""
    ece = known.scorecard.get("metrics", {}).get("ece")
    if ece and ece["low"] > OVERCONFIDENT:
        yield Advice(
            "overconfident",
            "smooth the labels",
            f"probabilities are off by {ece['value']:.3f} [{ece['low']:.3f}, {ece['high']:.3f}] on average; thresholds "
            "and abstaining go by them",
            settings=(("train.regularise.label_smoothing", 0.1),),
        )


def forgotten(known: Evidence) -> Iterator[Advice]:
    """What the base knew of general texts and the tuned model lost, by the suite retention."""
    retention = known.scorecard.get("suites", {}).get("retention", {})
    bits = retention.get("deltas", {}).get("base", {}).get("general_bits_per_byte")
    if bits and bits["low"] > FORGOTTEN_BITS:
        yield Advice(
            "forgotten",
            "move the base less: an adapter, or a pull to where its weights began, or a lower peak",
            f"general texts take {bits['value']:+.3f} [{bits['low']:+.3f}, {bits['high']:+.3f}] bits a byte more than "
            "with the base",
            settings=(("train.method", "lora"),),
            gain=Gain("general bits a byte", bits["value"], "all that was forgotten", at_most=True),
        )


def memorised(known: Evidence) -> Iterator[Advice]:
    """Planted secrets that the model knows by heart, by the suite memorised."""
    suite = known.scorecard.get("suites", {}).get("memorised", {})
    kept = suite.get("metrics", {}).get("secrets_kept")
    if kept and kept["value"] < 1:
        yield Advice(
            "secrets memorised",
            "take secrets out of the rows, show repeated rows less often, train for less long",
            f"{1 - kept['value']:.0%} of the planted secrets are more probable than random ones: what your rows "
            "repeat, the model can be made to say",
            settings=(("data.privacy.secrets", "redact"),),
            urgent=True,
        )


RULES = (does_not_pay, outdone, mixed_up, undecided, overconfident, forgotten, memorised)
