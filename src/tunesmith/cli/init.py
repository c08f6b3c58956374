"""``tunesmith init [DIR] --task T --data FILE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import json_option, print_json
from tunesmith.core.progress import say


@click.command("init")
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
@click.option("--task", type=click.Choice(["classify", "extract", "chat", "preference"]), required=True)
@click.option("--data", type=click.Path(path_type=Path), required=True, help="your file of examples")
@json_option
def command(folder: Path, task: str, data: Path, as_json: bool) -> None:
    """Look at your file and write DIR/recipe.yaml, commented, that works as it is."""
    from tunesmith.data.init import write_recipe

    recipe = write_recipe(folder, task, data)
    if as_json:
        print_json({"recipe": str(recipe)})
    else:
        say(f"wrote {recipe} · next: tunesmith run {recipe}")
