"""What people see of a stage's result: a few lines and a table on stderr. Owns wording; the facts are the result's."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from tunesmith.cli.common import table, where
from tunesmith.core.progress import say

_VERDICT_STYLES = {"pass": "bold green", "fail": "bold red", "undecided": "bold yellow"}


def show_dataset(result: dict[str, Any]) -> None:
    """Show how many rows were read, kept and removed, and what to think of them."""
    rows, splits = result["rows"], result["splits"]
    removed = ", ".join(f"{count} {rule}" for rule, count in result["removed_by"].items())
    say(
        f"  {rows['read']:,} rows read, {rows['kept']:,} kept, {rows['removed']:,} removed"
        + (f" ({removed})" if removed else "")
    )
    say(f"  {splits['train']:,} train · {splits['valid']:,} valid · {splits['test']:,} test")
    for topic, verdict in result["verdicts"].items():
        say(f"  {topic}: {verdict['verdict']}: {verdict['why']}")
    where(Path(result["path"]) / "report.html")


def show_model(result: dict[str, Any]) -> None:
    """Show how training went."""
    best = result["best"]
    kept = f"best validation loss {best['value']:.4f} at step {best['step']}" if best else "no validation set"
    say(f"  {result['steps']:,} steps in {result['seconds']:,.0f} s · {kept} · stopped by {result['stopped_by']}")
    where(Path(result["path"]) / "train.html")


def show_scorecard(result: dict[str, Any]) -> None:
    """Show the metrics beside the baselines, and the verdict."""
    baselines = result["baselines"]
    names = list(result["metrics"])
    rivals = {"tuned": result["metrics"], **baselines}
    lines = [[_who(who, own), *(_estimate(own.get(name)) for name in names)] for who, own in rivals.items()]
    table("", ["", *names], lines, numeric_from=1)
    verdict = result["verdict"]
    say(f"  verdict: {verdict}", style=_VERDICT_STYLES.get(verdict, ""))
    for reason in result["reasons"]:
        say(f"    {reason}")
    for note in result.get("notes", []):
        say(f"  note: {note}")
    if result.get("summary"):
        say(f"  {result['summary']}")
    where(Path(result["path"]) / "scorecard.html")


def show_run(result: dict[str, Any]) -> None:
    """Show the end of a run: the scorecard's table and what was released."""
    show_dataset(result["prepare"])
    show_model(result["train"])
    show_scorecard(result["evaluate"])
    if result["release"]:
        name, home = result["release"].split("@")[0], home_words(Path(result["prepare"]["path"]).parents[1])
        say(f"  released as {result['release']}")
        say(f"  talk to it: tunesmith chat {name}{home} · serve it: tunesmith serve{home}")
    else:
        say("  not released: the gate did not pass (tunesmith release --force overrides it)")


def home_words(workspace: Path) -> str:
    """Return what a command needs besides its name to find a workspace from this folder: nothing, or ``--home``."""
    if "TUNESMITH_HOME" in os.environ or workspace == Path.cwd() / ".tunesmith":
        return ""
    return f" --home {shlex.quote(os.path.relpath(workspace))}"


def _who(name: str, metrics: dict[str, Any]) -> str:
    rows = max((estimate["n"] for estimate in metrics.values()), default=0)
    return f"{name}\n{rows:,} rows"


def _estimate(value: dict[str, Any] | None) -> str:
    if value is None:
        return "–"
    return f"{_number(value['value'])}\n[{_number(value['low'])}, {_number(value['high'])}]"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 1000 else f"{value:.2g}"
