"""The gate: may this model be promoted? Pass, fail, or undecided when the test rows cannot tell.

Owns the verdict and its wording. Does not own what is asked (`criteria`), the numbers (`compare`), where they say
nothing (`limits`), nor promotion (`release`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from tunesmith.core.estimates import CONFIDENCE, Delta, Estimate, chance_of
from tunesmith.core.two_groups import holm
from tunesmith.evaluate.compare import lead, rows_needed, show, show_p, show_rows, smallest_visible
from tunesmith.evaluate.criteria import OF_ITSELF
from tunesmith.evaluate.limits import untellable
from tunesmith.evaluate.suites.system import PRODUCTION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.criteria import Criterion

Answer = Literal["pass", "fail", "undecided"]

ALPHA = 1 - CONFIDENCE


@dataclass(frozen=True)
class Finding:
    """The answer to one criterion, with its two-sided p-value and that corrected for all criteria; None if untested."""

    criterion: Criterion
    answer: Answer
    why: str
    p: float | None = None
    corrected: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        asked = self.criterion
        return {
            "metric": asked.metric.name, "kind": asked.kind, "against": asked.who or None, "least": asked.limit,
            "answer": self.answer, "p": self.p, "corrected_p": self.corrected, "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """The gate's answer and, one per criterion, what was found."""

    answer: Answer
    findings: list[Finding]

    @property
    def reasons(self) -> list[str]:
        """One sentence per criterion, the answer first."""
        return [f"{one.answer}: {one.why}" for one in self.findings] or ["the gate asks for nothing"]


