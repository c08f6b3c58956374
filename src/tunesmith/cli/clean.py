"""``tunesmith clean``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, workspace_here
from tunesmith.core.disk import disk_size
from tunesmith.core.progress import say


@click.command("clean")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """Delete unfinished work (killed runs' checkpoints and drafts), and what is kept for the next prepare or evaluate.

    Complete artifacts are never touched.
    """
    from tunesmith.data.index import Index

    workspace = workspace_here(home)
    leftovers = workspace.leftovers()
    freed = sum(file.stat().st_size for path in leftovers for file in [path, *path.rglob("*")] if file.is_file())
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    answers = sum(file.stat().st_size for file in workspace.answers_dir.glob("*"))
    shutil.rmtree(workspace.answers_dir, ignore_errors=True)
    try:
        index = Index(workspace.index_dir).clear()
    except BlockingIOError:
        index = None
    if as_json:
        deleted = [path.name for path in leftovers]
        whole = freed + answers + (index or 0)
        told = {"deleted": deleted, "freed_bytes": whole, "index_freed_bytes": index, "answers_freed_bytes": answers}
        print_json(told)
        return
    say(f"deleted {len(leftovers)} unfinished item(s), {disk_size(freed)} freed")
    say(f"deleted the answers kept for the next evaluate, {disk_size(answers)} freed")
    if index is None:
        say("rows kept for the next prepare are in use by a prepare that is running: left as they are")
    else:
        say(f"deleted the rows kept for the next prepare, {disk_size(index)} freed")
