"""The examples of ``scorecard.html``: input, right answer and all answers side by side, filtered in the browser.

Owns how examples and filters are shown; without the script all examples are. Does not own which rows (`changed`) nor
how a text becomes HTML (`core.shown`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.core.page import table, wide
from tunesmith.core.shown import SHOWN_STYLE, block, shown, word_changes
from tunesmith.evaluate.changed import BOTH_RIGHT, BOTH_WRONG, LOST, OUTCOMES, WON, against, pick, tally, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tunesmith.evaluate.changed import Picked
    from tunesmith.evaluate.compare import Contestant

TEXT_SHOWN = 400
SCRIPT = (Path(__file__).parents[1] / "assets" / "pages" / "scorecard.js").read_text(encoding="utf-8")
BROWSE_STYLE = SHOWN_STYLE + (
    "<style>.filters{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(190px,100%),1fr));gap:10px 14px;"
    "margin:14px 0 6px}.filters[hidden]{display:none}.filters label{font-size:13px;color:var(--soft);display:grid;"
    "gap:3px;min-width:0}.filters select,.filters input{font:inherit;font-size:15px;color:var(--ink);width:100%;"
    "background:var(--paper);border:1px solid var(--soft);border-radius:8px;padding:6px 9px}"
    "ol.examples{list-style:none;margin:8px 0 0;padding:0}"
    ".example{border-top:2px solid var(--line);padding:12px 0 16px}"
    ".example .sides{margin-top:8px;grid-template-columns:repeat(auto-fit,minmax(min(210px,100%),1fr))}"
    ".example .text.right{border-left:3px solid var(--good)}.example .text.wrong{border-left:3px solid var(--bad)}"
    "del::before{content:' [lacks: '}ins::before{content:' [adds: '}@media print{.filters{display:none}}</style>"
)
_TERMS = (
    (WON, "the tuned model is right and the other wrong", "the tuned model's answer is closer to the right one"),
    (LOST, "the other is right and the tuned model wrong", "the other's answer is closer to the right one"),
    (BOTH_WRONG, "neither is right", "neither is right, both equally far"),
)
"""Outcome, what it means, and what it means of free text."""


@dataclass(frozen=True)
class Rows:
    """The test rows to choose from, with everybody's answers and by name the kinds of rows to filter by."""

    task: str
    inputs: Sequence[str]
    expected: Sequence[str]
    ours: Contestant
    others: Sequence[Contestant]
    kinds: Mapping[str, NDArray[np.bool_]]
    seed: int

    @property
    def is_written(self) -> bool:
        """Whether answers are texts of some length, so that their words are compared."""
        return self.task not in ("classify", "preference")


def examples_section(rows: Rows) -> str:
    """Return the part of the page about single rows."""
    picked = pick(rows.ours, rows.others, rows.seed)
    title = "<h2>Examples: changed and wrong</h2>"
    if not picked:
        return title + "<p class='soft'>Every test row was answered right.</p>"
    names = _kinds_there(rows, picked)
    items = "".join(_example(rows, one, names) for one in picked)
    wrong = len(worst(rows.ours, rows.seed))
    told = f"{len(picked):,} of {len(rows.expected):,} test rows are shown, the most surprising ones; "
    told += f"{wrong:,} were answered wrong, {'farthest off' if rows.task == 'chat' else 'surest'} first."
    return (
        f"{title}{_counts(rows, picked)}<p class='soft'>{told}{_legend(rows)}</p>{_filters(rows, picked, names)}"
        f'<p id="found" class="soft" role="status">{len(picked):,} examples</p><ol class="examples">{items}</ol>'
    )


def _counts(rows: Rows, picked: Sequence[Picked]) -> str:
    """Return how often each outcome came against each system, and how many of these are below."""
    if not rows.others:
        return ""
    lines = []
    for other in rows.others:
        came = tally(against(rows.ours, other))
        below = [one.outcomes.get(other.name) for one in picked]
        cells = [
            f"{came[kind]:,}" + (f" ({below.count(kind):,} shown)" if 0 < below.count(kind) < came[kind] else "")
            for kind in OUTCOMES
        ]
        lines.append([other.name, *cells, f"{len(other.rows):,}"])
    return wide(table(["tuned against", *OUTCOMES, "rows"], lines), "outcomes")


