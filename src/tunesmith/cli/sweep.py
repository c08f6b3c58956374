"""``tunesmith sweep RECIPE``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument, shown_path, table, where
from tunesmith.core.errors import RecipeError
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from tunesmith.flow import Project
    from tunesmith.recipe import Sweep

MOST_SHOWN = 8
"""Trials of the table on the terminal, the best first; the page has all."""


@click.command("sweep")
@recipe_argument
@home_option
@json_option
@click.option("--over", multiple=True, help="SETTING=VALUES, as 'train.lora.rank=[4, 8, 16]'; in place of sweep.fields")
@click.option("--trials", type=click.IntRange(1), help="in place of sweep.trials")
@click.option("--seeds", type=click.IntRange(1), help="in place of sweep.seeds")
@click.option(
    "--devices", type=click.IntRange(1), default=1, help="GPUs, or processes on a CPU, that make a trial each at once"
)
def command(
    recipe: Path,
    home: Path | None,
    as_json: bool,
    over: tuple[str, ...],
    trials: int | None,
    seeds: int | None,
    devices: int,
) -> None:
    """Search settings of the recipe by many trainings; only validation chooses, the test is looked at once."""
    from tunesmith import flow
    from tunesmith.sweep.search import sweep

    project = flow.Project.of(recipe, home)
    result = sweep(project, settings_of(project, over, {"trials": trials, "seeds": seeds}), devices)
    if as_json:
        print_json(result)
    else:
        _show(result)


def settings_of(project: Project, over: tuple[str, ...], others: dict[str, Any]) -> Sweep:
    """Return the recipe's ``sweep`` with what the command line says in place of its own.

    Raises:
        RecipeError: for what is no setting with its values.
    """
    from pydantic import ValidationError

    from tunesmith.core.yaml_lines import parse_yaml
    from tunesmith.recipe import Sweep

    given = {
        **project.recipe.sweep.model_dump(exclude_unset=True),
        **{k: v for k, v in others.items() if v is not None},
    }
    if over:
        pairs = [one.partition("=") for one in over]
        given["fields"] = {name.strip(): parse_yaml(text, f"--over {name}").value for name, _, text in pairs}
    try:
        return Sweep.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        told = problem["msg"].removeprefix("Value error, ")
        raise RecipeError(
            f"--over: {'.'.join(map(str, problem['loc'][:2]))}: {told}",
            expected="--over 'train.lora.rank=[4, 8]' or --over 'train.schedule.peak={low: 1e-4, high: 1e-2}'",
        ) from error


def _show(result: dict[str, Any]) -> None:
    from tunesmith.sweep.words import short_names, told_score, told_value

    keys = list(result["best"]["values"])
    names = short_names(keys)
    sign = -1 if result["higher_is_better"] else 1
    done = [one for one in result["trials"] if one["state"] == "finished"]
    ranked = sorted(done, key=lambda one: sign * one["score"])[:MOST_SHOWN]
    rows = [
        [one["number"], *(told_value(one["values"][key]) for key in keys), told_score(one["score"])] for one in ranked
    ]
    table("best trials", ["trial", *(names[key] for key in keys), result["metric"]], rows, numeric_from=1)
    if result["importance"]:
        told = " · ".join(f"{names[key]} {share:.0%}" for key, share in result["importance"].items())
        say(f"  the order of trials is decided by {told}")
    counts = " · ".join(f"{count} {state}" for state, count in result["counts"].items() if count)
    say(f"  {counts}")
    say(f"  {result['sentence']}", style="bold")
    if result["comparison"]["valid"]["gain"]["value"] > 0:
        say(f"  the winner's recipe: tunesmith run {shlex.quote(shown_path(result['recipe']))}")
    where(Path(result["path"]) / "sweep.html")
