"""``tunesmith show ID``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunesmith.cli.common import artifact_here, home_option, json_option, print_json, recipe_folder, table, where
from tunesmith.cli.summaries import show_dataset, show_model, show_scorecard
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.core.artifacts import Artifact


@click.command("show")
@click.argument("artifact_id", metavar="ID|PATH")
@click.option("--verify", is_flag=True, help="check every file against its digest")
@click.option("--originals", is_flag=True, help="decrypt what was redacted in a dataset's rows")
@click.option("--row", "row_id", help="with --originals: only this row, by its id or the beginning of it")
@home_option
@json_option
def command(
    artifact_id: str, verify: bool, originals: bool, row_id: str | None, home: Path | None, as_json: bool
) -> None:
    """Show an artifact: what made it, when, its counts, its files; how it went or how good it is."""
    artifact = artifact_here(artifact_id, home)
    if row_id is not None and not originals:
        raise click.UsageError("--row goes with --originals")
    if verify:
        artifact.verify()
    if originals:
        _show_originals(artifact, row_id or "", as_json)
    elif as_json:
        print_json({**artifact.manifest, "path": str(artifact.path)})
    else:
        _show(artifact)
    if verify and not as_json:
        say("every file is as it was written", style="green")


def _show(artifact: Artifact) -> None:
    manifest = artifact.manifest
    say(f"{artifact.id} · {artifact.stage} · made {manifest['created']} in {manifest['seconds']:.1f} s")
    _SUMMARIES[artifact.stage]({**artifact.result, "path": artifact.path})
    if artifact.stage != "dataset":
        facts = {**manifest["counts"], **{k: v for k, v in artifact.result.items() if not isinstance(v, dict | list)}}
        table("", ["fact", "value"], [[key, value] for key, value in facts.items() if value is not None])
    sizes = [(name, (artifact.path / name).stat().st_size) for name in manifest["files"]]
    table("", ["file", "bytes"], [[name, f"{size:,}"] for name, size in sizes], numeric_from=1)
    where(artifact.path)


_SUMMARIES = {"dataset": show_dataset, "model": show_model, "scorecard": show_scorecard}


def _show_originals(dataset: Artifact, row_id: str, as_json: bool) -> None:
    from dataclasses import asdict

    from tunesmith.data.originals import read_originals

    found = [asdict(one) for one in read_originals(dataset, recipe_folder(dataset.path.parents[1]), row_id)]
    if row_id and not found:
        raise ArtifactError(f"{dataset.id}: nothing was redacted in a row {row_id!r}")
    if as_json:
        print_json({"dataset": dataset.id, "originals": found})
    else:
        columns = ["row_id", "field", "placeholder", "original"]
        table("", columns, [[one[name] for name in columns] for one in found])
