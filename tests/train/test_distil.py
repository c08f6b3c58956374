"""Prompt distillation: the model learns to answer without a prompt as its base answers with it."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from killed import killed_after
from made import CARDS, make_dataset
from switches import SWITCHES, VOCABULARY, models_of
from tunesmith.core.errors import DataError, RecipeError, SetupError
from tunesmith.models.load import LoadedModel, load_model
from tunesmith.recipe import Recipe
from tunesmith.text.chat import Rendered, prompt_ids
from tunesmith.text.prompts import prompts_of
from tunesmith.text.task import TaskSpec
from tunesmith.train import distil, stage
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.distil import with_teacher
from tunesmith.train.plan import estimate
from tunesmith.train.prepare_run import prepare_run
from tunesmith.train.subsets import Subsets

pytestmark = pytest.mark.slow

TEACHER = {"system": "Where is a card? Say card. Is it money? Say refund.", "shots": 3}


def recipe(base, *, teacher=TEACHER, prompt=None, **train) -> Recipe:
    fixed = {"method": "full", "epochs": 4, "batch_tokens": 24, "precision": "float32", "threads": 1}
    fixed["schedule"] = {"peak": 0.01}
    return Recipe(
        name="made", task="classify", base=str(base), data={"train": "x"},
        prompt={"teacher": teacher, **(prompt or {})}, train={**fixed, **train},
    )  # fmt: skip


def rows_of(model) -> list[dict]:
    return [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]


@st.composite
def asked(draw: st.DrawFn) -> tuple[TokenSet, TokenSet]:
    """Return examples as the model is asked, and the same answers after longer prompts."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    beginning = random.integers(0, VOCABULARY, 40).tolist()
    own, long = [], []
    for question, answer in draw(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 9)), min_size=1, max_size=4)):
        ids = random.integers(0, VOCABULARY, question + answer).tolist()
        targets = [False] * question + [True] * answer
        own.append(Rendered(ids, targets, 1, 0))
        long.append(Rendered([*beginning, *ids], [False] * 40 + targets, 1, 0))
    weights = random.choice([0.5, 1.0, 2.0], len(own)).tolist()
    names = [f"a.csv:{at}" for at in range(len(own))]
    return TokenSet(own, weights, names), TokenSet(long, weights, names)


def slow(model, teacher, own: TokenSet, long: TokenSet) -> torch.Tensor:
    """Return the weighted mean divergence by plain `transformers`, one example at a time, all logits."""
    losses, whole = [], 0.0
    for one, other, weight in zip(own.rendered, long.rendered, own.weights, strict=True):
        found, wanted = (
            its(input_ids=torch.tensor([each.ids]), use_cache=False).logits[0, :-1][torch.tensor(each.targets)[1:]]
            for its, each in ((model, one), (teacher, other))
        )
        apart = torch.nn.functional.kl_div(
            found.log_softmax(-1), wanted.detach().log_softmax(-1), reduction="none", log_target=True
        )
        losses.append(weight * apart.sum())
        whole += weight * one.num_targets
    return torch.stack(losses).sum() / whole


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "phi"])
@settings(max_examples=6, deadline=None)
@given(sets=asked())
def test_loss_and_gradients_are_those_of_plain_divergences(tmp_path_factory, family, sets):
    """Would let through: a teacher's position off by one, another example's, one that moves with the model, a target
    lost at the edge of a chunk, a mean of means.
    """
    own, long = sets
    plain, packed = models_of(family)
    for switch in ("head", "packed", "all") if family == "qwen3" else ("all",):
        shortcuts = replace(SWITCHES[switch], head=True)
        model = deepcopy(packed)
        base = LoadedModel(model, None, family)
        changes = {"regularise": {"dropout": 0}, "shortcuts": dict.fromkeys(("packed", "shared"), shortcuts.packed)}
        folder = tmp_path_factory.mktemp(family)
        run = prepare_run(recipe("x", **changes), base, own, TokenSet([], []), folder, (long, TokenSet([], [])))
        run = with_teacher(replace(run, shortcuts=shortcuts))
        moved = deepcopy(plain).eval()
        with torch.no_grad():
            for one, other in zip(model.parameters(), moved.parameters(), strict=True):
                one += 0.05 * torch.sin(torch.arange(one.numel()).view(one.shape))
                other.copy_(one)
        model.train()
        batches = micro_batches(own, range(len(own)), shortcuts, 60)
        step = run.objective.of_step(run, range(len(own)), batches)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distil, "chunk_rows", lambda _weight: 3)
            losses = [step(batch) for batch in batches]
            torch.autograd.backward(losses)
        wanted = slow(moved, plain, own, long)
        wanted.backward()
        assert float(sum(losses).detach()) == pytest.approx(float(wanted.detach()), rel=1e-5, abs=1e-6)
        largest = max(float(one.grad.abs().max()) for one in moved.parameters() if one.grad is not None)
        for (name, one), other in zip(moved.named_parameters(), model.parameters(), strict=True):
            if one.grad is not None:
                assert float((one.grad - other.grad).abs().max()) <= 2e-5 * largest, (switch, name)


