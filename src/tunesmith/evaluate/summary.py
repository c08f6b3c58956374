"""The scorecard in a few sentences; the first says whether tuning paid, also when it did not.

Owns the wording only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.evaluate.compare import Contestant, lead, show, show_rows
from tunesmith.evaluate.suites.system import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.evaluate.metric import Metric

_CALLED = {
    "base": "the untuned base",
    "prompt": "the base with a prompt and examples",
    "linear": "a linear model on TF-IDF",
    "nearest": "the answer to the nearest training question",
    "majority": "the most frequent label",
    "length": "looking at lengths alone",
}


def summarise(ours: Contestant, others: Sequence[Contestant], metric: Metric, notes: Sequence[str]) -> str:
    """Return the summary: whether tuning paid, our number, the strongest alternative, notes."""
    sentences = [
        _first([other for other in others if other.name in _CALLED], metric),
        f"Tuned: {metric.name} {ours.estimates[metric.name]}.",
    ]
    sentences += [
        _about(other, metric) for other in others if other.name not in _CALLED and metric.name in other.deltas
    ]
    return " ".join([*sentences, *notes])


def _first(baselines: Sequence[Contestant], metric: Metric) -> str:
    if not baselines:
        return "Whether tuning pays was not measured: evaluate.baselines is empty."
    cheap = [one for one in baselines if metric.name in one.deltas]
    if not cheap:
        names = ", ".join(one.name for one in baselines)
        return f"Whether tuning pays was not measured: no baseline has {metric.name} (asked: {names})."
    weakest = min(cheap, key=lambda other: _danger(lead(metric, other.deltas[metric.name])))
    value, _, high = lead(metric, weakest.deltas[metric.name])
    rows = show_rows(weakest.deltas[metric.name].n)
    who, facts = _CALLED[weakest.name], f"{metric.name} {show(weakest.deltas[metric.name])}"
    if high < 0:
        return f"Tuning does not pay here: {who} does better (tuned minus it: {facts})."
    if value <= 0:
        return f"Tuning does not pay here: {who} does as well, as far as {rows} can tell (tuned minus it: {facts})."
    unsure = next((other for other in cheap if lead(metric, other.deltas[metric.name])[1] <= 0), None)
    if unsure is not None:
        facts = f"{metric.name} {show(unsure.deltas[metric.name])}"
        return f"It is not shown that tuning pays: {_CALLED[unsure.name]} may do as well (tuned minus it: {facts})."
    return f"Tuning paid: the best alternative is {who} (tuned minus it: {facts})."


def _danger(ours: tuple[float, float, float]) -> tuple[bool, float]:
    """Sort those that are surely better than us first, then by our lead."""
    value, _, high = ours
    return high >= 0, value


def _about(other: Contestant, metric: Metric) -> str:
    _, low, high = lead(metric, other.deltas[metric.name])
    word = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    who = "the model in production" if other.name == PRODUCTION else other.name
    return f"It is {word} {who} (tuned minus it: {show(other.deltas[metric.name])})."
