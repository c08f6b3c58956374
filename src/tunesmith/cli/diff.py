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
from tunesmith.core.lineage import differences
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact
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
            **({"paired": _paired(ours, theirs).as_dict()} if _are_scorecards(ours, theirs) else {}),
        })  # fmt: skip
    elif ours.id == theirs.id:
        say(f"{ours.id} is one artifact: nothing differs")
    else:
        _show(ours, theirs, told)
        if _are_scorecards(ours, theirs):
            _show_rows(_paired(ours, theirs))


def _are_scorecards(first: Artifact, second: Artifact) -> bool:
    return first.stage == second.stage == "scorecard"


def _paired(first: Artifact, second: Artifact) -> Versus:
    from tunesmith.evaluate.versus import versus

    return versus(first, second)


def _show_rows(found: Versus) -> None:
    """Show who was right where, by how much the second is ahead, and the rows that changed."""
    from tunesmith.evaluate.compare import show, show_p

    say(f"rows: {found.rows:,}, the second beside the first", style="bold")
    say(
        f"  won {found.won:,} · lost {found.lost:,} · both right {found.both_right:,} · both wrong {found.both_wrong:,}"
    )
    for name, delta in found.deltas.items():
        grouped = f" in {delta.clusters:,} groups" if delta.clusters else ""
        say(f"  {name} {show(delta)}{grouped}, p {show_p(delta.p)}")
    if found.not_compared:
        say(f"  not compared, as what they are made of is not kept: {', '.join(found.not_compared)}")
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
