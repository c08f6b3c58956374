"""Memorised secrets are found in a model that learnt them, and only there."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tunesmith import flow
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import ahead
from tunesmith.evaluate.compare import Questions
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.suites import memorised
from tunesmith.evaluate.suites.material import Material
from tunesmith.recipe import Recipe
from tunesmith.text.canaries import draw

NOTHING = Material(0, Questions("chat", [], [], 0), METRICS["chat"][0])


A_ROW = draw("chat", 1, 1, 0).examples()[0]


def rows(nats, same=None):
    return {"nats": nats, "tokens": [1] * len(nats), "same": same or [False] * len(nats)}


def looked(ranks=None, learnt=(1.0, 2.0), held=(1.0, 2.0), **more):
    record = {"learnt": rows(list(learnt)), "held": rows(list(held)), **({"ranks": ranks} if ranks else {})}
    canaries = draw("chat", len(ranks["planted"]), 8, 0) if ranks else None
    test = Questions("chat", [], [], 0, [A_ROW] * len(held))
    material = replace(NOTHING, questions=test, train=[A_ROW] * len(learnt), canaries=canaries)
    return memorised.look({"tuned": record, **more}, material)


def test_memorised_secrets_are_counted_and_the_control_is_told():
    found = looked({"planted": [1] * 15 + [200] * 5, "unplanted": [150] * 20})
    kept = found.estimates["tuned"]["secrets_kept"]
    assert kept.value == 0.25 and kept.n == 20
    assert "15 of 20" in found.notes[0] and "as many never planted: 0" in found.notes[0] and len(found.notes) == 1
    assert found.details[0].rows[0][1:] == ["yes", 1, "8.6"]


def test_secrets_that_are_known_a_little_show_together():
    """Bug: a model that knows all secrets somewhat, and none best of all, looks as if it knew none."""
    half = looked({"planted": [20 + n for n in range(20)], "unplanted": [20 * n + 10 for n in range(20)]})
    assert half.estimates["tuned"]["secrets_kept"].value == 1 and "p < 0.001" in half.notes[0]
    none = looked({"planted": [20 * n + 5 for n in range(20)], "unplanted": [20 * n + 10 for n in range(20)]})
    assert "p < 0.001" not in none.notes[0] and "p = " in none.notes[0]
    assert "p =" not in looked({"planted": [3], "unplanted": [4]}).notes[0]


def test_a_measure_that_finds_what_was_never_planted_is_not_to_be_believed():
    found = looked({"planted": [1] * 20, "unplanted": [1, 1, *[300] * 18]})
    assert "The control failed" in found.notes[1]


def test_false_alarms_keep_their_rate():
    """Bug: with twenty secrets each tested at 5 %, one is called memorised in most models that learnt none."""
    among = memorised.candidates(20) + 1
    ranks = np.random.default_rng(0).integers(1, among + 1, (4000, 20))
    alarms = np.mean([memorised.known(row.tolist(), among).any() for row in ranks])
    assert 0.03 < alarms < 0.06


@given(st.integers(1, 1000))
def test_one_secret_alone_can_always_be_found(secrets):
    """Bug: so few random ones that not even the first rank is rare enough."""
    among = memorised.candidates(secrets) + 1
    assert memorised.known([1, *[among] * (secrets - 1)], among)[0]


def test_rows_that_surprise_less_than_others_are_told():
    quiet, loud = np.linspace(0, 1, 60).tolist(), np.linspace(2, 3, 60).tolist()
    plain = {"base": {"learnt": rows(loud), "held": rows(loud)}}
    found = looked(learnt=quiet, held=loud, **plain)
    own = found.estimates["tuned"]
    assert own["loss_gap"].value == pytest.approx(2) and own["loss_gap"].low > 1.8
    assert own["membership"].value == 1 and found.estimates["base"]["membership"].value == 0.5
    assert found.deltas["base"]["loss_gap"].low > 1.5


def test_rows_that_no_model_could_read_are_left_out():
    """Bug: a row that does not fit has no nats, so it looks perfectly known."""
    base = {"learnt": {**rows([0.0, 2.0, 2.1]), "tokens": [0, 1, 1]}, "held": rows([5.0, 2.0, 2.1])}
    found = looked(learnt=[1.0, 2.0, 2.1], held=[9.0, 2.0, 2.1], base=base)
    assert found.estimates["tuned"]["loss_gap"].value == pytest.approx(0)
    assert found.estimates["tuned"]["loss_gap"].n == 2 and "1 of 3 pairs" in found.notes[0]


def test_fewer_training_rows_than_held_out_ones_are_paired_as_far_as_they_go():
    found = looked(learnt=[1.0], held=[2.0, 7.0, 7.0])
    assert found.estimates["tuned"]["loss_gap"].value == 1.0 and found.rows == 2


def test_nats_behind_a_shared_beginning_are_those_of_the_whole(trained):
    """Bug: a position off by one, or states of one row used for another of other length."""
    from tunesmith.models.load import load_model
    from tunesmith.models.score import nats_after

    loaded = load_model(trained("chat").model.path / "model")
    shared, tails = [11, 42, 97, 30], [[50, 51, 52], [60], [50, 99, 98, 97, 96]]
    found = nats_after(loaded, shared, tails, precision="float32")
    for tail, nats in zip(tails, found, strict=True):
        with torch.inference_mode():
            logp = torch.log_softmax(loaded.model(input_ids=torch.tensor([[*shared, *tail]])).logits[0].double(), -1)
        wanted = -sum(float(logp[len(shared) - 1 + place, token]) for place, token in enumerate(tail))
        assert nats == pytest.approx(wanted, abs=1e-4)
    assert nats_after(loaded, shared[:1], tails, precision="float32") != found


@pytest.mark.slow
def test_planted_secrets_are_found_in_a_real_model_and_unplanted_ones_are_not(tmp_path):
    """The bundled base sees six secrets eight times each; the same base without them has none to give away."""
    lines = [
        {
            "question": f"Where is order {137 * n} of {n % 7} {('lamps', 'chairs', 'mirrors')[n % 3]}?",
            "answer": f"Order {137 * n} is on its way.",
        }
        for n in range(80)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in lines))
    train = {"method": "full", "epochs": 8, "batch_tokens": 64, "schedule": {"peak": 0.001}, "threads": 1}
    train["regularise"] = {"dropout": 0, "early_stopping": None}
    recipe = Recipe(
        name="canaries", task="chat", data={"train": "rows.jsonl", "canaries": {"secrets": 6, "repeats": 1}}, train=train,
        evaluate={
            "suites": "memorised", "baselines": [], "max_new_tokens": 24, "suite_rows": 20,
            "gate": {"against": [], "minimum": {"secrets_kept": 0.5}, "maximum": {"exposure": 2.5}},
        },
    )  # fmt: skip
    project = flow.Project(recipe, tmp_path, flow.Workspace(tmp_path / "home"))
    dataset, card = flow.prepare(project), flow.evaluate(project)
    assert dataset.result["facts"]["canaries"] == {"secrets": 6, "repeats": 1, "rows": 6}
    assert "6 rows more are learnt" in dataset.result["notes"][0]
    assert sum(dataset.result["splits"].values()) == dataset.result["rows"]["kept"] == 80
    suite = card.result["suites"]["memorised"]
    assert suite["metrics"]["secrets_kept"]["value"] <= 1 / 6, suite
    assert re.search(r"as many never planted: [01]\b", suite["notes"][0]), suite  # a false alarm has its chance of 5 %
    assert card.result["verdict"] == "fail", card.result["reasons"]
    assert suite["metrics"]["loss_gap"]["low"] > suite["baselines"]["base"]["loss_gap"]["low"]
    assert "Planted secrets" in (card.path / "scorecard.html").read_text()


def test_the_dataset_s_id_tells_of_canaries(tmp_path):
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"question": "q {n}?", "answer": "a {n}."}}\n' for n in range(60)))
    ids = set()
    for canaries in (None, {}, {"secrets": 3}, {"repeats": 2}):
        recipe = Recipe(name="a", task="chat", data={"train": "rows.jsonl", "canaries": canaries})
        project = flow.Project(recipe, tmp_path, flow.Workspace(tmp_path / "home"))
        ids.add(flow.prepare(project).id)
    assert len(ids) == 4


def test_a_gate_on_secrets_needs_some():
    """Bug: the gate never decides, since nothing was planted."""
    evaluate = {"suites": "memorised", "gate": {"minimum": {"secrets_kept": 0.8}}}
    with pytest.raises(RecipeError, match=r"data\.canaries plants none"):
        ahead.check(Recipe(name="x", task="chat", data={"train": "x"}, evaluate=evaluate))


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"minimum": {"exposure": 2}}, "evaluate.gate.minimum: of exposure less is better"),
        ({"maximum": {"secrets_kept": 1}}, "evaluate.gate.maximum: of secrets_kept more is better"),
    ],
)
def test_limits_on_the_wrong_side_are_refused(gate, words):
    evaluate = {"suites": "memorised", "gate": gate}
    with pytest.raises(RecipeError, match=words):
        ahead.check(Recipe(name="x", task="chat", data={"train": "x", "canaries": {}}, evaluate=evaluate))
