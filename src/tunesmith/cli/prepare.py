"""``tunesmith prepare RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument


@click.command("prepare")
@recipe_argument
@home_option
@click.option("--audit", is_flag=True, help="plant known defects in a copy of your data and count what the rules find")
@json_option
def command(recipe: Path, home: Path | None, audit: bool, as_json: bool) -> None:
    """Turn the recipe's raw files into a clean, split dataset; every removed row is kept with its reason."""
    from tunesmith import flow
    from tunesmith.cli.summaries import show_audit, show_dataset

    project = flow.Project.of(recipe, home)
    result = flow.result_of(flow.prepare(project))
    if audit:
        result["audit"] = flow.audit(project)
    if as_json:
        print_json(result)
        return
    show_dataset(result)
    if audit:
        show_audit(result["audit"])
