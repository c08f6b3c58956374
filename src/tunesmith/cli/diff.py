"""``tunesmith diff ID ID``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, table, workspace_here
from tunesmith.core.artifacts import differences
from tunesmith.core.progress import say

_COMPARED = ("stage", "parents", "inputs", "config", "code", "seed", "versions", "counts", "result", "files")


@click.command("diff")
@click.argument("first", metavar="ID")
@click.argument("second", metavar="ID")
@home_option
@json_option
def command(first: str, second: str, home: Path | None, as_json: bool) -> None:
    """Show what differs between two artifacts: settings, inputs, versions, results, files."""
    workspace = workspace_here(home)
    ours, theirs = (workspace.get(one) for one in (first, second))
    left, right = ({key: one.manifest[key] for key in _COMPARED} for one in (ours, theirs))
    found = differences(left, right)
    if as_json:
        print_json({"differences": [{"key": key, "first": a, "second": b} for key, a, b in found]})
    elif found:
        table("", ["key", ours.id, theirs.id], [[key, _short(a), _short(b)] for key, a, b in found])
    else:
        say(f"{ours.id} and {theirs.id} do not differ")


def _short(value: object, width: int = 60) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