def _legend(rows: Rows) -> str:
    if not rows.others:
        return ""
    by = 2 if rows.task == "chat" else 1
    told = "; ".join(f"{one[0]}: {one[by]}" for one in _TERMS)
    shared = " Closer is by the F1 of shared words." if rows.task == "chat" else ""
    marks = " Marked in an answer: <ins>words it adds</ins> to the right one, <del>words it lacks</del>."
    return f" {escape(told[0].upper() + told[1:])}.{shared}{marks if rows.is_written else ''}"


def _filters(rows: Rows, picked: Sequence[Picked], names: Sequence[str]) -> str:
    """Return the controls, hidden until the script is there to serve them."""
    there = {kind for one in picked for kind in one.outcomes.values()}
    kinds = ["worst", *(kind for kind in (LOST, WON, BOTH_WRONG, BOTH_RIGHT) if kind in there)]
    parts = [
        _select("kind", "what happened", [(kind, kind) for kind in kinds]),
        _select("system", "against", [(one.name, one.name) for one in rows.others]),
        _select("rows", "rows that are", [(str(number), name) for number, name in enumerate(names)]),
        '<label>with the words<input id="by-words" type="search" autocomplete="off"></label>',
    ]
    return f'<div class="filters" id="filters" role="search" aria-label="examples" hidden>{"".join(parts)}</div>'


def _select(name: str, words: str, choices: Sequence[tuple[str, str]]) -> str:
    """Return a labelled choice; nothing if there is none to make."""
    if not choices or (name != "system" and len(choices) < 2):
        return ""
    options = "".join(f'<option value="{escape(value)}">{escape(shown_as)}</option>' for value, shown_as in choices)
    return f'<label>{words}<select id="by-{name}"><option value="">any</option>{options}</select></label>'


def _kinds_there(rows: Rows, picked: Sequence[Picked]) -> list[str]:
    return [name for name, mask in rows.kinds.items() if any(mask[one.row] for one in picked)]


def _example(rows: Rows, one: Picked, names: Sequence[str]) -> str:
    right, own = rows.expected[one.row], rows.ours.answers
    sure = own.confidences[one.row]
    told = "" if math.isnan(sure) else f", probability {sure:.3f}"
    good = bool(rows.ours.columns["correct"][one.row])
    titles = "right answer", "right", "wrong"
    if rows.task == "preference":
        titles = "chosen", "chosen, and preferred", "rejected, but preferred"
    sides = [_side(titles[0], block(_plain(right)))]
    sides.append(_side(f"tuned, {titles[1 if good else 2]}{told}", _answer(rows, right, own.texts[one.row], good)))
    sides += [
        _side(_came(one, who), _answer(rows, right, text, fine), who) for (text, fine), who in _given(rows, one).items()
    ]
    came = "|".join(f"{name}:{kind}" for name, kind in one.outcomes.items())
    kinds = " ".join(str(number) for number, name in enumerate(names) if rows.kinds[name][one.row])
    return (
        f'<li class="example" data-came="{escape(came)}" data-kinds="{kinds}"{" data-worst" if one.worst else ""}>'
        f'<div class="cap">input</div>{block(_plain(rows.inputs[one.row]))}<div class="sides">{"".join(sides)}</div>'
        "</li>"
    )


def _given(rows: Rows, one: Picked) -> dict[tuple[str, bool], list[str]]:
    """Return what the others answered to a row, and who; those who answered the same stand together."""
    given: dict[tuple[str, bool], list[str]] = {}
    for other in rows.others:
        if other.name in one.outcomes:
            place = other.rows.index(one.row)
            answer = other.answers.texts[place], bool(other.columns["correct"][place])
            given.setdefault(answer, []).append(other.name)
    return given


def _came(one: Picked, who: Sequence[str]) -> str:
    """Return who answered and what it came to, those of one outcome together: ``base, prompt · tuned won``."""
    told: dict[str, list[str]] = {}
    for name in who:
        kind = one.outcomes[name]
        told.setdefault(f"tuned {kind}" if kind in (WON, LOST) else kind, []).append(name)
    return "; ".join(f"{', '.join(names)} · {kind}" for kind, names in told.items())


def _side(title: str, inner: str, who: Sequence[str] = ()) -> str:
    systems = f' data-systems="{escape("|".join(who))}"' if who else ""
    return f'<div{systems}><div class="cap">{escape(title)}</div>{inner}</div>'


def _answer(rows: Rows, right: str, given: str, good: bool) -> str:
    marked = word_changes(right, given, TEXT_SHOWN) if rows.is_written and not good else _plain(given)
    return block(marked, "right" if good else "wrong")


def _plain(text: str) -> str:
    return shown(text, TEXT_SHOWN) or '<span class="soft">(empty)</span>'
