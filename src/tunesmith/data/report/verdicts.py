"""The four verdicts as cards: the word, the number that decided, every measure on its scale, the rows to look at first.

Owns these cards and the names and units of measures. Does not own the thresholds (`verdicts`).
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from tunesmith.core.shown import block, marked, shown
from tunesmith.data.report.plots import gauge
from tunesmith.data.report.words import evidence_words, span_of

if TYPE_CHECKING:
    from tunesmith.data.report.rows import Picked, Shown, Texts

_NAMES = {
    "removed_frac": "rows removed",
    "conflict_frac": "rows in conflict",
    "flagged_frac": "rows flagged",
    "doubtful_frac": "labels in doubt",
    "imbalance_ratio": "largest label to smallest",
    "evenness_frac": "evenness: effective labels to all",
    "longest_tenth_frac": "held by the longest tenth of rows",
    "source_evenness_frac": "evenness: effective files to all",
    "rows_per_label": "rows for each label",
    "rows": "rows to learn from",
    "test_half_width_frac": "margin of an accuracy of 80 %",
    "irrelevant": "rows far from the target",
}
_WORDS = ("good", "look", "poor")
_WORST = {
    "cleanliness": "Rows with most against them",
    "balance": "Rows that weigh least, or most",
    "size": "Rows that teach least for their length",
    "relevance": "Rows farthest from the target",
}
_WORST_LABELS = "A row of each of the rarest labels"
SHOWN_CHARS = 170


def verdict_cards(result: dict[str, Any], picked: Picked, texts: Texts, repairs: pl.DataFrame) -> str:
    """Return the cards side by side."""
    inner = "".join(
        _card(topic, one, [texts.get(row) or row for row in picked.worst[topic]], repairs)
        for topic, one in result["verdicts"].items()
    )
    unchecked = sum(one["verdict"] not in _WORDS for one in result["verdicts"].values())
    return f'<div class="verdicts{" three" if unchecked == 1 else ""}">{inner}</div>'


def _card(topic: str, one: dict[str, Any], worst: list[Shown | str], repairs: pl.DataFrame) -> str:
    word = one["verdict"]
    kind = word if word in _WORDS else "soft"
    head = f'<h3>{escape(topic.capitalize())} <span class="badge {kind}">{escape(word)}</span></h3>'
    big = ""
    if one.get("value") is not None:
        name = str(one.get("measure", ""))
        big = f'<p class="big">{number(name, one["value"])} <small>{escape(measure_words(name))}</small></p>'
    measures = "".join(_measure(name, own) for name, own in one.get("measures", {}).items())
    measures = f'<div class="measures">{measures}</div>' if measures else ""
    return (
        f'<div class="verdict {kind}">{head}{big}<p>{escape(one["why"])}</p>{measures}'
        f"{_worst(topic, one, worst, repairs)}</div>"
    )


def measure_words(name: str) -> str:
    """Return what a measure says of its number."""
    return _NAMES.get(name, name.removesuffix("_frac").replace("_", " "))


def number(name: str, value: float) -> str:
    """Return a measure's number with its unit."""
    if name == "test_half_width_frac":
        return f"±{100 * value:.1f} points"
    if name.endswith("_frac") or name == "irrelevant":
        return f"{100 * value:.3g} %" if value >= 0.01 or not value else f"{100 * value:.2g} %"
    if name.endswith("_ratio"):
        return f"{value:.3g} : 1" if value < 100 else f"{value:,.0f} : 1"
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _measure(name: str, one: dict[str, float]) -> str:
    value, look, poor = one["value"], one["look"], one["poor"]
    words = ("up to", "above") if look < poor else ("from", "below")
    limits = f"good {words[0]} {number(name, look)}, poor {words[1]} {number(name, poor)}"
    told = f"{number(name, value)}: {limits}"
    return (
        f'<span>{escape(measure_words(name))}</span><span class="v">{number(name, value)}</span>'
        f'{gauge(value, look, poor, told)}<span class="limits">{limits}</span>'
    )


def _worst(topic: str, one: dict[str, Any], worst: list[Shown | str], repairs: pl.DataFrame) -> str:
    if not worst:
        return ""
    title = _WORST_LABELS if one.get("measure") in ("imbalance_ratio", "evenness_frac") else _WORST.get(topic, "Rows")
    flags = repairs.filter(pl.col("after").is_null()) if topic == "cleanliness" else repairs.clear()
    rows = "".join(_row(row, flags) for row in worst)
    return f"<details><summary>{escape(title)} ({len(worst)})</summary>{rows}</details>"


def _row(row: Shown | str, flags: pl.DataFrame) -> str:
    if isinstance(row, str):
        return f'<div class="row"><div class="meta"><code>{escape(row)}</code></div></div>'
    own = flags.filter(pl.col("row_id") == row.row_id).unique("rule", keep="first", maintain_order=True).to_dicts()
    told = [(flag["rule"], json.loads(flag["evidence"])) for flag in own]
    why = "".join(f'<p class="why"><b>{escape(rule)}</b> {escape(evidence_words(rule, evidence, None))}</p>'
                  for rule, evidence in told)  # fmt: skip
    size = f"{row.tokens:,} tokens, {row.target_tokens or 0:,} learnt" if row.tokens is not None else ""
    label = "" if row.label is None else f"<span>label <b>{shown(row.label, 60)}</b></span>"
    span = next((found for _, evidence in told if (found := span_of(evidence))), "")
    return (
        f'<div class="row"><div class="meta"><b>{escape(row.at)}</b><code>{escape(row.row_id)}</code>'
        f"<span>{row.where}</span>{label}<span>{size}</span></div>{why}"
        f"{block(marked(row.text, span, SHOWN_CHARS))}</div>"
    )
