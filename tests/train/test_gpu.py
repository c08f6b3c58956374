"""On a GPU the ring gives what it gives on a CPU: the same loss, exact resumption, the same answers.

CI has no GPU: there these tests skip and say so. Run on a machine that has one: ``pytest tests/train/test_gpu.py``.
"""

import json

import pytest
import torch
from safetensors.torch import load_file

from killed import killed_after
from made import make_dataset
from tunesmith.core.artifacts import Workspace
from tunesmith.models.generate import Decoding, generate
from tunesmith.models.load import load_model
from tunesmith.models.score import label_scores, nll
from tunesmith.recipe import Recipe
from tunesmith.train import loop, stage

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PAIRS = [(f"my card {n} is lost", "card") for n in range(24)] + [
    (f"money back for {n} please", "refund") for n in range(24)
]


def recipe(base, **train):
    settings = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32"}
    settings["schedule"] = {"peak": 0.02}
    return Recipe(name="made", task="classify", base=str(base), data={"train": "x"}, train={**settings, **train})


def losses(model):
    return [json.loads(line)["loss"] for line in (model.path / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def places(tmp_path):
    """Two workspaces with the same Dataset, so that one recipe can be trained twice."""
    workspaces = [Workspace(tmp_path / name) for name in ("one", "other")]
    return [(make_dataset(workspace, PAIRS[::2], PAIRS[1::2]), workspace) for workspace in workspaces]


def test_a_model_is_loaded_onto_the_gpu_unless_told_otherwise(tiny):
    """Catches training and evaluation left on the CPU of a machine that has a GPU."""
    assert load_model(str(tiny)).model.device.type == "cuda"
    assert load_model(str(tiny), device="cpu").model.device.type == "cpu"


def test_losses_are_those_of_the_cpu(places, tiny, monkeypatch):
    """Catches an operation that differs between devices: batches left behind, masks lost, another reduction."""
    config = recipe(tiny, regularise={"dropout": 0.0, "early_stopping": None})
    on_gpu = losses(stage.train(config, *places[0]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_cpu = losses(stage.train(config, *places[1]))
    assert on_gpu == pytest.approx(on_cpu, rel=2e-3)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_killed_and_resumed_in_bfloat16_ends_in_the_same_bytes(places, tiny, monkeypatch, method):
    """Catches optimiser state restored to the wrong device, and sums whose order differs from run to run."""
    config = recipe(tiny, method=method, precision="bfloat16", eval_every=2)
    undisturbed = weights(stage.train(config, *places[0]))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "CHECKPOINT_EVERY_S", 0.0)
        killed_after(5, lambda: stage.train(config, *places[1]))
    resumed = weights(stage.train(config, *places[1]))
    assert undisturbed.keys() == resumed.keys()
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


def test_any_order_of_sums_learns_the_same(places, tiny):
    """Catches the kernel that is taken if nothing need be exact: its causal corner, its heads, its scale."""
    settings = {"precision": "bfloat16", "regularise": {"dropout": 0.0, "early_stopping": None}}
    exact = losses(stage.train(recipe(tiny, **settings), *places[0]))
    fast = losses(stage.train(recipe(tiny, deterministic=False, **settings), *places[1]))
    assert fast == pytest.approx(exact, rel=5e-2)


def test_scores_and_answers_are_those_of_the_cpu(tiny):
    """Catches masks and positions of the label tree or of the decode loop that are wrong on a GPU."""
    on_gpu, on_cpu = load_model(str(tiny)), load_model(str(tiny), device="cpu")
    prompts = [[3, *range(20 + n, 60 + 2 * n), 4] for n in range(6)]
    labels = [[50, 51, 6], [50, 52, 6], [70, 6]]
    for precision, off in (("float32", 1e-4), ("bfloat16", 0.1)):
        ours = label_scores(on_gpu, prompts, labels, precision=precision)
        assert ours == pytest.approx(label_scores(on_cpu, prompts, labels, precision="float32"), abs=off)
    targets = [[False] + [True] * (len(prompt) - 1) for prompt in prompts]
    for a, b in zip(
        nll(on_gpu, prompts, targets, precision="float32"),
        nll(on_cpu, prompts, targets, precision="float32"),
        strict=True,
    ):
        assert a.nats == pytest.approx(b.nats, rel=1e-4)
    greedy = Decoding(max_new_tokens=12, precision="float32")
    assert generate(on_gpu, prompts, greedy) == generate(on_cpu, prompts, greedy)


def weights(model):
    return {
        name: tensor
        for file in sorted((model.path / "model").glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }
