"""The gate's verdict, and what the summary says of the same numbers."""

import math
from dataclasses import replace

import pytest

from tunesmith.core.estimates import Delta, Estimate, chance_of
from tunesmith.core.two_groups import holm
from tunesmith.evaluate.answers import Answers
from tunesmith.evaluate.compare import Contestant, lead, rows_needed, smallest_visible
from tunesmith.evaluate.criteria import Criterion, criteria_of
from tunesmith.evaluate.gate import judge
from tunesmith.evaluate.metrics import METRICS
from tunesmith.evaluate.summary import summarise
from tunesmith.recipe import Recipe

ACCURACY = METRICS["classify"][0]
PERPLEXITY = METRICS["chat"][2]
NOTHING = Answers([], [], [], [])


def delta(low, high):
    value, half = (low + high) / 2, (high - low) / 2
    return Delta(value, low, high, math.erfc(abs(value) / half * 1.959964 / math.sqrt(2)), 200, "tango, mcnemar")


def criteria(against=(), minimum=None, margin=0.02, task="classify", **gate):
    settings = {"against": list(against), "minimum": minimum or {}, "margin": margin, **gate}
    return criteria_of(Recipe(name="x", task=task, data={"train": "x"}, evaluate={"gate": settings}))


def verdict(asked, own=(0.8, 0.9), metric=ACCURACY, levels=None, theirs=0.4, **deltas):
    ours = Contestant("tuned", [], NOTHING, {}, {metric.name: Estimate(sum(own) / 2, *own, 200, "wilson")})
    others = {
        who: Contestant(
            who, [], NOTHING, {}, {metric.name: Estimate(theirs, 0, 1, 200, "")}, {metric.name: delta(*one)}
        )
        for who, one in deltas.items()
    }
    return judge(asked, ours, others, levels or {})


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [(0.01, 0.2, "pass"), (-0.01, 0.2, "undecided"), (0.0, 0.2, "undecided"), (-0.2, -0.01, "fail")],
)
def test_the_base_must_be_beaten(low, high, answer):
    found = verdict(criteria(["base"]), base=(low, high))
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
    assert verdict(criteria(["production"]), production=(low, high)).answer == answer


def test_without_a_model_in_production_there_is_none_to_be_worse_than():
    """The first release of a name could never pass."""
    found = verdict(criteria(["base", "production"]), base=(0.1, 0.2))
    assert found.answer == "pass" and "no other model is in production" in found.reasons[1]
    assert "corrected" not in found.reasons[0], "one test is one test"


def test_a_baseline_that_was_not_measured_decides_nothing():
    assert verdict(criteria(["prompt"])).answer == "undecided"


@pytest.mark.parametrize(("least", "answer"), [(0.79, "pass"), (0.85, "undecided"), (0.95, "fail")])
def test_the_interval_must_start_at_the_minimum(least, answer):
    assert verdict(criteria(minimum={"accuracy": least})).answer == answer


def test_less_is_better_for_losses():
    """With the sign forgotten, a model that became worse would be promoted."""
    over = criteria(["base"], metric="perplexity", task="chat")
    assert verdict(over, metric=PERPLEXITY, base=(-3.0, -1.0)).answer == "pass"
    assert verdict(over, metric=PERPLEXITY, base=(1.0, 3.0)).answer == "fail"
    assert lead(PERPLEXITY, delta(-3.0, -1.0)) == (2.0, 1.0, 3.0)


@pytest.mark.parametrize(("low", "high", "answer"), [(-0.1, 0.4, "pass"), (0.1, 0.6, "undecided"), (0.55, 0.9, "fail")])
def test_of_losses_the_margin_lies_above(low, high, answer):
    """A margin on the wrong side lets through a model that forgot, and stops one that did not."""
    kept = criteria(task="chat", metrics={"perplexity": {"not_worse_by": 0.5, "not_worse_than": "base"}})
    found = verdict(kept, metric=PERPLEXITY, base=(low, high))
    assert found.answer == answer
    assert found.findings[0].p == chance_of(delta(low, high), 0.5)


def test_better_by_less_than_asked_is_not_enough():
    asked = criteria(metrics={"accuracy": {"over": "base", "by": 0.05}})
    assert [verdict(asked, base=one).answer for one in ((0.06, 0.2), (0.01, 0.2), (0.01, 0.04))] == [
        "pass", "undecided", "fail",
    ]  # fmt: skip


def test_one_failure_outweighs_all_else():
    every = criteria(["base", "linear", "production"])
    found = verdict(every, base=(0.1, 0.2), linear=(-0.1, 0.1), production=(-0.3, -0.2))
    assert found.answer == "fail"
    assert [reason.split(":")[0] for reason in found.reasons] == ["pass", "undecided", "fail"]
    assert verdict(criteria(["base", "linear"]), base=(0.1, 0.2), linear=(-0.1, 0.1)).answer == "undecided"


def test_asking_often_is_paid_for():
    """Of twenty baselines as good as the model, one looks worse at 5 %."""
    alone = verdict(criteria(["base"]), base=(0.001, 0.1))
    three = criteria(["base", "linear", "majority"])
    among = verdict(three, base=(0.001, 0.1), linear=(-0.05, 0.05), majority=(-0.05, 0.05))
    assert alone.answer == "pass" and among.findings[0].answer == "undecided"
    ps = [one.p for one in among.findings]
    assert [one.corrected for one in among.findings] == holm(ps)
    assert "corrected for 3 criteria" in among.reasons[0]
    sure = verdict(three, base=(0.1, 0.2), linear=(0.1, 0.2), majority=(0.1, 0.2))
    assert sure.answer == "pass"


