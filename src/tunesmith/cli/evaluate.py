"""``tunesmith evaluate RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument


@click.command("evaluate")
@recipe_argument
@home_option
@json_option
def command(recipe: Path, home: Path | None, as_json: bool) -> None:
    """Measure the tuned model against its baselines and give the gate's verdict."""
    from tunesmith import flow
    from tunesmith.cli.summaries import show_scorecard

    result = flow.result_of(flow.evaluate(flow.Project.of(recipe, home)))
    if as_json:
        print_json(result)
    else:
        show_scorecard(result)
