"""The gate: may this model be promoted? Pass, fail, or undecided when the test rows cannot tell.

Owns the criteria and their wording. Does not own promotion (`release`) nor the numbers (`compare`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tunesmith.evaluate.compare import lead, show, show_p, smallest_visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.core.estimates import Delta, Estimate
    from tunesmith.evaluate.metrics import Metric
    from tunesmith.recipe import Gate

Answer = Literal["pass", "fail", "undecided"]

PRODUCTION = "production"


@dataclass(frozen=True)
class Verdict:
    """The gate's answer and, one line per criterion, why."""

    answer: Answer
    reasons: list[str]


def judge(
    gate: Gate, metric: Metric, estimates: Mapping[str, Estimate], deltas: Mapping[str, Mapping[str, Delta]]
) -> Verdict:
    """Judge a model.

    Args:
        gate: what must hold.
        metric: the one that decides against others.
        estimates: ours, by metric.
        deltas: ours minus theirs, by system and metric; production is missing when there is none.
    """
    results = [_against(gate, metric, who, deltas.get(who)) for who in gate.against]
    results += [_minimum(name, least, estimates[name]) for name, least in gate.minimum.items()]
    if not results:
        return Verdict("pass", ["the gate asks for nothing"])
    return Verdict(_together([answer for answer, _ in results]), [f"{answer}: {why}" for answer, why in results])


def _together(answers: Sequence[Answer]) -> Answer:
    if "fail" in answers:
        return "fail"
    return "undecided" if "undecided" in answers else "pass"


def _against(gate: Gate, metric: Metric, who: str, deltas: Mapping[str, Delta] | None) -> tuple[Answer, str]:
    if deltas is None:
        if who == PRODUCTION:
            return "pass", "no other model is in production, so there is none to be worse than"
        return "undecided", f"{who} was not measured"
    if who == PRODUCTION:
        return _not_worse(metric, deltas[metric.name], gate.margin)
    return _better(metric, who, deltas[metric.name])


def _better(metric: Metric, who: str, delta: Delta) -> tuple[Answer, str]:
    _, low, high = lead(metric, delta)
    facts = f"{metric.name} minus {who}'s is {show(delta)} on {delta.n:,} rows, p {show_p(delta)}"
    if low > 0:
        return "pass", f"better than {who}: {facts}"
    if high < 0:
        return "fail", f"worse than {who}: {facts}"
    return "undecided", f"not shown to be better than {who}: {facts}{_limit(delta)}"


def _not_worse(metric: Metric, delta: Delta, margin: float) -> tuple[Answer, str]:
    _, low, high = lead(metric, delta)
    facts = f"{metric.name} minus production's is {show(delta)} on {delta.n:,} rows"
    if low > -margin:
        return "pass", f"not worse than production by {margin:g} or more: {facts}"
    if high <= -margin:
        return "fail", f"worse than production by {margin:g} or more: {facts}"
    return "undecided", f"may be worse than production by {margin:g} or more: {facts}{_limit(delta)}"


def _minimum(name: str, least: float, estimate: Estimate) -> tuple[Answer, str]:
    facts = f"{name} is {estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] on {estimate.n:,} rows"
    if estimate.low >= least:
        return "pass", f"{facts}, at least {least:g}"
    if estimate.high < least:
        return "fail", f"{facts}, less than {least:g}"
    return "undecided", f"{facts}, which may be less than {least:g}; more test rows would tell"


def _limit(delta: Delta) -> str:
    return f"; with {delta.n:,} rows a difference shows from about {smallest_visible(delta):.3f} on"