def first_tokens(loaded: LoadedModel, task: TaskSpec) -> torch.Tensor:
    """Return the log-probabilities of the first token of the answers to the questions in train."""
    found = []
    for text, _ in CARDS[::2]:
        ids = prompt_ids(loaded.tokenizer, task.prompt([{"role": "user", "content": text}]))
        with torch.no_grad():
            found.append(loaded.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1))
    return torch.stack(found)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_model_comes_to_answer_as_the_base_did_with_the_prompt(workspace, dataset, tiny, method):
    """Would let through: a loss that falls while nothing is learnt of the prompt, a model saved with the teacher's."""
    long = {"schedule": {"peak": 0.02}, "epochs": 20, "regularise": {"dropout": 0, "early_stopping": None}}
    wrapped = [(f"Topic? {text}", label) for text, label in CARDS]  # with these words alone the base knows the answer
    both = make_dataset(workspace, wrapped + [(text, "dunno") for text, _ in CARDS], wrapped, classify=False)
    knows = stage.train(recipe(tiny, teacher=None, **long), both, workspace)
    taught = recipe(knows.id, teacher={"template": "Topic? {input}"}, method=method, **long)
    model = stage.train(taught, dataset, workspace)
    rows = rows_of(model)
    assert model.result["objective"] == "distillation" and rows[-1]["loss"] < 0.2 * rows[0]["loss"]
    validations = [row["valid_loss"] for row in rows if "valid_loss" in row]
    assert validations[-1] < 0.5 * validations[0]
    prompts = prompts_of(taught, dataset)
    base, tuned = load_model(knows.path / "model"), load_model(model.path / "model")
    own, taught_own, wanted = (
        first_tokens(loaded, task)
        for loaded, task in ((base, prompts.own), (tuned, prompts.own), (base, prompts.teacher))
    )
    before, after = (float((wanted.exp() * (wanted - one)).sum(-1).mean()) for one in (own, taught_own))
    assert after < 0.3 * before
    assert json.loads((model.path / "model" / "task.json").read_text())["shots"] == []


def test_validation_is_the_divergence_that_is_learnt(workspace, dataset, tiny):
    """Would let through: best weights that are chosen by another loss than that of training."""
    one_step = recipe(tiny, max_steps=1, batch_tokens=1000, schedule={"peak": 1e-12}, regularise={"dropout": 0})
    same = make_dataset(workspace, CARDS[::2], CARDS[::2])
    [row] = rows_of(stage.train(one_step, same, workspace))
    assert row["valid_loss"] == pytest.approx(row["loss"], rel=1e-5) and row["loss"] > 0


CHANGES = {
    "full": {},
    "lora, words drawn": {"method": "lora", "prompt": {"variants": [{"template": "Say: {input}"}]}},
    "frozen layers": {"freeze": {"layers": "0:1"}, "epochs": 8},
    "new tokens": {"method": "lora", "tokens": {"add": {"<|refund|>": "money back"}}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_run_killed_at_any_step_ends_in_the_same_bytes(tmp_path, workspace, dataset, tiny, name):
    """Would let through: a teacher asked again after a kill, which by then is the half-trained model."""
    taught = recipe(tiny, **{"regularise": {"dropout": 0.1}, "eval_every": 2, **CHANGES[name]})
    undisturbed = stage.train(taught, dataset, workspace).manifest["files"]
    elsewhere = type(workspace)(tmp_path / "elsewhere")
    same = make_dataset(elsewhere, CARDS[::2], CARDS[1::2])
    for at in (1, 3, 2):
        killed_after(at, lambda: stage.train(taught, same, elsewhere))
        for file in elsewhere.root.rglob("teacher-*.states") if at == 3 else ():
            file.unlink()  # a teacher that has to be asked again after steps were done
    files = stage.train(taught, same, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}  # which shows seconds


def test_plan_counts_what_the_teacher_costs(workspace, dataset, tiny):
    """Would let through: a plan that asks no teacher, or steps that are counted by its longer prompts."""
    planned, plain = (
        estimate(recipe(tiny, teacher=teacher), dataset, workspace) for teacher in (TEACHER, None)
    )  # fmt: skip
    same = ("steps", "tokens_per_epoch", "longest_tokens", "examples")
    assert all(planned[key] == plain[key] for key in same)


def test_a_teacher_that_cannot_be_followed_is_refused(workspace, dataset, tiny, monkeypatch):
    """Would let through: hours of training after which nothing was learnt of the teacher, or a full disk."""
    with pytest.raises(RecipeError, match=r"train\.shortcuts\.head: false"):
        stage.train(recipe(tiny, shortcuts={"head": False}), dataset, workspace)
    with pytest.raises(RecipeError, match=r"prompt\.teacher says what is learnt"):
        Subsets(recipe(tiny), dataset, workspace)
    monkeypatch.setattr(distil, "disk_usage", lambda _path: type("Free", (), {"free": 1000})())
    with pytest.raises(SetupError, match=r"prompt\.teacher: what it says of .* target tokens"):
        stage.train(recipe(tiny), dataset, workspace)


def test_a_base_that_changes_logits_after_its_head_is_refused(tmp_path):
    """Would let through: a teacher whose logits lack a cap or a scale that the model's have."""
    _, packed = models_of("gemma2")
    one = TokenSet([Rendered([1, 2, 3], [False, True, True], 1, 0)] * 8, [1.0] * 8, ["a.csv:2"] * 8)
    base = LoadedModel(deepcopy(packed), None, "gemma2")
    with pytest.raises(RecipeError, match="changes the logits after its head"):
        prepare_run(recipe("x"), base, one, one, tmp_path, (one, one))


def test_answers_that_a_template_changes_after_the_prompt_are_refused(tmp_path):
    """Would let through: divergences of one token's prediction from another's."""
    _, packed = models_of("qwen3")
    own, other = (
        TokenSet([Rendered([1, token], [False, True], 1, 0)] * 8, [1.0] * 8, ["a.csv:2"] * 8) for token in (2, 3)
    )
    with pytest.raises(DataError, match=r"answer of a\.csv:2 otherwise"):
        prepare_run(recipe("x"), LoadedModel(deepcopy(packed), None, "q"), own, own, tmp_path, (other, other))
