"""``report.html`` of a Dataset: what came in, what was repaired and removed and why, and what is left.

Owns the page's content. Does not own its frame (`core.page`).
"""

from __future__ import annotations

import json
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from tunesmith.core.page import cards, page, table
from tunesmith.data.rows import shortened
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered

SHOWN_PER_RULE = 5
SHOWN_LABELS = 100
_WORD_CLASS = {"good": "good", "poor": "bad"}


def write_report(
    file: Path,
    gathered: Gathered,
    decided: Decided,
    removed: pl.DataFrame,
    repairs: pl.DataFrame,
    result: dict[str, Any],
) -> None:
    """Write the page of a Dataset."""
    rows, splits = result["rows"], result["splits"]
    facts = {"rows read": rows["read"], "kept": rows["kept"], "removed": rows["removed"], **splits}
    body = cards((name, f"{count:,}") for name, count in facts.items())
    body += _verdicts(result["verdicts"])
    body += "".join(f"<p>{escape(note)}</p>" for note in result["notes"])
    parts = {name: gathered.frame[own] for name, own in decided.parts.items()}
    body += _removed(removed) + _repairs(repairs) + _labels(parts) + _lengths(parts)
    body += _examples(gathered, decided.parts["train"])
    headline = (
        f"{rows['kept']:,} of {rows['read']:,} rows are in; {rows['removed']:,} are out, each with its reason in "
        "removed.parquet."
    )
    file.write_text(page("Dataset", result["dataset"], headline, body), encoding="utf-8")


def _verdicts(verdicts: dict[str, dict[str, str]]) -> str:
    lines = "".join(
        f"<tr><td>{escape(topic)}</td>"
        f'<td class="{_WORD_CLASS.get(one["verdict"], "soft")}">{escape(one["verdict"])}</td>'
        f"<td>{escape(one['why'])}</td></tr>"
        for topic, one in verdicts.items()
    )
    return f"<h2>Verdicts</h2><table><tr><th></th><th></th><th>why</th></tr>{lines}</table>"


def _removed(removed: pl.DataFrame) -> str:
    if not removed.height:
        return "<h2>Removed</h2><p>Nothing.</p>"
    ranked = removed["rule"].value_counts().sort(["count", "rule"], descending=[True, False]).rows()
    counts = table(["rule", "rows"], [(rule, f"{count:,}") for rule, count in ranked])
    shown = [
        (rule, one["row_id"], f"{one['source']}:{one['line']}", shortened(one["evidence"], 200),
         shortened(one["text"], 200))
        for rule, _ in ranked
        for one in removed.filter(pl.col("rule") == rule).head(SHOWN_PER_RULE).to_dicts()
    ]  # fmt: skip
    examples = table(["rule", "row", "where", "evidence", "text"], shown, numeric_from=9)
    undo = (
        "<p>Undo with <code>tunesmith restore ID ROW</code> or <code>tunesmith restore ID --rule RULE</code>; "
        "rows that are no example, or leak from the test, cannot come back.</p>"
    )
    return f"<h2>Removed</h2>{counts}{examples}{undo}"


def _repairs(repairs: pl.DataFrame) -> str:
    if not repairs.height:
        return "<h2>Repaired</h2><p>Nothing.</p>"
    shown = []
    for (rule,), own in sorted(repairs.group_by("rule", maintain_order=True)):
        first = own.row(0, named=True)
        after = first["after"] if first["after"] is not None else "(flagged)"
        shown.append((rule, f"{own.height:,}", first["row_id"], shortened(first["before"], 160), shortened(after, 160)))
    return "<h2>Repaired</h2>" + table(["rule", "fields", "for example", "before", "after"], shown, numeric_from=9)


def _labels(parts: dict[str, pl.DataFrame]) -> str:
    counts = {name: Counter(rows["label"].drop_nulls().to_list()) for name, rows in parts.items()}
    if not counts["train"]:
        return ""
    ranked = counts["train"].most_common()
    most = ranked[0][1]
    bars = "".join(
        f'<tr><td>{escape(str(label))}</td><td class="n">{count:,}</td><td class="n">{counts["valid"][label]:,}</td>'
        f'<td class="n">{counts["test"][label]:,}</td><td><svg width="300" height="12" role="img">'
        f'<rect width="{300 * count / most:.0f}" height="12" rx="3" fill="var(--accent)"/></svg></td></tr>'
        for label, count in ranked[:SHOWN_LABELS]
    )
    more = f"<p>and {len(ranked) - SHOWN_LABELS} more</p>" if len(ranked) > SHOWN_LABELS else ""
    head = '<tr><th>label</th><th class="n">train</th><th class="n">valid</th><th class="n">test</th><th></th></tr>'
    return f"<h2>Labels</h2><table>{head}{bars}</table>{more}"


def _lengths(parts: dict[str, pl.DataFrame]) -> str:
    lines = []
    for name, rows in parts.items():
        if rows.height:
            quantiles = (rows["chars"].quantile(q, "nearest") or 0 for q in (0, 0.5, 0.95, 1))
            lines.append((name, *(f"{value:,.0f}" for value in quantiles)))
    header = ["characters per row", "shortest", "median", "95 %", "longest"]
    return "<h2>Lengths</h2>" + table(header, lines)


def _examples(gathered: Gathered, train: list[int]) -> str:
    first = train[:8]
    frame = gathered.texts(np.array(first, np.int64), ["source", "line", "messages"])
    shown = []
    for source, line, messages in frame.rows():
        *before, answer = json.loads(messages)
        asked = next((text_of(message) for message in reversed(before) if message["role"] == "user"), "")
        shown.append((f"{source}:{line}", shortened(asked, 300), shortened(text_of(answer), 300)))
    return "<h2>As they are learnt</h2>" + table(["where", "question", "answer"], shown, numeric_from=9)
