"""The scorecard's drawings as inline SVG, in the page's colours, light and dark.

Owns geometry only; what is drawn is decided in `card`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

_LETTER = 6.5
"""Width of a letter, in pixels."""
_GOOD, _BAD, _NEUTRAL = "var(--good)", "var(--bad)", "var(--soft)"


@dataclass(frozen=True)
class Interval:
    """One line of a forest plot; ``sign`` is 1 if it speaks for us, -1 against, 0 neither."""

    label: str
    value: float
    low: float
    high: float
    sign: int


def forest(lines: Sequence[Interval], left_words: str, right_words: str) -> str:
    """Return intervals one below the other around a line at zero; as wide as the page, labels above on a narrow one.

    `FOREST_STYLE` must be on the page.
    """
    if not lines:
        return ""
    low, high = min(0.0, *(one.low for one in lines)), max(0.0, *(one.high for one in lines))
    pad = 0.06 * (high - low or 1.0)
    low, high = low - pad, high + pad

    def x(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    ends = f'<div class="ends"><span>← {escape(left_words)}</span><span>{escape(right_words)} →</span></div>'
    rows = [ends, *(_interval(one, x) for one in lines), _axis(low, high, x)]
    return f'<div class="forest">{"".join(f"<div>{row}</div>" for row in rows)}</div>'


FOREST_STYLE = (
    "<style>.forest{font-size:13px;font-variant-numeric:tabular-nums;color:var(--soft)}"
    ".forest>div{display:grid;grid-template:'who plot delta'/220px 1fr 180px;column-gap:14px;align-items:center}"
    ".forest .who{grid-area:who;text-align:right;overflow-wrap:anywhere}.forest .delta{grid-area:delta}"
    ".forest svg,.forest .ends{grid-area:plot}.forest svg{width:100%;overflow:visible}"
    ".forest .ends{display:flex;justify-content:space-between;gap:12px}"
    "@media(max-width:640px){.forest>div{grid-template:'who delta''plot plot'/1fr max-content}"
    ".forest .who{text-align:left}}</style>"
)


def _interval(one: Interval, x: Callable[[float], str]) -> str:
    colour, middle = {1: _GOOD, -1: _BAD}.get(one.sign, _NEUTRAL), 13
    parts = [
        _line(x(0), 0, x(0), 2 * middle, "var(--ink)", 1.2),
        _line(x(one.low), middle, x(one.high), middle, colour, 2.5),
    ]
    parts += [_line(x(end), middle - 5, x(end), middle + 5, colour, 1.5) for end in (one.low, one.high)]
    parts.append(f'<circle cx="{x(one.value)}" cy="{middle}" r="4.5" fill="{colour}"/>')
    words = f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
    return (
        f'<span class="who">{escape(one.label)}</span><span class="delta">{words}</span>'
        f'<svg height="{2 * middle}" aria-hidden="true">{"".join(parts)}</svg>'
    )


def _axis(low: float, high: float, x: Callable[[float], str]) -> str:
    step = _nice_step((high - low) / 4)
    values = [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
    ticks = (
        _line(x(value), 0, x(value), 5, "var(--soft)", 1)
        + _text(x(value), 18, f"{value:+.3g}" if value else "0", "middle")
        for value in values
    )
    return f'<svg height="22" aria-hidden="true">{"".join(ticks)}</svg>'


def reliability_plot(counts: NDArray[np.float64], confidence: NDArray[np.float64], correct: NDArray[np.float64]) -> str:
    """Return accuracy over confidence by bins; larger dots are more rows, the diagonal is perfect calibration."""
    left, top, size = 60, 18, 300

    def place(across: float, up: float) -> tuple[float, float]:
        return left + across * size, top + (1 - up) * size

    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        (x, y), (x0, y0) = place(tick, tick), place(0, 0)
        parts.append(_line(x0, y, left + size, y, "var(--line)", 1) + _text(left - 8, y + 4, f"{tick:g}", "end"))
        parts.append(_line(x, top, x, y0, "var(--line)", 1) + _text(x, y0 + 16, f"{tick:g}", "middle"))
    parts.append(_line(*place(0, 0), *place(1, 1), "var(--soft)", 1.2, dashes="5 4"))
    most = max(float(counts.max()), 1.0)
    for rows, sure, right in zip(counts, confidence, correct, strict=True):
        if rows:
            x, y = place(sure / rows, right / rows)
            title = f"{rows:.0f} rows, mean probability {sure / rows:.3f}, accuracy {right / rows:.3f}"
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 + 12 * math.sqrt(rows / most):.1f}" fill="var(--accent)" '
                f'fill-opacity="0.65" stroke="var(--accent)"><title>{title}</title></circle>'
            )
    parts.append(_text(left + size / 2, top + size + 36, "probability of the answer", "middle"))
    parts.append(
        f'<text transform="translate(16 {top + size / 2}) rotate(-90)" text-anchor="middle">share that is right</text>'
    )
    return _svg("".join(parts), top + size + 48, "reliability", width=left + size + 24)


def heatmap(labels: Sequence[str], counts: NDArray[np.int64]) -> str:
    """Return a confusion matrix: rows are right labels, columns answers; colour is the share of the row."""
    cell, longest = max(26, min(48, 640 // len(labels))), max(map(len, labels))
    left, top = 24 + round(_LETTER * min(longest, 26)), 24 + round(_LETTER * min(longest, 20) * math.sqrt(0.5))
    size = cell * len(labels)
    parts = []
    for i, label in enumerate(labels):
        middle = top + cell * i + cell / 2
        parts.append(_text(left - 8, middle + 4, label, "end", most=26))
        x = left + cell * i + cell / 2
        parts.append(
            f'<text transform="translate({x + 4:.1f} {top - 8}) rotate(-45)">{escape(_short(label, 20))}'
            f"<title>{escape(label)}</title></text>"
        )
        total = max(int(counts[i].sum()), 1)
        for j, answer in enumerate(labels):
            count = int(counts[i, j])
            if count or i == j:
                parts.append(_cell(left + cell * j, top + cell * i, cell, count, count / total, i == j, label, answer))
    frame = f'<rect x="{left}" y="{top}" width="{size}" height="{size}" fill="none" stroke="var(--line)"/>'
    return _svg("".join(parts) + frame, top + size + 12, "confusion matrix", width=left + size + 110)


def _cell(x: float, y: float, size: int, count: int, part: float, right: bool, label: str, answer: str) -> str:
    colour = _GOOD if right else _BAD
    title = escape(f"{label} answered as {answer}: {count} ({part:.0%})")
    return (
        f'<rect x="{x + 1}" y="{y + 1}" width="{size - 2}" height="{size - 2}" rx="3" fill="{colour}" '
        f'fill-opacity="{0.08 + 0.62 * part:.2f}"><title>{title}</title></rect>'
        f'<text x="{x + size / 2}" y="{y + size / 2 + 4}" text-anchor="middle" style="fill:var(--ink)">{count}</text>'
    )


def _nice_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def _line(x1: float | str, y1: float, x2: float | str, y2: float, colour: str, width: float, dashes: str = "") -> str:
    """Return a line; across it may go by shares of the drawing's width, as "25%"."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{_place(x1)}" y1="{y1:.1f}" x2="{_place(x2)}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _place(x: float | str) -> str:
    return x if isinstance(x, str) else f"{x:.1f}"


def _text(x: float | str, y: float, words: str, anchor: str = "start", most: int = 60) -> str:
    short = _short(words, most)
    title = f"<title>{escape(words)}</title>" if short != words else ""
    return f'<text x="{_place(x)}" y="{y:.1f}" text-anchor="{anchor}">{escape(short)}{title}</text>'


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _svg(inner: str, height: float, what: str, width: float) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{what}">{inner}</svg>'
    )
