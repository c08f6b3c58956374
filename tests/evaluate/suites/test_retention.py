"""Retention tells a model that forgot from one that did not, and keeps silent where nothing was known."""

import json

import numpy as np
import pytest

from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import ahead
from tunesmith.evaluate.compare import Questions
from tunesmith.evaluate.criteria import criteria_of
from tunesmith.evaluate.gate import judge
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.suites import retention
from tunesmith.evaluate.suites.findings import beside_tests
from tunesmith.evaluate.suites.gating import tellable
from tunesmith.evaluate.suites.items import items
from tunesmith.evaluate.suites.material import Material
from tunesmith.recipe import Recipe

NOTHING = Material(0, Questions("chat", [], [], 0), METRICS["chat"][0])


def record(known, bits=1.5):
    """What a model that knows the first ``known`` questions makes of the suite."""
    nats = [(bits * np.log(2) * len(one["text"].encode()), 40) for one in items("texts")]
    choices = [[1.0 if place < known else 9.0, 5.0, 5.0, 5.0] for place, _ in enumerate(items("skills"))]
    return {"texts": nats, "choices": choices}


def recipe(**gate):
    gate = {"against": [], **gate}
    return Recipe(name="x", task="chat", data={"train": "x"}, evaluate={"suites": "retention", "gate": gate})


def verdict(records, **gate):
    found = retention.look(records, NOTHING)
    joined = beside_tests(_nobody(), {}, [found])
    criteria, notes = tellable(criteria_of(recipe(**gate)), *joined, found.levels, {})
    return judge(criteria, *joined, found.levels), notes


def _nobody():
    from tunesmith.evaluate.answers import Answers
    from tunesmith.evaluate.compare import Contestant

    return Contestant("tuned", [], Answers([], [], [], []), {}, {})


def test_the_questions_can_be_told_right_from_wrong():
    """Two equal answers, or a right one among the wrong, would be noise for ever."""
    skills = items("skills")
    assert len(skills) == len({one["question"] for one in skills}) >= 60 and len(items("texts")) >= 60
    for one in skills:
        assert len({one["right"], *one["wrong"]}) == 4, one


@pytest.mark.parametrize(
    ("known", "bits", "answer"),
    [(90, 1.5, "pass"), (40, 1.5, "fail"), (90, 1.7, "fail"), (80, 1.5, "undecided")],
)
def test_what_was_forgotten_stops_the_release(known, bits, answer):
    """The base knows 90 of 96 and needs 1.5 bits."""
    found, notes = verdict({"tuned": record(known, bits), "base": record(90)})
    assert found.answer == answer and not notes, found.reasons
    assert len(found.findings) == 2, "perplexity is told beside, not gated twice"


def test_a_base_that_knows_nothing_gates_nothing():
    """A model that guesses cannot forget; its guesses would pass or fail by chance."""
    guessing = [int(place % 4 == 0) for place in range(96)]
    nothing = {**record(0, bits=9.0), "choices": [[5.0 - 4 * hit, 4.0, 5.0, 5.0] for hit in guessing]}
    found, notes = verdict({"tuned": nothing, "base": nothing})
    assert found.findings == [] and found.answer == "pass"
    assert [note.split(" does not gate")[0] for note in notes] == ["general_bits_per_byte", "general_skills"]
    asked, notes = verdict({"tuned": nothing, "base": nothing}, metrics={"general_skills": {"not_worse_by": 0.1}})
    assert asked.answer == "undecided", "what the recipe asks for is never left out in silence"


def test_what_is_surely_worse_gates_even_at_the_floor():
    found, _ = verdict({"tuned": record(0), "base": record(30)})
    assert found.answer == "fail"


def test_forgotten_answers_are_named_by_area():
    found = retention.look({"tuned": record(80), "base": record(96)}, NOTHING).as_dict()
    areas, lost = found["details"]
    assert areas["rows"][0]["area"] == "reading" and areas["rows"][0]["forgotten"] == 16
    assert len(lost["rows"]) == 16 and lost["rows"][0]["question"] == items("skills")[80]["question"]
    assert found["rows"] == 156 and found["passes"] == 2 * (60 + 4 * 96)


