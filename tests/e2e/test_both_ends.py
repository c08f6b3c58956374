"""Both ends meet: the provider that tunes at OpenAI, pointed at our own server, makes the model that a local run makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file

from serve_tuning import settings_of
from serving import serving
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.store import Store
from tunesmith.providers.hosted import hosted_model
from tunesmith.release.aliases import promote

pytestmark = pytest.mark.slow

TRAIN = {"epochs": 3, "batch_examples": 8, "schedule": {"peak_factor": 4.0}, "regularise": {"early_stopping": None}}


def rows(first: int, last: int) -> str:
    said = {"parcel": "it comes", "refund": "it is paid", "cup": "a new one"}
    return "".join(
        json.dumps({"messages": [{"role": "user", "content": f"{word} {n}?"}, {"role": "assistant", "content": text}]}) + "\n"
        for n in range(first, last) for word, text in said.items()
    )  # fmt: skip


def project(folder: Path, base: str, **more: Any) -> flow.Project:
    """The same recipe for both, up to the base; rows as they are, splits given, so that both learn the same ones."""
    folder.mkdir()
    for name, (first, last) in {"train": (0, 16), "valid": (16, 18), "test": (18, 22)}.items():
        (folder / f"{name}.jsonl").write_text(rows(first, last))
    files = {name: f"{name}.jsonl" for name in ("train", "valid", "test")}
    data = {**files, "dedup": {"exact": False, "near": None}}
    recipe = {"name": "both", "task": "chat", "base": base, "seed": 3, "data": data, "train": TRAIN, **more}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return flow.Project.of(folder / "recipe.yaml", folder / "home")


def test_a_recipe_run_through_our_own_service_makes_the_local_run_s_model(tmp_path, tiny, monkeypatch):
    """Would let through: any difference between what our client sends and what our server does with it: rows lost or
    rewritten, another seed, other epochs, a learning rate that is multiplied twice or never.
    """
    monkeypatch.setenv("OUR_KEY", "none")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    store, workspace = Store.open(tmp_path / "server" / "store.db"), Workspace(tmp_path / "server")
    with serving(store, workspace, settings=settings_of(tiny)) as ours:
        at = {"base_url": f"{ours.url}/v1", "key_env": "OUR_KEY", "poll_s": 0.1, "retries": 1}
        evaluate = {"baselines": ["base"], "gate": {"against": ["base"]}, "max_new_tokens": 16}
        hosted_project = project(tmp_path / "hosted", "openai:tiny", provider=at, evaluate=evaluate)
        away = flow.train(hosted_project)
        hosted = hosted_model(away)
        assert hosted is not None and hosted.model.startswith("ft:tiny:tunesmith:")
        with ours.client() as client:
            served = workspace.get(client.models.retrieve(hosted.model).model_extra["root"])
            jobs = client.fine_tuning.jobs.list().data
            assert [one.status for one in jobs] == ["succeeded"] and jobs[0].id in hosted.jobs
            assert len([one for one in client.files.list() if one.purpose == "fine-tune"]) == 0, (
                "uploads are cleaned up"
            )
        card = flow.evaluate(hosted_project).result
        promote(hosted_project.store, "both", away.id, force=True)
        with serving(hosted_project.store, hosted_project.workspace) as front:
            through = front.ask("parcel 3?", "both", max_tokens=16).choices[0].message.content
            direct = ours.ask("parcel 3?", hosted.model, max_tokens=16).choices[0].message.content
    local = flow.train(project(tmp_path / "local", str(tiny)))
    theirs, own = (load_file(one.path / "model" / "adapter_model.safetensors") for one in (served, local))
    assert theirs.keys() == own.keys() and all((theirs[name] == own[name]).all() for name in own)
    steps = [
        [json.loads(line) for line in (one.path / "metrics.jsonl").read_text().splitlines()] for one in (away, local)
    ]
    losses = [{row["step"]: row["loss"] for row in some if "loss" in row} for some in steps]
    assert losses[0].keys() == losses[1].keys() and losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert through == direct
    assert card["rivals"]["tuned"]["model"] == hosted.model and card["metrics"]["exact_match"]["n"] == 12
    store.close()
