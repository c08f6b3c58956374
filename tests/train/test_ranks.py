"""Several ranks on one CPU: the same Model as from one, the same bytes after a kill, no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tunesmith import flow
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.models.forward import Row
from tunesmith.train import launch
from tunesmith.train.batches import Batch
from tunesmith.train.launch import arguments_of_ranks
from tunesmith.train.ranks import STARTED_BY_US, Ranks

TURNS = [
    (f"my {what} number {n} is lost, what now", f"we block {what} {n} and send another")
    for n in range(12)
    for what in ("card", "key", "phone")
]
SETTINGS = "epochs: 3, batch_tokens: 60, precision: float32, eval_every: 2, threads: 1"
TEACHER = "teacher: {shots: 3}"


def project(folder: Path, base: Path, train: str, task: str = "chat", prompt: str = "") -> Path:
    folder.mkdir(parents=True)
    if task == "chat":
        rows = [{"prompt": asked, "completion": told} for asked, told in TURNS]
    else:
        rows = [{"prompt": asked, "chosen": told, "rejected": "no"} for asked, told in TURNS]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: ranks\ntask: {task}\nbase: {base}\ndata: {{train: data.jsonl, "
        f"split: {{valid: 0.2, test: 0.0}}, dedup: {{near: null}}}}\nprompt: {{{prompt}}}\n"
        f"train: {{{SETTINGS}, {train if 'peak' in train else f'{train}, schedule: {{peak: 0.01}}'}}}\n"
    )
    return recipe


def start(recipe: Path, devices: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tunesmith", "train", str(recipe), "--devices", str(devices)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def made(recipe: Path, devices: int) -> Artifact:
    process = start(recipe, devices)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told.decode()
    return model_of(recipe)


def model_of(recipe: Path) -> Artifact:
    [model] = [one for one in Workspace(recipe.parent / ".tunesmith").list() if one.manifest["stage"] == "model"]
    return model


def trained(recipe: Path, devices: int) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Train, of one device in this process; return the Model's weights and metrics."""
    return learnt(made(recipe, devices) if devices > 1 else flow.train(flow.Project.of(recipe, None)))


def learnt(model: Artifact) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Return a Model's weights and metrics."""
    weights = {
        name: tensor
        for file in sorted((model.path / "model").glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }
    return weights, [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=30), st.integers(1, 8))
def test_every_pass_falls_to_one_rank(lengths: list[int], count: int) -> None:
    """Lets through: examples that are learnt twice, or never."""
    none = torch.zeros(0)
    batches = [
        Batch(Row(torch.zeros(1, n), none), none, none, none, {number: none}) for number, n in enumerate(lengths)
    ]
    shares = Ranks(0, count).shares(batches)
    assert sorted(number for share in shares for number in share) == list(range(len(batches)))
    loads = [sum(lengths[number] for number in share) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)


WAYS = {
    # name: (the train section, the task, the prompt section)
    "variants": ("method: full", "chat", "shots: 2, variants: [{system: Help.}]"),
    "a teacher": ("method: full", "chat", TEACHER),
    "r_drop": ("method: full, regularise: {dropout: 0.1, r_drop: 1}", "chat", ""),
    "l2sp": ("method: full, regularise: {l2sp: 2}", "chat", ""),
    "lower half frozen": ("method: full, freeze: {layers: '0:1'}, shortcuts: {frozen_cache: false}", "chat", ""),
    "rows held": ("method: full, freeze: {rows: ':100'}, regularise: {gradient_noise: 0.1}", "chat", ""),
    "lora": ("method: lora", "chat", ""),
    "qlora": ("method: qlora", "chat", ""),
    "dpo": ("method: full", "preference", ""),
    "kto": ("method: full, objective: kto", "preference", ""),
    "parts": ("method: full, shard: always, regularise: {ema: 0.9}", "chat", ""),
    "parts, r_drop": ("method: full, shard: always, regularise: {dropout: 0.1, r_drop: 1}", "chat", ""),
    "parts, a teacher": ("method: full, shard: always, regularise: {early_stopping: null}", "chat", TEACHER),
    "parts, l2sp": ("method: full, shard: always, tokens: {add: {number: one}}, regularise: {l2sp: 10}", "chat", ""),
    "parts, activations twice": ("method: full, shard: always, activation_checkpointing: always", "chat", ""),
    "parts, dpo": ("method: full, shard: always, regularise: {early_stopping: null}", "preference", ""),
}
STEPS = 8
TOGETHER = """
import sys
from pathlib import Path
from tunesmith import flow
from tunesmith.cli.common import as_ranks
from tunesmith.train import ranks
as_ranks(2, lambda: [flow.train(flow.Project.of(Path(recipe), None)) for recipe in sys.argv[1:]])
ranks.end()
"""
"""What both of a pair run: one training after the other, for most of a pair's time is its start."""


