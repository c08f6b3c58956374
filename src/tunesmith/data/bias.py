"""Are rows that mention a group of people answered in another way than the others?

Owns the probes: length, refusals and tone of free answers, shares of labels, each against the rows that mention no
group at all (rows of other groups would make a difference of one group look like one of all), with interval and a
correction for the many questions asked. Reported, never acted upon: a difference is not yet a bias, for such rows may
ask other things. Does not own the words (`people`) nor the statistics (`core.two_groups`).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.two_groups import adjusted, means_differ, proportions_differ
from tunesmith.data.noise.exchange import Exchange, View
from tunesmith.data.noise.nonanswers import refusal
from tunesmith.data.people import FRIENDLY, GROUPS, UNFRIENDLY
from tunesmith.data.rowwise import FREE_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tunesmith.core.estimates import Delta
    from tunesmith.data.asked import Sample
    from tunesmith.recipe import Recipe

    Mask = NDArray[np.bool_]

FEWEST_ROWS = 30
"""Rows that mention a group, and rows that mention none, from which it is asked about."""

FEWEST_OF_LABEL = 10
FALSE_FRAC = 0.05
"""Share of false alarms allowed among what is reported."""

MATTERS = {"length": 0.05, "refusal": 0.02, "tone": 0.05, "label": 0.02}
"""Smallest difference worth a word: of 20,000 rows, chance would not explain answers that are half a percent longer."""

MOST_TOLD = 100
"""Comparisons written down, those first that chance explains least: 28 groups and 77 labels make two thousand."""


@dataclass(frozen=True)
class Comparison:
    """How rows that mention a group differ from those that mention none, in one respect.

    ``measure`` is ``length`` (log-ratio of words), ``refusal`` (share), ``tone`` (-1 to 1) or ``label`` (share of it).
    """

    group: str
    rows: int
    measure: str
    delta: Delta
    label: str | None = None


def look_for_bias(sample: Sample, recipe: Recipe) -> dict[str, Any] | None:
    """Return the facts of a sample of train; None where answers are JSON."""
    if recipe.task != "classify" and recipe.task not in FREE_ANSWERS:
        return None
    asked, answers = [one for one, _ in sample.exchanges], [other for _, other in sample.exchanges]
    found = of_labels(asked, answers) if recipe.task == "classify" else of_answers(asked, answers)
    return {"rows": len(sample.rows), "of": sample.of, **facts_of(found, mentions(asked))}


def facts_of(comparisons: Sequence[Comparison], mentioned: dict[str, Mask]) -> dict[str, Any]:
    """Return what was asked and what was found: comparisons with their adjusted p-value ``q`` and a sentence."""
    counts = {group: int(mask.sum()) for group, mask in mentioned.items()}
    qs = adjusted([one.delta.p for one in comparisons])
    facts = [_fact(one, q) for one, q in zip(comparisons, qs, strict=True)]
    return {
        "mentions": counts,
        "too_few": [group for group, count in counts.items() if count < FEWEST_ROWS],
        "compared": len(comparisons),
        "found": sum(fact["found"] for fact in facts),
        "comparisons": sorted(facts, key=lambda fact: (not fact["found"], fact["q"], fact["p"]))[:MOST_TOLD],
    }


def _fact(one: Comparison, q: float) -> dict[str, Any]:
    value, low, high = (_scaled(one.measure, number) for number in (one.delta.value, one.delta.low, one.delta.high))
    return {
        "group": one.group,
        "rows": one.rows,
        "measure": one.measure,
        "label": one.label,
        "value": round(value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "p": one.delta.p,
        "q": q,
        "found": q <= FALSE_FRAC and abs(value) >= MATTERS[one.measure],
        "told": _sentence(one, value, low, high),
    }


def _scaled(measure: str, value: float) -> float:
    """Return a log-ratio as the share by which answers are longer; other measures as they are."""
    return math.expm1(value) if measure == "length" else value


def _sentence(one: Comparison, value: float, low: float, high: float) -> str:
    more = value > 0
    percent = f"{100 * abs(value):.0f} % {'longer' if more else 'shorter'} [{100 * low:+.0f} %, {100 * high:+.0f} %]"
    points = f"{100 * value:+.0f} points [{100 * low:+.0f}, {100 * high:+.0f}]"
    whose = f"answers to rows that mention {one.group}"
    return {
        "length": f"{whose} are {percent}",
        "refusal": f"{whose} refuse {'more' if more else 'less'} often, {points}",
        "tone": f"{whose} are {'friendlier' if more else 'less friendly'}, {value:+.2f} [{low:+.2f}, {high:+.2f}]",
        "label": f"rows that mention {one.group} are {one.label} {'more' if more else 'less'} often, {points}",
    }[one.measure]


def mentions(asked: Sequence[str]) -> dict[str, Mask]:
    """Return for each group which texts mention it, by whole words in any case."""
    texts = pl.Series(asked, dtype=pl.String).str.to_lowercase().str.replace_all(r"\W+", "  ")
    texts = " " + texts + " "
    return {
        group: texts.str.contains_any([f" {word.replace('_', '  ')} " for word in words.split()]).to_numpy()
        for group, words in GROUPS.items()
    }


def of_answers(asked: Sequence[str], answers: Sequence[str]) -> list[Comparison]:
    """Compare length, refusals and tone of answers, for every group that enough questions mention."""
    views = [View(answer) for answer in answers]
    lengths = np.log([max(len(view.words), 1) for view in views])
    tones = np.array([_tone(view.words) for view in views], np.float64)
    refused = np.array([
        refusal(Exchange(View(question), view, ("", ""))) is not None
        for question, view in zip(asked, views, strict=True)
    ], np.bool_)  # fmt: skip
    found = []
    for group, some, none in _mentioned_enough(asked):
        rows = int(some.sum())
        found.append(Comparison(group, rows, "length", means_differ(lengths[some], lengths[none])))
        found.append(Comparison(group, rows, "tone", means_differ(tones[some], tones[none])))
        if refused.any():
            found.append(Comparison(group, rows, "refusal", _shares_differ(refused[some], refused[none])))
    return found


def _tone(words: Sequence[str]) -> float:
    """Return friendly less unfriendly words as a share of both; 0 without any."""
    friendly, unfriendly = sum(map(FRIENDLY.__contains__, words)), sum(map(UNFRIENDLY.__contains__, words))
    return (friendly - unfriendly) / max(friendly + unfriendly, 1)


def of_labels(asked: Sequence[str], labels: Sequence[str]) -> list[Comparison]:
    """Compare the shares of labels with enough rows, for every group that enough texts mention."""
    common = [label for label, count in sorted(Counter(labels).items()) if count >= FEWEST_OF_LABEL]
    has = {label: np.array([one == label for one in labels], np.bool_) for label in common}
    return [
        Comparison(group, int(some.sum()), "label", _shares_differ(has[label][some], has[label][none]), label)
        for group, some, none in _mentioned_enough(asked)
        for label in common
    ]


def _mentioned_enough(asked: Sequence[str]) -> Iterator[tuple[str, Mask, Mask]]:
    """Yield each group that enough texts mention: which do, and which mention no group."""
    mentioned = mentions(asked)
    none = ~np.logical_or.reduce(list(mentioned.values()))
    for group, some in mentioned.items():
        if some.sum() >= FEWEST_ROWS <= none.sum():
            yield group, some, none


def _shares_differ(ours: Mask, theirs: Mask) -> Delta:
    return proportions_differ((int(ours.sum()), len(ours)), (int(theirs.sum()), len(theirs)))
