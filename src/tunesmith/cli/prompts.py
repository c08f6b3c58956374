"""``tunesmith prompts RECIPE``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument, shown_path, table, where
from tunesmith.core.progress import say

MOST_SHOWN = 8
"""Prompts of the table on the terminal, the best first; the page has all."""

MOST_CHARS = 60
"""Characters of a prompt's words in the table."""


@click.command("prompts")
@recipe_argument
@home_option
@json_option
@click.option("--model", "model", help="ask this Model of ours, by alias or id, in place of the recipe's base")
@click.option("--write", is_flag=True, help="put the winner into the recipe, if it is better than the recipe's own")
@click.option("--as-teacher", is_flag=True, help="with --write: put it under prompt.teacher, to be learnt by heart")
@click.option("--anyway", is_flag=True, help="with --write: also if it is not told apart from the recipe's own")
def command(
    recipe: Path, home: Path | None, as_json: bool, model: str | None, write: bool, as_teacher: bool, anyway: bool
) -> None:
    """Search for a better prompt; validation alone chooses, and other validation rows report. Nothing is trained."""
    from tunesmith import flow
    from tunesmith.prompts.search import search
    from tunesmith.prompts.write import write_winner

    if (as_teacher or anyway) and not write:
        raise click.UsageError(f"--{'as-teacher' if as_teacher else 'anyway'} says how to --write; add --write")
    project = flow.Project.of(recipe, home)
    result = search(project, model)
    written = write_winner(project, result, as_teacher=as_teacher, anyway=anyway) if write else None
    result["written"] = None if written is None else str(written)
    if as_json:
        print_json(result)
    else:
        _show(result, recipe, write=write)


def _show(result: dict[str, Any], recipe: Path, *, write: bool) -> None:
    asked = [one for one in result["candidates"] if one.get("score")]
    rows = [
        [one["name"], f"{one['score']['value']:.3f}", one["rows"], f"{one['prompt_tokens']:,.0f}", _words(one)]
        for one in asked[:MOST_SHOWN]
    ]
    table("prompts, where they are chosen", ["prompt", result["metric"], "rows", "tokens", "words"], rows)
    if refused := len(result["candidates"]) - len(asked):
        say(f"  {refused} refused")
    for note in result["notes"]:
        say(f"  {note}", style="yellow")
    say(f"  {result['sentence']}", style="bold")
    _next(result, recipe, write=write)
    where(Path(result["path"]) / "prompts.html")


def _next(result: dict[str, Any], recipe: Path, *, write: bool) -> None:
    shown = shlex.quote(shown_path(recipe))
    if result["written"]:
        say(f"  written into {shown} (the page keeps what was yours); now: tunesmith run {shown}")
    elif write and result["verdict"] == "yours":
        say("  nothing is written: yours is the best")
    elif write:
        say("  nothing is written: keep yours; --write --anyway writes the winner all the same")
    elif result["verdict"] == "better":
        say(f"  to train and serve with it: tunesmith prompts {shown} --write   (asks nothing again)")


def _words(one: dict[str, Any]) -> str:
    text = " ⏎ ".join(" ".join(text.split()) for text in (one["system"], one["template"]) if text)
    text = f"{one['shots']} shots · {text}" if one["shots"] else text
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
