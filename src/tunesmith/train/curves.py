"""``train.html``: what a run's curves looked like, and three of the examples it learnt from.

Owns the drawing. The numbers come from ``metrics.jsonl``, the examples from `samples`.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from tunesmith.core.page import cards, page, table, wide
from tunesmith.train import overfit, samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.train.checkpoint import Progress

    Points = Sequence[tuple[float, float]]

_DASHED = ' stroke-dasharray="5 4"'

MOST_POINTS = 400
"""Points of a line, each the mean of its stretch, so that the page stays small."""

STYLE = (
    "<style>.chart{margin:0 0 8px}.plot{display:grid;grid-template:100%/58px 1fr;gap:8px}"
    ".scale{display:flex;flex-direction:column;justify-content:space-between;text-align:right;line-height:12px;"
    "margin:-6px 0}.scale,.ends{font-size:12px;color:var(--soft);font-variant-numeric:tabular-nums}"
    ".ends{display:flex;justify-content:space-between;padding:6px 0 0 66px}"
    ".plot svg{width:100%;height:100%;overflow:visible}.plot svg *{fill:none;vector-effect:non-scaling-stroke}"
    ".key{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 12px}.key svg{display:inline-block;margin-right:6px}"
    ".warn{border-left:4px solid var(--bad);background:var(--card);padding:10px 14px;margin:16px 0}"
    "summary{cursor:pointer}</style>"
)


class Line(NamedTuple):
    """A line of a chart: what it shows, its colour, its points, and whether it is dashed with a dot at each point."""

    name: str
    colour: str
    points: Points
    dotted: bool = False


def write_page(
    path: Path, model_id: str, progress: Progress, result: dict[str, Any], shown: Sequence[samples.Sample]
) -> None:
    """Write the page of a finished run."""
    metrics, best = progress.metrics, result["best"]
    facts = [
        ("steps", f"{result['steps']:,}"),
        ("epochs", result["epochs"]),
        (f"best {best['metric']}" if best else "best valid_loss", f"{best['value']:.4f}" if best else "no validation"),
        ("target tokens", f"{result['tokens']['target']:,}"),
        ("target tokens / s", f"{result['target_tokens_per_s']:,.0f}"),
        ("seconds", f"{result['seconds']:,.0f}"),
    ]
    losses = [
        Line("training", "var(--accent)", _smoothed(_of("loss", metrics))),
        Line("validation", "var(--second)", _of("valid_loss", metrics), dotted=True),
    ]
    body = STYLE + _overfitting(result) + cards(facts)
    body += "<h2>Loss per target token, in nats, on a logarithmic scale</h2>" + key(losses, marked=bool(best))
    body += chart("loss", losses, logarithmic=True, marked=best["step"] if best else None)
    body += _validations(metrics, best)
    for title, points, below in (
        ("Learning rate", _smoothed(_of("lr", metrics)), _tried(result["peak_search"])),
        ("Gradient norm before clipping", _smoothed(_of("grad_norm", metrics)), ""),
        ("Tokens a second", _speed(progress.timed), ""),
    ):
        body += f"<h2>{title}</h2>" + chart(title.lower(), [Line("", "var(--accent)", points)], height=130) + below
    body += samples.section(shown)
    path.write_text(page("Training", model_id, _headline(result), body), encoding="utf-8")


def _headline(result: dict[str, Any]) -> str:
    best = result["best"]
    kept = f"The weights of step {best['step']:,} were kept." if best else "The last weights were kept."
    return f"Stopped by {result['stopped_by']} after {result['steps']:,} steps. {kept}"


def _overfitting(result: dict[str, Any]) -> str:
    if not result["overfitting"]:
        return ""
    told = overfit.told(result["overfitting"])
    return f'<p class="warn"><b>{escape(told[0].upper() + told[1:])}.</b> {escape(overfit.advice(result))}</p>'


def _tried(search: dict[str, Any] | None) -> str:
    """Return the peaks that were tried before, and the choice."""
    if search is None:
        return ""
    told = f"Peak {search['peak']:g}, for the whole run, by short runs of {search['steps_each']:,} steps:"
    losses = ["diverged" if one["loss"] is None else f"{one['loss']:.4f}" for one in search["tried"]]
    rows = [[f"{one['peak']:.3g}", loss] for one, loss in zip(search["tried"], losses, strict=True)]
    return f"<p>{told}</p>" + table(["peak tried", search["measured"]], rows)


def _of(name: str, metrics: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(row["step"], row[name]) for row in metrics if name in row]


def _smoothed(points: Points) -> list[tuple[float, float]]:
    """Return at most `MOST_POINTS` points."""
    size = max(1, -(-len(points) // MOST_POINTS))
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in one) / len(one), sum(y for _, y in one) / len(one)) for one in stretches]


def _speed(timed: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Return the tokens a second of each stretch, without the steps that were left out."""
    some = [row for row in timed if row[1]]
    size = max(1, -(-len(some) // MOST_POINTS))
    stretches = [some[start : start + size] for start in range(0, len(some), size)]
    return [(one[-1][0], sum(row[1] for row in one) / max(1e-9, sum(row[3] for row in one))) for one in stretches]


def _validations(metrics: Sequence[dict[str, Any]], best: dict[str, Any] | None) -> str:
    """Return a table of the validations: training loss since the one before, validation loss, what else was noted."""
    rows, losses = [], []
    for row in metrics:
        losses += [row["loss"]] if "loss" in row else []
        if "valid_loss" in row:
            rows.append(row | {"training": sum(losses) / len(losses) if losses else None})
            losses = []
    if not rows:
        return ""
    known = {"step", "loss", "lr", "grad_norm", "target_tokens", "training", "valid_loss", "skipped", "examples"}
    names = list(dict.fromkeys(key for row in rows for key in row if key not in known))
    lines = []
    for row in rows:
        numbers = (row["training"], row["valid_loss"], *(row.get(one) for one in names))
        kept = "kept" if best and row["step"] == best["step"] else ""
        lines.append([f"{row['step']:,}", *map(_told, numbers), kept])
    header = ["step", "training loss", "validation loss", *(one.replace("_", " ") for one in names), ""]
    inner = table(header, lines, numeric_from=0)
    return f"<details><summary>{len(rows):,} validations as a table</summary>{wide(inner)}</details>"


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


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
