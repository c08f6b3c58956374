"""Training on preferences from Dataset to Model: it prefers, resumes in the same bytes, and has one reference."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from killed import killed_after
from made import make_preferences
from pairs import random_pairs, slow_kto, slow_logps
from switches import SWITCHES, models_of
from tunesmith.by_answers import stopping_judge
from tunesmith.core.artifacts import Artifact, Workspace
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.models.load import LoadedModel, load_model
from tunesmith.models.score import nll
from tunesmith.recipe import Recipe
from tunesmith.text.chat import render
from tunesmith.train import preference, stage
from tunesmith.train.batches import TokenSet, micro_batches
from tunesmith.train.memory import ROW_TOKENS
from tunesmith.train.plan import estimate
from tunesmith.train.preference import Preferring, with_reference
from tunesmith.train.prepare_run import _objective, prepare_run
from tunesmith.train.reference import mismatched
from tunesmith.train.sets import tokens_of
from tunesmith.train.subsets import Subsets

pytestmark = pytest.mark.slow

TRIPLES = [(f"how do I stop order {n}", "call us", "no idea") for n in range(10)] + [
    (f"where is order number {n} that I paid for", f"on its way {n}", "what") for n in range(10)
]


def recipe(base: Any, objective: str | None = None, **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 4, "batch_tokens": 64, "precision": "float32", "threads": 1}
    settings |= {"schedule": {"peak": 0.005}, "regularise": {"dropout": 0}, "objective": objective}
    return Recipe(name="made", task="preference", base=str(base), data={"train": "x"}, train={**settings, **train})


@pytest.fixture
def pairs(workspace: Workspace) -> Artifact:
    return make_preferences(workspace, TRIPLES[::2], TRIPLES[1::2])


def metrics(model: Artifact) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]


OBJECTIVES = [
    {},
    {"objective": "kto"},
    {"method": "lora", "schedule": {"peak": 0.02}},
    {"preference": {"variant": "simpo"}},
    {"objective": "kto", "freeze": {"layers": "0:1"}, "schedule": {"peak": 0.02}},
]


@pytest.mark.parametrize("changes", OBJECTIVES, ids=["dpo", "kto", "dpo-lora", "simpo", "kto-frozen"])
def test_the_model_comes_to_prefer_the_chosen_answers(workspace, pairs, tiny, changes):
    """Lets through: a sign, a reference that moves along, an objective the recipe names and training ignores."""
    model = stage.train(recipe(tiny, **changes), pairs, workspace)
    seen = [row for row in metrics(model) if "valid_loss" in row]
    assert model.result["objective"] == changes.get("objective", "dpo")
    assert seen[-1]["preference_accuracy"] == 1.0 and seen[-1]["pairs"] == 10
    assert seen[-1]["valid_loss"] < seen[0]["valid_loss"] and seen[-1]["margin"] > seen[0]["margin"] > 0
    assert 0 <= metrics(model)[0]["train_accuracy"] <= 1
    assert model.manifest["counts"]["train"] == 10
    before, after = (logps(load_model(where, device="cpu")) for where in (str(tiny), model.path / "model"))
    assert all(a[0] - b[0] > a[1] - b[1] for a, b in zip(after, before, strict=True))


def logps(loaded: LoadedModel) -> list[tuple[float, float]]:
    """Return the log-probability of the chosen and the rejected answer of each pair."""
    found = []
    for question, *answers in TRIPLES[1::2]:
        turns = [[{"role": "user", "content": question}, {"role": "assistant", "content": one}] for one in answers]
        both = [render(loaded.tokenizer, one) for one in turns]
        scores = nll(loaded, [one.ids for one in both], [one.targets for one in both], precision="float32")
        found.append((-scores[0].nats, -scores[1].nats))
    return found


def test_the_first_step_is_at_log_2_whatever_the_method(workspace, pairs, tiny):
    """Lets through: a reference by other weights than those training starts from, or with dropout."""
    for changes in ({}, {"method": "lora"}, {"method": "full", "freeze": {"layers": "0:1"}}):
        model = stage.train(recipe(tiny, max_steps=1, **changes), pairs, workspace)
        assert metrics(model)[0]["loss"] == pytest.approx(np.log(2), abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"objective": "kto"}, {"objective": "kto", "freeze": {"layers": "0:1"}}])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path, workspace, pairs, tiny, changes):
    """Lets through: a reference computed again by trained weights, a divergence that hangs on when it is asked."""
    settings = {"regularise": {"dropout": 0.1}, "eval_every": 2, **changes}
    undisturbed = stage.train(recipe(tiny, **settings), pairs, workspace).manifest["files"]
    elsewhere = Workspace(tmp_path / "elsewhere")
    same = make_preferences(elsewhere, TRIPLES[::2], TRIPLES[1::2])
    for at in (1, 3, 2):
        killed_after(at, lambda: stage.train(recipe(tiny, **settings), same, elsewhere))
        for file in elsewhere.root.rglob("reference-*.json") if at == 3 else ():
            file.unlink()  # a reference that has to be made again after steps were done
    files = stage.train(recipe(tiny, **settings), same, elsewhere).manifest["files"]
    assert {name for name in files if files[name] != undisturbed[name]} <= {"train.html"}  # which shows seconds


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_how_a_step_is_laid_out_changes_nothing(workspace, pairs, tiny, monkeypatch, objective):
    """Lets through: a divergence of a micro-batch instead of the step, a mean of means, a pair parted."""
    losses = []
    for code, row_tokens in (("one", 10**6), ("many", 1)):
        monkeypatch.setitem(ROW_TOKENS, "cpu", (row_tokens, row_tokens))
        monkeypatch.setattr(stage, "CODE", f"train-{code}")
        losses.append([row["loss"] for row in metrics(stage.train(recipe(tiny, objective), pairs, workspace))])
    assert losses[0] == pytest.approx(losses[1], rel=2e-5)


@pytest.mark.parametrize("switch", ["none", "all"])
def test_a_step_of_kto_is_that_of_the_slow_way(tmp_path, switch):
    """Lets through: a divergence below 0, of other answers than the step's, or with weights of the reference."""
    plain, packed = models_of("llama-untied")
    tokens = random_pairs(1, [(20, 5, 8), (3, 4, 4), (30, 9, 2), (8, 8, 8)], [1.0, 2.0, 0.5, 1.0])
    numbers = {"beta": 0.2, "desirable_weight": 1.5, "undesirable_weight": 0.7}
    settings = recipe("x", "kto", preference=numbers, shortcuts=dict.fromkeys(("packed", "shared"), switch == "all"))
    run = prepare_run(
        settings, LoadedModel(deepcopy(packed), None, "x"), tokens, TokenSet([], [], per_example=2), tmp_path
    )
    run = replace(run, shortcuts=SWITCHES[switch])
    now = [float(one.detach()) for one in slow_logps(plain, tokens)]
    apart, of_pair = mismatched(tokens, run.seed, 10**6)
    away = [float(one.detach()) for one in slow_logps(plain, apart)]
    random = np.random.default_rng(0)
    known = with_reference(run).objective
    for pair in range(4):  # as if by other weights: most of the answers to other questions were less probable
        known.train.logps[pair] = np.array(now[2 * pair : 2 * pair + 2]) - random.normal(size=2)
        known.train.elsewhere.logps[of_pair[pair]] = np.array([away[of_pair[pair]] - random.normal(1.0)])
    pairs = [0, 2, 3]
    rows = tokens.sequences_of(pairs)
    moved = [away[of_pair[p]] - known.train.elsewhere.logps[of_pair[p]][0] for p in pairs]
    divergence = max(0.0, float(np.mean(moved)))
    assert divergence > 0
    batches = micro_batches(tokens, rows, run.shortcuts, 40)
    step = known.of_step(run, rows, batches)
    ours = sum(float(step(batch).detach()) for batch in batches)
    weights = [tokens.weights[2 * p] for p in pairs]
    wanted = 0.0
    for weight, pair in zip(weights, pairs, strict=True):
        both = [torch.tensor(one, dtype=torch.float64) for one in now[2 * pair : 2 * pair + 2]]
        wanted += weight * float(slow_kto(both, known.train.logps[pair].tolist(), divergence, 0.2, 1.5, 0.7))
    assert ours == pytest.approx(wanted / sum(weights), rel=1e-5)
    assert step.facts()["kl"] == pytest.approx(divergence, rel=1e-4)


