"""``tunesmith restore ID ROW``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, workspace_here
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import say


@click.command("restore")
@click.argument("artifact_id", metavar="ID")
@click.argument("row_id", metavar="ROW")
@home_option
@json_option
def command(artifact_id: str, row_id: str, home: Path | None, as_json: bool) -> None:
    """Undo a removal: the next prepare keeps the row. Writes restore.yaml beside the recipe, in this folder."""
    from tunesmith.data.restore import restore_row

    dataset = workspace_here(home).get(artifact_id)
    if dataset.stage != "dataset":
        raise ArtifactError(
            f"{dataset.id} is a {dataset.stage}, not a dataset", hint="tunesmith why ID names its dataset"
        )
    file = restore_row(dataset, row_id, Path.cwd())
    if as_json:
        print_json({"restore": str(file), "row_id": row_id})
    else:
        say(f"{row_id} will be kept: noted in {file} · next: tunesmith prepare RECIPE")
