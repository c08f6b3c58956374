"""Examples of what was done to rows: copies, conflicts, repairs, flags, removals with the way back, and rows as learnt.

Owns these sections. Does not own which rows are shown (`report_rows`), the words for evidence (`report_words`) nor how
a text is shown (`core.shown`).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.shown import block, changes, marked, same_words, shown, side_by_side
from tunesmith.data.report.rows import ANSWERS, COPIES, answer_of, text_of_removed
from tunesmith.data.report.words import evidence_words, jaccard_words, rule_words, span_of
from tunesmith.data.restore import LEAKS, REDACTED, ROW_BY_ROW, is_restorable
from tunesmith.text.examples import text_of

if TYPE_CHECKING:
    from tunesmith.data.report.rows import Cluster, Picked, Record, Ruled, Shown, Texts

_NO_DIFF = ("pii", "turns")
"""Repairs whose ``before`` is no text: what was redacted is not kept, turns are kept as JSON."""

TITLE_CHARS = 90


def duplicates(picked: Picked, texts: Texts, result: dict[str, Any], near: float | None) -> str:
    """Return the largest clusters of copies, the row that stays beside some of those that went."""
    if not picked.clusters:
        return ""
    by_rule = result["removed_by"]
    copies = sum(by_rule.get(rule, 0) for rule in COPIES)
    largest = picked.clusters[0].size
    told = (
        f"{copies:,} rows were copies of {picked.kept_for_many:,} that stay; no row had more than {largest:,}. "
        f"{_of(len(picked.clusters), picked.kept_for_many, 'clusters')}"
    )
    return f"<p>{told}</p>" + "".join(
        _cluster(cluster, texts, near, number == 0) for number, cluster in enumerate(picked.clusters)
    )


def _cluster(cluster: Cluster, texts: Texts, near: float | None, is_open: bool) -> str:
    kept = texts.get(cluster.kept)
    base = kept.text if kept else ""
    rows = "".join(
        _row(one["source"], one["line"], one["row_id"], _alike(one, near),
             _against(base, text_of_removed(one["text"]), kept.at if kept else cluster.kept))
        for one in cluster.rows
    )  # fmt: skip
    title = f"{shown(kept.asked if kept else cluster.kept, TITLE_CHARS)}"
    told = f'<span class="count">{cluster.size:,}</span> <span class="soft">removed for it</span>'
    return _details(title, told, rows + _more(len(cluster.rows), cluster.size), is_open)


def _alike(one: Record, near: float | None) -> str:
    value = one["evidence"].get("jaccard")
    return f"{one['rule']}: {jaccard_words(value, near)}" if value is not None else rule_words(one["rule"])


def _against(kept: str, gone: str, where: str) -> str:
    """Return a removed row beside the one that stays, with what differs marked."""
    titles = (f"stays: {escape(where)}", "removed")
    if kept == gone:
        return side_by_side([(f"{titles[0]}, the same letter for letter", shown(gone))])
    if same_words(kept, gone):
        left, right = changes(kept[:1500], gone[:1500])
        return side_by_side([(titles[0], left), (titles[1], right)])
    return side_by_side([(titles[0], shown(kept)), (titles[1], shown(gone))])


def conflicts(picked: Picked, texts: Texts, result: dict[str, Any], near: float | None) -> str:
    """Return questions with their different answers side by side."""
    if not picked.conflicts and not picked.near_conflicts:
        return ""
    told = (
        f"{result['conflicts']:,} questions have more than one answer; of those at most one can be learnt, and "
        f"data.dedup.conflicts decides. {result['near_conflicts']:,} rows ask nearly what another row asks and answer "
        "differently, which may be right: they stay. "
        f"{_of(len(picked.conflicts) + len(picked.near_conflicts), result['conflicts'] + result['near_conflicts'])}"
    )
    groups = [[row for one in ids if (row := texts.get(one))] for ids in picked.conflicts]
    equal = "".join(_conflict(rows, number < 3) for number, rows in enumerate(groups) if rows)
    pairs = [(texts.get(kept), texts.get(row)) for kept, row in picked.near_conflicts]
    alike = "".join(_near_conflict(one, other) for one, other in pairs if one and other)
    return f"<p>{told}</p>{equal}{alike}"


def _conflict(rows: list[Shown], is_open: bool) -> str:
    sides = side_by_side(
        (f"{escape(row.at)} · {row.where} · <code>{escape(row.row_id)}</code>", shown(row.answer))
        for row in rows[:ANSWERS]
    )
    asked = block(shown(rows[0].asked)) if len(rows[0].asked) > TITLE_CHARS else ""
    inner = f'<div class="row">{asked}{sides}{_more(min(len(rows), ANSWERS), len(rows))}</div>'
    return _details(
        shown(rows[0].asked, TITLE_CHARS), f'<span class="count">{len(rows)}</span> answers', inner, is_open
    )


def _near_conflict(one: Shown, other: Shown) -> str:
    left, right = changes(one.text[:1500], other.text[:1500])
    sides = side_by_side([(escape(one.at), left), (escape(other.at), right)])
    return _details(shown(one.asked, TITLE_CHARS), '<span class="soft">nearly the same question</span>',
                    f'<div class="row">{sides}</div>', False)  # fmt: skip


def repairs_shown(picked: Picked, texts: Texts, dataset: str) -> str:
    """Return repairs by rule, before and after, with the changes marked, and the commands that undo them."""
    intro = '<p class="soft">· is a space, ↵ a line break, → a tab that was taken out or put in.</p>'
    blocks = []
    for number, one in enumerate(picked.repaired):
        rows = "".join(_repair(row, texts, dataset) for row in one.rows)
        blocks.append(_ruled(one, _leave_all(one.rule, dataset) + rows, "changes", number < 1))
    return intro + "".join(blocks) if blocks else ""


def _leave_all(rule: str, dataset: str) -> str:
    if rule in REDACTED:
        return ""
    return f'<p class="undo">Leave all as they came: {_command(f"tunesmith restore {dataset} --repair {rule}")}</p>'


def _repair(one: Record, texts: Texts, dataset: str) -> str:
    before, after = one["before"], one["after"]
    row = texts.get(one["row_id"])
    source, line = row.at.rsplit(":", 1) if row else ("", "")
    if one["rule"] in _NO_DIFF:
        why = f"{before.strip('()')}, in {one['field']}" if one["rule"] == "pii" else f"now {after}"
        text = after if one["rule"] == "pii" else (row.text if row else "")
        inner = block(marked(text, _placeholder(after)))
    else:
        why, (left, right) = f"in {one['field']}", changes(before, after)
        inner = side_by_side([("before", left), ("after", right)])
    what = f"{one['row_id']}/{one['rule']}" if one["rule"] in REDACTED else one["row_id"]
    undo = _command(f"tunesmith restore {dataset} --repair {what}")
    return _row(source, line, one["row_id"], why, inner, f'<p class="undo">Undo: {undo}</p>')


def _placeholder(text: str) -> str:
    start = text.find("[")
    return text[start : text.find("]", start) + 1] if start >= 0 else ""


def flagged(picked: Picked, texts: Texts, near: float | None) -> str:
    """Return what was noted by rule, with examples."""
    return "".join(_ruled(one, "".join(_flag(row, texts, near) for row in one.rows), "flags", number < 1)
                   for number, one in enumerate(picked.flagged))  # fmt: skip


def _flag(one: Record, texts: Texts, near: float | None) -> str:
    row = texts.get(one["row_id"])
    if row is None:
        return ""
    source, line = row.at.rsplit(":", 1)
    why = evidence_words(one["rule"], one["evidence"], near)
    return _row(source, line, one["row_id"], why, block(marked(row.text, span_of(one["evidence"]))))


def removals(picked: Picked, texts: Texts, result: dict[str, Any], near: float | None) -> str:
    """Return removed rows by rule: the evidence in words, the twin beside it, and the command that brings it back."""
    if not picked.removed:
        return "<p>Nothing was removed.</p>"
    intro = (
        "<p>All of them are in <code>removed.parquet</code>. A command below notes in <code>restore.yaml</code> what "
        "stays; the next <code>tunesmith prepare</code> keeps it. Commands work in the recipe's folder; the copy "
        'button adds where the workspace is.</p><p id="filter"></p>'
    )
    dataset = result["dataset"]
    blocks = [
        _ruled(one, _undo_rule(one, dataset) + "".join(_removal(row, texts, dataset, near) for row in one.rows), "rows",
               number < 2)
        for number, one in enumerate(picked.removed)
    ]  # fmt: skip
    return intro + "".join(blocks)


def _undo_rule(one: Ruled, dataset: str) -> str:
    if not is_restorable(one.rule):
        why = "they would leak the test into training" if one.rule in LEAKS else "they are no examples"
        return f'<p class="undo">These rows cannot come back: {why}.</p>'
    if one.rule in ROW_BY_ROW:
        return '<p class="undo">These rows come back one by one only: evaluation items would be learnt.</p>'
    return f'<p class="undo">Keep all of them: {_command(f"tunesmith restore {dataset} --rule {one.rule}")}</p>'


def _command(words: str) -> str:
    return f'<code class="copy">{escape(words)}</code>'


def _removal(one: Record, texts: Texts, dataset: str, near: float | None) -> str:
    evidence, text = one["evidence"], text_of_removed(one["text"])
    twin = texts.get(str(evidence.get("twin", "")))
    if twin is not None:
        inner = _against(twin.text, text, f"{twin.at} ({twin.where})")
    elif "item_text" in evidence:
        sides = [("evaluation item", shown(evidence["item_text"])), ("removed", marked(text, span_of(evidence)))]
        inner = side_by_side(sides)
    elif "nearest" in evidence:
        inner = side_by_side([("nearest text of the target", shown(evidence["nearest"])), ("removed", shown(text))])
    else:
        inner = block(marked(text, span_of(evidence)))
    undo = _command(f"tunesmith restore {dataset} {one['row_id']}") if is_restorable(one["rule"]) else ""
    why = evidence_words(one["rule"], evidence, near)
    return _row(
        one["source"], one["line"], one["row_id"], why, inner, f'<p class="undo">Undo: {undo}</p>' if undo else ""
    )


def samples(picked: Picked, texts: Texts) -> str:
    """Return rows of train as they are learnt: each turn, the answers marked."""
    rows = []
    for number in picked.samples:
        row = texts.at(number)
        source, line = row.at.rsplit(":", 1)
        size = f"{row.tokens:,} tokens, {row.target_tokens or 0:,} of them learnt" if row.tokens is not None else ""
        turns = row.messages if len(row.messages) <= 6 else [*row.messages[:2], None, *row.messages[-3:]]
        inner = "".join(_turn(turn, len(row.messages) - 5) for turn in turns)
        rows.append(_row(source, line, row.row_id, size, inner))
    told = "The blue edge marks what is learnt; the recipe's own prompt is added around it."
    return f'<p class="soft">{told}</p>{"".join(rows)}'


def _turn(turn: Record | None, left_out: int) -> str:
    if turn is None:
        return f'<p class="more">… {left_out} turns between</p>'
    learnt = turn["role"] == "assistant" and turn.get("weight", 1) != 0
    text = answer_of(turn) if turn["role"] == "assistant" else text_of(turn)
    return f'<div class="cap">{escape(turn["role"])}</div>{block(shown(text), "a" if learnt else "")}'


def _ruled(one: Ruled, inner: str, noun: str, is_open: bool) -> str:
    told = f'<span class="count">{one.count:,}</span> <span class="soft">{noun} · {escape(rule_words(one.rule))}</span>'
    return _details(escape(one.rule), told, inner + _more(len(one.rows), one.count), is_open)


def _details(title: str, told: str, inner: str, is_open: bool) -> str:
    opened = " open" if is_open else ""
    return f'<details class="rule"{opened}><summary><h3>{title}</h3> {told}</summary>{inner}</details>'


def _row(source: str, line: Any, row_id: str, why: str, inner: str, undo: str = "") -> str:
    return (
        f'<div class="row"><div class="meta"><b>{escape(str(source))}:{line}</b><code>{escape(row_id)}</code></div>'
        f"{f'<p class=why>{escape(why)}</p>' if why else ''}{inner}{undo}</div>"
    )


def _more(shown_rows: int, total: int) -> str:
    return f'<p class="soft">{shown_rows} of {total:,} shown.</p>' if shown_rows < total else ""


def _of(shown_rows: int, total: int, noun: str = "") -> str:
    return f"{shown_rows} of {total:,} {noun} shown.".replace("  ", " ") if shown_rows < total else ""
