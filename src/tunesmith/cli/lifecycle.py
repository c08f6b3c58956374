"""``tunesmith lifecycle RECIPE``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunesmith.cli.common import json_option, print_json, recipe_argument, table
from tunesmith.core.errors import GateError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.monitor.lifecycle import Dependence


@click.command("lifecycle")
@recipe_argument
@click.option(
    "--within", type=click.IntRange(0), metavar="DAYS", help="exit with 3 if a model ends within so many days"
)
@json_option
def command(recipe: Path, within: int | None, as_json: bool) -> None:
    """Ask each service how long the models that a recipe uses go on answering; alarms at 180, 90 and 30 days."""
    from tunesmith.core.clock import now_utc
    from tunesmith.monitor.lifecycle import lifecycle
    from tunesmith.recipe import load_recipe

    found = lifecycle(load_recipe(recipe), now_utc().date())
    if as_json:
        print_json({"models": [one.as_json() for one in found]})
    else:
        _show(found)
    ending = [one for one in found if within is not None and _ends_within(one, within)]
    if ending:
        names = ", ".join(f"{one.model} ({one.setting})" for one in ending)
        raise GateError(
            f"gone, or gone within {within} days: {names}", hint="docs/distill.md: record, compare, retrain"
        )


def _ends_within(one: Dependence, days: int) -> bool:
    return one.state == "gone" or (one.days_left is not None and one.days_left <= days)


def _show(found: list[Dependence]) -> None:
    if not found:
        say("  the recipe uses no model elsewhere")
        return
    rows = [[one.setting, one.model, one.state, one.ends_on or "not announced", _left(one)] for one in found]
    table("", ["setting", "model", "state", "ends on", "days left"], rows)
    for one in found:
        if one.why:
            say(f"  {one.setting}: {one.why}", style="yellow")
    if loud := [one for one in found if one.alarm is not None]:
        say(f"  {loud[0].model} ends first; before it is gone: tunesmith distill records its answers", style="bold")


def _left(one: Dependence) -> str:
    if one.days_left is None:
        return "gone" if one.state == "gone" else ""
    return f"{one.days_left}" + (f" (alarm of {one.alarm} days)" if one.alarm else "")
