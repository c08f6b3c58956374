"""The gate's verdict, and what the summary says of the same numbers."""

import pytest

from tunesmith.core.estimates import Delta, Estimate
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Contestant, lead, smallest_visible
from tunesmith.evaluate.gate import judge
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.summary import summarise
from tunesmith.recipe import Gate

ACCURACY = METRICS["classify"][0]
PERPLEXITY = METRICS["chat"][2]
NOTHING = Answers([], [], [], [])


def delta(low, high):
    return Delta((low + high) / 2, low, high, 0.03, 200, "tango, mcnemar")


def verdict(against, minimum=None, own=(0.8, 0.9), metric=ACCURACY, margin=0.02, **deltas):
    gate = Gate(against=against, minimum=minimum or {}, margin=margin)
    estimates = {metric.name: Estimate(sum(own) / 2, *own, 200, "wilson")}
    return judge(gate, metric, estimates, {who: {metric.name: delta(*one)} for who, one in deltas.items()})


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [(0.01, 0.2, "pass"), (-0.01, 0.2, "undecided"), (0.0, 0.2, "undecided"), (-0.2, -0.01, "fail")],
)
def test_the_base_must_be_beaten(low, high, answer):
    found = verdict(["base"], base=(low, high))
    assert found.answer == answer and len(found.reasons) == 1
    assert found.reasons[0].startswith(f"{answer}: ") and "200 rows" in found.reasons[0]


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (-0.01, 0.2, "pass"),  # may be a little worse, but not by the margin
        (-0.05, 0.05, "undecided"),
        (-0.02, 0.05, "undecided"),
        (-0.2, -0.03, "fail"),
        (-0.04, -0.01, "undecided"),  # surely worse, but perhaps by less than the margin
    ],
)
def test_production_must_not_be_better_by_the_margin(low, high, answer):
    assert verdict(["production"], production=(low, high)).answer == answer


def test_without_a_model_in_production_there_is_none_to_be_worse_than():
    """The first release of a name could never pass."""
    found = verdict(["base", "production"], base=(0.1, 0.2))
    assert found.answer == "pass" and "no other model is in production" in found.reasons[1]


def test_a_baseline_that_was_not_measured_decides_nothing():
    assert verdict(["prompt"]).answer == "undecided"


@pytest.mark.parametrize(("least", "answer"), [(0.8, "pass"), (0.85, "undecided"), (0.95, "fail")])
def test_the_interval_must_start_at_the_minimum(least, answer):
    assert verdict([], {"accuracy": least}).answer == answer


def test_less_is_better_for_losses():
    """With the sign forgotten, a model that became worse would be promoted."""
    assert verdict(["base"], metric=PERPLEXITY, base=(-3.0, -1.0)).answer == "pass"
    assert verdict(["base"], metric=PERPLEXITY, base=(1.0, 3.0)).answer == "fail"
    assert lead(PERPLEXITY, delta(-3.0, -1.0)) == (2.0, 1.0, 3.0)


def test_one_failure_outweighs_all_else():
    found = verdict(["base", "linear", "production"], base=(0.1, 0.2), linear=(-0.1, 0.1), production=(-0.3, -0.2))
    assert found.answer == "fail"
    assert [reason.split(":")[0] for reason in found.reasons] == ["pass", "undecided", "fail"]
    assert verdict(["base", "linear"], base=(0.1, 0.2), linear=(-0.1, 0.1)).answer == "undecided"


def test_a_gate_that_asks_for_nothing_says_so():
    assert verdict([]).answer == "pass" and verdict([]).reasons == ["the gate asks for nothing"]


def test_undecided_says_what_could_have_been_seen():
    """Half the width is what is significant; 80 % power needs 1.43 times that."""
    assert smallest_visible(delta(-0.1, 0.1)) == pytest.approx(0.143, abs=1e-3)
    assert "0.143" in verdict(["base"], base=(-0.1, 0.1)).reasons[0]


def card(**deltas):
    ours = Contestant("tuned", [], NOTHING, {}, {"accuracy": Estimate(0.85, 0.8, 0.9, 200, "wilson")})
    others = [Contestant(who, [], NOTHING, {}, {}, {"accuracy": delta(*one)}) for who, one in deltas.items()]
    return summarise(ours, others, ACCURACY, ["A note."])


@pytest.mark.parametrize(
    ("deltas", "beginning"),
    [
        ({"base": (0.3, 0.4), "linear": (0.1, 0.2)}, "Tuning paid: the best alternative is a linear model on TF-IDF"),
        ({"base": (0.3, 0.4), "linear": (-0.3, -0.1)}, "Tuning does not pay here: a linear model on TF-IDF does better"),
        ({"base": (0.3, 0.4), "linear": (-0.3, 0.1)}, "Tuning does not pay here: a linear model on TF-IDF does as well"),
        ({"base": (0.3, 0.4), "prompt": (-0.1, 0.2)}, "It is not shown that tuning pays: the base with a prompt"),
        # less far behind, but surely: the base's sample is too small to tell
        ({"base": (-0.5, 0.1), "linear": (-0.2, -0.1)}, "Tuning does not pay here: a linear model on TF-IDF does better"),
        ({}, "Whether tuning pays was not measured"),
        ({"production": (0.1, 0.2)}, "Whether tuning pays was not measured"),
    ],
)  # fmt: skip
def test_the_first_sentence_says_whether_tuning_paid(deltas, beginning):
    assert card(**deltas).startswith(beginning)


def test_the_summary_gives_our_number_and_the_notes():
    text = card(base=(0.3, 0.4), production=(-0.05, 0.05))
    assert "accuracy 0.850 [0.800, 0.900] (n=200)" in text and text.endswith("A note.")
    assert "not told apart from the model in production" in text
