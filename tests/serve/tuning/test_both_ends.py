"""Both ends of the protocol are ours: a recipe whose base is at `openai:` is tuned by our own server, and answers."""

import json

import pytest
import yaml

from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.providers.hosted import hosted_model

pytestmark = pytest.mark.slow

ROWS = [
    {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": "ab"[n % 2] * 3}]}
    for n in range(40)
]


def test_the_openai_provider_tunes_at_our_own_server(shop, tmp_path, monkeypatch):
    """Bug: what either end calls a step, a loss, a checkpoint or a status is not what the other takes it for."""
    monkeypatch.setenv("OURS", "ts-none")
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    recipe = {
        "name": "ends", "task": "chat", "base": "openai:tiny",
        "data": {"train": "rows.jsonl", "processes": 1, "dedup": {"near": None}, "clean": {"gibberish": "off", "mismatch": "off"}},
        "provider": {"base_url": f"{shop.server.url}/v1", "key_env": "OURS", "poll_s": 0.1},
        "train": {"epochs": 3, "batch_examples": 8},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    home = tmp_path / "client"
    model = flow.train(flow.Project.of(tmp_path / "recipe.yaml", home))
    hosted = hosted_model(model)
    assert hosted is not None and len(hosted.jobs) == 1
    job = shop.client.fine_tuning.jobs.retrieve(hosted.jobs[0])
    assert job.status == "succeeded" and model.result["tokens"]["total"] == job.trained_tokens
    there = max(shop.workspace.list("model"), key=lambda one: one.result["steps"])
    told = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    done = {row["step"]: row for row in map(json.loads, (there.path / "metrics.jsonl").read_text().splitlines())}
    assert {row["step"] for row in told} == set(done)
    assert all(row["loss"] == pytest.approx(done[row["step"]]["loss"], abs=1e-3) for row in told if "loss" in row)
    best = min((row["valid_loss"], row["step"]) for row in told if "valid_loss" in row)
    assert model.result["best"]["step"] == best[1]
    answer = shop.client.chat.completions.create(
        model=hosted.model, messages=[{"role": "user", "content": "q1"}], max_tokens=4
    )
    assert answer.choices[0].message.content
    assert [one for one in shop.client.files.list() if one.purpose == "fine-tune"] == []
    assert Workspace(home).list("model") == [model]
