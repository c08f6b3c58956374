"""One report over a window of traffic: volume, errors, latency, feedback, and whether the labels shift.

Owns the figures and their table. Does not own the traffic (`serve`) nor thresholds that alert (a later version).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.estimates import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tunesmith.core.store import Store

Report = dict[str, Any]

FALSE_ALARM_FRAC = 0.01
"""How often unchanged traffic is called shifted."""

SHIFT_NEEDS = 50
"""Answers needed before a shift is judged."""

CLIENT_LEFT = 499
"""Status of a request whose client hung up before the answer; no error of ours."""

PERMUTATIONS = 2000
SHOWN_LABELS = 5


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was said about one answer in all."""

    rating: int | None = None
    correction: str | None = None


def report(store: Store, name: str, *, window_hours: float, reference: Mapping[str, int] | None = None) -> Report:
    """Return how a released name did in the last hours; every share with interval and n, None where nothing came in.

    Args:
        store: where the traffic is.
        name: the released name.
        window_hours: how far to look back.
        reference: label counts of the test set; None leaves the label shift out.
    """
    since = now_utc() - timedelta(hours=window_hours)
    rows = _requests(store, name, since)
    opinions = _opinions(store, name, since)
    answered = [row for row in rows if row["status"] == 200]
    stayed = [row for row in rows if row["status"] != CLIENT_LEFT]
    return {
        "name": name,
        "window_hours": window_hours,
        "requests": len(rows),
        "errors": _share(len(stayed) - len(answered), len(stayed)),
        "statuses": {str(status): count for status, count in sorted(Counter(row["status"] for row in rows).items())},
        "latency_ms": _latency([row["latency_ms"] for row in answered]),
        "tokens": {
            "prompt": sum(row["prompt_tokens"] for row in rows),
            "completion": sum(row["completion_tokens"] for row in rows),
        },
        "models": dict(Counter(row["model_id"] for row in rows)),
        "feedback": _feedback(opinions, len(answered)),
        "labels": _labels(answered, opinions, reference),
    }


def _requests(store: Store, name: str, since: datetime) -> list[sa.RowMapping]:
    """Return what came in, without its text: a window may hold millions."""
    table = tables.requests
    columns = [column for column in table.c if column.name not in ("messages", "answer")]
    wanted = sa.select(*columns).where(table.c.name == name, table.c.at >= since).order_by(table.c.at, table.c.id)
    with store.reading() as connection:
        return list(connection.execute(wanted).mappings())


def _opinions(store: Store, name: str, since: datetime) -> list[Opinion]:
    """Return what was said about each answer, one opinion for each; of two ratings or corrections the newer counts."""
    requests, feedback = tables.requests, tables.feedback
    wanted = (
        sa.select(feedback.c.request_id, feedback.c.rating, feedback.c.correction)
        .join(requests, requests.c.id == feedback.c.request_id)
        .where(requests.c.name == name, requests.c.at >= since, requests.c.status == 200)
        .order_by(feedback.c.at, feedback.c.id)
    )
    opinions: dict[str, Opinion] = {}
    with store.reading() as connection:
        for row in connection.execute(wanted):
            before = opinions.get(row.request_id, Opinion())
            rating = before.rating if row.rating is None else row.rating
            opinions[row.request_id] = Opinion(rating, row.correction or before.correction)
    return list(opinions.values())


def _share(count: int, n: int) -> dict[str, Any] | None:
    return wilson(count, n).as_dict() if n else None


