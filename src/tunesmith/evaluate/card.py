"""``scorecard.html``: the verdict, the numbers with their intervals, and where the model goes wrong.

Owns the order of the page, its first parts and the curves. Does not own the frame (`core.page`), the drawings
(`plots`), labels (`label_page`), keys (`key_page`), examples (`browse`) nor any number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.core.chart import CHART_STYLE, losses
from tunesmith.core.page import cards, page, table, wide
from tunesmith.evaluate.browse import BROWSE_STYLE, SCRIPT, Rows, examples_section
from tunesmith.evaluate.compare import lead, show, show_estimate, show_p, smallest_visible
from tunesmith.evaluate.judge.page import judge_section
from tunesmith.evaluate.key_page import keys_section
from tunesmith.evaluate.label_page import labels_section
from tunesmith.evaluate.plots import FOREST_STYLE, Interval, forest
from tunesmith.evaluate.suites.card import suites_part
from tunesmith.evaluate.suites.slices import kinds_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.estimates import Estimate
    from tunesmith.evaluate.compare import Contestant
    from tunesmith.evaluate.metric import Metric
    from tunesmith.evaluate.suites.findings import Findings
    from tunesmith.text.examples import Example

_STYLE = (
    "<style>.map svg{max-width:none}.texts td{overflow-wrap:anywhere;white-space:pre-wrap}"
    ".texts td:first-child{min-width:180px}.texts table{min-width:640px;font-size:14px}"
    ".verdict{border:1px solid var(--line);border-left:5px solid var(--soft);border-radius:10px;"
    "background:var(--card);padding:12px 16px;margin:16px 0}.verdict b{text-transform:capitalize}"
    ".verdict ul{margin:6px 0 0;padding-left:20px}.verdict.pass{border-left-color:var(--good)}"
    ".verdict.fail{border-left-color:var(--bad)}.verdict.undecided{border-left-color:var(--second)}td.n{white-space:nowrap}"
    ".labels td:nth-child(-n+2){overflow-wrap:anywhere;min-width:min(230px,55vw)}"
    ".deltas td{white-space:nowrap}.terms{margin-top:10px;font-size:13px}</style>"
)
STYLES = _STYLE + FOREST_STYLE + CHART_STYLE + BROWSE_STYLE


@dataclass(frozen=True)
class Card:
    """Everything the page is made of."""

    task: str
    result: dict[str, Any]
    ours: Contestant
    others: Sequence[Contestant]
    inputs: Sequence[str]
    expected: Sequence[str]
    metrics: Sequence[Metric]
    main: Metric
    suites: Sequence[Findings] = ()
    examples: Sequence[Example] = ()
    model: Artifact | None = None
    seed: int = 0

    def rows(self) -> Rows:
        """Return the test rows to choose examples from, with the kinds to filter them by."""
        kinds = {one.name: one.rows for own in kinds_of(self.examples, self.task).values() for one in own}
        if self.task == "classify":
            right = np.array(self.expected)
            kinds |= {f"label: {label}": right == label for label in sorted({*self.expected})}
        return Rows(self.task, self.inputs, self.expected, self.ours, self.others, kinds, self.seed)


def write_card(path: Path, card: Card) -> None:
    """Write the page of a scorecard."""
    body = STYLES + _facts(card) + _verdict(card) + _numbers(card) + _differences(card)
    if "judge" in card.result:
        body += judge_section(card.result["judge"])
    if card.task == "classify":
        body += labels_section(card.expected, card.ours)
    if card.task == "extract":
        body += keys_section(card.expected, card.ours.answers.texts)
    body += suites_part(card.suites) + _curves(card) + examples_section(card.rows())
    words = card.result["scorecard"], card.result["summary"]
    path.write_text(page("Scorecard", *words, body, SCRIPT), encoding="utf-8")


def _facts(card: Card) -> str:
    own = card.ours.estimates[card.main.name]
    wrong = int((~card.ours.columns["correct"]).sum())
    facts = [
        (card.main.name, f"{own.value:.3f}"),
        ("95 % interval", f"{own.low:.3f}–{own.high:.3f}"),
        ("test rows", f"{own.n:,}"),
        ("wrong pairs" if card.task == "preference" else "wrong answers", f"{wrong:,}"),
    ]
    if own.clusters:
        facts.insert(3, ("groups of rows", f"{own.clusters:,}"))
    deltas = [other.deltas[card.main.name] for other in card.others if card.main.name in other.deltas]
    if deltas:
        delta = max(deltas, key=lambda one: one.high - one.low)
        facts.append(("smallest visible difference", f"{smallest_visible(delta):.3f}"))
    return cards(facts)


def _verdict(card: Card) -> str:
    verdict = card.result["verdict"]
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in card.result["reasons"])
    notes = "".join(f'<p class="soft">{escape(note)}</p>' for note in card.result["notes"])
    return f'<div class="verdict {verdict}">The gate: <b>{verdict}</b><ul>{reasons}</ul></div>{notes}'


def _numbers(card: Card) -> str:
    header = ["system", *(metric.name for metric in card.metrics), "rows"]
    rows = [
        [who.name, *(_brief(who.estimates.get(metric.name)) for metric in card.metrics), f"{len(who.rows):,}"]
        for who in [card.ours, *card.others]
    ]
    terms = "".join(
        f"<div><code>{escape(metric.name)}</code> {escape(metric.meaning)}"
        f"{'' if metric.higher_is_better or not metric.is_quality else ' (less is better)'}</div>"
        for metric in card.metrics
    )
    return f'<h2>Numbers, with 95 % intervals</h2>{wide(table(header, rows))}<div class="soft terms">{terms}</div>'


def _differences(card: Card) -> str:
    if not card.others:
        return ""
    lines, others = [], []
    for metric in card.metrics:
        for other in card.others:
            if metric.name not in other.deltas:
                continue
            delta = other.deltas[metric.name]
            _, low, high = lead(metric, delta)
            sign = 1 if low > 0 else -1 if high < 0 else 0
            if metric.is_share and metric.higher_is_better:
                label = f"{metric.name} − {other.name}"
                lines.append(Interval(label, delta.value, delta.low, delta.high, sign))
            else:
                words = ("not told apart", "tuned is better", "tuned is worse")[sign] if metric.is_quality else ""
                others.append(
                    [metric.name, other.name, words, show(delta), show_p(delta.p).removeprefix("= "), f"{delta.n:,}"]
                )
    plot = forest(lines, "the other is better", "tuned is better")
    header = ["metric", "against", "what it shows", "tuned minus it", "p", "rows"]
    rest = wide(table(header, others, numeric_from=3), "deltas") if others else ""
    return f"<h2>Tuned minus the others, on the same rows</h2>{plot}{rest}"


def _curves(card: Card) -> str:
    """Return the losses of the training; nothing if the model was trained elsewhere."""
    file = card.model.path / "metrics.jsonl" if card.model else None
    if card.model is None or file is None or not file.exists():
        return ""
    metrics = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return losses(metrics, card.model.result.get("best"))


def _brief(estimate: Estimate | None) -> str:
    return show_estimate(estimate.value, estimate.low, estimate.high) if estimate else "–"
