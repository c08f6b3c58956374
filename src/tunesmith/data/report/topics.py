"""What train is about: topics with their share and the words that tell them apart, and groups of people in it.

Owns what is shown of them. Does not own the facts (`data.topics`, `data.bias`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tunesmith.core.shown import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

OPEN_TOPICS, OTHERS = 24, 30


def topic_table(topics: dict[str, Any] | None) -> str:
    """Return the topics, the largest first; empty if none were looked for."""
    if topics is None:
        return ""
    of = "" if topics["rows"] == topics["of"] else f" ({topics['rows']:,} of {topics['of']:,} looked at)"
    told = (
        f"Rows to learn from{of}, grouped by the meaning of their words: {topics['number']} topics, as diverse as "
        f"<b>{topics['effective']:.1f}</b> equal ones (the exponential of their entropy); the largest holds "
        f"<b>{100 * topics['largest_frac']:.1f} %</b>."
    )
    ranked = sorted(topics["topics"], key=lambda one: -int(one["rows"]))
    rest = ranked[OPEN_TOPICS:]
    more = f"<details><summary>{len(rest)} more</summary>{_lines(rest, ranked)}</details>" if rest else ""
    return f"<p>{told}</p>{_lines(ranked[:OPEN_TOPICS], ranked)}{more}"


def _lines(topics: Sequence[dict[str, Any]], ranked: Sequence[dict[str, Any]]) -> str:
    top = max(ranked[0]["frac"], 1e-9)
    lines = "".join(
        f'<tr><th scope="row">{shown(", ".join(one["words"]) or one["name"], 90)}</th>'
        f'<td class="n">{one["rows"]:,}</td>'
        f'<td class="n">{100 * one["frac"]:.1f}&nbsp;%</td>'
        f'<td class="b"><div class="fill"><i style="width:{100 * one["frac"] / top:.1f}%"></i></div></td></tr>'
        for one in topics
    )
    head = '<th scope="col">words that tell it apart</th><th scope="col" class="n">rows</th>'
    head += '<th scope="col" class="n">share</th><th scope="col" class="b">share of the largest</th>'
    return f'<table class="labels"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def people_table(bias: dict[str, Any] | None) -> str:
    """Return how rows that mention groups of people differ from the others; empty if that was not looked at."""
    if bias is None:
        return ""
    seen = {group: count for group, count in bias["mentions"].items() if count}
    few = [f"{group} ({bias['mentions'][group]})" for group in bias["too_few"] if bias["mentions"][group]]
    of = "" if bias["rows"] == bias["of"] else f" ({bias['rows']:,} of {bias['of']:,} looked at)"
    groups = len(seen) - len(few)
    told = (
        f"Rows to learn from{of} that mention a group of people, against those that mention none, by English words: "
        f"{groups} group{'s' * (groups != 1)}, {bias['compared']:,} comparisons, <b>{bias['found']:,}</b> that matter "
        "and that chance does not explain (5 % may be false alarms). A difference is no proof of bias: such rows may "
        "ask other things. Nothing is changed for it."
        if groups
        else f"No group of people is mentioned by enough of the rows to learn from{of}, by English words, to compare "
        "how they are answered."
    )
    rest = f"<p class='soft'>Mentioned too rarely to tell: {shown(', '.join(few), 600)}.</p>" if few else ""
    return f"<p>{told}</p>{_compared(bias['comparisons'], bias['found'])}{rest}"


def _compared(comparisons: Sequence[dict[str, Any]], found: int) -> str:
    first, others = comparisons[:found], comparisons[found : found + OTHERS]
    head = f"{len(others)} that are small, or that chance may explain"
    more = f"<details><summary>{head}</summary>{_people(others)}</details>"
    return (_people(first) if first else "") + (more if others else "")


def _people(comparisons: Sequence[dict[str, Any]]) -> str:
    lines = "".join(
        f'<tr><td>{shown(one["told"], 200)}</td><td class="n">{one["rows"]:,}</td>'
        f'<td class="n">{one["q"]:.2g}</td></tr>'
        for one in comparisons
    )
    head = '<th scope="col">difference, 95 % interval</th><th scope="col" class="n">rows</th>'
    head += '<th scope="col" class="n">adjusted p</th>'
    return f'<table class="labels"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'
