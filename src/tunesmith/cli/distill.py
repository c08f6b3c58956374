"""``tunesmith distill RECIPE``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument, shown_path, where
from tunesmith.core.progress import say


@click.command("distill")
@recipe_argument
@home_option
@json_option
@click.option("--plan", "only_plan", is_flag=True, help="tell the questions, tokens and cost; ask nothing")
@click.option("--force", is_flag=True, help="write over a file of examples that is there with other rows")
def command(recipe: Path, home: Path | None, as_json: bool, only_plan: bool, force: bool) -> None:
    """Let a stronger model answer your questions, and write its answers as examples to learn from."""
    from tunesmith import flow
    from tunesmith.distill.stage import distill, plan

    project = flow.Project.of(recipe, home)
    result = plan(project) if only_plan else distill(project, force=force)
    if as_json:
        print_json(result)
    elif only_plan:
        _show_plan(result)
    else:
        _show(result, recipe)


def _show_plan(plan: dict[str, Any]) -> None:
    tokens, usd = plan["tokens"], plan["usd_at_most"]
    cost = "distill.teacher.price tells the cost" if usd is None else f"{usd:.2f} USD at most"
    say(f"  {plan['calls']:,} calls for {plan['questions']:,} questions, {plan['shots']} examples shown with each")
    say(f"  about {tokens['input']:,} tokens in, at most {tokens['output_at_most']:,} out; {cost}")


def _show(result: dict[str, Any], recipe: Path) -> None:
    teacher = result["teacher"]
    calls, tokens = teacher["calls"], teacher["tokens"]
    cost = "" if teacher["usd"] is None else f", {teacher['usd']:.2f} USD"
    say(f"  {calls['asked']:,} asked ({tokens['input']:,} tokens in, {tokens['output']:,} out{cost}), "
        f"{calls['kept']:,} kept from before")  # fmt: skip
    if result["left_out"]:
        left = ", ".join(f"{count:,} {why.replace('_', ' ')}" for why, count in result["left_out"].items())
        say(f"  left out: {left}", style="yellow")
        where(result["left_out_path"])
    if result["agreement"] is not None:
        say(f"  the samples of a question agree by {result['agreement']:.0%} on average")
    for note in result["notes"]:
        say(f"  {note}", style="yellow")
    say(f"  {result['examples']:,} examples", style="bold")
    where(result["path"])
    if not result["notes"]:
        say(f"  now: tunesmith run {shlex.quote(shown_path(recipe))}")
