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

_WIDTH = 960
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
    """Return intervals one below the other around a line at zero."""
    if not lines:
        return ""
    low, high = min(0.0, *(one.low for one in lines)), max(0.0, *(one.high for one in lines))
    pad = 0.06 * (high - low or 1.0)
    low, high = low - pad, high + pad
    left, row, top = 230, 26, 34
    bottom = top + row * len(lines)

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (_WIDTH - left - 150)

    parts = [_ticks(low, high, x, top - 8, bottom)]
    parts.append(_text(x(0) - 8, 14, f"← {left_words}", "end") + _text(x(0) + 8, 14, f"{right_words} →"))
    for number, one in enumerate(lines):
        y = top + row * number + row / 2
        colour = {1: _GOOD, -1: _BAD}.get(one.sign, _NEUTRAL)
        parts.append(_text(left - 12, y + 4, one.label, "end"))
        parts.append(_line(x(one.low), y, x(one.high), y, colour, 2.5))
        parts += [_line(x(end), y - 5, x(end), y + 5, colour, 1.5) for end in (one.low, one.high)]
        parts.append(f'<circle cx="{x(one.value):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
        parts.append(_text(_WIDTH - 4, y + 4, f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]", "end"))
    parts.append(_line(x(0), top - 8, x(0), bottom, "var(--ink)", 1.2))
    return _svg("".join(parts), bottom + 22, "differences with intervals")


def reliability_plot(counts: NDArray[np.float64], confidence: NDArray[np.float64], correct: NDArray[np.float64]) -> str:
    """Return accuracy over confidence by bins; areas of dots are rows, the diagonal is perfect calibration."""
    left, top, size = 60, 12, 300

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
    cell, left, top = max(26, min(48, 640 // len(labels))), 190, 130
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


def _ticks(low: float, high: float, x: Callable[[float], float], top: float, bottom: float) -> str:
    step = _nice_step((high - low) / 6)
    first = math.ceil(low / step)
    values = [number * step for number in range(first, math.floor(high / step) + 1)]
    return "".join(
        _line(x(value), top, x(value), bottom, "var(--line)", 1)
        + _text(x(value), bottom + 16, f"{value:+.3g}" if value else "0", "middle")
        for value in values
    )


def _nice_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", most: int = 60) -> str:
    short = _short(words, most)
    title = f"<title>{escape(words)}</title>" if short != words else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(short)}{title}</text>'


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _svg(inner: str, height: float, what: str, width: float = _WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{what}">{inner}</svg>'
    )