def test_mismatched_answers_are_never_a_pairs_own():
    """Lets through: a divergence measured on the very answers that are trained on."""
    for count in (1, 2, 3, 10):
        tokens = random_pairs(0, [(2 + n, 3 + n, 4 + n) for n in range(count)])
        apart, of_pair = mismatched(tokens, 0, 10**6)
        assert len(of_pair) == len(apart) == (count if count > 1 else 0)
        for pair, at in of_pair.items():
            own = tokens.rendered[2 * pair]
            begin = own.targets.index(True)
            assert list(apart.rendered[at].ids[:begin]) == list(own.ids[:begin]) and not any(
                apart.rendered[at].targets[:begin]
            )
            assert list(apart.rendered[at].ids) not in [list(tokens.rendered[2 * pair + both].ids) for both in (0, 1)]


def test_what_is_too_long_with_either_answer_is_left_out_as_a_pair(workspace, tiny):
    """Lets through: a chosen answer whose rejected one was dropped, so that all pairs after it are mixed up."""
    short = [(f"q {n}", "yes", "no") for n in range(200)]
    dataset = make_preferences(workspace, [("q", "yes", "x" * 600), *short], short[:4])
    model = stage.train(recipe(tiny, max_steps=1), dataset, workspace)
    assert (model.result["left_out_too_long"], model.manifest["counts"]["train"]) == (1, 200)
    many = make_preferences(workspace, [("q", "x" * 600, "no"), *short[:20]], short[:4])
    with pytest.raises(DataError, match=r"1 of 21 train examples are longer than 512 tokens"):
        stage.train(recipe(tiny), many, workspace)


