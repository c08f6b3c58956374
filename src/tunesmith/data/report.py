"""``report.html`` of a Dataset: what came in, what was repaired and removed and why, and what is left.

Owns the page's content. Does not own its frame (`core.page`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import cards, page, table
from tunesmith.data.restore import RESTORABLE
from tunesmith.data.rows import shortened, to_json
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.data.prepare import Work
    from tunesmith.data.rows import Removed, Repair, Row

SHOWN_PER_RULE = 5
SHOWN_LABELS = 100
_WORD_CLASS = {"good": "good", "poor": "bad"}


def write_report(
    file: Path, work: Work, parts: dict[str, list[Row]], repairs: Sequence[Repair], result: dict[str, Any]
) -> None:
    """Write the page of a Dataset."""
    rows, splits = result["rows"], result["splits"]
    facts = {"rows read": rows["read"], "kept": rows["kept"], "removed": rows["removed"], **splits}
    body = cards((name, f"{count:,}") for name, count in facts.items())
    body += _verdicts(result["verdicts"])
    body += "".join(f"<p>{escape(note)}</p>" for note in result["notes"])
    body += _removed(work.removed) + _repairs(repairs) + _labels(parts) + _lengths(parts) + _examples(parts["train"])
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


def _removed(removed: Sequence[Removed]) -> str:
    if not removed:
        return "<h2>Removed</h2><p>Nothing.</p>"
    by_rule: dict[str, list[Removed]] = defaultdict(list)
    for one in removed:
        by_rule[one.rule].append(one)
    ranked = sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0]))
    counts = table(["rule", "rows"], [(rule, f"{len(ones):,}") for rule, ones in ranked])
    shown = [
        (rule, one.row_id, f"{one.source}:{one.line}", shortened(to_json(one.evidence), 200), shortened(one.text, 200))
        for rule, ones in ranked
        for one in ones[:SHOWN_PER_RULE]
    ]
    examples = table(["rule", "row", "where", "evidence", "text"], shown, numeric_from=9)
    undo = f"<p>Undo one with <code>tunesmith restore ID ROW</code> (rules {escape(', '.join(RESTORABLE))}).</p>"
    return f"<h2>Removed</h2>{counts}{examples}{undo}"


def _repairs(repairs: Sequence[Repair]) -> str:
    if not repairs:
        return "<h2>Repaired</h2><p>Nothing.</p>"
    by_rule: dict[str, list[Repair]] = defaultdict(list)
    for one in repairs:
        by_rule[one.rule].append(one)
    shown = [
        (
            rule,
            f"{len(ones):,}",
            ones[0].row_id,
            shortened(ones[0].before, 160),
            shortened(ones[0].after or "(flagged)", 160),
        )
        for rule, ones in sorted(by_rule.items())
    ]
    return "<h2>Repaired</h2>" + table(["rule", "fields", "for example", "before", "after"], shown, numeric_from=9)


def _labels(parts: dict[str, list[Row]]) -> str:
    counts = {name: Counter(row.label for row in rows if row.label is not None) for name, rows in parts.items()}
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


def _lengths(parts: dict[str, list[Row]]) -> str:
    lines = []
    for name, rows in parts.items():
        sizes = sorted(sum(len(text_of(message)) for message in row.messages) for row in rows)
        if sizes:
            lines.append((name, *(f"{sizes[int(q * (len(sizes) - 1))]:,}" for q in (0, 0.5, 0.95, 1))))
    header = ["characters per row", "shortest", "median", "95 %", "longest"]
    return "<h2>Lengths</h2>" + table(header, lines)


def _examples(train: Sequence[Row]) -> str:
    shown = [
        (f"{row.source}:{row.line}", shortened(row.input_text, 300), shortened(text_of(row.answer), 300))
        for row in train[:8]
    ]
    return "<h2>As they are learnt</h2>" + table(["where", "question", "answer"], shown, numeric_from=9)
