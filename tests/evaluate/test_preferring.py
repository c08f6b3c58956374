"""Preferences from Model to Scorecard: whose answer is preferred, by how much, and against what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made import make_preferences
from tunesmith.by_answers import stopping_judge
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import ahead, stage
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.preferring import by_length, likelihoods, rewarded
from tunesmith.models.load import load_model
from tunesmith.recipe import Recipe
from tunesmith.text.examples import Example
from tunesmith.text.task import TaskSpec
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow

TRIPLES = [(f"how do I stop order {n}", "call us", "no idea at all") for n in range(12)] + [
    (f"where is order number {n} that I paid for", f"on its way {n}", "what") for n in range(12)
]


def pair(chosen: str, rejected: str) -> Example:
    said = {"role": "user", "content": "hi"}, {"role": "assistant", "content": chosen}
    return Example(list(said), rejected=[{"role": "assistant", "content": rejected}])


def recipe(base: Any, evaluate: dict[str, Any] | None = None, **train: Any) -> Recipe:
    settings = {"method": "full", "epochs": 4, "batch_tokens": 64, "precision": "float32", "threads": 1}
    settings |= {"schedule": {"peak": 0.005}, "regularise": {"dropout": 0, "early_stopping": None}, **train}
    return Recipe(
        name="made", task="preference", base=str(base), data={"train": "x"}, train=settings, evaluate=evaluate or {}
    )


@pytest.fixture
def ring(workspace, tiny):
    dataset = make_preferences(workspace, TRIPLES[::3], TRIPLES[1::3], TRIPLES[2::3])
    return SimpleNamespace(
        dataset=dataset, workspace=workspace, base=tiny, model=training.train(recipe(tiny), dataset, workspace)
    )


def test_a_preference_is_measured_against_the_base_and_against_lengths(ring):
    """Lets through: a reference that is the tuned model, a sign, a margin of the base that is not its own zero."""
    card = stage.evaluate(recipe(ring.base), ring.dataset, ring.model, ring.workspace)
    result, rows = card.result, pl.read_parquet(card.path / "examples.parquet")
    assert list(result["metrics"]) == ["preference_accuracy", "margin", "perplexity"]
    assert list(result["baselines"]) == ["base", "length"]
    assert list(result["baselines"]["length"]) == ["preference_accuracy"], "lengths have no likelihood"
    assert result["metrics"]["preference_accuracy"]["value"] == 1.0 and result["metrics"]["margin"]["low"] > 0
    assert result["baselines"]["base"]["margin"]["value"] == 0
    assert result["deltas"]["base"]["margin"]["value"] == result["metrics"]["margin"]["value"]
    assert rows["answer"].to_list() == rows["expected"].to_list()
    task, test = TaskSpec("preference"), [pair(chosen, rejected) for _, chosen, rejected in TRIPLES[2::3]]
    for one, (question, *_) in zip(test, TRIPLES[2::3], strict=True):
        one.messages[0]["content"] = question
    tuned, base = (
        likelihoods("x", load_model(str(at)), task, test, "float32") for at in (ring.model.path / "model", ring.base)
    )
    gained = (base[:, 0] - tuned[:, 0]) - (base[:, 2] - tuned[:, 2])
    assert result["metrics"]["margin"]["value"] == pytest.approx(gained.mean(), rel=1e-4)
    own = (base[:, 0] / base[:, 1] < base[:, 2] / base[:, 3]).mean()
    assert result["baselines"]["base"]["preference_accuracy"]["value"] == pytest.approx(own)
    assert "preference_accuracy" in (card.path / "scorecard.html").read_text()
    assert result["summary"].startswith(("Tuning", "It is not shown"))


def test_the_page_shows_what_was_preferred_wrongly(workspace, tiny):
    """Lets through: wrong pairs under headers that speak of right answers, as if the model had written the other."""
    train, valid = ([(asked, worse, better) for asked, better, worse in TRIPLES[at::3]] for at in (0, 1))
    dataset = make_preferences(workspace, train, valid, TRIPLES[2::3])
    card = stage.evaluate(recipe(tiny), dataset, training.train(recipe(tiny), dataset, workspace), workspace)
    html = (card.path / "scorecard.html").read_text(encoding="utf-8")
    for words in ("wrong pairs", ">chosen</div>", "rejected, but preferred", "on its way 1", "no idea at all"):
        assert words in html, words


def test_a_model_in_production_is_measured_against_its_own_base(ring):
    """Lets through: the reference of one model in the reward of another."""
    later = training.train(recipe(ring.model.id), ring.dataset, ring.workspace)
    card = stage.evaluate(recipe(ring.model.id), ring.dataset, later, ring.workspace, production=ring.model)
    first = stage.evaluate(recipe(ring.base), ring.dataset, ring.model, ring.workspace)
    assert card.result["baselines"]["production"]["margin"] == first.result["metrics"]["margin"]


def test_training_may_stop_by_a_metric_of_preferences(ring):
    """Lets through: a judge that asks for answers, and columns that training and evaluation name otherwise."""
    stopping = {"regularise": {"dropout": 0, "early_stopping": {"metric": "preference_accuracy"}}}
    asked = recipe(ring.base, **stopping)
    model = training.train(asked, ring.dataset, ring.workspace, judge=stopping_judge(asked, ring.dataset))
    assert model.result["best"]["metric"] == "preference_accuracy" and model.result["best"]["value"] == 1.0
    with pytest.raises(RecipeError, match="sft"):
        training.check(recipe(ring.base, **stopping, objective="sft"))


@given(st.lists(st.tuples(*[st.floats(0.1, 99), st.integers(1, 9)] * 2), min_size=1, max_size=6), st.floats(-9, 9))
def test_the_reward_looks_at_what_was_gained_alone(rows, shift):
    """Lets through: a reward that depends on how probable the base found an answer."""
    reference = np.array(rows, dtype=np.float64)
    own = reference.copy()
    own[:, 2] += shift
    examples = [pair("good", "bad")] * len(rows)
    found = rewarded(own, reference, examples)
    assert found.margins == pytest.approx([shift] * len(rows), abs=1e-9) and found.leads == found.margins
    assert set(found.texts) == {"good" if max(found.margins) > 0 else "bad"} or abs(shift) < 1e-9


def test_a_pair_that_does_not_fit_is_a_wrong_preference():
    """Lets through: a row that is not a number in the mean of the margins."""
    own = np.array([[1.0, 2, 3, 2], [np.nan] * 4])
    found = rewarded(own, own - [[1, 0, 0, 0]], [pair("good", "bad")] * 2)
    assert found.too_long == 1 and found.texts == ["bad", "bad"]
    assert found.margins == [-1.0, 0.0] and found.tokens == [2, 0]


def test_lengths_prefer_what_most_training_pairs_prefer():
    """Lets through: a baseline that is weak because chosen answers are the shorter ones."""
    short, long = pair("a", "bbb"), pair("aaa", "b")
    assert by_length([short, short, long], [short, long, pair("a", "b")]).texts == ["a", "b", "b"]
    assert by_length([long], [short, long]).texts == ["bbb", "aaa"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"baselines": ["prompt"]}, "evaluate.baselines: prompt needs answers"),
        ({"gate": {"against": ["linear"]}}, "evaluate.gate.against: linear needs labels"),
        ({"gate": {"against": ["length"], "metric": "margin"}}, "length has no margin"),
        ({"metrics": ["token_f1"]}, "no metric 'token_f1'"),
    ],
)
def test_what_preferences_do_not_have_is_refused(settings, words):
    """Lets through: a comparison that fails after the training was paid for."""
    with pytest.raises(RecipeError, match=words):
        ahead.check(recipe("nano", settings))


def test_the_decisive_metric_is_the_share_of_right_preferences():
    assert METRICS["preference"][0].name == "preference_accuracy"


def test_suites_ask_for_answers_where_a_test_row_has_two(ring):
    """Lets through: the preferred answer of a pair taken for what the model wrote, so all training rows look memorised."""
    asked = recipe(ring.base, {"suites": ["memorised", "safety"], "baselines": ["base"], "max_new_tokens": 4})
    card = stage.evaluate(asked, ring.dataset, ring.model, ring.workspace).result
    memorised, safety = card["suites"]["memorised"], card["suites"]["safety"]
    assert memorised["passes"] == 4 * memorised["metrics"]["loss_gap"]["n"] == 2 * memorised["rows"]
    assert set(safety["metrics"]) >= {"harmful_refused", "personal_data_kept"}