def test_what_metrics_says_outweighs_against():
    """The same claim tested twice would be corrected twice."""
    found = criteria(
        ["base", "production"], metrics={"accuracy": {"over": ["base"], "by": 0.1}, "ece": {"not_worse_by": 0.03}}
    )
    told = [(one.metric.name, one.kind, one.who, one.least) for one in found]
    assert told == [
        ("accuracy", "not_worse", "production", -0.02), ("accuracy", "over", "base", 0.1),
        ("ece", "not_worse", "base", -0.03), ("ece", "not_worse", "production", -0.03),
    ]  # fmt: skip


def test_what_metrics_asks_of_a_system_stands_for_against_whatever_it_asks():
    """Who asks for no more than not to be worse than the base would be held to beating it."""
    found = criteria(["base"], metrics={"accuracy": {"not_worse_by": 0.1, "not_worse_than": ["base", "base"]}})
    assert [(one.kind, one.who, one.least) for one in found] == [("not_worse", "base", -0.1)]


def test_a_metrics_name_is_no_template():
    """A grader may be called `{short}`: read as a template it ended the evaluation after all answers were made."""
    odd = replace(ACCURACY, name="{short}")
    asked = [Criterion(odd, "over", 0.0, "base")]
    assert "{short} minus base's is" in verdict(asked, metric=odd, base=(0.1, 0.2)).reasons[0]


def test_a_gate_that_asks_for_nothing_says_so():
    assert verdict([]).answer == "pass" and verdict([]).reasons == ["the gate asks for nothing"]


def test_undecided_says_what_could_have_been_seen_and_what_it_takes():
    """Half the width is what is significant; 80 % power needs 1.43 times that."""
    assert smallest_visible(delta(-0.1, 0.1)) == pytest.approx(0.143, abs=1e-3)
    reason = verdict(criteria(["base"]), base=(-0.08, 0.12)).reasons[0]
    assert "0.143" in reason and f"about {rows_needed(delta(-0.08, 0.12)):,} rows" in reason
    assert rows_needed(delta(-0.08, 0.12)) == pytest.approx(200 * (0.1429 / 0.02) ** 2, rel=1e-3)
    assert rows_needed(delta(-0.1, 0.1)) is None, "no difference needs rows without end"


def test_where_there_is_no_room_above_nothing_is_decided():
    """Both at 1.0: the rows are too easy, and the reason must say so instead of asking for more of them."""
    found = verdict(criteria(["base"]), own=(0.98, 1.0), theirs=1.0, base=(-0.02, 0.02))
    assert found.answer == "undecided" and "nothing can be better" in found.reasons[0]
    worse = verdict(criteria(["base"]), own=(0.6, 0.8), theirs=1.0, base=(-0.4, -0.2))
    assert worse.answer == "fail", "a model that became worse is seen at the ceiling, too"


def test_where_there_is_no_room_below_nothing_can_be_lost():
    """Both at 0: not worse than a model that does nothing is no merit."""
    found = verdict(criteria(["production"]), own=(0.0, 0.02), theirs=0.0, production=(-0.01, 0.01))
    assert found.answer == "undecided" and "better than no skill" in found.reasons[0]
    low = verdict(
        criteria(["production"]), own=(0.5, 0.6), theirs=0.505, levels={"accuracy": 0.5}, production=(0.01, 0.1)
    )
    assert low.answer == "undecided" and "hardly anything could be worse" in low.reasons[0]


def test_better_than_a_base_below_chance_is_not_enough():
    """An untuned model that always names the wrong one of two labels is beaten by a coin."""
    coin = verdict(criteria(["base"]), own=(0.45, 0.65), theirs=0.2, levels={"accuracy": 0.5}, base=(0.25, 0.45))
    assert coin.answer == "undecided" and "no skill (0.500)" in coin.reasons[0]
    skilled = verdict(criteria(["base"]), own=(0.8, 0.9), theirs=0.2, levels={"accuracy": 0.5}, base=(0.5, 0.7))
    assert skilled.answer == "pass"


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


def test_baselines_without_the_metric_are_not_said_to_be_missing():
    """Of texts the nearest question has no perplexity: "evaluate.baselines is empty" would be false."""
    ours = Contestant("tuned", [], NOTHING, {}, {"perplexity": Estimate(3.0, 2.0, 4.0, 200, "bootstrap")})
    others = [Contestant(who, [], NOTHING, {}, {}) for who in ("nearest", "production")]
    text = summarise(ours, others, PERPLEXITY, [])
    assert text.startswith("Whether tuning pays was not measured: no baseline has perplexity (asked: nearest).")


def test_the_summary_gives_our_number_and_the_notes():
    text = card(base=(0.3, 0.4), production=(-0.05, 0.05))
    assert "accuracy 0.850 [0.800, 0.900] (n=200)" in text and text.endswith("A note.")
    assert "not told apart from the model in production" in text


@pytest.mark.parametrize(("most", "answer"), [(1.6, "pass"), (1.4, "undecided"), (1.1, "fail")])
def test_the_interval_must_end_at_the_maximum(most, answer):
    """Bug: of a loss the limit is looked at from the wrong side."""
    asked = criteria(maximum={"perplexity": most}, task="chat")
    found = verdict(asked, own=(1.2, 1.5), metric=PERPLEXITY)
    assert found.answer == answer and f" {most:g}: perplexity is " in found.reasons[0]
    assert found.findings[0].as_dict()["least"] == most
