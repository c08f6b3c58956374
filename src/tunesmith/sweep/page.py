"""``sweep.html``: what was tried, what mattered, and what the winner brought.

Owns the drawing of importance and parallel coordinates. Charts over trials are `core.chart`; the
numbers come from ``sweep.json``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.chart import CHART_STYLE, Line, chart, key
from tunesmith.core.page import cards, page, table, wide
from tunesmith.recipe.sweep import Range
from tunesmith.sweep.words import short_names, told_score, told_value

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.sweep.space import Space

_STYLE = (
    "<style>.bar{display:grid;grid-template-columns:minmax(120px,280px) 1fr 48px;gap:10px;align-items:center;"
    "margin:4px 0}.bar i{display:block;height:12px;border-radius:3px;background:var(--accent)}"
    ".bar b{font-weight:400;text-align:right;font-variant-numeric:tabular-nums}"
    ".bar span{overflow-wrap:anywhere}.coordinates svg{max-width:none}.coordinates path{fill:none}"
    ".coordinates text{paint-order:stroke;stroke:var(--paper);stroke-width:4px}"
    "@media(max-width:640px){.bar{grid-template-columns:1fr 48px}.bar span{grid-column:1/3;margin-bottom:-8px}}</style>"
)

APART_PX, HIGH_PX, ROOM_PX, TOP_PX = 170, 240, 90, 34
"""Pixels between two axes, their height, and the room beside and above them."""

LOG_FROM = 5.0
"""Ratio of the highest to the lowest score from which their axis is logarithmic."""

BEST_FRAC = 0.2
"""Share of the trials, the best ones, that stand out among the lines."""


@dataclass(frozen=True)
class Axis:
    """One upright line: its name, and where values lie on it, 0 at its foot and 1 at its top."""

    name: str
    given: Any

    def at(self, value: Any) -> float:
        """Return where a value lies."""
        if not isinstance(self.given, Range):
            return self.given.index(value) / (len(self.given) - 1) if len(self.given) > 1 else 0.5
        low, high = float(self.given.low), float(self.given.high)
        if self.given.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return float((value - low) / (high - low))

    def marks(self) -> list[tuple[float, str]]:
        """Return places and what stands beside them."""
        values = [self.given.low, self.given.high] if isinstance(self.given, Range) else self.given
        return [(self.at(value), told_value(value)) for value in values]


def write_page(path: Path, space: Space, result: dict[str, Any]) -> None:
    """Write the page of a sweep."""
    trials, metric, counts = result["trials"], result["metric"], result["counts"]
    facts = [
        ("trials", len(trials)),
        ("stopped early", counts["stopped early"]),
        (f"best {metric}, one seed", told_score(result["best"]["score"])),
        ("best trial", result["best"]["number"]),
    ]
    body = CHART_STYLE + _STYLE + cards(facts) + _comparison(result["comparison"], metric) + _winner(result, space)
    body += "<h2>What decides the order of trials</h2>" + _importance(result["importance"])
    body += "<h2>Every trial across its settings</h2>" + coordinates(space, result)
    body += f"<h2>{escape(metric)} of each trial, and the best so far</h2>" + _course(result)
    body += _all(space, result)
    path.write_text(page("Sweep", result["sweep"], result["sentence"], body), encoding="utf-8")


def _comparison(comparison: dict[str, Any], metric: str) -> str:
    """Return both recipes on each seed."""
    valid, test = comparison["valid"], comparison["test"]
    header = ["", f"{metric} on validation", *([f"{test['metric']} on test"] if test else [])]
    rows: list[list[str]] = []
    for name, told in (("winner", "the winner"), ("default", "the recipe as it is")):
        measured = [valid[name], *([test[name]] if test else [])]
        rows.append([told, *(_spread(one) for one in measured)])
        for at, seed in enumerate(comparison["seeds"]):
            rows.append([f"· seed {seed}", *(told_score(one["values"][at]) for one in measured)])
    rows.append(["the winner is better by", *(_gain(one["gain"]) for one in (valid, *([test] if test else [])))])
    n = len(comparison["seeds"])
    note = (
        f"Mean ± standard deviation over {n} seeds that took no part in the search, for the best of many trials is "
        "partly the luckiest. Test rows took no part in any choice. Intervals are 95 %, over seeds, not over rows."
    )
    return f'<h2>The winner beside the recipe as it is</h2>{table(header, rows)}<p class="soft">{escape(note)}</p>'


def _spread(one: dict[str, Any]) -> str:
    return told_score(one["mean"]) + ("" if one["sd"] is None else f" ± {one['sd']:.4f}")


def _gain(gain: dict[str, Any]) -> str:
    interval = "" if gain["low"] is None else f" [{gain['low']:.4f}, {gain['high']:.4f}]"
    return f"{gain['value']:.4f}{interval}"


def _winner(result: dict[str, Any], space: Space) -> str:
    given = space.recipe.model_dump(mode="json")
    rows = [(key, told_value(value), _as_it_is(given, key)) for key, value in result["best"]["values"].items()]
    return "<h2>What the winner sets</h2>" + table(["setting", "winner", "the recipe as it is"], rows)


def _as_it_is(given: Any, key: str) -> str:
    for one in key.split("."):
        given = given.get(one) if isinstance(given, dict) else None
    return "not set" if given is None else told_value(given)


def _importance(shares: dict[str, float]) -> str:
    if not shares:
        return "<p class='soft'>too few trials have a score to tell</p>"
    bars = "".join(
        f'<div class="bar"><span>{escape(key)}</span><i style="width:{100 * share:.1f}%"></i><b>{share:.0%}</b></div>'
        for key, share in shares.items()
    )
    note = "Shares of the variance of the trials' ranks (fANOVA); rough with fewer than some tens of trials."
    return f'{bars}<p class="soft">{note}</p>'


def _course(result: dict[str, Any]) -> str:
    higher = result["higher_is_better"]
    done = [(one["number"], one["score"]) for one in result["trials"] if one["state"] == "finished"]
    best: list[tuple[float, float]] = []
    for number, score in done:
        before = best[-1][1] if best else score
        best.append((number, max(before, score) if higher else min(before, score)))
    lines = [
        Line("trials that finished", "var(--second)", done, dotted=True),
        Line("best so far", "var(--accent)", best),
    ]
    return key(lines, marked=False) + chart(result["metric"], lines, unit="trial")


def coordinates(space: Space, result: dict[str, Any]) -> str:
    """Return parallel coordinates: an axis for each setting and the score, a line for each trial."""
    shown = [one for one in result["trials"] if one["score"] is not None and len(one["values"]) == len(space.fields)]
    if not shown:
        return "<p class='soft'>no trial has a score</p>"
    axes = [Axis(key, given) for key, given in space.fields.items()]
    scores = [one["score"] for one in shown]
    low, high = min(scores), max(scores)
    worst, top = (low, high) if result["higher_is_better"] else (high, low)
    spread = _logarithmic if low > 0 and high > LOG_FROM * low else float
    ranked = sorted(shown, key=lambda one: one["score"], reverse=result["higher_is_better"])
    finished = [one for one in ranked if one["state"] == "finished"]
    best = {one["number"] for one in finished[: max(1, round(BEST_FRAC * len(shown)))]}
    lines = ""
    for one in reversed(ranked):  # the best are drawn last, above the others
        places = [axis.at(one["values"][axis.name]) for axis in axes]
        foot, length = spread(worst), spread(top) - spread(worst)
        places.append((spread(one["score"]) - foot) / length if length else 0.5)
        lines += _line(places, best=one["number"] in best, stopped=one["state"] == "stopped early")
    names = short_names(list(space.fields))
    marks = [(axis.name, names[axis.name], axis.marks()) for axis in axes]
    marks.append((result["metric"], result["metric"], [(0.0, told_score(worst)), (1.0, told_score(top))]))
    drawn = "".join(_axis(number, *one) for number, one in enumerate(marks))
    wide, high_px = APART_PX * (len(marks) - 1) + 2 * ROOM_PX, HIGH_PX + TOP_PX + 16
    told = escape(
        f"parallel coordinates of {len(shown)} trials; the best has "
        + ", ".join(f"{key} {told_value(value)}" for key, value in result["best"]["values"].items())
    )
    note = "Blue: the best fifth. Dashed: stopped early, at the best score it reached. The best score is on top" + (
        ", on a logarithmic scale." if spread is _logarithmic else "."
    )
    return (
        f'<div class="wide coordinates" tabindex="0" role="region" aria-label="parallel coordinates">'
        f'<svg width="{wide}" height="{high_px}" viewBox="0 0 {wide} {high_px}" role="img" aria-label="{told}">'
        f'{lines}{drawn}</svg></div><p class="soft">{note}</p>'
    )


def _logarithmic(score: float) -> float:
    return math.log(score)


def _down(place: float) -> float:
    return TOP_PX + HIGH_PX * (1 - place)


def _line(places: Sequence[float], *, best: bool, stopped: bool) -> str:
    path = "L".join(f"{ROOM_PX + APART_PX * at} {_down(place):.1f}" for at, place in enumerate(places))
    look = 'stroke="var(--accent)" stroke-width="2.2"' if best else 'stroke="var(--soft)" stroke-opacity=".45"'
    dashed = ' stroke-dasharray="4 4"' if stopped else ""
    return f'<path d="M{path}" {look}{dashed}/>'


def _axis(number: int, name: str, short: str, marks: Sequence[tuple[float, str]]) -> str:
    x = ROOM_PX + APART_PX * number
    parts = [f'<path d="M{x} {TOP_PX}V{TOP_PX + HIGH_PX}" stroke="var(--ink)" stroke-width="1.2"/>']
    parts.append(f'<text x="{x}" y="16" text-anchor="middle"><title>{escape(name)}</title>{escape(short)}</text>')
    parts += [f'<text x="{x + 6}" y="{_down(place) + 4:.1f}">{escape(told[:24])}</text>' for place, told in marks]
    return "".join(parts)


def _all(space: Space, result: dict[str, Any]) -> str:
    keys = list(space.fields)
    rows = []
    for one in result["trials"]:
        values = [told_value(one["values"][key]) if key in one["values"] else "" for key in keys]
        rows.append([one["number"], *values, told_score(one["score"]), one["state"], one["why"]])
    inner = table(["trial", *keys, result["metric"], "", ""], rows)
    return f"<details><summary>{len(rows):,} trials as a table</summary>{wide(inner)}</details>"
