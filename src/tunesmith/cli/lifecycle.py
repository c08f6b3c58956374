"""``tunesmith lifecycle RECIPE``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument, table
from tunesmith.core.errors import ArtifactError, GateError, RemoteError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.monitor.lifecycle import Dependence
    from tunesmith.project import Project
    from tunesmith.providers.hosted import HostedModel


@click.command("lifecycle")
@recipe_argument
@click.option(
    "--within", type=click.IntRange(0), metavar="DAYS", help="exit with 3 if a model ends within so many days"
)
@home_option
@json_option
def command(recipe: Path, within: int | None, home: Path | None, as_json: bool) -> None:
    """Ask each service how long the models that a recipe uses, and those released of it, go on answering.

    Alarms come at 180, 90 and 30 days.
    """
    from tunesmith.core.clock import now_utc
    from tunesmith.monitor.lifecycle import lifecycle
    from tunesmith.project import Project

    project = Project.of(recipe, home)
    released, unread = _released(project)
    found = [*lifecycle(project.recipe, now_utc().date(), released), *unread]
    if as_json:
        print_json({"models": [one.as_json() for one in found]})
    else:
        _show(found)
    unasked = [] if within is None else [one for one in found if one.why]
    ending = [one for one in found if within is not None and _ends_within(one, within)]
    if ending:
        names = ", ".join(f"{one.model} ({one.setting})" for one in ending)
        raise GateError(
            f"gone, or gone within {within} days: {names}", hint="docs/distill.md: record, compare, retrain"
        )
    if unasked:
        raise RemoteError(
            f"{unasked[0].setting}: {unasked[0].why}" + (f", and {len(unasked) - 1} more" if unasked[1:] else ""),
            expected="services that can be asked how long their models go on answering",
        )


def _released(project: Project) -> tuple[dict[str, HostedModel], list[Dependence]]:
    """Return by alias the models of the recipe's name that lie at a service, and those that cannot be read."""
    from tunesmith.monitor.lifecycle import Dependence
    from tunesmith.providers.hosted import hosted_model
    from tunesmith.release.aliases import aliases

    there: dict[str, HostedModel] = {}
    unread: list[Dependence] = []
    for one in aliases(project.store) if project.workspace.root.is_dir() else ():
        if one.name != project.recipe.name:
            continue
        alias = f"{one.name}@{one.alias}"
        try:
            hosted = hosted_model(project.workspace.get(one.model_id))
        except ArtifactError as error:
            unread.append(Dependence(alias, one.model_id, "unknown", None, None, None, error.message))
            continue
        if hosted is not None:
            there[alias] = hosted
    return there, unread


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
    if loud := [one for one in found if one.alarm is not None and one.state != "gone"]:
        say(f"  {loud[0].model} ends first; before it is gone: tunesmith distill records its answers", style="bold")


def _left(one: Dependence) -> str:
    if one.days_left is None:
        return "gone" if one.state == "gone" else ""
    return f"{one.days_left}" + (f" (alarm of {one.alarm} days)" if one.alarm else "")
