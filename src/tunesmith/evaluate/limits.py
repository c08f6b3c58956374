"""Where a metric can tell nothing: at its ceiling, or where a system without any skill does as well.

Owns these levels and the sentence that says so. Does not own the verdict (`gate`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tunesmith.evaluate.made_up import all_right, shuffled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.compare import Questions
    from tunesmith.evaluate.criteria import Criterion
    from tunesmith.evaluate.metric import Metric

Levels = dict[str, float]
"""Metric to what no skill reaches. A metric that does not notice answers to other rows (such as whether it is JSON) has
none."""


def no_skill(test: Questions, like: Answers, metrics: Sequence[Metric]) -> Levels:
    """Return by metric what right answers to other rows reach; of exact matches what the best constant answer does.

    Of preferences that is a coin's half. ``like`` are the tuned model's answers.
    """
    rows, metrics = range(len(test.expected)), list({one.name: one for one in metrics}.values())
    right = test.columns(rows, all_right(test.expected, like), metrics)
    other = test.columns(rows, shuffled(test.expected, like, test.seed), metrics)
    constant = Counter(test.expected).most_common(1)[0][1] / len(test.expected)
    found: Levels = {}
    for metric in metrics:
        if metric.share_of == "correct":
            found[metric.name] = 0.5 if test.task == "preference" else constant
        elif metric.on(other) != metric.on(right):
            found[metric.name] = metric.on(other)
    return found


def untellable(criterion: Criterion, own: float, theirs: float, levels: Mapping[str, float]) -> str | None:
    """Return why these values cannot decide a criterion; None if they can.

    To be better, there must be room above the other system; to be not worse, room below it; and one of the two must do
    more than no skill does. Only shares have such bounds, and what suites measure has a level of no skill.
    """
    metric, who = criterion.metric, criterion.who
    if not metric.is_share and not (metric.suite and metric.name in levels):
        return None
    best, worst = (1.0, 0.0) if metric.higher_is_better else (0.0, 1.0)
    none = levels.get(metric.name, worst)

    def skill(value: float) -> float:
        return value - none if metric.higher_is_better else none - value

    if max(skill(own), skill(theirs)) <= 0:
        return (
            f"{metric.name} of neither the tuned model ({own:.3f}) nor {who} ({theirs:.3f}) "
            f"is better than no skill's ({none:.3f})"
        )
    if criterion.kind == "over" and metric.is_share and abs(best - theirs) <= criterion.least:
        return (
            f"{who} has {metric.name} {theirs:.3f} already, so nothing can be better by more than {criterion.least:g}"
        )
    if criterion.kind == "not_worse" and skill(theirs) <= -criterion.least:
        return (
            f"{who} has {metric.name} {theirs:.3f}, and no skill has {none:.3f}, "
            f"so hardly anything could be worse by {-criterion.least:g}"
        )
    return None
