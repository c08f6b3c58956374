"""``tunesmith advise [RECIPE|ID]``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.common import artifact_here, home_option, json_option, print_json
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import ArtifactError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.advise.advice import Advice

RECIPES = (".yaml", ".yml")


@click.command("advise")
@click.argument("named", metavar="[RECIPE|ID|PATH]", default="recipe.yaml")
@click.option("--curve", is_flag=True, help="measure what more rows would bring; needs a recipe")
@home_option
@json_option
def command(named: str, curve: bool, home: Path | None, as_json: bool) -> None:
    """Say what to try next, with the evidence and what it is worth: by the rows, the curve and the answers."""
    from tunesmith.advise.evidence import gather
    from tunesmith.advise.rules import advise

    measured = None
    if Path(named).suffix in RECIPES:
        artifact, measured = _of_recipe(Path(named), home, curve)
    elif curve:
        raise click.UsageError("--curve goes with a recipe, which says how rows are judged")
    else:
        artifact = artifact_here(named, home)
    found = advise(gather(Workspace(artifact.path.parents[1]), artifact, measured))
    if as_json:
        print_json({"artifact": artifact.id, "advice": [one.as_dict() for one in found]})
        return
    say(f"{artifact.id}: " + (f"{len(found)} to try next" if found else "nothing here asks for a change"), style="bold")
    for number, one in enumerate(found, 1):
        _show(number, one)


def _of_recipe(recipe: Path, home: Path | None, curve: bool) -> tuple[Artifact, dict[str, Any] | None]:
    """Return the newest artifact that a recipe made, of its last stage, and its learning curve if it was asked for."""
    from tunesmith import flow

    project = flow.Project.of(recipe, home)
    measured = flow.curve(project) if curve else None
    for stage in ("scorecard", "model", "dataset"):
        made = [one for one in project.workspace.list(stage) if one.manifest["name"] == project.recipe.name]
        if made:
            return max(made, key=lambda one: str(one.manifest["created"])), measured
    raise ArtifactError(
        f"{recipe}: nothing was made of it yet",
        expected=f"a dataset, model or scorecard named {project.recipe.name} in {project.workspace.root}",
        hint=f"tunesmith run {recipe}",
    )


def _show(number: int, one: Advice) -> None:
    say(f"{number}. {one.do}", style="bold yellow" if one.urgent else "bold")
    say(f"   because  {one.why}")
    for key, value in one.settings:
        say(f"   set      {key}: {_as_yaml(value)}")
    if one.command:
        say(f"   run      {one.command}")
    say(f"   gain     {one.gain or 'nothing here tells'}", style="dim")


def _as_yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {own}" for key, own in value.items()) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)
