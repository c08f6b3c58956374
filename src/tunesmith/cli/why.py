"""``tunesmith why ID``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import artifact_here, home_option, json_option, print_json
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.lineage import ancestry
from tunesmith.core.progress import say


@click.command("why")
@click.argument("artifact_id", metavar="ID|PATH")
@home_option
@json_option
def command(artifact_id: str, home: Path | None, as_json: bool) -> None:
    """Show the tree of what an artifact was made from, down to the files you gave."""
    artifact = artifact_here(artifact_id, home)
    tree = list(ancestry(Workspace(artifact.path.parents[1]), artifact))
    if as_json:
        print_json({"tree": [_node(depth, one) for depth, one in tree]})
        return
    for depth, one in tree:
        if isinstance(one, str):
            say(f"{'  ' * depth}{one} (no longer on disk)")
            continue
        say(f"{'  ' * depth}{one.id}  {one.stage}, {one.manifest['created']}, {one.manifest['code']}")
        for name, content in one.manifest["inputs"].items():
            say(f"{'  ' * depth}    from {name}  {content[:12]}")


def _node(depth: int, one: Artifact | str) -> dict[str, object]:
    if isinstance(one, str):
        return {"id": one, "depth": depth, "missing": True}
    keys = ("stage", "created", "code", "inputs", "config", "seed")
    return {"id": one.id, "depth": depth, **{key: one.manifest[key] for key in keys}}
