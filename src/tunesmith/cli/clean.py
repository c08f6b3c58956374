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
@click.option("--hosted", is_flag=True, help="forget runs at services, too: what runs there goes on and is billed")
@json_option
def command(home: Path | None, hosted: bool, as_json: bool) -> None:
    """Delete unfinished work (killed runs' checkpoints and drafts), and what is kept for the next prepare or evaluate.

    Complete artifacts are never touched.
    """
    from tunesmith.data.index import Index
    from tunesmith.providers.journal import at_service

    workspace = workspace_here(home)
    there = {path: known for path in workspace.leftovers() if path.is_dir() and (known := at_service(path))}
    kept = [] if hosted else [*there]
    leftovers = [path for path in workspace.leftovers() if path not in kept]
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
        told = {
            "deleted": deleted,
            "kept": [path.name for path in kept],
            "at_services": {path.name: known for path, known in there.items()},
            "freed_bytes": whole,
            "index_freed_bytes": index,
            "answers_freed_bytes": answers,
        }
        print_json(told)
        return
    for path, known in there.items():
        say(_told(path.name, known, forgotten=hosted), style="yellow")
    say(f"deleted {len(leftovers)} unfinished item(s), {disk_size(freed)} freed")
    say(f"deleted the answers kept for the next evaluate, {disk_size(answers)} freed")
    if index is None:
        say("rows kept for the next prepare are in use by a prepare that is running: left as they are")
    else:
        say(f"deleted the rows kept for the next prepare, {disk_size(index)} freed")


def _told(name: str, known: list[str], *, forgotten: bool) -> str:
    """Return what is said of a run at a service."""
    ends = "; tunesmith hosted delete ARN ends capacity" if any(one.startswith("capacity") for one in known) else ""
    if forgotten:
        return f"{name} is forgotten; what it knew of goes on there, and is billed: {', '.join(known)}{ends}"
    return (
        f"{name} is kept, for a service may bill what it knows of: {', '.join(known)}. tunesmith train goes on with "
        f"it, train --cancel ends jobs, clean --hosted forgets it{ends}"
    )