def test_bits_are_those_of_the_model(trained):
    """A token too many or too few before the text, or bytes of something else."""
    import torch

    from tunesmith.evaluate.suites.system import System
    from tunesmith.models.load import load_model
    from tunesmith.text.task import TaskSpec

    arena = trained("chat")
    loaded = load_model(arena.model.path / "model")
    texts = retention.ask(System("tuned", loaded, TaskSpec("chat"), 8, "float32"), NOTHING)["texts"]
    ids = [loaded.tokenizer.eos_token_id, *loaded.tokenizer.encode(items("texts")[0]["text"])]
    with torch.inference_mode():
        logp = torch.log_softmax(loaded.model(input_ids=torch.tensor([ids])).logits[0].double(), -1)
    wanted = -sum(float(logp[place, token]) for place, token in enumerate(ids[1:]))
    assert texts[0][0] == pytest.approx(wanted, rel=1e-5) and texts[0][1] == len(ids) - 1


def test_the_suite_reaches_the_scorecard(arena):
    """Numbers of the base, the page and the gate's note; killed between systems, nothing is asked twice."""
    card = arena("chat").evaluate(suites=["retention"], baselines=[])
    suite = card.result["suites"]["retention"]
    assert set(suite["metrics"]) == {"general_bits_per_byte", "general_perplexity", "general_skills"}
    assert suite["baselines"]["base"]["general_bits_per_byte"]["value"] == pytest.approx(8, abs=0.4), "random weights"
    assert any("general_bits_per_byte does not gate" in note for note in card.result["notes"])
    page = (card.path / "scorecard.html").read_text()
    assert "Suite: retention" in page and "General questions by area" in page
    json.dumps(card.result, allow_nan=False)


def test_killed_between_two_systems_it_goes_on(arena, monkeypatch):
    from tunesmith.evaluate.suites import run

    one, asked = arena("chat"), []

    def dying(system, material):
        asked.append(system.name)
        if asked == ["tuned", "base"]:
            raise KeyboardInterrupt
        return retention.ask(system, material)

    monkeypatch.setitem(run._ASK, "retention", dying)
    with pytest.raises(KeyboardInterrupt):
        one.evaluate(suites=["retention"], baselines=[])
    again = one.evaluate(suites=["retention"], baselines=[])
    assert asked == ["tuned", "base", "base"]
    whole = arena("chat").evaluate(suites=["retention"], baselines=[])
    assert again.result["suites"] == whole.result["suites"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrics": "general_skills"}, "evaluate.metrics: general_skills is measured by the suite retention"),
        ({"gate": {"metrics": {"general_skills": {"over": "base"}}}}, "the suite retention"),
        ({"gate": {"minimum": {"general_skills": 0.5}}}, "the suite retention"),
        ({"suites": "retention", "gate": {"metric": "general_skills"}}, "measured by the suite retention, on rows"),
        (
            {"suites": "retention", "gate": {"metrics": {"general_skills": {"over": "prompt"}}}},
            "the suite retention, which does not ask prompt",
        ),
        ({"suites": "retention", "gate": {"minimum": {"general_perplexity": 2}}}, "less is better"),
    ],
)
def test_what_a_suite_does_not_measure_is_refused(settings, words):
    with pytest.raises(RecipeError, match=words):
        ahead.check(Recipe(name="x", task="chat", data={"train": "x"}, evaluate=settings))


def test_the_recipe_can_ask_otherwise():
    """A margin of the recipe's own stands beside the suite's, and both gate."""
    asked = criteria_of(recipe(metrics={"general_skills": {"not_worse_by": 0.3}}, minimum={"general_skills": 0.2}))
    skills = [(one.kind, one.least, one.who) for one in asked if one.metric.name == "general_skills"]
    assert skills == [("not_worse", -0.3, "base"), ("not_worse", -0.3, "production"), ("minimum", 0.2, "")]
    assert criteria_of(recipe(suites=False)) == []
