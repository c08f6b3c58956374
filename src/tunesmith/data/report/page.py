"""``report.html`` of a Dataset: what to think of it, where every row went, what was changed, flagged, removed, and why.

Owns the page: its sections and their order. Does not own its frame (`core.page`), style (`report_style`), drawings
(`report_plots`), the numbers behind them (`report_numbers`), verdicts (`verdicts`), which rows are shown
(`report_rows`) nor how a text is (`core.shown`).
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import page
from tunesmith.data.report.examples import conflicts, duplicates, flagged, removals, repairs_shown, samples
from tunesmith.data.report.lengths import label_table, lengths
from tunesmith.data.report.numbers import flow
from tunesmith.data.report.plots import flow_plot
from tunesmith.data.report.rows import Texts, pick
from tunesmith.data.report.style import SCRIPT, STYLE
from tunesmith.data.report.topics import people_table, topic_table
from tunesmith.data.report.verdicts import verdict_cards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from tunesmith.data.decide import Decided
    from tunesmith.data.gather import Gathered
    from tunesmith.data.report.numbers import Link

_COLOURS = {
    "read": "var(--soft)", "unchanged": "var(--soft)", "repaired": "var(--look)", "removed": "var(--bad)",
    "train": "var(--accent)", "valid": "var(--second)", "test": "var(--good)",
}  # fmt: skip
_WORDS = {"unchanged": "as it was", "valid": "valid, held out", "test": "test, held out"}


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading; ``name`` is its anchor."""

    name: str
    title: str
    body: str

    def html(self) -> str:
        """Return heading and body."""
        head = f'<h2 id="{self.name}">{escape(self.title)}</h2>'
        return f'<section aria-labelledby="{self.name}">{head}{self.body}</section>'


def write_report(
    file: Path,
    gathered: Gathered,
    decided: Decided,
    removed: pl.DataFrame,
    repairs: pl.DataFrame,
    result: dict[str, Any],
) -> None:
    """Write the page of a Dataset: one file, at most about 1.5 MB whatever the data."""
    picked = pick(gathered, decided, removed, repairs)
    picked.worst = {topic: list(one.get("worst", ())) for topic, one in result["verdicts"].items()}
    texts = Texts(gathered, decided, picked.ids(), picked.samples)
    near = result["verdicts"]["cleanliness"].get("near")
    limit = result["verdicts"]["size"].get("max_tokens")
    found = [
        Section("verdicts", "Is it good enough to learn from?", verdict_cards(result, picked, texts, repairs)),
        Section("rows", "Where every row went", _flow(flow(gathered, decided, result["removed_by"]), result)),
        Section("lengths", "How long rows are", lengths(gathered, decided, limit)),
        Section("labels", "Labels", label_table(gathered, decided)),
        Section("topics", "Topics", topic_table(result["facts"].get("topics"))),
        Section("people", "Groups of people", people_table(result["facts"].get("bias"))),
        Section("duplicates", "Copies", duplicates(picked, texts, result, near)),
        Section("conflicts", "Same question, different answers", conflicts(picked, texts, result, near)),
        Section("repairs", "Repaired", repairs_shown(picked, texts, result["dataset"])),
        Section("flags", "Flagged, but kept", flagged(picked, texts, near)),
        Section("removed", "Removed", removals(picked, texts, result, near)),
        Section("samples", "As it is learnt", samples(picked, texts)),
    ]
    sections = [section for section in found if section.body]
    body = STYLE + _contents(sections) + "".join(section.html() for section in sections)
    file.write_text(page("Dataset", result["dataset"], _headline(result), body, SCRIPT), encoding="utf-8")


def _headline(result: dict[str, Any]) -> str:
    rows, splits = result["rows"], result["splits"]
    told = f"{rows['kept']:,} of {rows['read']:,} rows are in: {splits['train']:,} to learn from, "
    told += f"{splits['valid']:,} to validate with, {splits['test']:,} to test on. "
    if rows["removed"]:
        told += f"{rows['removed']:,} are out, each with its reason. "
    words = {
        word: [topic for topic, one in result["verdicts"].items() if one["verdict"] == word]
        for word in ("poor", "look")
    }
    told += "".join(f"{', '.join(own).capitalize()}: {word}. " for word, own in words.items() if own)
    return told.rstrip()


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(f'<a href="#{section.name}">{escape(section.title)}</a>' for section in sections)
    return f'<nav class="toc" aria-label="contents">{links}</nav>'


def _flow(links: Sequence[Link], result: dict[str, Any]) -> str:
    plots = "".join(
        f'<div class="{name}">{flow_plot(links, _WORDS, _COLOURS, width)}</div>'
        for name, width in (("broad", 1040), ("narrow", 360))
    )
    lines = "".join(
        f'<tr><th scope="row">{escape(_WORDS.get(source, source))}</th><td>{escape(_WORDS.get(to, to))}</td>'
        f'<td class="n">{rows:,}</td></tr>'
        for source, to, rows in links
    )
    head = '<tr><th scope="col">from</th><th scope="col">to</th><th scope="col" class="n">rows</th></tr>'
    notes = "".join(f"<p>{escape(note)}</p>" for note in result["notes"])
    inner = f"<table><thead>{head}</thead><tbody>{lines}</tbody></table>"
    return f"{plots}<details><summary>The same as a table</summary>{inner}</details>{notes}"
