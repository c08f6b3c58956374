"""The audit as a page, beside the artifacts: one file that shows what each rule found, missed, and took besides.

Owns the page and where it lies. Does not own its frame (`core.page`) nor the figures (`measure`).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import page, wide
from tunesmith.data.rows import shortened

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.core.artifacts import Artifact, Workspace

SHOWN_CHARS = 300
LOW = 0.9
"""Recall or precision below which a line is marked."""

_STYLE = """<style>.bar{display:inline-block;position:relative;width:60px;height:9px;border-radius:5px;
background:var(--line);margin-left:8px;vertical-align:middle}.bar i{position:absolute;top:0;height:9px;
border-radius:5px;background:var(--accent)}.bar i.low{background:var(--look)}.bar u{position:absolute;top:-2px;
width:2px;height:13px;background:var(--ink)}td.e{white-space:nowrap}td small{color:var(--soft)}
td.missed{overflow-wrap:anywhere}</style>"""


def write_page(result: dict[str, Any], dataset: Artifact, workspace: Workspace) -> Path:
    """Write the page of an audit and return its path; an older one of the same Dataset is replaced."""
    folder = workspace.root / "audits"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{dataset.id}.html"
    file.write_text(page("Audit", dataset.id, headline(result), _STYLE + _body(result)), encoding="utf-8")
    return file


def headline(result: dict[str, Any]) -> str:
    """Return how many rules were tried, and how many of them miss or mistake more than one in ten."""
    rules = result["rules"]
    planted = sum(one["planted"] for one in rules)
    low = [one for one in rules if _is_low(one["recall"]) or _is_low(one["precision"])]
    told = (
        f"{planted:,} defects of {len(rules)} kinds planted in {result['copies']} copies of {result['rows']:,} rows. "
    )
    if not low:
        return told + "Every rule found at least nine of ten, and at least nine of ten rows it took were planted."
    return told + f"{_rules(len(low))} fewer than nine of ten, or took more than one row in ten wrongly."


def _rules(number: int) -> str:
    return "1 rule found" if number == 1 else f"{number} rules found"


def lost(one: dict[str, Any]) -> str:
    """Return how many sound rows a rule took, of those planted beside their like."""
    share = one["lost"]
    low, high = (100 * share[end] for end in ("low", "high"))
    told = f"{round(share['value'] * share['n'])} of {share['n']} sound rows ({one['sound']})"
    return f"{one['rule']}: lost {told}, {share['value']:.0%} [{low:.0f}, {high:.0f}]"


def _is_low(estimate: dict[str, Any] | None) -> bool:
    return estimate is not None and estimate["value"] < LOW


def _body(result: dict[str, Any]) -> str:
    lines = "".join(map(_line, sorted(result["rules"], key=lambda one: one["recall"]["value"])))
    names = ("rule", "what was planted", "found", "rightly taken", "your rows")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    missed = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="missed"><code>{escape(shortened(line, SHOWN_CHARS))}</code>'
        for name, line in result["missed"].items()
    )
    reasons = "".join(f"<li><b>{escape(rule)}</b>: {escape(why)}</li>" for rule, why in result["not_planted"].items())
    parts = [
        wide(f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"),
        f'<p class="soft">{escape(_MEANING)}</p>',
        "".join(f"<p>{escape(lost(one))}.</p>" for one in result["must_stay"]),
        f"<h2>Missed or lost</h2><table><tbody>{missed}</tbody></table>" if missed else "",
        f"<h2>Not planted</h2><ul>{reasons}</ul>" if reasons else "",
        f"<h2>Off in this recipe</h2><p>{escape(', '.join(result['off']))}</p>" if result["off"] else "",
    ]
    return "".join(parts)


_MEANING = (
    "Found: the share of what was planted that the rule, or another as right, took, changed or flagged. Rightly "
    "taken: of the rows that the rule took and had let be before anything was planted, the share that bears the defect "
    "meant for it; the others are sound rows, or have other defects. Your rows: the share of the rows as they "
    "are that the rule speaks of; only a reader can say how many of those have the fault. Lines are intervals of 95 %."
)


def _line(one: dict[str, Any]) -> str:
    cells = [_estimate(one["recall"]), _estimate(one["precision"]), f"{one['before']['value']:.1%}"]
    numbers = "".join(f'<td class="e">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row">{escape(one["rule"])}</th><td>{escape(one["defect"])}</td>{numbers}</tr>'


def _estimate(estimate: dict[str, Any] | None) -> str:
    if estimate is None:
        return "took nothing"
    value, low, high = (100 * estimate[name] for name in ("value", "low", "high"))
    kind = ' class="low"' if _is_low(estimate) else ""
    marks = "".join(f'<u style="left:{min(at, 98):.0f}%"></u>' for at in (low, high))
    bar = f'<span class="bar" aria-hidden="true"><i{kind} style="width:{value:.0f}%"></i>{marks}</span>'
    return f"{value:.0f}% <small>[{low:.0f}, {high:.0f}] of {estimate['n']}</small>{bar}"
