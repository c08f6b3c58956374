"""What the commands print: one JSON object with the promised keys, help at once, people's text on stderr."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bad_data import ROWS, csv_text
from tunesmith.cli.main import VERBS, main

pytestmark = pytest.mark.slow


def run(monkeypatch, capsys, *args: str, code: int = 0) -> str:
    """Run a command in this process; return its stdout."""
    monkeypatch.setattr("sys.argv", ["tunesmith", *args])
    try:
        main()
        left = 0
    except SystemExit as exit_:
        left = int(exit_.code or 0)
    captured = capsys.readouterr()
    assert left == code, captured.err
    return captured.out


@pytest.fixture
def project(tiny, tmp_path, monkeypatch):
    rows = [(f"{text} again {turn}", label) for turn in range(4) for text, label in ROWS]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    (tmp_path / "recipe.yaml").write_text(
        f"name: t\ntask: classify\nbase: {tiny}\ndata: {{train: a.csv}}\n"
        "train: {method: full, max_steps: 4, batch_tokens: 64, threads: 1}\nevaluate: {baselines: [majority], gate: {against: []}}\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_run_prints_one_object_with_the_promised_keys(project, monkeypatch, capsys):
    """Bug: a key scripts rely on is renamed, or a second line of text joins the JSON."""
    result = json.loads(run(monkeypatch, capsys, "run", "--json"))
    assert set(result) == {"prepare", "train", "evaluate", "release"}
    assert {"dataset", "path", "rows", "removed_by", "splits", "verdicts", "seconds"} <= set(result["prepare"])
    assert {"read", "kept", "removed"} == set(result["prepare"]["rows"])
    assert {
        "model", "path", "provider", "steps", "epochs", "stopped_by", "best", "tokens", "target_tokens_per_s", "seconds",
    } <= set(result["train"])  # fmt: skip
    card = result["evaluate"]
    assert {"scorecard", "path", "metrics", "baselines", "deltas", "verdict", "reasons"} <= set(card)
    assert {"value", "low", "high", "n"} <= set(card["metrics"]["accuracy"])
    assert {"value", "low", "high", "p"} <= set(card["deltas"]["majority"]["accuracy"])
    assert result["release"] == "t@production"
    again = json.loads(run(monkeypatch, capsys, "run", "--json"))
    assert again == result, "the second run made something again"


def test_looking_commands_on_a_finished_run(project, monkeypatch, capsys):
    """Bug: show, why, diff, models, plan or clean break on the artifacts that run makes."""
    result = json.loads(run(monkeypatch, capsys, "run", "--json"))
    model = result["train"]["model"]
    assert model in run(monkeypatch, capsys, "show", model, "--json")
    assert "best validation loss" in shown(monkeypatch, capsys, "show", model)
    assert f"verdict: {result['evaluate']['verdict']}" in shown(monkeypatch, capsys, "show", result["evaluate"]["path"])
    why = run(monkeypatch, capsys, "why", result["evaluate"]["scorecard"], "--json")
    assert model in why and result["prepare"]["dataset"] in why
    assert json.loads(run(monkeypatch, capsys, "diff", model, result["prepare"]["dataset"], "--json"))["differences"]
    assert model in run(monkeypatch, capsys, "models", "--json")
    assert json.loads(run(monkeypatch, capsys, "plan", "--json"))["dataset"] == result["prepare"]["dataset"]
    assert json.loads(run(monkeypatch, capsys, "doctor", "--json"))["tunesmith"]
    json.loads(run(monkeypatch, capsys, "clean", "--json"))
    assert run(monkeypatch, capsys, "chat", "t", "--message", "where is my parcel").strip() in {"delivery", "refund"}
    monitored = json.loads(run(monkeypatch, capsys, "monitor", "--json"))
    assert monitored["requests"] == 0


def test_a_gate_that_fails_exits_3_and_force_overrides(project, monkeypatch, capsys):
    """Bug: a pipeline goes on after a failed gate."""
    text = (
        (project / "recipe.yaml")
        .read_text()
        .replace("gate: {against: []}", "gate: {against: [], minimum: {accuracy: 1.0}}")
    )
    (project / "recipe.yaml").write_text(text)
    result = json.loads(run(monkeypatch, capsys, "run", "--json", code=3))
    assert result["release"] is None and result["evaluate"]["verdict"] in ("fail", "undecided")
    run(monkeypatch, capsys, "release", code=3)
    assert "t@production" in run(monkeypatch, capsys, "release", "--force", "--json")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, monkeypatch, capsys):
    assert "Usage:" in run(monkeypatch, capsys, verb, "--help")


def test_help_answers_at_once_and_loads_nothing_heavy():
    """Bug: an import at the top of a command makes every command slow."""
    code = (
        "import sys; import tunesmith.cli.main as m; sys.argv = ['tunesmith', '--help']\n"
        "try: m.main()\nexcept SystemExit: pass\n"
        "print([x for x in ('torch', 'transformers', 'polars', 'sqlalchemy', 'sklearn', 'pydantic') if x in sys.modules])"
    )
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - started)
        assert done.stdout.rstrip().endswith("[]"), done.stdout[-200:]
    assert statistics.median(seconds) <= 0.6, seconds  # 0.3 s on a machine that does nothing else: benchmarks


@pytest.fixture
def two_datasets(project, monkeypatch, capsys):
    """Two datasets of one file with a row twice; the second with all duplicates and a larger test set."""
    lines = (project / "a.csv").read_text().splitlines(keepends=True)
    (project / "a.csv").write_text("".join([*lines, lines[1]]))
    prepared = [json.loads(run(monkeypatch, capsys, "prepare", "--json"))]
    recipe = project / "recipe.yaml"
    recipe.write_text(
        recipe.read_text().replace("a.csv}", "a.csv, dedup: {exact: false, near: null}, split: {test: 0.2}}")
    )
    return [*prepared, json.loads(run(monkeypatch, capsys, "prepare", "--json"))]


def shown(monkeypatch, capsys, *args: str) -> str:
    """Run a command in this process; return what it tells people."""
    monkeypatch.setattr("sys.argv", ["tunesmith", *args])
    monkeypatch.setattr("tunesmith.core.progress._console", None)
    with pytest.raises(SystemExit) if args[-1] == "nowhere" else contextlib.nullcontext():
        main()
    return capsys.readouterr().err


def test_diff_of_datasets_tells_settings_rows_and_rules(two_datasets, monkeypatch, capsys):
    """Bug: a person gets digests and dotted keys of a manifest instead of what was set and what became of the rows."""
    first, second = two_datasets
    text = shown(monkeypatch, capsys, "diff", first["dataset"], second["path"])
    assert "data.dedup.near" in text and "0.7 → none" in text and "data.split.test" in text and "0.1 → 0.2" in text
    assert f"{first['rows']['read']} in both" in text and ".parquet" not in text and "verdicts" in text
    told = json.loads(run(monkeypatch, capsys, "diff", first["dataset"], second["dataset"], "--json"))
    assert {"topic": "settings", "what": "data.dedup.near", "first": 0.7, "second": None} in told["changes"]
    removed = {one["what"]: (one["first"], one["second"]) for one in told["changes"] if one["topic"] == "removed by"}
    both = first["removed_by"].keys() | second["removed_by"].keys()
    changed = {rule: (first["removed_by"].get(rule), second["removed_by"].get(rule)) for rule in both}
    assert removed == {rule: counts for rule, counts in changed.items() if counts[0] != counts[1]} != {}


def test_show_tells_a_dataset_s_verdicts_and_what_was_removed(two_datasets, monkeypatch, capsys):
    """Bug: whoever looks at a dataset must make it again to learn what was removed."""
    text = shown(monkeypatch, capsys, "show", two_datasets[0]["dataset"])
    assert "removed by duplicate 1" in text and "report.html" in text
    assert all(topic in text for topic in ("relevance", "cleanliness", "balance", "size"))


def test_show_tells_of_a_dataset_that_an_earlier_version_made(two_datasets, monkeypatch, capsys):
    """Bug: after an upgrade, looking at what was made before ends in a traceback."""
    file = Path(two_datasets[0]["path"], "manifest.json")
    manifest = json.loads(file.read_text())
    del manifest["result"]["repaired"], manifest["result"]["repaired_by"]
    file.write_text(json.dumps(manifest))
    rows = two_datasets[0]["rows"]
    assert f"{rows['read']} rows read: {rows['kept']} kept" in shown(monkeypatch, capsys, "show", file.parent.name)


@pytest.mark.parametrize("verb", ["show", "why"])
def test_artifacts_are_named_by_path_or_by_the_beginning_of_an_id(two_datasets, tmp_path, monkeypatch, capsys, verb):
    """Bug: the path that prepare prints is no name of what lies there; or a name that fits two takes one of them."""
    first, second = two_datasets
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for named in (first["path"], f"{first['path']}/report.html"):
        monkeypatch.chdir(elsewhere)
        assert first["dataset"] in run(monkeypatch, capsys, verb, named, "--json")
    monkeypatch.chdir(tmp_path)
    assert first["dataset"] in run(monkeypatch, capsys, verb, first["dataset"][:-3], "--json")
    monkeypatch.setattr("sys.argv", ["tunesmith", verb, "t-"])
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert first["dataset"] in told and second["dataset"] in told and "fits 2 artifacts" in told
    monkeypatch.chdir(elsewhere)
    told = shown(monkeypatch, capsys, verb, "nowhere")
    assert str(elsewhere / ".tunesmith") in told and "--home" in told and "beside the recipe" in told
