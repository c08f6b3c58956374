"""``tunesmith train RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import (
    as_ranks,
    devices_option,
    home_option,
    json_option,
    print_json,
    recipe_argument,
)
from tunesmith.core.progress import say


@click.command("train")
@recipe_argument
@home_option
@json_option
@devices_option
@click.option("--cancel", is_flag=True, help="Cancel the jobs with which a service trains it.")
def command(recipe: Path, home: Path | None, as_json: bool, devices: int, cancel: bool) -> None:
    """Tune the recipe's base on its dataset (which is prepared first if missing)."""
    from tunesmith import flow
    from tunesmith.cli.summaries import show_model

    if cancel:
        cancelled = flow.cancel_training(flow.Project.of(recipe, home))
        ended = ", ".join(cancelled["cancelled"])
        say(f"  cancelled: {ended}" if ended else "  nothing to cancel: no job of this recipe runs there")
        return print_json(cancelled) if as_json else None
    result = as_ranks(devices, lambda: flow.result_of(flow.train(flow.Project.of(recipe, home))))
    if as_json:
        print_json(result)
    else:
        show_model(result)
