"""Several ranks on one CPU: the same Model as from one, the same bytes after a kill, no process left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.models.forward import Row
from tunesmith.train.batches import Batch
from tunesmith.train.launch import arguments_of_ranks
from tunesmith.train.ranks import Ranks

TURNS = [
    (f"my {what} number {n} is lost, what now", f"we block {what} {n} and send another")
    for n in range(12)
    for what in ("card", "key", "phone")
]
SETTINGS = "epochs: 3, batch_tokens: 60, precision: float32, eval_every: 2, threads: 1"
TEACHER = "teacher: {shots: 3}"


def soak(*values: str) -> Any:
    """Return a case that CI has no time for."""
    return pytest.param(*values, marks=pytest.mark.soak)


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
    [model] = [one for one in Workspace(recipe.parent / ".tunesmith").list() if one.manifest["stage"] == "model"]
    return model


def trained(recipe: Path, devices: int) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    """Train; return the Model's weights and metrics."""
    model = made(recipe, devices)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("train", "task", "prompt"),
    [
        ("method: full, regularise: {dropout: 0}", "chat", "shots: 2, variants: [{system: Help.}]"),
        ("method: full, regularise: {dropout: 0}", "chat", TEACHER),
        soak("method: full, shard: always, max_steps: 8, regularise: {dropout: 0.000001, r_drop: 1}", "chat", ""),
        soak(
            "method: full, shard: always, tokens: {add: {number: one}}, regularise: {dropout: 0, l2sp: 10}", "chat", ""
        ),
        ("method: lora, regularise: {dropout: 0}", "chat", ""),
        soak("method: qlora, max_steps: 8, regularise: {dropout: 0}", "chat", ""),
        soak("method: full, shard: always, activation_checkpointing: always, regularise: {dropout: 0}", "chat", ""),
        soak("method: full, regularise: {dropout: 0}", "preference", ""),
        ("method: full, shard: always, regularise: {dropout: 0, ema: 0.9}", "chat", ""),
        soak("method: full, shard: always, regularise: {dropout: 0, early_stopping: null}", "chat", TEACHER),
        ("method: full, shard: always, regularise: {dropout: 0, early_stopping: null}", "preference", ""),
    ],
)
def test_two_ranks_make_the_model_of_one(tmp_path, tiny, train, task, prompt):
    """Lets through: gradients averaged instead of summed, a rank without a pass, a share of the step counted twice, a
    teacher whose answers the other rank does not find.
    """
    alone, told_alone = trained(project(tmp_path / "one", tiny, train, task, prompt), 1)
    both, told_both = trained(project(tmp_path / "two", tiny, train, task, prompt), 2)
    assert alone.keys() == both.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(both[name], weight, rtol=1e-2, atol=2e-3)
    assert told_both[0] == pytest.approx(told_alone[0], rel=1e-5)
    for one, other in zip(told_alone, told_both, strict=True):
        assert other == pytest.approx(one, rel=2e-2, abs=1e-2)  # Adam shows rounding where a gradient is nearly 0


@pytest.mark.slow
def test_two_ranks_find_the_peak_of_one(tmp_path, tiny):
    """Lets through: ranks that wait for each other for ever, or each choose a peak of their own."""
    train = "method: full, regularise: {dropout: 0}, schedule: {peak: auto}"
    one, two = (made(project(tmp_path / str(n), tiny, train), n).result["peak_search"] for n in (1, 2))
    tried, other = ([(trial["peak"], trial["loss"]) for trial in found["tried"]] for found in (one, two))
    assert two["peak"] == pytest.approx(one["peak"], rel=0.2) and len(tried) == len(other)
    assert [other[0], other[1]] == [pytest.approx(trial, rel=1e-4) for trial in tried[:2]]  # the rest may part


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["never", "always"])
def test_two_ranks_killed_and_started_again_end_in_the_same_bytes(tmp_path, tiny, shard):
    """Lets through: ranks that go on from different steps, dropout that depends on what ran before, orphans."""
    train = f"method: full, shard: {shard}, regularise: {{dropout: 0.1, ema: 0.9, early_stopping: null}}"
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
