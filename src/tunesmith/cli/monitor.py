"""``tunesmith monitor RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument
from tunesmith.core.progress import console


@click.command("monitor")
@recipe_argument
@home_option
@json_option
def command(recipe: Path, home: Path | None, as_json: bool) -> None:
    """Show volume, latency, feedback and label shift of the model in production."""
    from tunesmith import flow
    from tunesmith.monitor.report import render

    report = flow.monitor(flow.Project.of(recipe, home))
    if as_json:
        print_json(report)
    else:
        console().print(render(report))
