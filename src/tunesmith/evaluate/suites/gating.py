"""What suites ask of a model without being told: not to be worse than the base, nor than production.

Owns that a suite at its floor does not gate. Does not own margins (the suites) nor the verdict (`gate`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tunesmith.evaluate.compare import lead
from tunesmith.evaluate.limits import untellable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.criteria import Criterion


def tellable(
    criteria: Sequence[Criterion],
    ours: Contestant,
    others: Mapping[str, Contestant],
    levels: Mapping[str, float],
    silent: Mapping[str, str],
) -> tuple[list[Criterion], list[str]]:
    """Return the criteria without those of suites that cannot tell, and a sentence for each left out.

    ``silent`` are metrics that a suite itself believes to say nothing, and why.

    What the recipe itself asks for stays: the gate is undecided about it. So does a sure loss of any skill there was.
    """
    kept, notes = [], []
    for one in criteria:
        if one.by_suite and one.who not in others:  # there is no model in production
            continue
        why = (silent.get(one.metric.name) or _silent(one, ours, others, levels)) if one.by_suite else None
        if why is None:
            kept.append(one)
        else:
            notes.append(f"{one.metric.name} does not gate: {why}.")
    return kept, notes


def _silent(
    one: Criterion, ours: Contestant, others: Mapping[str, Contestant], levels: Mapping[str, float]
) -> str | None:
    other = others.get(one.who)
    if other is None or one.metric.name not in other.deltas:
        return None
    own, theirs = ours.estimates[one.metric.name].value, other.estimates[one.metric.name].value
    level = levels.get(one.metric.name)
    sign = 1 if one.metric.higher_is_better else -1
    has_skill = level is None or sign * (theirs - level) > 0
    if has_skill and lead(one.metric, other.deltas[one.metric.name])[2] < one.least:
        return None
    return untellable(one, own, theirs, levels)
