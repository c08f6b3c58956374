"""``tunesmith init [DIR] --task T --data FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import json_option, print_json
from tunesmith.core.progress import say


@click.command("init")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--task", type=click.Choice(["classify", "extract", "chat", "preference"]))
@click.option("--data", type=click.Path(path_type=Path), help="your file of examples")
@click.option(
    "--input", "inputs", multiple=True, metavar="COLUMN", help="column of the text; may be given several times"
)
@click.option("--target", metavar="COLUMN", help="column of the label or answer")
@click.option("--schema", is_flag=True, help="print the JSON Schema of recipes, for editors, and do nothing else")
@json_option
def command(
    folder: Path,
    task: str | None,
    data: Path | None,
    inputs: tuple[str, ...],
    target: str | None,
    schema: bool,
    as_json: bool,
) -> None:
    """Look at your file and write DIR/recipe.yaml, commented, that works as it is."""
    if schema:
        from tunesmith.recipe import json_schema

        print_json(json_schema())
        return
    if task is None or data is None:
        raise click.UsageError(f"Missing option '{'--task' if task is None else '--data'}'.")
    if bool(inputs) != bool(target):
        raise click.UsageError("--input and --target go together: name both columns")
    from tunesmith.data.init import write_recipe

    recipe = write_recipe(folder, task, data, (inputs, target) if target else None)
    if as_json:
        print_json({"recipe": str(recipe)})
    else:
        say(f"wrote {recipe} · next: tunesmith run {recipe}")
