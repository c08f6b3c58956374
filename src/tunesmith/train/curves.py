"""``train.html``: what a run's curves looked like, and three of the examples it learnt from.

Owns the drawing. The numbers come from ``metrics.jsonl``, the examples from `samples`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from tunesmith.core.chart import CHART_STYLE, MOST_POINTS, Line, chart, losses, series, smoothed
from tunesmith.core.page import cards, page, table, wide
from tunesmith.train import overfit, samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tunesmith.train.progress import Progress

_STYLE = (
    CHART_STYLE + "<style>.warn{border-left:4px solid var(--bad);background:var(--card);padding:10px 14px;"
    "margin:16px 0}</style>"
)


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
    body = _STYLE + _overfitting(result) + cards(facts)
    body += losses(metrics, best) + _validations(metrics, best)
    for title, points, below in (
        ("Learning rate", smoothed(series("lr", metrics)), _tried(result["peak_search"])),
        ("Gradient norm before clipping", smoothed(series("grad_norm", metrics)), ""),
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