@dataclass(frozen=True)
class _Case:
    """A criterion with the number it is about, turned so that more is better: what is tested is whether it is above."""

    criterion: Criterion
    found: Estimate | Delta

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval."""
        if isinstance(self.found, Delta):
            return lead(self.criterion.metric, self.found)[1:]
        if self.criterion.kind == "maximum":
            return -self.found.high, -self.found.low
        return self.found.low, self.found.high

    @property
    def p(self) -> float:
        """The two-sided p-value of the criterion's limit; of no difference, the test's own."""
        least = self.criterion.least
        if isinstance(self.found, Estimate):
            return chance_of(self.found, self.criterion.limit)
        if least == 0:
            return self.found.p
        return chance_of(self.found, least if self.criterion.metric.higher_is_better else -least)


def judge(
    criteria: Sequence[Criterion], ours: Contestant, others: Mapping[str, Contestant], levels: Mapping[str, float],
    barred: Mapping[str, str] | None = None,
) -> Verdict:  # fmt: skip
    """Judge a model: a criterion is decided if its interval and its p-value by Holm over all criteria agree.

    Args:
        criteria: what must hold.
        ours: the model.
        others: those compared with, by name; production is missing when there is none.
        levels: by metric what no skill reaches (`limits`): to be better than another is to be better than that, too.
        barred: by metric why nothing may be decided by it.
    """
    barred = barred or {}
    settled = [
        Finding(one, "undecided", barred[one.metric.name])
        if one.metric.name in barred
        else _settled(one, ours, others, levels)
        for one in criteria
    ]
    cases = {place: _case(one, ours, others) for place, one in enumerate(criteria) if settled[place] is None}
    corrected = dict(zip(cases, holm([case.p for case in cases.values()]), strict=True))
    findings = [
        early or _skilled(_decided(cases[place], corrected[place], len(cases)), ours, levels)
        for place, early in enumerate(settled)
    ]
    return Verdict(_together([one.answer for one in findings]), findings)


def _together(answers: Sequence[Answer]) -> Answer:
    if "fail" in answers:
        return "fail"
    return "undecided" if "undecided" in answers else "pass"


def _settled(
    one: Criterion, ours: Contestant, others: Mapping[str, Contestant], levels: Mapping[str, float]
) -> Finding | None:
    """Return the finding that needs no test; None if one is needed."""
    if one.metric.name not in ours.estimates:
        return Finding(one, "undecided", f"{one.metric.name} was not measured: none of the rows has what it needs")
    if one.kind in OF_ITSELF:
        return None
    if one.who not in others:
        if one.who == PRODUCTION:
            return Finding(one, "pass", "no other model is in production, so there is none to be worse than")
        return Finding(one, "undecided", f"{one.who} was not measured")
    if one.metric.name not in others[one.who].deltas:
        return Finding(one, "undecided", f"{one.who} has no {one.metric.name}")
    delta, theirs = others[one.who].deltas[one.metric.name], others[one.who].estimates[one.metric.name].value
    nothing = untellable(one, theirs + delta.value, theirs, levels)
    if nothing is None or lead(one.metric, delta)[2] < one.least:  # that it is worse can be told everywhere
        return None
    return Finding(one, "undecided", f"{nothing}; these rows cannot decide it, other ones might")


def _case(one: Criterion, ours: Contestant, others: Mapping[str, Contestant]) -> _Case:
    if one.kind in OF_ITSELF:
        return _Case(one, ours.estimates[one.metric.name])
    return _Case(one, others[one.who].deltas[one.metric.name])


def _decided(case: _Case, corrected: float, tests: int) -> Finding:
    low, high = case.bounds
    answer: Answer = "undecided"
    if corrected <= ALPHA and low > case.criterion.least:
        answer = "pass"
    elif corrected <= ALPHA and high < case.criterion.least:
        answer = "fail"
    words = _WORDS[case.criterion.kind][answer].format(who=case.criterion.who, by=_by(case.criterion))
    why = f"{words}: {_facts(case, corrected, tests)}"
    if answer == "undecided":
        why += _limit(case)
    return Finding(case.criterion, answer, why, case.p, corrected)


def _skilled(found: Finding, ours: Contestant, levels: Mapping[str, float]) -> Finding:
    """Return the finding; to be better than another that is worse than no skill is not enough."""
    metric = found.criterion.metric
    if found.answer != "pass" or found.criterion.kind != "over" or metric.name not in levels:
        return found
    own, none = ours.estimates[metric.name], levels[metric.name]
    if (own.low > none) if metric.higher_is_better else (own.high < none):
        return found
    return replace(
        found, answer="undecided", why=f"{found.why}; but {own} is not shown to be better than no skill ({none:.3f})"
    )


_WORDS: dict[str, dict[Answer, str]] = {
    "over": {
        "pass": "better than {who}{by}", "fail": "not better than {who}{by}",
        "undecided": "not shown to be better than {who}{by}",
    },
    "not_worse": {
        "pass": "not worse than {who}{by}", "fail": "worse than {who}{by}", "undecided": "may be worse than {who}{by}",
    },
    "minimum": {"pass": "at least{by}", "fail": "less than{by}", "undecided": "may be less than{by}"},
    "maximum": {"pass": "at most{by}", "fail": "more than{by}", "undecided": "may be more than{by}"},
}  # fmt: skip


def _by(one: Criterion) -> str:
    if one.kind in OF_ITSELF:
        return f" {one.limit:g}"
    if one.kind == "over":
        return f" by more than {one.least:g}" if one.least else ""
    return f" by {-one.least:g} or more"


def _facts(case: _Case, corrected: float, tests: int) -> str:
    found, name = case.found, case.criterion.metric.name
    rows = show_rows(found.n, found.clusters)
    what = f"{name} minus {case.criterion.who}'s is {show(found)}" if isinstance(found, Delta) else f"{name} is {found}"
    chance = f"p {show_p(case.p)}"
    if tests > 1:
        chance += f" ({show_p(corrected).removeprefix('= ')} corrected for {tests} criteria)"
    return f"{what} on {rows}, {chance}" if isinstance(found, Delta) else f"{what}, {chance}"


def _limit(case: _Case) -> str:
    """Return what these rows could have shown, and how many would show what was seen."""
    found, least = case.found, case.criterion.least
    if isinstance(found, Estimate):
        return "; more test rows would tell"
    if not smallest_visible(found):  # all rows differ alike
        return "; more test rows would tell"
    said = f"; with {show_rows(found.n)} a difference shows from about {smallest_visible(found):.3f} on"
    ours = lead(case.criterion.metric, found)[0]
    more = rows_needed(found, ours - least)
    return said + (f", and this one would with about {more:,} rows" if more is not None and more > found.n else "")
