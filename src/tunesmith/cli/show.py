"""``tunesmith show ID``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, table, where, workspace_here
from tunesmith.core.progress import say


@click.command("show")
@click.argument("artifact_id", metavar="ID")
@click.option("--verify", is_flag=True, help="check every file against its digest")
@home_option
@json_option
def command(artifact_id: str, verify: bool, home: Path | None, as_json: bool) -> None:
    """Show an artifact: what stage made it, when, from what, its counts, its files."""
    artifact = workspace_here(home).get(artifact_id)
    if verify:
        artifact.verify()
    manifest = artifact.manifest
    if as_json:
        print_json({**manifest, "path": str(artifact.path)})
        return
    say(f"{artifact.id} · {artifact.stage} · made {manifest['created']} in {manifest['seconds']:.1f} s")
    facts = {**manifest["counts"], **{k: v for k, v in artifact.result.items() if not isinstance(v, dict | list)}}
    table("", ["fact", "value"], [[key, value] for key, value in facts.items()])
    sizes = [(name, (artifact.path / name).stat().st_size) for name in manifest["files"]]
    table("", ["file", "bytes"], [[name, f"{size:,}"] for name, size in sizes], numeric_from=1)
    if verify:
        say("every file is as it was written", style="green")
    where(artifact.path)
