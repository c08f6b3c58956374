"""``tunesmith curve RECIPE``."""

from __future__ import annotations

from pathlib import Path

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument, table
from tunesmith.core.progress import say


@click.command("curve")
@recipe_argument
@home_option
@click.option("--base", is_flag=True, help="train the recipe's base on the subsets, instead of a cheap probe")
@json_option
def command(recipe: Path, home: Path | None, base: bool, as_json: bool) -> None:
    """Tell how much data is enough: a cheap probe on nested subsets, and a power law through its errors."""
    from tunesmith import flow

    result = flow.curve(flow.Project.of(recipe, home), base=base)
    if as_json:
        print_json(result)
        return
    name, lines = result["score"], result["sizes"]
    rows = [(f"{one['rows']:,}", f"{one['score']:.3f}", f"{one['fitted']:.3f}") for one in lines]
    for what, one in (("all of train", result["all"]), ("twice as many", result["double"])):
        rows.append((f"{one['rows']:,} ({what})", "–", f"{one['score']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"))
    table("", ["rows", name, "power law"], rows, numeric_from=1)
    say(f"  {result['sentence']}", style="bold")
    say(f"  new in the last tenth of the rows: {result['unseen_frac_of_last_tenth']:.0%} of the runs of five words")
    other = " itself" if base else ", not with the base itself: --base trains that"
    say(f"  measured with {result['probe']}{other}", style="dim")
