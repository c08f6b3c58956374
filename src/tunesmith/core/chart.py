"""Charts of lines over steps as inline SVG, in the page's colours, and the curves of a training's losses.

Owns the drawing, as wide as the page, and how long series are made short. Does not own what is measured.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = Sequence[tuple[float, float]]

_DASHED = ' stroke-dasharray="5 4"'

MOST_POINTS = 400
"""Points of a line, each the mean of its stretch, so that the page stays small."""

CHART_STYLE = (
    "<style>.chart{margin:0 0 8px}.plot{display:grid;grid-template:100%/58px 1fr;gap:8px}"
    ".scale{display:flex;flex-direction:column;justify-content:space-between;text-align:right;line-height:12px;"
    "margin:-6px 0}.scale,.chart .ends{font-size:12px;color:var(--soft);font-variant-numeric:tabular-nums}"
    ".chart .ends{display:flex;justify-content:space-between;padding:6px 0 0 66px}"
    ".plot svg{width:100%;height:100%;overflow:visible}.plot svg *{fill:none;vector-effect:non-scaling-stroke}"
    ".key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 12px}.key svg{display:inline-block;margin-right:6px}"
    "</style>"
)


class Line(NamedTuple):
    """A line of a chart: what it shows, its colour, its points, and whether it is dashed with a dot at each point."""

    name: str
    colour: str
    points: Points
    dotted: bool = False


def losses(metrics: Sequence[dict[str, Any]], best: dict[str, Any] | None) -> str:
    """Return training and validation loss over steps under a heading, and which weights were kept.

    Args:
        metrics: lines of ``metrics.jsonl``.
        best: the kept weights' ``step``, as a training's result has it.
    """
    lines = [
        Line("training", "var(--accent)", smoothed(series("loss", metrics))),
        Line("validation", "var(--second)", series("valid_loss", metrics), dotted=True),
    ]
    drawn = chart("loss", lines, logarithmic=True, marked=best["step"] if best else None)
    return f"<h2>Loss per target token, in nats, on a logarithmic scale</h2>{key(lines, marked=bool(best))}{drawn}"


def series(name: str, metrics: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """Return a number over steps, of those steps that have it."""
    return [(row["step"], row[name]) for row in metrics if name in row]


def smoothed(points: Points) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` points, each the mean of its stretch."""
    size = max(1, -(-len(points) // MOST_POINTS))
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in one) / len(one), sum(y for _, y in one) / len(one)) for one in stretches]


def key(lines: Sequence[Line], *, marked: bool) -> str:
    """Return what the lines of a chart stand for, each with a piece of it."""
    pieces = [
        (one.name, f'<path d="M1 6h24" stroke="{one.colour}" stroke-width="2.5"{_DASHED if one.dotted else ""}/>'
         + (f'<circle cx="13" cy="6" r="4" fill="{one.colour}"/>' if one.dotted else ""))
        for one in lines if one.points
    ]  # fmt: skip
    if marked:
        pieces.append(
            ("the weights that were kept", f'<path d="M13 0v12" stroke="var(--soft)" stroke-width="2"{_DASHED}/>')
        )
    shown = "".join(
        f'<span><svg width="26" height="12" aria-hidden="true">{piece}</svg>{escape(name)}</span>'
        for name, piece in pieces
    )
    return f'<p class="key">{shown}</p>'


def chart(
    name: str,
    lines: Sequence[Line],
    *,
    height: int = 260,
    logarithmic: bool = False,
    marked: float | None = None,
    unit: str = "step",
) -> str:
    """Return a chart of lines over steps, or another ``unit``; ``height`` pixels high and as wide as there is room.

    ``logarithmic`` needs values above 0 and leaves others out; ``marked`` draws an upright line at a step. Labels are
    text beside the drawing, so they keep their size on a narrow screen.
    """
    told = escape(f"{name}: {_in_words(lines, unit)}")
    if logarithmic:
        lines = [one._replace(points=[(x, math.log10(y)) for x, y in one.points if y > 0]) for one in lines]
    points = [point for one in lines for point in one.points if all(map(math.isfinite, point))]
    if not points:
        return "<p class='soft'>nothing was measured</p>"
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    low = low if logarithmic else min(0.0, low)

    def across(x: float) -> float:
        return 1000 * (x - left) / (right - left) if right > left else 500.0

    def down(y: float) -> float:
        return 100 * (1 - (y - low) / (high - low)) if high > low else 50.0

    parts = [f'<path d="M0 {y}H1000" stroke="var(--line)"/>' for y in (0, 50, 100)]
    if marked is not None:
        parts.append(f'<path d="M{across(marked):.1f} 0V100" stroke="var(--soft)" stroke-width="1.5"{_DASHED}/>')
    for one in lines:
        placed = [f"{across(x):.1f} {down(y):.2f}" for x, y in one.points if math.isfinite(y)]
        if not placed:
            continue
        dashed = _DASHED if one.dotted else ""
        parts.append(f'<path d="M{"L".join(placed)}" stroke="{one.colour}" stroke-width="1.8"{dashed}/>')
        if one.dotted or len(placed) == 1:
            dots = "".join(f"M{at}h0" for at in placed)
            parts.append(f'<path d="{dots}" stroke="{one.colour}" stroke-width="7" stroke-linecap="round"/>')
    marks = [_number(10**value if logarithmic else value) for value in (high, (low + high) / 2, low)]
    return (
        f'<figure class="chart"><div class="plot" style="height:{height}px"><div class="scale" aria-hidden="true">'
        f'{"".join(f"<span>{mark}</span>" for mark in marks)}</div><svg viewBox="0 0 1000 100" '
        f'preserveAspectRatio="none" role="img" aria-label="{told}">{"".join(parts)}</svg></div>'
        f'<div class="ends"><span>{unit} {left:,.0f}</span><span>{unit} {right:,.0f}</span></div></figure>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= value < 1e7 else f"{value:.3g}"


def _in_words(lines: Sequence[Line], unit: str) -> str:
    """Return where each line begins and ends, and its lowest point, for those who do not see it."""
    told = []
    for one in lines:
        if one.points:
            (first, begins), (last, ends) = one.points[0], one.points[-1]
            at, least = min(one.points, key=lambda point: point[1])
            told.append(
                f"{one.name} {_number(begins)} at {unit} {first:,.0f}, lowest {_number(least)} at {unit} {at:,.0f}, "
                f"{_number(ends)} at {unit} {last:,.0f}".strip()
            )
    return "; ".join(told) or "nothing was measured"