def _latency(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    return {f"p{q}": round(float(np.percentile(values, q)), 1) for q in (50, 95, 99)}


def _feedback(opinions: Sequence[Opinion], answered: int) -> Report:
    corrected = sum(opinion.correction is not None for opinion in opinions)
    down = sum(opinion.rating == -1 for opinion in opinions)
    return {
        "given": _share(len(opinions), answered),
        "corrected": _share(corrected, len(opinions)),
        "rated_down": _share(down, len(opinions)),
    }


def _labels(
    answered: Sequence[sa.RowMapping],
    opinions: Sequence[Opinion],
    reference: Mapping[str, int] | None,
) -> Report | None:
    """Return how the answers' labels differ from the reference's, and corrections to labels the model does not know."""
    if reference is None:
        return None
    seen = Counter(row["label"] for row in answered if row["label"] is not None)
    corrections = Counter(opinion.correction for opinion in opinions if opinion.correction is not None)
    unknown = {label: count for label, count in corrections.most_common() if label not in reference}
    return {**_shift(seen, reference), "unknown": dict(list(unknown.items())[:SHOWN_LABELS])}


def _shift(seen: Counter[str], reference: Mapping[str, int]) -> Report:
    """Return total variation between two label counts and how often chance alone gives as much.

    The p-value is that of a permutation test, so it holds for rare labels too; below `FALSE_ALARM_FRAC` the traffic
    is called shifted.
    """
    n, m = sum(seen.values()), sum(reference.values())
    if n < SHIFT_NEEDS or m < SHIFT_NEEDS:
        return {"verdict": "too few answers" if n < SHIFT_NEEDS else "too few test rows", "n": n}
    labels = sorted({*seen, *reference})
    ours = np.array([seen.get(label, 0) for label in labels])
    theirs = np.array([reference.get(label, 0) for label in labels])
    distance = _total_variation(ours, theirs)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(ours + theirs, n, size=PERMUTATIONS)
    chance = _total_variation(drawn, ours + theirs - drawn)
    p = (1 + int((chance >= distance - 1e-12).sum())) / (1 + PERMUTATIONS)
    moved = ours / n - theirs / m
    order = np.argsort(-np.abs(moved), kind="stable")[:SHOWN_LABELS]
    return {
        "verdict": "shifted" if p < FALSE_ALARM_FRAC else "as in the test set",
        "n": n,
        "total_variation": round(float(distance), 4),
        "p": round(p, 4),
        "false_alarm_frac": FALSE_ALARM_FRAC,
        "moved": {labels[index]: round(float(moved[index]), 4) for index in order},
    }


def _total_variation(ours: Any, theirs: Any) -> Any:
    """Return half the sum of absolute differences of shares, over the last axis."""
    shares = ours / ours.sum(-1, keepdims=True) - theirs / theirs.sum(-1, keepdims=True)
    return np.abs(shares).sum(-1) / 2


def render(report: Report) -> RenderableType:
    """Return a report as a table for people."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    shown.add_column(style="dim")
    shown.add_column(overflow="fold")
    for name, value in _lines(report):
        shown.add_row(name, value)
    return shown


def _lines(report: Report) -> list[tuple[str, str]]:
    latency, feedback, labels = report["latency_ms"], report["feedback"], report["labels"]
    tokens = report["tokens"]
    lines = [
        ("requests", f"{report['requests']:,} in {report['window_hours']:g} hours · errors {_told(report['errors'])}"),
        ("answered by", " · ".join(f"{model} ({count:,})" for model, count in report["models"].items()) or "–"),
        ("tokens", f"{tokens['prompt']:,} read · {tokens['completion']:,} written"),
        ("latency", f"p50 {latency['p50']} · p95 {latency['p95']} · p99 {latency['p99']} ms" if latency else "–"),
        (
            "feedback",
            f"on {_told(feedback['given'])} of the answers · of it corrections {_told(feedback['corrected'])}",
        ),
    ]
    if labels is None:
        return lines
    shift = labels["verdict"]
    if "moved" in labels:
        moved = ", ".join(f"{label} {change:+.0%}" for label, change in labels["moved"].items())
        shift += f" (p = {labels['p']:g}; false alarms {labels['false_alarm_frac']:.0%}): {moved}"
    lines.append(("labels", shift))
    if labels["unknown"]:
        unknown = ", ".join(f"{label} ({count})" for label, count in labels["unknown"].items())
        lines.append(("unknown labels", f"{unknown} · tunesmith update teaches them"))
    return lines


def _told(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None:
        return "–"
    return f"{estimate['value']:.0%} [{estimate['low']:.0%}, {estimate['high']:.0%}]"
