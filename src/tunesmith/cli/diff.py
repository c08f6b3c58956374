"""``tunesmith diff ID ID``."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.changes import Change, changes
from tunesmith.cli.common import artifact_here, home_option, json_option, print_json, table
from tunesmith.core.errors import ArtifactError
from tunesmith.core.lineage import differences
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.core.artifacts import Artifact
    from tunesmith.core.estimates import Delta
    from tunesmith.evaluate.versus import Versus

_COMPARED = ("stage", "parents", "inputs", "config", "code", "seed", "versions", "counts", "result", "files")

LONG_CHARS = 100
"""From here on what is in the second artifact has a line of its own."""
ROWS_SHOWN = 10
"""Most rows won, and most rows lost, that the terminal shows of two scorecards; --json has all."""
TEXT_CHARS = 60


@click.command("diff")
@click.argument("first", metavar="ID|PATH")
@click.argument("second", metavar="ID|PATH")
@home_option
@json_option
def command(first: str, second: str, home: Path | None, as_json: bool) -> None:
    """Show what differs between two artifacts: settings, inputs, rows, verdicts, metrics; of scorecards also which rows
    were won and lost. --json has all of it.
    """
    ours, theirs = (artifact_here(one, home) for one in (first, second))
    told = changes(ours.manifest, theirs.manifest) if ours.stage == theirs.stage else []
    if as_json:
        left, right = ({key: one.manifest[key] for key in _COMPARED} for one in (ours, theirs))
        found = differences(left, right)
        print_json({
            "first": ours.id,
            "second": theirs.id,
            "changes": [asdict(one) for one in told],
            "differences": [{"key": key, "first": a, "second": b} for key, a, b in found],
            **(_scorecards_dict(ours, theirs) if _are_scorecards(ours, theirs) else {}),
        })  # fmt: skip
    elif ours.id == theirs.id:
        say(f"{ours.id} is one artifact: nothing differs")
    else:
        _show(ours, theirs, told)
        if _are_scorecards(ours, theirs):
            _show_scorecards(ours, theirs)


def _are_scorecards(first: Artifact, second: Artifact) -> bool:
    return first.stage == second.stage == "scorecard"


def _paired(first: Artifact, second: Artifact) -> Versus | ArtifactError:
    """Return both row by row, or why that cannot be."""
    from tunesmith.evaluate.versus import versus

    try:
        return versus(first, second)
    except ArtifactError as error:
        return error


def _scorecards_dict(first: Artifact, second: Artifact) -> dict[str, Any]:
    found = _paired(first, second)
    own, other = (one.result["metrics"] for one in (first, second))
    metrics = {name: {"first": own.get(name), "second": other.get(name)} for name in {**own, **other}}
    if isinstance(found, ArtifactError):
        return {"metrics": metrics, "paired": None, "not_paired": str(found.message)}
    return {"metrics": metrics, "paired": found.as_dict(), "not_paired": None}


def _show_scorecards(first: Artifact, second: Artifact) -> None:
    """Show metrics side by side, who was right where, by how much the second is ahead, and the rows that changed."""
    found = _paired(first, second)
    _show_metrics(first, second, {} if isinstance(found, ArtifactError) else found.deltas)
    if isinstance(found, ArtifactError):
        say(f"not paired: {found.message}", style="bold")
        say("  so figures stand side by side, each with its own interval, and no difference is told")
        if found.hint:
            say(f"  {found.hint}")
        return
    say(f"rows: {found.rows:,}, the second beside the first", style="bold")
    if any(found.left_out):
        one, other = found.left_out
        say(f"  left out: {one:,} that only the first has and {other:,} that only the second has")
    say(
        f"  won {found.won:,} · lost {found.lost:,} · both right {found.both_right:,} · both wrong {found.both_wrong:,}"
    )
    if found.not_compared:
        say(f"  not compared, as what they are made of is not kept: {', '.join(found.not_compared)}")
    _show_changed(found)


def _show_metrics(first: Artifact, second: Artifact, deltas: Mapping[str, Delta]) -> None:
    """Show a table of both; rows are told once where all figures have as many."""
    from tunesmith.evaluate.compare import show, show_p, show_rows

    own, other = (one.result["metrics"] for one in (first, second))
    counts = {one["n"] for metrics in (own, other) for one in metrics.values()}
    header = ["metric", "first", "second", *(["second minus first", "p"] if deltas else [])]
    rows = []
    for name in {**own, **other}:
        row = [name, *(_estimate(one.get(name), len(counts) > 1) for one in (own, other))]
        if deltas:
            delta = deltas.get(name)
            row += [show(delta), show_p(delta.p).removeprefix("= ")] if delta else ["–", "–"]
        rows.append(row)
    of = f" of {show_rows(*counts)}" if len(counts) == 1 else ""
    table(f"metrics{of}, with 95 % intervals", header, rows)
    if clusters := max((one.clusters or 0 for one in deltas.values()), default=0):
        say(f"  differences are of {clusters:,} groups of rows")


def _estimate(one: Mapping[str, Any] | None, counted: bool) -> str:
    from tunesmith.evaluate.compare import show_estimate, show_rows

    if one is None:
        return "–"
    rows = f", {show_rows(one['n'])}" if counted else ""
    return f"{show_estimate(one['value'], one['low'], one['high'])}{rows}"


def _show_changed(found: Versus) -> None:
    kinds = [[one for one in found.changed if one["change"] == kind][:ROWS_SHOWN] for kind in ("lost", "won")]
    shown = [one for kind in kinds for one in kind]
    if shown:
        header = ["change", "input", "expected", "first", "second"]
        table("", header, [[_short(one[column]) for column in header] for one in shown])
    if len(found.changed) > len(shown):
        say(f"  {len(shown)} of {len(found.changed):,} changed rows; --json has all")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_CHARS else f"{line[: TEXT_CHARS - 1]}…"


def _show(ours: Artifact, theirs: Artifact, told: list[Change]) -> None:
    say(f"{ours.id} ({ours.stage}) → {theirs.id} ({theirs.stage})", style="bold")
    if ours.stage != theirs.stage:
        say("  two stages have nothing to compare; tunesmith show tells of each")
    if _are_scorecards(ours, theirs):
        told = [one for one in told if one.topic != "metrics"]  # these have a table of their own
    width = max((len(one.what) for one in told), default=0)
    for topic, own in groupby(told, key=lambda one: one.topic):
        say(topic)
        for one in own:
            say(f"  {one.what:<{width}}  {_both(one)}")
    if ours.stage == theirs.stage and not any(one.first != one.second for one in told):
        say("  nothing differs that a person would look at; --json has files, versions and times")


def _both(one: Change) -> str:
    if one.first == one.second:
        return f"{_word(one.first)} in both"
    first, second = _word(one.first), _word(one.second)
    return f"{first} → {second}" if len(first) + len(second) < LONG_CHARS else f"{first}\n    → {second}"


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
