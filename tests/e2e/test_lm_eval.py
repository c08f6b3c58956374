"""EleutherAI's lm-evaluation-harness, as it is, asks our server and finds the accuracy that our scorecard has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import polars as pl
import pytest
import yaml

from bad_data import ROWS, csv_text
from serving import serving
from tunesmith import flow

pytestmark = pytest.mark.slow

TASK = {
    "task": "held_out",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": [], "do_sample": False, "max_gen_toks": 32},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def test_the_harness_finds_the_accuracy_of_the_scorecard(tiny: Any, tmp_path: Any) -> None:
    """Catches a field that the harness sends and the server refuses, another prompt or another way to answer than that of
    our own evaluation.
    """
    rows = [(f"{text} again {turn}", label) for turn in range(6) for text, label in ROWS]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    recipe = {
        "name": "t", "task": "classify", "base": str(tiny), "data": {"train": "a.csv", "split": {"test": 0.4}},
        "train": {"method": "full", "max_steps": 12, "batch_tokens": 64, "threads": 1},
        "evaluate": {"baselines": ["majority"], "gate": {"against": []}},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    project = flow.Project.of(tmp_path / "recipe.yaml")
    flow.release(project, force=True)
    card = flow.evaluate(project)
    answers = pl.read_parquet(card.path / "examples.parquet")
    asked = [{"question": one["input"], "answer": one["expected"]} for one in answers.iter_rows(named=True)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in asked))
    (tmp_path / "held_out.yaml").write_text(yaml.safe_dump(TASK))
    with serving(project.store, project.workspace) as server:
        where = f"model=t,base_url={server.url}/v1/chat/completions,num_concurrent=2"
        command = [
            sys.executable, "-m", "lm_eval", "run", "--model", "local-chat-completions", "--model_args", where, "--tasks",
            "held_out", "--include_path", ".", "--apply_chat_template", "--output_path", "out",
        ]  # fmt: skip
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")}
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **offline, "OPENAI_API_KEY": "none"}, capture_output=True,
            text=True, check=False, timeout=240,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (told,) = (tmp_path / "out").rglob("results_*.json")
    theirs = json.loads(told.read_text())["results"]["held_out"]["exact_match,none"]
    ours = card.result["metrics"]["accuracy"]
    assert ours["n"] >= 20 and 0 < ours["value"] < 1, "an accuracy that could be another"
    assert theirs == ours["value"]
