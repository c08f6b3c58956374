"""What people see of a stage's result: a few lines and a table on stderr. Owns wording; the facts are the result's."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.cli.common import table, where
from tunesmith.core.progress import console, say

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERDICT_STYLES = {
    "pass": "bold green", "fail": "bold red", "undecided": "bold yellow",
    "good": "green", "look": "yellow", "poor": "red",
}  # fmt: skip
LINE_CHARS = 80
"""Least width of a terminal that the summary is cut for; what is no terminal gets whole lines."""
GAP_CHARS = 3
"""Between two columns of a table."""
MOST_NOTES = 2
"""Notes that the terminal shows of a Dataset; its report has all."""


def show_dataset(result: dict[str, Any]) -> None:
    """Show how many rows were read, kept and removed, and what to think of them: at most ten lines.

    On a terminal a line that is longer than it is wide is cut.
    """
    rows, splits = result["rows"], result["splits"]
    states = {"kept": rows["kept"], "removed": rows["removed"]}
    if "repaired" in result:  # earlier versions counted those of train alone
        repaired = sum(result["repaired"].values())
        states = {"unchanged": rows["kept"] - repaired, "repaired": repaired, "removed": rows["removed"]}
    say(
        f"  {rows['read']:,} rows read: " + " · ".join(f"{count:,} {state}" for state, count in states.items() if count)
    )
    if removed := sorted(result["removed_by"].items(), key=lambda item: (-item[1], item[0])):
        _say_fitting("  removed by ", [f"{rule} {count:,}" for rule, count in removed], ", ")
    say(f"  {splits['train']:,} train · held out: {splits['valid']:,} valid · {splits['test']:,} test")
    for topic, verdict in result["verdicts"].items():
        head = f"  {topic:<11} {verdict['verdict']:<11} "
        _say_fitting(head, verdict["why"].split("; "), "; ", style=_VERDICT_STYLES.get(verdict["verdict"], ""))
    for note in result.get("notes", [])[:MOST_NOTES]:
        _say_fitting("  note: ", [note], "")
    if "originals" in result.get("facts", {}):
        kept = f"{result['facts']['originals']:,} redacted originals kept, encrypted"
        say(f"  {kept} · tunesmith show {result['dataset']} --originals")
    where(Path(result["path"]) / "report.html")


def _say_fitting(head: str, parts: Sequence[str], between: str, *, style: str = "") -> None:
    """Say a line: whole where it is read later (a pipe, a log), as many parts as fit where it is read now."""
    target = console()
    text = between.join(parts)
    if target.is_terminal:
        text = _fitting(parts, between, max(target.width, LINE_CHARS) - len(head))
    say(head + text, style=style)


def _fitting(parts: Sequence[str], between: str, most: int) -> str:
    """Return as many parts as fit, the first cut if it must be, and a mark for those left out."""
    for shown in range(len(parts), 0, -1):
        text = between.join([*parts[:shown], "…"] if shown < len(parts) else parts)
        if len(text) <= most:
            return text
    return f"{parts[0][: most - 1]}…"


def show_audit(result: dict[str, Any]) -> None:
    """Show what each rule found of the planted defects, and how much of what it took was planted: the worst first.

    Rules without a mistake share a line.
    """
    from tunesmith.data.audit.page import lost

    ranked = sorted(result["rules"], key=lambda one: one["recall"]["value"])
    lines = [
        (one["rule"], one["defect"], _share(one["recall"]), _share(one["precision"]), f"{one['before']['value']:.1%}")
        for one in ranked
        if not _is_perfect(one)
    ]
    say("")
    columns = ["rule", "planted", "found", "rightly", "your rows"]
    if lines:
        table(
            f"defects planted in {result['copies']} copies of {result['rows']:,} rows", columns, lines, numeric_from=2
        )
    if perfect := [one["rule"] for one in ranked if _is_perfect(one)]:
        say(f"  found all that was planted and took nothing else: {', '.join(perfect)}")
    for one in result["must_stay"]:
        say(f"  {lost(one)}")
    if result["not_planted"]:
        say(f"  not planted: {', '.join(result['not_planted'])}", style="dim")
    where(result["path"])


def _is_perfect(one: dict[str, Any]) -> bool:
    return bool(one["recall"]["value"] == 1 and one["precision"] and one["precision"]["value"] == 1)


def _share(estimate: dict[str, Any] | None) -> str:
    return (
        "–"
        if estimate is None
        else f"{estimate['value']:.0%} [{100 * estimate['low']:.0f}, {100 * estimate['high']:.0f}]"
    )


def show_model(result: dict[str, Any]) -> None:
    """Show how training went."""
    best = result["best"]
    name = best["metric"].replace("valid_loss", "validation loss") if best else ""
    kept = f"best {name} {best['value']:.4f} at step {best['step']}" if best else "no validation set"
    say(f"  {result['steps']:,} steps in {result['seconds']:,.0f} s · {kept} · stopped by {result['stopped_by']}")
    if result.get("overfitting"):
        from tunesmith.train.overfit import advice

        say(f"  it overfitted. {advice(result)}", style="yellow")
    where(Path(result["path"]) / "train.html")


def show_scorecard(result: dict[str, Any]) -> None:
    """Show whether tuning paid, the metrics beside the baselines, and the verdict.

    Metrics that do not fit beside each other stand in tables one below the other.
    """
    if result.get("summary"):
        say(f"  {result['summary']}")
    rivals = {"tuned": result["metrics"], **result["baselines"]}
    systems = ["", *(_who(who, own) for who, own in rivals.items())]
    columns = [[name, *(_estimate(own.get(name)) for own in rivals.values())] for name in result["metrics"]]
    for some in _side_by_side(systems, columns, console().width):
        header, *lines = zip(systems, *some, strict=True)
        table("", header, lines, numeric_from=1)
    for suite, found in result.get("suites", {}).items():
        _show_suite(suite, found)
    if served := result.get("served"):
        p50, p95 = served["latency_ms"].values()
        times = (
            f" · p50 {p50:,.0f} ms, p95 {p95:,.0f} ms with {served['clients']} clients at a time"
            if served["rows"]
            else ""
        )
        say(f"  as it is served: {served['summary']}{times}")
    verdict = result["verdict"]
    say(f"  verdict: {verdict}", style=_VERDICT_STYLES.get(verdict, ""))
    for reason in result["reasons"]:
        say(f"    {reason}")
    for note in result.get("notes", []):
        say(f"  note: {note}")
    where(Path(result["path"]) / "scorecard.html")


def _show_suite(suite: str, found: dict[str, Any]) -> None:
    """Show a suite's metrics for all systems it asked."""
    rivals = {"tuned": found["metrics"], **found["baselines"]}
    lines = [[name, *(_estimate(own.get(name)) for own in rivals.values())] for name in found["metrics"]]
    if not lines:
        say(f"  suite {suite}: {found['rows']:,} rows, {found['passes']:,} passes")
    else:
        table(
            f"suite {suite}: {found['rows']:,} rows, {found['passes']:,} passes", ["", *rivals], lines, numeric_from=1
        )
    for note in found["notes"]:
        say(f"  note: {note}")


def _side_by_side(first: list[str], columns: list[list[str]], most: int) -> list[list[list[str]]]:
    """Return columns in runs that fit into ``most`` characters, each beside the first column."""
    runs: list[list[list[str]]] = [[]]
    for column in columns:
        beside = [first, *runs[-1], column]
        if runs[-1] and sum(_width(one) + GAP_CHARS for one in beside) > most:
            runs.append([])
        runs[-1].append(column)
    return runs


def _width(column: list[str]) -> int:
    return max(len(line) for cell in column for line in cell.splitlines() or [""])


def show_run(result: dict[str, Any]) -> None:
    """Show the end of a run: the scorecard's table and what was released."""
    show_dataset(result["prepare"])
    show_model(result["train"])
    show_scorecard(result["evaluate"])
    if result["release"]:
        name, home = result["release"].split("@")[0], home_words(Path(result["prepare"]["path"]).parents[1])
        say(f"  released as {result['release']}")
        chat = "" if result["train"].get("hosted") else f"talk to it: tunesmith chat {name}{home} · "
        say(f"  {chat}serve it: tunesmith serve{home}")
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