@pytest.fixture(scope="module")
def of_two(tmp_path_factory, tiny):
    """What one pair of ranks makes of each of `WAYS`."""
    folder = tmp_path_factory.mktemp("two")
    recipes = [project_of_way(folder, tiny, name) for name in WAYS]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(launch._free_port())}
    command = [sys.executable, "-c", TOGETHER, *map(str, recipes)]
    with (folder / "told").open("w") as told:
        pair = [
            subprocess.Popen(command, stderr=told, env={**shared, "RANK": rank, "LOCAL_RANK": rank, STARTED_BY_US: "1"})
            for rank in "01"
        ]
        try:
            failed = launch._until_the_end(pair)
        finally:
            launch._end(pair)
    assert not failed, (folder / "told").read_text()
    return {name: learnt(model_of(recipe)) for name, recipe in zip(WAYS, recipes, strict=True)}


def project_of_way(folder: Path, base: Path, name: str) -> Path:
    train, task, prompt = WAYS[name]
    return project(folder / name, base, f"{train}, max_steps: {STEPS}", task, prompt)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_two_ranks_make_the_model_of_one(tmp_path, tiny, of_two, monkeypatch, name):
    """Lets through: gradients averaged instead of summed, a rank without a pass, a share of the step counted twice, a
    rank's own mean in KTO, a pull or a norm made twice, other draws of dropout, a gradient of what is frozen, a teacher
    whose answers the other rank does not find.

    Of the same passes two ranks make every bit of what one makes: a step has two, and a sum of two has no order. In
    parts the gradient's norm is summed in another one; then 3e-7 of the largest weight is reached.
    """
    real = Ranks.row_tokens
    monkeypatch.setattr(Ranks, "row_tokens", lambda _own, most, tokens: real(Ranks(0, 2), most, tokens))
    recipe = project_of_way(tmp_path, tiny, name)
    alone, told_alone = learnt(flow.train(flow.Project.of(recipe, None)))
    both, told_both = of_two[name]
    assert alone.keys() == both.keys() and len(told_both) == STEPS
    bound = 2e-6 * max(float(one.abs().max()) for one in alone.values()) if "parts" in name else 0.0
    assert {key for key, weight in alone.items() if float((both[key] - weight).abs().max()) > bound} == set()
    for one, other in zip(told_alone, told_both, strict=True):
        assert other == pytest.approx(one, rel=2e-6)
    if "frozen" in name:
        base = load_file(tiny / "model.safetensors")
        stayed = {key for key, weight in both.items() if torch.equal(base[key], weight)}
        assert stayed == {key for key in base if "embed_tokens" in key or ".layers.0." in key}


@pytest.mark.slow
def test_two_ranks_find_the_peak_of_one(tmp_path, tiny):
    """Lets through: ranks that wait for each other for ever, or each choose a peak of their own."""
    train = "method: full, regularise: {dropout: 0}, schedule: {peak: auto}"
    one = flow.train(flow.Project.of(project(tmp_path / "1", tiny, train), None)).result["peak_search"]
    two = made(project(tmp_path / "2", tiny, train), 2).result["peak_search"]
    tried, other = ([(trial["peak"], trial["loss"]) for trial in found["tried"]] for found in (one, two))
    assert two["peak"] == pytest.approx(one["peak"], rel=0.2) and len(tried) == len(other)
    assert [other[0], other[1]] == [pytest.approx(trial, rel=1e-4) for trial in tried[:2]]  # the rest may part


