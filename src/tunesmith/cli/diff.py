"""``tunesmith diff ID ID``."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.changes import Change, changes
from tunesmith.cli.common import artifact_here, home_option, json_option, print_json
from tunesmith.core.artifacts import differences
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact

_COMPARED = ("stage", "parents", "inputs", "config", "code", "seed", "versions", "counts", "result", "files")

LONG_CHARS = 100
"""From here on what is in the second artifact has a line of its own."""


@click.command("diff")
@click.argument("first", metavar="ID|PATH")
@click.argument("second", metavar="ID|PATH")
@home_option
@json_option
def command(first: str, second: str, home: Path | None, as_json: bool) -> None:
    """Show what differs between two artifacts: settings, inputs, rows, verdicts, metrics. --json has all of it."""
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
        })  # fmt: skip
    elif ours.id == theirs.id:
        say(f"{ours.id} is one artifact: nothing differs")
    else:
        _show(ours, theirs, told)


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
