"""``tunesmith plan RECIPE``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.common import home_option, json_option, print_json, recipe_argument
from tunesmith.core.progress import say, sparkline


@click.command("plan")
@recipe_argument
@home_option
@json_option
@click.option("--base", help="Plan as if the recipe had this base, such as openai:gpt-4.1-mini-2025-04-14.")
def command(recipe: Path, home: Path | None, as_json: bool, base: str | None) -> None:
    """Show what training would do and cost, here or at a service. Prepares the data, trains and spends nothing."""
    from tunesmith import flow

    project = flow.Project.of(recipe, home)
    result = flow.plan(flow.on_base(project, base) if base else project)
    if as_json:
        print_json(result)
    elif result["provider"] == "local":
        _show(result)
    else:
        _show_hosted(result)


def _show(plan: dict[str, Any]) -> None:
    examples, tokens = plan["examples"], plan["tokens_per_epoch"]
    say(f"  {examples['train']:,} training and {examples['valid']:,} validation examples")
    say(f"  {tokens['total']:,} tokens an epoch, {tokens['target']:,} of them learnt; longest {plan['longest_tokens']}")
    say(
        f"  {plan['steps']:,} steps ({plan['steps_per_epoch']:,} an epoch) of about {plan['batch_tokens']:,} "
        f"target tokens, {plan['precision']}"
    )
    seconds = plan["seconds_at_most"]
    long = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{math.ceil(seconds)} s"
    say(f"  at most {long} here ({plan['seconds_per_step'] * 1000:.0f} ms a step, measured); no money")
    again = f"; {n} layers compute theirs twice" if (n := plan["layers_computed_twice"]) else ""
    say(f"  about {plan['memory_bytes'] / 2**30:.2f} GiB for weights, gradients, optimiser and activations{again}")
    _show_weights(plan)
    rates = [rate for _, rate in plan["learning_rate"]]
    say(f"  learning rate {sparkline(rates, low=0)}  peak {max(rates):.2g}, last {rates[-1]:.2g}")
    say(f"    {plan['schedule']}")
    if tried := plan["peak_search"]:
        say(
            f"    the peak is found before that, by runs of {tried['steps_each']:,} steps that are thrown away, "
            f"{tried['steps_at_most']:,} steps at most; the first at {max(rates):.2g}"
        )
    if judge := plan.get("judge"):
        _show_judge(judge)
    for name, asked in plan.get("rivals", {}).items():
        _show_rival(name, asked)
    if plan["rates"]:
        say(f"    times {_factors(plan['rates'])}")


def _show_hosted(plan: dict[str, Any]) -> None:
    if plan["refused"]:
        say(f"  {plan['base']}: {plan['refused']}", style="red")
    else:
        _show_counts(plan)
    for how, style in (("honoured", ""), ("approximated", "yellow"), ("refused", "red")):
        own = plan["settings"][how]
        if how == "honoured":
            say(f"  {len(own)} settings are honoured")
        for setting, why in own.items() if how != "honoured" else ():
            say(f"  {how}: {setting}: {why}", style=style)
    if judge := plan.get("judge"):
        _show_judge(judge)
    for name, asked in plan.get("rivals", {}).items():
        _show_rival(name, asked)


def _show_counts(plan: dict[str, Any]) -> None:
    examples = plan["examples"]
    say(f"  {examples['train']:,} training and {examples['valid']:,} validation examples for {plan['base']}")
    tokens = f"about {plan['tokens_per_epoch']['total']:,} tokens, {plan['trained_tokens']:,} billed"
    say(f"  {plan['epochs_told']} of {tokens}; {plan['money_told']}")
    say("  how long it takes the service does not say before; whether it tunes the base at all, train asks it")
    for note in plan["notes"]:
        say(f"  {note}")


def _show_judge(judge: dict[str, Any]) -> None:
    calls = judge["calls"]
    parts = ", ".join(f"{count:,} {name}" for name, count in calls.items() if name != "all" and count)
    say(f"  the judge is asked at most {calls['all']:,} questions ({parts})")
    _show_cost(judge, "evaluate.judge")


def _show_rival(name: str, asked: dict[str, Any]) -> None:
    say(f"  {name} is asked {asked['calls']:,} questions, unless they were asked before")
    _show_cost(asked, f"evaluate.rivals.{name}")


def _show_cost(asked: dict[str, Any], setting: str) -> None:
    tokens, usd = asked["tokens"], asked["usd_at_most"]
    cost = f"{setting}.price tells the cost" if usd is None else f"{usd:.2f} USD at most"
    say(f"    about {tokens['input']:,} tokens in, at most {tokens['output_at_most']:,} out; {cost}")


def _show_weights(plan: dict[str, Any]) -> None:
    weights = plan["weights"]
    say(f"  {weights['learning']:,} of {weights['all']:,} weights learn")
    if plan["unfreezing"]:
        say(f"    {weights['from_the_start']:,} of them from the start; {plan['unfreezing']}")
    if plan["frozen_cache"]["told"]:
        say(f"    {plan['frozen_cache']['told']}")


def _factors(rates: list[tuple[str, float, float]]) -> str:
    """Return factors from the embeddings up, such as ``0.66 embeddings, 0.73 layer 0, 0.1 to 1 layer 3``."""
    return ", ".join(f"{low:.2g} {place}" if low == high else f"{low:.2g} to {high:.2g} {place}"
                     for place, low, high in rates)  # fmt: skip
