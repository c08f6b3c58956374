"""``tunesmith update RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument
from tunesmith.core.errors import GateError
from tunesmith.core.progress import say


@click.command("update")
@recipe_argument
@home_option
@json_option
def command(recipe: Path, home: Path | None, as_json: bool) -> None:
    """Make the next version from what users corrected; it is promoted only if its gate passes (exit 3 if not)."""
    from tunesmith import flow
    from tunesmith.cli.summaries import home_words, show_run

    result = flow.update(flow.Project.of(recipe, home))
    if as_json:
        print_json(result)
    else:
        show_run(result)
        if result["release"]:
            where = home_words(Path(result["prepare"]["path"]).parents[1])
            say(f"  undo: tunesmith rollback {result['release'].split('@')[0]}{where}")
    if result["release"] is None:
        raise SystemExit(GateError.exit_code)
