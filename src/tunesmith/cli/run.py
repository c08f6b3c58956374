"""``tunesmith run RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import (
    as_ranks,
    devices_option,
    force_option,
    home_option,
    json_option,
    print_json,
    recipe_argument,
)
from tunesmith.core.errors import GateError


@click.command("run")
@recipe_argument
@home_option
@json_option
@force_option
@devices_option
def command(recipe: Path, home: Path | None, as_json: bool, force: bool, devices: int) -> None:
    """Prepare, train, evaluate, gate, release: the whole recipe. What is already done is not done again."""
    from tunesmith import flow
    from tunesmith.cli.summaries import show_run

    result = as_ranks(devices, lambda: flow.run(flow.Project.of(recipe, home), force=force))
    if as_json:
        print_json(result)
    else:
        show_run(result)
    if result["release"] is None:
        raise SystemExit(GateError.exit_code)