def test_only_the_last_answer_is_a_target(tiny):
    """Lets through: earlier turns in both sums, which the two answers share."""
    from tunesmith.text.examples import Example
    from tunesmith.text.task import TaskSpec

    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    example = Example(
        [*talk, {"role": "assistant", "content": "dd"}],
        rejected=[{"role": "assistant", "content": "e"}],
        meta={"source": "a.jsonl", "line": 1},
    )
    tokens, _ = tokens_of(load_model(str(tiny)), [TaskSpec("preference")], [example], 512, "train", both=True)
    assert [one.num_targets for one in tokens.rendered] == [3, 2] and tokens.num_targets == [5]


def test_supervised_training_on_the_chosen_answers_is_there_too(workspace, pairs, tiny):
    model = stage.train(recipe(tiny, "sft"), pairs, workspace)
    assert model.result["objective"] == "sft" and "preference_accuracy" not in metrics(model)[-1]


def test_plan_agrees_with_what_training_does(workspace, pairs, tiny):
    for objective in ("dpo", "kto"):
        planned = estimate(recipe(tiny, objective), pairs, workspace)
        done = stage.train(recipe(tiny, objective), pairs, workspace).result
        assert planned["steps"] == done["steps"] and planned["examples"]["train"] == 10
        assert 4 * planned["tokens_per_epoch"]["target"] == done["tokens"]["target"]


def test_the_reference_is_asked_for_once(workspace, pairs, tiny, monkeypatch):
    """Lets through: the reference computed for every epoch, or where the variant does not look at it."""
    asked: list[int] = []
    real = preference.reference_of
    monkeypatch.setattr(
        preference, "reference_of", lambda *given, **kw: asked.append(len(given[2])) or real(*given, **kw)
    )
    stage.train(recipe(tiny), pairs, workspace)
    stage.train(recipe(tiny, preference={"variant": "orpo"}), pairs, workspace)
    assert asked == [10, 10, 10]  # training and validation pairs; for orpo the latter alone


def test_a_metric_of_answers_does_not_stop_training_on_preferences(tiny, pairs):
    """Lets through: a run that reads answers nobody asked for, and ends in a KeyError after the first validation."""
    stopping = {"dropout": 0, "early_stopping": {"metric": "token_f1"}}
    with pytest.raises(RecipeError, match="preference has no metric 'token_f1'"):
        stopping_judge(recipe(tiny, regularise=stopping), pairs)


def test_the_bases_own_curve_is_refused(workspace, pairs, tiny):
    """Lets through: a curve of bits a token for a model that is trained on something else."""
    with pytest.raises(RecipeError, match="objective is dpo"):
        Subsets(recipe(tiny), pairs, workspace)


def test_an_objective_on_preferences_starts_with_a_lower_rate(tmp_path, tiny):
    tokens = random_pairs(0, [(4, 4, 4)])
    none = TokenSet([], [], per_example=2)
    peaks = {
        objective: prepare_run(
            recipe(tiny, objective, schedule={}), load_model(str(tiny)), tokens, none, Path(tmp_path)
        ).peak
        for objective in ("sft", "dpo")
    }
    assert peaks["dpo"] == pytest.approx(0.1 * peaks["sft"])
    assert isinstance(_objective(recipe(tiny), None), Preferring)
    assert torch.get_default_dtype() == torch.float32
