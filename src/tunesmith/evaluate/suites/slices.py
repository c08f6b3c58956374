"""Slices: on which kinds of test rows the model is worse than on the others, found without being told which.

Looks at the answers that were given, so no model is asked. Slices are the values of kept columns, labels, files,
lengths and turns, and any two of these together. Does not own the test split's numbers (`compare`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.estimates import Delta, Estimate, chance_of
from tunesmith.core.page import some_of
from tunesmith.core.two_groups import holm, proportions_differ
from tunesmith.evaluate.compare import lead, show
from tunesmith.evaluate.metric import take
from tunesmith.evaluate.suites.findings import Details, Findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tunesmith.evaluate.compare import Contestant, Questions
    from tunesmith.evaluate.metric import Metric
    from tunesmith.text.examples import Example

NAME = "slices"
LEAST_ROWS = 10
"""Fewer rows, or fewer of the others, say too little."""
MOST_VALUES = 20
"""A column with more different values is no kind of row, unless its values are numbers."""
FEW_NUMBERS = 6
"""Up to so many different numbers stand for themselves, as stars do."""
MOST_SLICES = 150
SHOWN = 12


@dataclass(frozen=True)
class Slice:
    """A kind of rows: what it is called, and which of the test rows are of it."""

    name: str
    rows: NDArray[np.bool_]


@dataclass(frozen=True)
class Seen:
    """A slice with the metric on it, on the other rows, and the difference; p corrected for all slices."""

    slice: Slice
    inside: Estimate
    outside: Estimate
    delta: Delta
    corrected: float


def look(
    ours: Contestant, others: Sequence[Contestant], questions: Questions, metric: Metric, *, by_twos: bool = True
) -> Findings:
    """Return the slices on which the main metric is lowest, and of those that are surely worse, a note.

    Without ``by_twos`` each kind of rows alone, in less time.
    """
    found = Findings(NAME, len(questions.expected), 0)
    there = np.flatnonzero(ours.columns[metric.among]) if metric.among else np.arange(len(questions.expected))
    plain, columns = replace(metric, among=None), take(ours.columns, there)
    slices = slices_of([questions.examples[row] for row in there.tolist()], questions.task, by_twos)
    seen = _seen(slices, columns, questions, there, plain)
    if not seen:
        found.notes.append(
            f"No kind of test rows has {LEAST_ROWS} rows beside {LEAST_ROWS} others: nothing to compare."
        )
        return found
    worse = [one for one in seen if one.corrected <= 0.05 and lead(plain, one.delta)[2] < 0]
    words = "; ".join(f"{one.slice.name} ({show(one.delta)})" for one in worse[:3])
    are = "is" if len(worse) == 1 else "are"
    found.notes.append(
        f"Of {len(seen)} kinds of rows {len(worse)} {are} worse than the other rows by {metric.name}, corrected for all"
        + (f": {words}." if worse else ".")
    )
    rival = next((one for name in ("production", "base") for one in others if one.name == name), None)
    rows = [_line(one, ours, rival, questions, there, plain) for one in seen[:SHOWN]]
    header = ["rows that are", "rows", metric.name, "others", "difference", "corrected p"]
    header.append(f"tuned minus {rival.name} there" if rival else "tuned minus another")
    title = f"Kinds of test rows, worst first{some_of(len(seen), len(rows))}"
    found.details.append(Details(title, header, rows, numeric_from=1))
    return found


def slices_of(examples: Sequence[Example], task: str, by_twos: bool = True) -> list[Slice]:
    """Return the slices of some rows, alone and by twos, large enough to be compared; none twice."""
    alone = kinds_of(examples, task)
    both = [
        Slice(f"{one.name}, {other.name}", one.rows & other.rows)
        for first, second in combinations(alone, 2)
        for one in alone[first]
        for other in alone[second]
    ]
    found: dict[bytes, Slice] = {}
    for one in [one for own in alone.values() for one in own] + (both if by_twos else []):
        if min(one.rows.sum(), (~one.rows).sum()) >= LEAST_ROWS:
            found.setdefault(one.rows.tobytes(), one)
    return list(found.values())[:MOST_SLICES]


def kinds_of(examples: Sequence[Example], task: str) -> dict[str, list[Slice]]:
    """Return by trait the kinds of rows there are: values of kept columns, labels, files, turns, lengths."""
    traits = {name: _cut(values) for name, values in _traits(examples, task).items()}
    return {
        name: [Slice(f"{name}: {value}", np.array([one == value for one in own])) for value in sorted({*own} - {""})]
        for name, own in traits.items()
        if 1 < len({*own}) <= MOST_VALUES
    }


def _traits(examples: Sequence[Example], task: str) -> dict[str, list[Any]]:
    """Return by name what rows can be told apart by, one value a row."""
    traits: dict[str, list[Any]] = {
        name: [one.kept.get(name) for one in examples]
        for name in dict.fromkeys(key for one in examples for key in one.kept)
    }
    if task == "classify":
        traits["label"] = [one.label or one.target_text for one in examples]
    traits["file"] = [str(one.meta.get("source") or "") for one in examples]
    traits["turns"] = [sum(message["role"] == "user" for message in one.messages) for one in examples]
    traits["question's length"] = [len(one.input_text) for one in examples]
    return traits


def _cut(values: Sequence[Any]) -> list[str]:
    """Return values as words; more than a few numbers become thirds: lowest, middle, highest."""
    numbers = _as_numbers(values)
    if numbers is None or len({*numbers}) <= FEW_NUMBERS:
        return ["" if one is None or isinstance(one, list | dict) else str(one) for one in values]
    low, high = np.quantile(numbers, [1 / 3, 2 / 3], method="lower").tolist()
    words = (f"up to {low:g}", f"over {low:g} up to {high:g}", f"over {high:g}")
    return [words[(one > low) + (one > high)] for one in numbers]


def _as_numbers(values: Sequence[Any]) -> list[float] | None:
    """Return values as numbers, as CSV writes them too; None if any is none."""
    try:
        found = [float(one) for one in values if not isinstance(one, bool)]
    except (TypeError, ValueError):
        return None
    return found if len(found) == len(values) and all(map(math.isfinite, found)) else None


def _seen(
    slices: Sequence[Slice], columns: Mapping[str, NDArray[Any]], questions: Questions, there: NDArray[np.intp],
    metric: Metric,
) -> list[Seen]:  # fmt: skip
    """Return all slices, the worst first: by the difference that is shown, then by its value."""
    pairs = []
    for one in slices:
        inside, outside = (_estimate(rows, columns, questions, there, metric) for rows in (one.rows, ~one.rows))
        pairs.append((one, inside, outside, _differ(inside, outside, metric)))
    corrected = holm([delta.p for *_, delta in pairs])
    seen = [Seen(*pair, p) for pair, p in zip(pairs, corrected, strict=True)]
    return sorted(seen, key=lambda one: (lead(metric, one.delta)[2], one.slice.name))


def _estimate(
    rows: NDArray[np.bool_], columns: Mapping[str, NDArray[Any]], questions: Questions, there: NDArray[np.intp],
    metric: Metric,
) -> Estimate:  # fmt: skip
    places = np.flatnonzero(rows)
    clusters = questions.clusters([int(there[place]) for place in places])
    return metric.estimate(take(dict(columns), places), questions.seed, clusters)


def _differ(inside: Estimate, outside: Estimate, metric: Metric) -> Delta:
    """Return the difference of two groups of rows.

    Source: Zou and Donner, "Construction of confidence limits about effect measures", 2008: squares of the distances to
    the limits are added; for plain shares Newcombe's interval, which is the same, with Fisher's test.
    """
    if metric.share_of and inside.clusters is None and outside.clusters is None:
        counts = [(round(one.value * one.n), one.n) for one in (inside, outside)]
        return proportions_differ(counts[0], counts[1])
    value = inside.value - outside.value
    low = value - math.hypot(inside.value - inside.low, outside.high - outside.value)
    high = value + math.hypot(inside.high - inside.value, outside.value - outside.low)
    delta = Delta(value, low, high, 1.0, inside.n + outside.n, "square-and-add")
    return replace(delta, p=chance_of(delta, 0.0))


def _line(
    one: Seen, ours: Contestant, rival: Contestant | None, questions: Questions, there: NDArray[np.intp], metric: Metric
) -> list[Any]:
    inside = f"{one.inside.value:.3f} [{one.inside.low:.3f}, {one.inside.high:.3f}]"
    chance = "< 0.001" if one.corrected < 0.001 else f"{one.corrected:.3f}"
    beside = "–"
    if rival is not None:
        members = {int(row) for row in there[one.slice.rows]}
        shared = [(place, row) for place, row in enumerate(rival.rows) if row in members]
        if len(shared) > 1:
            own = take(ours.columns, np.array([row for _, row in shared]))
            theirs = take(rival.columns, np.array([place for place, _ in shared]))
            beside = show(metric.compare(own, theirs, questions.seed, questions.clusters([row for _, row in shared])))
    return [one.slice.name, one.inside.n, inside, f"{one.outside.value:.3f}", show(one.delta), chance, beside]
