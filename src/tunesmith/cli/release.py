"""``tunesmith release RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import force_option, home_option, json_option, print_json, recipe_argument
from tunesmith.core.progress import say


@click.command("release")
@recipe_argument
@home_option
@json_option
@force_option
def command(recipe: Path, home: Path | None, as_json: bool, force: bool) -> None:
    """Promote the recipe's model to production if its gate passed (exit 3 if not)."""
    from tunesmith import flow

    result = flow.release(flow.Project.of(recipe, home), force=force)
    if as_json:
        print_json(result)
    else:
        say(f"{result['release']} is now {result['model']}")
