"""Graders looked at and run through OpenAI's client."""

from __future__ import annotations

import openai
import pytest

from serving import serving
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.store import Store

pytestmark = pytest.mark.slow

RIGHT = {
    "type": "string_check",
    "name": "right",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
ALIKE = {**RIGHT, "type": "text_similarity", "name": "alike", "evaluation_metric": "fuzzy_match"}
del ALIKE["operation"]
BOTH = {"type": "multi", "name": "both", "graders": {"a": RIGHT, "b": ALIKE}, "calculate_output": "0.5 * a + 0.5 * b"}


@pytest.fixture
def graders(tmp_path):
    workspace = Workspace(tmp_path / "home")
    store = Store.open_workspace(workspace.root)
    with serving(store, workspace, grade=flow.grade_one) as server, server.client(_strict_response_validation=True) as client:  # fmt: skip
        yield client.fine_tuning.alpha.graders


def test_graders_score_an_answer(graders):
    """Catches a score that is not the evaluation's, an object that the client refuses."""
    good = graders.run(grader=RIGHT, model_sample="Paris", item={"answer": "Paris"})
    assert (good.reward, good.metadata.name, good.metadata.type) == (1.0, "right", "string_check")
    assert not any(value for name, value in good.metadata.errors if name.endswith("error"))
    assert graders.run(grader=RIGHT, model_sample="Rome", item={"answer": "Paris"}).reward == 0.0
    assert 0 < graders.run(grader=ALIKE, model_sample="Pariss", item={"answer": "Paris"}).reward < 1
    both = graders.run(grader=BOTH, model_sample="Pariss", item={"answer": "Paris"})
    assert both.sub_rewards["a"] == 0.0 and both.reward == pytest.approx(both.sub_rewards["b"] / 2)


def test_what_an_item_lacks_is_flagged(graders):
    """Catches a zero that looks like a wrong answer."""
    lacking = graders.run(grader=RIGHT, model_sample="Paris", item={})
    assert lacking.reward == 0.0 and lacking.metadata.errors.invalid_variable_error


def test_graders_are_looked_at_without_an_answer(graders):
    """Catches a grader that is accepted and cannot run."""
    assert graders.validate(grader=RIGHT).grader.name == "right"
    bad = [
        ({**RIGHT, "operation": "same"}, "operation"),
        ({**RIGHT, "type": "magic"}, "magic"),
        ({**BOTH, "calculate_output": "a +"}, "calculate_output"),
        ({**RIGHT, "input": "{{ colour }}"}, "colour"),
        ({"type": "python", "name": "p", "source": "def grade(sample, item): return 1"}, "tunesmith evaluate"),
        ({**BOTH, "graders": {"a": {"type": "score_model", "name": "s", "model": "m", "input": []}}}, "another model"),
    ]
    for grader, told in bad:
        for ask in (lambda one: graders.validate(grader=one), lambda one: graders.run(grader=one, model_sample="x")):
            with pytest.raises(openai.BadRequestError, match=told) as refused:
                ask(grader)
            assert refused.value.code == "invalid_grader"


def test_a_server_without_graders_says_so(shop):
    """Catches a 500."""
    with pytest.raises(openai.APIStatusError) as told:
        shop.client.fine_tuning.alpha.graders.validate(grader=RIGHT)
    assert (told.value.status_code, told.value.code) == (501, "graders_not_available")
