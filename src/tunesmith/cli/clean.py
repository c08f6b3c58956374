"""``tunesmith clean``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, workspace_here
from tunesmith.core.progress import say


@click.command("clean")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """Delete unfinished work (killed runs' checkpoints and drafts). Complete artifacts are never touched."""
    leftovers = workspace_here(home).leftovers()
    freed = sum(file.stat().st_size for path in leftovers for file in [path, *path.rglob("*")] if file.is_file())
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if as_json:
        print_json({"deleted": [path.name for path in leftovers], "freed_bytes": freed})
    else:
        say(f"deleted {len(leftovers)} unfinished item(s), {freed / 1e6:.1f} MB freed")
