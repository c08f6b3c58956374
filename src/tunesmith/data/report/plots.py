"""The report's drawings as inline SVG, in the page's colours, light and dark: flow of rows, histogram, gauge, bars.

Owns geometry only; what is drawn is decided in `page` and computed in `numbers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tunesmith.data.report.numbers import Histogram, Link

SLOT, GAP, BODY, BAR = 30, 8, 300, 12
"""Of the flow: least height of a state with its two lines of words, space between states, height of all rows, width
of a state."""


@dataclass
class _State:
    """A bar of the flow: where it stands, and how much of it is taken by links so far."""

    name: str
    rows: int
    x: float
    y: float
    tall: float
    taken_in: float = 0.0
    taken_out: float = 0.0


def flow_plot(links: Sequence[Link], words: Mapping[str, str], colours: Mapping[str, str], width: int) -> str:
    """Return the flow of rows from left to right, heights in proportion; ``words`` name the states, or they do."""
    columns = _columns(links)
    total = sum(rows for source, _, rows in links if source == columns[0][0]) or 1
    room = 0.33 if width < 600 else 0.25
    states: dict[str, _State] = {}
    bottom = 0.0
    for number, names in enumerate(columns):
        y = 4.0
        for name in names:
            rows = max(sum(n for _, to, n in links if to == name), sum(n for source, _, n in links if source == name))
            tall = max(BODY * rows / total, 2.0)
            states[name] = _State(name, rows, number * (width * (1 - room) - BAR) / 2, y, tall)
            y += max(tall, SLOT) + GAP
        bottom = max(bottom, y)
    bands = "".join(_band(states[source], states[to], rows, total, colours) for source, to, rows in links)
    bars = "".join(_state(one, words.get(one.name, one.name), colours.get(one.name, "var(--bad)"), total, width)
                   for one in states.values())  # fmt: skip
    told = ", ".join(f"{words.get(to, to)} {rows:,}" for source, to, rows in links)
    return svg(bands + bars, width, bottom, f"Flow of {total:,} rows: {told}")


def _columns(links: Sequence[Link]) -> list[list[str]]:
    first: list[str] = []
    middle: list[str] = []
    last: list[str] = []
    entered = {to for _, to, _ in links}
    for source, to, _ in links:
        here = middle if source in entered else first
        there = last if source in entered else middle
        here += [source] if source not in here else []
        there += [to] if to not in there else []
    return [first, middle, last]


def _band(source: _State, to: _State, rows: int, total: int, colours: Mapping[str, str]) -> str:
    tall = max(BODY * rows / total, 1.0)
    x1, x2 = source.x + BAR, to.x
    y1, y2 = source.y + source.taken_out, to.y + to.taken_in
    source.taken_out, to.taken_in = source.taken_out + BODY * rows / total, to.taken_in + BODY * rows / total
    half = (x1 + x2) / 2
    return (
        f'<path d="M{x1:.1f} {y1:.1f}C{half:.1f} {y1:.1f} {half:.1f} {y2:.1f} {x2:.1f} {y2:.1f}V{y2 + tall:.1f}'
        f'C{half:.1f} {y2 + tall:.1f} {half:.1f} {y1 + tall:.1f} {x1:.1f} {y1 + tall:.1f}Z" '
        f'fill="{colours.get(to.name, "var(--bad)")}" fill-opacity="0.2"/>'
    )


def _state(one: _State, words: str, colour: str, total: int, width: int) -> str:
    most = int((width - one.x - BAR) / 7.5) if one.x > width / 2 else 16
    share = f"{100 * one.rows / total:.1f} %" if one.rows < total else ""
    return (
        f'<rect x="{one.x:.1f}" y="{one.y:.1f}" width="{BAR}" height="{one.tall:.1f}" rx="2" fill="{colour}"/>'
        f'<text x="{one.x + BAR + 6:.1f}" y="{one.y + 12:.1f}" class="ink">{short(words, most)}</text>'
        f'<text x="{one.x + BAR + 6:.1f}" y="{one.y + 26:.1f}">{one.rows:,}{" · " if share else ""}{share}</text>'
    )


def histogram_plot(one: Histogram, unit: str, limit: int | None) -> str:
    """Return a histogram with lines at the median, the 95th percentile, and the limit if it is near."""
    width, high, top, left = 480, 190, 46, 8
    end = max(one.end, 1)
    shows_limit = limit is not None and limit <= 1.4 * end
    span = max(end, limit * 1.02) if shows_limit and limit is not None else end

    def x(value: float) -> float:
        return left + min(value, span) / span * (width - 2 * left)

    most = max(one.counts)
    bars = []
    for number, count in enumerate(one.counts):
        start, stop = number * one.width, (number + 1) * one.width
        tall = (high - top) * count / most
        words = f"{start:,} and more" if one.cut and stop == end else f"{start:,} to {stop - 1:,}"
        bars.append(
            f'<rect x="{x(start) + 0.5:.1f}" y="{high - tall:.1f}" width="{max(x(stop) - x(start) - 1, 1):.1f}" '
            f'height="{tall:.1f}" fill="var(--accent)" fill-opacity="0.75"><title>{words} {unit}: {count:,} rows'
            "</title></rect>"
        )
    marks = [("median", one.median, "var(--ink)"), ("95 %", one.p95, "var(--look)")]
    marks += [("limit", float(limit), "var(--bad)")] if shows_limit and limit is not None else []
    lines = "".join(_mark(x(value), 12 + 14 * row, high, f"{name} {value:,.0f}", colour, width)
                    for row, (name, value, colour) in enumerate(marks))  # fmt: skip
    base = f'<line x1="{left}" x2="{width - left}" y1="{high}" y2="{high}" stroke="var(--line)"/>'
    ends = f'<text x="{left}" y="{high + 16}">0</text>' + (
        f'<text x="{width - left}" y="{high + 16}" text-anchor="end">{span:,.0f}{"+" if one.cut else ""} {unit}</text>'
    )
    told = f"Histogram of {unit}: median {one.median:,.0f}, 95 % at most {one.p95:,.0f}, most {one.longest:,.0f}"
    return svg("".join(bars) + base + lines + ends, width, high + 22, told)


def _mark(x: float, y: float, bottom: float, words: str, colour: str, width: float) -> str:
    anchor, shift = ("end", -5) if x > width - 110 else ("start", 5)
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{bottom}" stroke="{colour}" stroke-width="1.5" '
        f'stroke-dasharray="4 3"/><text x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}" '
        f'style="fill:{colour}">{escape(words)}</text>'
    )


def gauge(value: float, look: float, poor: float, told: str) -> str:
    """Return a bar of three thirds, good, look and poor, and where the value stands; each third is scaled by itself."""
    place = _place(value, look, poor) if look < poor else _place(1 / max(value, 1e-12), 1 / look, 1 / poor)
    width, tall = 240, 8
    third = width / 3
    zones = "".join(
        f'<rect x="{number * third + 1:.1f}" y="7" width="{third - 2:.1f}" height="{tall}" rx="2" fill="{colour}" '
        'fill-opacity="0.45"/>'
        for number, colour in enumerate(("var(--good)", "var(--second)", "var(--bad)"))
    )
    x = min(max(place * width, 2), width - 2)
    pointer = f'<rect x="{x - 2:.1f}" y="2" width="4" height="18" rx="2" fill="var(--ink)"/>'
    return svg(zones + pointer, width, 22, told)


def _place(value: float, look: float, poor: float) -> float:
    """Return where a value stands on a bar of thirds, 0 to 1; less is better."""
    if value <= look:
        return value / look / 3
    if value <= poor:
        return (1 + (value - look) / (poor - look)) / 3
    return 1 - poor / value / 3


def split_bar(counts: Sequence[int], most: int) -> str:
    """Return rows of train, valid and test end to end, in proportion to ``most``."""
    parts, x = [], 0.0
    for count, colour in zip(counts, ("var(--accent)", "var(--second)", "var(--good)"), strict=True):
        wide = 100 * count / max(most, 1)
        parts.append(f'<rect x="{x:.2f}" y="0" width="{wide:.2f}" height="10" fill="{colour}"/>' if count else "")
        x += wide
    return f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{"".join(parts)}</svg>'


def short(words: str, most: int) -> str:
    """Return words of at most so many letters, escaped for SVG, with the whole as a tooltip if some are cut."""
    if len(words) <= most:
        return escape(words)
    return f"{escape(words[: most - 1])}…<title>{escape(words)}</title>"


def svg(inner: str, width: float, height: float, told: str) -> str:
    """Return an image with its content in words."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(told)}">'
        f"{inner}</svg>"
    )
