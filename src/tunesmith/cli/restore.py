"""``tunesmith restore ID ROW``: undo a removal, or a repair."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import artifact_here, home_option, json_option, print_json, recipe_folder
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import say


@click.command("restore")
@click.argument("artifact_id", metavar="ID|PATH")
@click.argument("row_id", metavar="ROW", required=False)
@click.option("--rule", help="bring back every row this rule removed")
@click.option("--repair", metavar="ROW|RULE", help="leave what was repaired in a row, or by a rule, as it came")
@home_option
@json_option
def command(
    artifact_id: str, row_id: str | None, rule: str | None, repair: str | None, home: Path | None, as_json: bool
) -> None:
    """Undo a removal: the next prepare keeps the row, or the rows of a rule. Writes restore.yaml beside the recipe."""
    from tunesmith.data.restore import restore_repair, restore_row, restore_rule

    dataset = artifact_here(artifact_id, home)
    if dataset.stage != "dataset":
        raise ArtifactError(
            f"{dataset.id} is a {dataset.stage}, not a dataset", hint="tunesmith why ID names its dataset"
        )
    undo = {restore_row: row_id, restore_rule: rule, restore_repair: repair}
    named = [(restore, what) for restore, what in undo.items() if what is not None]
    if len(named) != 1:
        raise click.UsageError("name one ROW, or --rule RULE, or --repair ROW|RULE")
    ((restore, what),) = named
    file = restore(dataset, what, _beside_the_recipe(dataset.path.parents[1]))
    if as_json:
        print_json({"restore": str(file), "row_id": row_id, "rule": rule, "repair": repair})
    else:
        done = "will stay as it came" if repair else "will be kept"
        say(f"{what} {done}: noted in {file} · next: tunesmith prepare RECIPE")


def _beside_the_recipe(workspace: Path) -> Path:
    folder = recipe_folder(workspace)
    if folder == Path.cwd() and not list(folder.glob("*.y*ml")):
        raise ArtifactError(
            f"no recipe in {folder}: restore.yaml must lie beside the recipe that prepared the dataset",
            hint="change into the recipe's folder and run the same command there",
        )
    return folder
