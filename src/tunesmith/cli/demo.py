"""``tunesmith demo``: one whole turn of the ring on the bundled tickets and the bundled base, offline, in minutes."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.common import json_option, print_json, table, where
from tunesmith.core.errors import SetupError
from tunesmith.core.progress import console, say, steps

if TYPE_CHECKING:
    from tunesmith.cli.live import Client
    from tunesmith.flow import Project

ASSETS = Path(__file__).parents[1] / "assets" / "demo"
FILES = ("tickets.csv", "recipe.yaml", "live.jsonl", "live_test.jsonl")
QUESTIONS = ("my parcel was due on monday, where is it??", "I was charged twice! I want my money back.")
MARK = "# The demo"
"""How the demo's recipe begins; a folder whose recipe does is ours to start anew."""

NEW_INTENT = "gift_card"


@click.command("demo")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("tunesmith-demo"), show_default=True)
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Run the whole ring on about 1,500 bundled support messages: prepare, train, evaluate, serve, learn, update."""
    from tunesmith import flow
    from tunesmith.core.clock import monotonic_s

    started_s = monotonic_s()
    _unpack(folder)
    project = flow.Project.of(folder / "recipe.yaml", folder / ".tunesmith")
    result = _first_turn(project)
    result |= _second_turn(project)
    result |= {"seconds": round(monotonic_s() - started_s, 1), "peak_memory_gib": _peak_memory_gib()}
    _goodbye(folder, result)
    if as_json:
        print_json(result)


def _unpack(folder: Path) -> None:
    """Put the demo's files into a folder; a folder of an earlier demo starts anew, any other is left alone."""
    recipe = folder / "recipe.yaml"
    if folder.exists():
        if not recipe.exists() or not recipe.read_text(encoding="utf-8", errors="replace").startswith(MARK):
            raise SetupError(f"{folder} exists and is not the demo's", hint="tunesmith demo --dir another-folder")
        shutil.rmtree(folder / ".tunesmith", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(ASSETS / name, folder / name)


def _first_turn(project: Project) -> dict[str, Any]:
    from tunesmith import flow
    from tunesmith.cli.summaries import show_dataset, show_model, show_scorecard

    _title(1, "prepare", "1,490 dirty support messages become a clean, split dataset; nothing is lost silently")
    dataset = flow.prepare(project)
    show_dataset(flow.result_of(dataset))
    _show_repairs(dataset.path)
    _title(2, "train", "nano, a base model of 4 million weights, learns to sort them")
    model = flow.train(project)
    show_model(flow.result_of(model))
    _title(3, "evaluate", "did tuning pay? against the base and two cheap rivals, with intervals")
    card = flow.evaluate(project)
    show_scorecard(flow.result_of(card))
    _title(4, "release", "the gate passed, so it goes to production")
    released = flow.release(project)
    say(f"  {released['release']} → {released['model']}")
    return {"prepare": flow.result_of(dataset), "train": flow.result_of(model), "evaluate": flow.result_of(card)}


def _second_turn(project: Project) -> dict[str, Any]:
    from tunesmith import flow
    from tunesmith.cli.live import serving
    from tunesmith.monitor.report import render

    _title(5, "serve", "an OpenAI-compatible server answers; the same questions before and after tuning")
    with serving(project) as client:
        _before_and_after(project, client)
        before = _score(client, "asking 120 new messages")
        _title(6, "live traffic", f"customers ask for something new ({NEW_INTENT}); agents correct the answers")
        play = _play(client)
        say(f"  {play['asked']} messages, {play['corrected']} corrected by an agent")
        console().print(render(flow.monitor(project)))
        _title(7, "update", "corrections become examples, old ones are replayed, the gate compares with production")
        updated = flow.update(project)
        _show_update(updated)
        if updated["release"]:
            client.wait_for(updated["train"]["model"])
        after = _score(client, "asking the same 120 messages")
    _show_gain(before, after)
    return {"traffic": play, "before": before, "after": after, "update": updated}


def _title(number: int, what: str, why: str) -> None:
    say("")
    say(f"{number} {what} · {why}", style="bold cyan")


def _show_repairs(dataset: Path) -> None:
    """Show one repair of each kind, before and after."""
    import polars as pl

    repairs = pl.read_parquet(dataset / "repairs.parquet").filter(pl.col("after").is_not_null())
    firsts = (
        repairs.with_columns(pl.col("before").str.len_chars().alias("chars")).sort("chars").filter(pl.col("chars") > 20)
    )
    lines = [
        [row["rule"], row["before"], row["after"]]
        for row in firsts.unique("rule", keep="first", maintain_order=True).sort("rule").to_dicts()
    ]
    table("", ["repaired", "before", "after"], lines)


def _before_and_after(project: Project, client: Client) -> None:
    from tunesmith.models.generate import Decoding, generate
    from tunesmith.models.load import load_model
    from tunesmith.text.chat import prompt_ids

    base = load_model(project.recipe.base)
    lines = []
    for question in QUESTIONS:
        ids = prompt_ids(base.tokenizer, [{"role": "user", "content": question}])
        untuned = base.tokenizer.decode(generate(base, [ids], Decoding(max_new_tokens=16))[0])
        tuned = client.ask(question)
        lines.append([question, " ".join(untuned.split()), f"{tuned.text}  ({tuned.latency_ms:.0f} ms)"])
    table("", ["question", "before: untuned nano", "after: POST /v1/chat/completions"], lines)


def _live(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (ASSETS / name).read_text(encoding="utf-8").splitlines()]


def _play(client: Client) -> dict[str, int]:
    """Ask every live message; where the answer is wrong, correct it as a person would."""
    messages, corrected = _live("live.jsonl"), 0
    with steps("customers writing", len(messages)) as bar:
        for message in messages:
            answer = client.ask(message["text"])
            if answer.text == message["intent"]:
                client.feedback(answer, rating=1)
            else:
                client.feedback(answer, correction=message["intent"])
                corrected += 1
            bar.advance()
    return {"asked": len(messages), "corrected": corrected}


@dataclass
class _Tally:
    right: int = 0
    asked: int = 0


def _score(client: Client, label: str) -> dict[str, Any]:
    """Return the accuracy over HTTP on the new intent and on the old ones, with intervals."""
    from tunesmith.core.estimates import wilson

    tallies = {"new": _Tally(), "old": _Tally()}
    messages = _live("live_test.jsonl")
    with steps(label, len(messages)) as bar:
        for message in messages:
            tally = tallies["new" if message["intent"] == NEW_INTENT else "old"]
            tally.asked += 1
            tally.right += client.ask(message["text"]).text == message["intent"]
            bar.advance()
    return {name: wilson(tally.right, tally.asked).as_dict() for name, tally in tallies.items()}


def _show_update(updated: dict[str, Any]) -> None:
    card = updated["evaluate"]
    for reason in card["reasons"]:
        say(f"  {reason}")
    where(Path(card["path"]) / "scorecard.html")
    say(f"  released as {updated['release']}" if updated["release"] else "  not released: production stays as it is")


def _show_gain(before: dict[str, Any], after: dict[str, Any]) -> None:
    lines = [
        [name, _share(before[key]), _share(after[key])]
        for name, key in ((f"new: {NEW_INTENT}", "new"), ("the nine old intents", "old"))
    ]
    table("", ["right answers over HTTP", "before the update", "after the update"], lines, numeric_from=1)


def _share(estimate: dict[str, Any]) -> str:
    right = round(estimate["value"] * estimate["n"])
    return f"{right}/{estimate['n']}  {estimate['value']:.0%} [{estimate['low']:.0%}, {estimate['high']:.0%}]"


def _peak_memory_gib() -> float:
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def _goodbye(folder: Path, result: dict[str, Any]) -> None:
    minutes, seconds = divmod(round(result["seconds"]), 60)
    say("")
    say(f"done in {minutes} min {seconds} s, at most {result['peak_memory_gib']} GiB of memory", style="bold green")
    say(f"  look:      {folder}/.tunesmith/artifacts/*/scorecard.html")
    say(f"  talk:      tunesmith chat tickets --home {folder}/.tunesmith")
    say(f"  undo:      tunesmith rollback tickets --home {folder}/.tunesmith")
    say(
        "  your turn: tunesmith init my-project --task classify --data your.csv && tunesmith run my-project/recipe.yaml"
    )
