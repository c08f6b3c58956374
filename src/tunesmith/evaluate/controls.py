"""Does the gate itself work on these rows? All answers right must pass it, answers to other rows must not.

Owns what to say when they do otherwise. Does not own the two made-up systems (`made_up`) nor the gate (`gate`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tunesmith.evaluate.compare import beside, measure
from tunesmith.evaluate.criteria import OF_ITSELF
from tunesmith.evaluate.gate import Answer, Verdict, judge
from tunesmith.evaluate.made_up import all_right, shuffled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.compare import Contestant, Questions
    from tunesmith.evaluate.criteria import Criterion
    from tunesmith.evaluate.limits import Levels


@dataclass(frozen=True)
class Controls:
    """What the gate says of all right answers, and of answers to other rows; None if no criterion can tell these."""

    right: Answer
    shuffled: Answer | None

    def over(self, verdict: Verdict) -> Verdict:
        """Return the verdict: no model passes a gate that answers to other rows pass too."""
        if self.shuffled == "pass" and verdict.answer == "pass":
            return replace(verdict, answer="undecided")
        return verdict

    @property
    def reasons(self) -> list[str]:
        """What is wrong with the gate on these rows, in sentences."""
        found = []
        if self.shuffled == "pass":
            found.append(
                "undecided: right answers given to the wrong rows pass this gate as well, so passing it says nothing; "
                "ask for more, such as a higher evaluate.gate.minimum"
            )
        if self.right != "pass":
            found.append(
                f"{self.right}: not even right answers to all rows pass this gate, so no model can; "
                "it needs more test rows, or harder ones"
            )
        return found


def control(
    criteria: Sequence[Criterion], ours: Contestant, others: Mapping[str, Contestant], test: Questions, levels: Levels
) -> Controls | None:
    """Return what the gate says of the made-up systems; None if it asks for nothing that was measured.

    Metrics for which another model is asked are left out: made-up answers are not worth its questions.
    """
    asked = [one for one in criteria if not one.metric.asks and (one.kind in OF_ITSELF or one.who in others)]
    if not asked:
        return None

    def verdict(answers: Answers, some: Sequence[Criterion]) -> Answer:
        metrics = list({one.metric.name: one.metric for one in some}.values())
        own = measure(test, answers, metrics)
        rivals = {who: beside(own, others[who], test, metrics) for who in {one.who for one in some} & {*others}}
        return judge(some, own, rivals, levels).answer

    told = [one for one in asked if one.metric.name in levels]
    other = shuffled(test.expected, ours.answers, test.seed)
    return Controls(verdict(all_right(test.expected, ours.answers), asked), verdict(other, told) if told else None)
