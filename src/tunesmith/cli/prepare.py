"""``tunesmith prepare RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument


@click.command("prepare")
@recipe_argument
@home_option
@json_option
def command(recipe: Path, home: Path | None, as_json: bool) -> None:
    """Turn the recipe's raw files into a clean, split dataset; every removed row is kept with its reason."""
    from tunesmith import flow
    from tunesmith.cli.summaries import show_dataset

    result = flow.result_of(flow.prepare(flow.Project.of(recipe, home)))
    if as_json:
        print_json(result)
    else:
        show_dataset(result)
