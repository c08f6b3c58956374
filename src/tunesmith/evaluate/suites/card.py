"""The suites' part of ``scorecard.html``. Owns what is shown of a suite and in which order, no number."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tunesmith.core.page import table, wide
from tunesmith.evaluate.compare import lead, show, show_estimate, show_number, show_p
from tunesmith.evaluate.suites.system import TUNED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tunesmith.core.estimates import Estimate
    from tunesmith.evaluate.metric import Metric
    from tunesmith.evaluate.suites.findings import Details, Findings


def suites_part(found: Sequence[Findings]) -> str:
    """Return the HTML of all suites; nothing if there are none."""
    return "".join(_suite(one) for one in found)


def _suite(found: Findings) -> str:
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in found.notes)
    cost = f'<p class="soft">{found.rows:,} rows, {found.passes:,} passes of a model.</p>'
    terms = "".join(
        f"<div><code>{escape(one.name)}</code> {escape(_meaning(found, one))}</div>" for one in found.metrics
    )
    details = "".join(map(_details, found.details))
    title = f"<h2>Suite: {escape(found.suite)}</h2>"
    return title + cost + notes + _numbers(found) + f'<div class="soft terms">{terms}</div>' + details


def _details(one: Details) -> str:
    shown = table(one.header, one.rows, numeric_from=one.numeric_from)
    return f"<h3>{escape(one.title)}</h3>{wide(shown, 'texts')}"


def _meaning(found: Findings, metric: Metric) -> str:
    better = "" if metric.higher_is_better else " (less is better)"
    level = found.levels.get(metric.name)
    return metric.meaning + better + ("" if level is None else f"; without skill {level:.3f}")


def _numbers(found: Findings) -> str:
    if not found.metrics:
        return ""
    header = ["metric", "against", "what it shows", "tuned", "the other", "tuned minus it", "p", "rows"]
    rows = [line for metric in found.metrics for line in _lines(found, metric)]
    return wide(table(header, rows, numeric_from=3), "deltas")


def _lines(found: Findings, metric: Metric) -> list[list[str]]:
    """Return a line of the table for each system that a metric is compared with, or one if there is none."""
    own = found.estimates[TUNED][metric.name]
    lines = []
    for who, deltas in found.deltas.items():
        if metric.name not in deltas:
            continue
        delta, theirs = deltas[metric.name], found.estimates[who][metric.name]
        _, low, high = lead(metric, delta)
        word = "tuned is better" if low > 0 else "tuned is worse" if high < 0 else "not told apart"
        p = show_p(delta.p).removeprefix("= ")
        lines.append([metric.name, who, word, _brief(own), show_number(theirs.value), show(delta), p, f"{delta.n:,}"])
    return lines or [[metric.name, "–", "", _brief(own), "–", "–", "–", f"{own.n:,}"]]


def _brief(one: Estimate) -> str:
    return show_estimate(one.value, one.low, one.high)
