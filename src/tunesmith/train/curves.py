"""``train.html``: what a run's curves looked like. Owns the drawing; the numbers come from ``metrics.jsonl``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tunesmith.core.page import cards, page, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 260, 56, 28


def write_page(path: Path, model_id: str, metrics: Sequence[dict[str, Any]], result: dict[str, Any]) -> None:
    """Write the page of a finished run."""
    losses = [(row["step"], row["loss"]) for row in metrics if "loss" in row]
    valid = [(row["step"], row["valid_loss"]) for row in metrics if "valid_loss" in row]
    rates = [(row["step"], row["lr"]) for row in metrics]
    norms = [(row["step"], row["grad_norm"]) for row in metrics if "grad_norm" in row]
    best = result["best"]
    facts = [
        ("steps", f"{result['steps']:,}"),
        ("epochs", result["epochs"]),
        (f"best {best['metric']}" if best else "best valid_loss", f"{best['value']:.4f}" if best else "no validation"),
        ("target tokens", f"{result['tokens']['target']:,}"),
        ("target tokens / s", f"{result['target_tokens_per_s']:,.0f}"),
        ("seconds", f"{result['seconds']:,.0f}"),
    ]
    body = cards(facts)
    body += "<h2>Loss per target token, in nats, on a logarithmic scale</h2>"
    body += (
        '<p><b style="color:var(--accent)">—</b> training <b style="color:var(--second)">•</b> validation'
        + (" <b>┆</b> the weights that were kept" if best else "")
        + "</p>"
    )
    lines = [("var(--accent)", _smoothed(losses), False), ("var(--second)", valid, True)]
    body += chart(lines, logarithmic=True, marked=best["step"] if best else None)
    body += "<h2>Learning rate</h2>" + chart([("var(--accent)", rates, False)], height=140)
    if search := result["peak_search"]:
        body += _tried(search)
    body += "<h2>Gradient norm before clipping</h2>" + chart([("var(--soft)", norms, False)], height=140)
    path.write_text(page("Training", model_id, _headline(result), body), encoding="utf-8")


def _headline(result: dict[str, Any]) -> str:
    best = result["best"]
    kept = f"The weights of step {best['step']} were kept." if best else "The last weights were kept."
    headline = f"Stopped by {result['stopped_by']} after {result['steps']:,} steps. {kept}"
    if found := result.get("overfitting"):
        headline += (
            f" Overfitting: since step {found['since_step']:,} the validation loss rose by "
            f"{found['valid_loss_rose']:.3f} while the training loss fell by {found['train_loss_fell']:.3f}."
        )
    return headline


def _tried(search: dict[str, Any]) -> str:
    """Return the peaks that were tried before, and the choice."""
    told = f"Peak {search['peak']:g}, for the whole run, by short runs of {search['steps_each']:,} steps:"
    losses = ["diverged" if one["loss"] is None else f"{one['loss']:.4f}" for one in search["tried"]]
    rows = [[f"{one['peak']:.3g}", loss] for one, loss in zip(search["tried"], losses, strict=True)]
    return f"<p>{told}</p>" + table(["peak tried", search["measured"]], rows)


def _smoothed(points: Sequence[tuple[int, float]], most: int = 400) -> list[tuple[float, float]]:
    """Return at most ``most`` points, each the mean of its stretch, so that the page stays small."""
    size = max(1, -(-len(points) // most))
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in one) / len(one), sum(y for _, y in one) / len(one)) for one in stretches]


def chart(
    series: Sequence[tuple[str, Sequence[tuple[float, float]], bool]],
    *,
    height: int = _HEIGHT,
    logarithmic: bool = False,
    marked: float | None = None,
) -> str:
    """Return an inline SVG of lines over steps; each series is (colour, points, with dots).

    ``logarithmic`` needs values above 0 and leaves others out; ``marked`` draws an upright line at a step.
    """
    if logarithmic:
        series = [(colour, [(x, math.log10(y)) for x, y in line if y > 0], dots) for colour, line, dots in series]
    points = [point for _, line, _ in series for point in line]
    if not points:
        return "<p class='soft'>nothing was measured</p>"
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    low = low if logarithmic else min(0.0, low)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / (right - left) if right > left else 0.5
        up = (y - low) / (high - low) if high > low else 0.5
        return _LEFT + across * (_WIDTH - _LEFT - 8), (height - _BOTTOM) - up * (height - _BOTTOM - 10)

    parts = [_axes(low, high, left, right, height, logarithmic)]
    if marked is not None:
        at = place(marked, low)[0]
        parts.append(
            f'<line x1="{at:.1f}" x2="{at:.1f}" y1="10" y2="{height - _BOTTOM}" stroke="var(--soft)" '
            'stroke-dasharray="4 3"/>'
        )
    for colour, line, dots in series:
        placed = [place(x, y) for x, y in line]
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{text}"/>')
        if dots:
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in placed]
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(parts)}</svg>'


def _axes(low: float, high: float, left: float, right: float, height: int, logarithmic: bool) -> str:
    floor = height - _BOTTOM
    marks = [(low, floor), ((low + high) / 2, (floor + 10) / 2), (high, 10)]
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y}" y2="{y}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{10**value if logarithmic else value:.3g}</text>'
        for value, y in marks
    )
    return (
        f'{grid}<text x="{_LEFT}" y="{height - 8}">step {left:.0f}</text>'
        f'<text x="{_WIDTH - 8}" y="{height - 8}" text-anchor="end">step {right:.0f}</text>'
    )