@pytest.mark.slow
def test_two_ranks_killed_and_started_again_end_in_the_same_bytes(tmp_path, tiny):
    """Lets through: ranks that go on from different steps, dropout that depends on what ran before, orphans.

    Whole on each of two ranks it is killed by `make soak` (tests/faults/test_train_kill.py).
    """
    train = "method: full, shard: always, regularise: {dropout: 0.1, ema: 0.9, early_stopping: null}"
    undisturbed, _ = trained(project(tmp_path / "one", tiny, train), 2)
    recipe = project(tmp_path / "two", tiny, train)
    killed_behind_a_checkpoint(recipe)
    resumed, _ = trained(recipe, 2)
    assert all(torch.equal(undisturbed[name], weight) for name, weight in resumed.items())


@pytest.mark.slow
def test_one_goes_on_from_what_two_wrote_in_parts(tmp_path, tiny):
    """Lets through: a checkpoint that only as many ranks can read, parts put together in the wrong order."""
    train = "method: full, shard: always, regularise: {dropout: 0, early_stopping: null}"
    undisturbed, told = trained(project(tmp_path / "one", tiny, train), 1)
    recipe = project(tmp_path / "two", tiny, train)
    killed_behind_a_checkpoint(recipe)
    resumed, told_resumed = trained(recipe, 1)
    assert [row["step"] for row in told_resumed] == [row["step"] for row in told]
    for name, weight in resumed.items():
        torch.testing.assert_close(undisturbed[name], weight, rtol=1e-2, atol=2e-3)


def killed_behind_a_checkpoint(recipe):
    """Start two ranks, and kill the command that started them as soon as there is a checkpoint."""
    process = start(recipe, 2)
    ours = wait_for(lambda: psutil.Process(process.pid).children(recursive=True), 2)
    wait_for(lambda: list((recipe.parent / ".tunesmith").glob("work/*/latest/state.json")), 1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert not alive


@pytest.mark.slow
def test_a_rank_that_is_killed_is_named_and_ends_the_others(tmp_path, tiny):
    """Lets through: a command that waits for ever, or a traceback that reads like a bug of ours."""
    recipe = project(tmp_path / "one", tiny, "method: full")
    recipe.write_text(recipe.read_text().replace("epochs: 3", "epochs: 400"))
    process = start(recipe, 2)
    ours = wait_for(lambda: psutil.Process(process.pid).children(recursive=True), 2)
    wait_for(lambda: list((recipe.parent / ".tunesmith").glob("work/*/latest/state.json")), 1)
    next(one for one in ours if one.environ()["RANK"] == "1").kill()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "rank 1 was ended by a signal (SIGKILL)" in told.decode() and "Traceback" not in told.decode()
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert not alive


@pytest.mark.slow
def test_an_error_is_told_once_with_its_own_status(tmp_path, tiny):
    """Lets through: the status of a rank that merely missed the first one, an error for every rank."""
    recipe = project(tmp_path / "one", tiny, "method: full, max_tokens: 9")
    process = start(recipe, 2)
    _, told = process.communicate(timeout=100)
    assert process.returncode == 2 and told.decode().count("error:") == 1, told.decode()


def wait_for(found, count):
    """Return what is found as soon as there is so much of it."""
    for _ in range(1200):
        some = found()
        if len(some) >= count:
            return some
        time.sleep(0.05)
    raise AssertionError("nothing came")


def test_ranks_get_the_commands_arguments_without_the_devices():
    """Lets through: ranks that start ranks."""
    assert arguments_of_ranks(["train", "a.yaml", "--devices", "2", "--json"]) == ["train", "a.yaml", "--json"]
    assert arguments_of_ranks(["train", "--devices=2", "a.yaml"]) == ["train", "a.yaml"]
