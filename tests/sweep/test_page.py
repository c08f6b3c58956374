"""What the page and the terminal show of settings: names, places on axes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.recipe import Recipe, Sweep
from tunesmith.sweep.page import coordinates
from tunesmith.sweep.space import Space
from tunesmith.sweep.words import short_names, told_values

words = st.sampled_from(["train", "lora", "rank", "peak", "schedule"])
keys = st.lists(words, min_size=1, max_size=3).map(".".join)


@given(st.sets(keys, min_size=1, max_size=5))
def test_a_short_name_is_the_end_of_one_setting_alone(found):
    """Bug: two settings have one name, or a name is not part of its setting."""
    names = short_names(sorted(found))
    assert len(set(names.values())) == len(found)
    for key, name in names.items():
        assert f".{key}".endswith(f".{name}")
        assert name == key or sum(f".{other}".endswith(f".{name}") for other in found) == 1


def test_values_are_told_by_short_names():
    """Bug: what tells two settings apart is cut off."""
    assert told_values({"train.lora.dropout": 0.1, "train.regularise.dropout": None}) == (
        "lora.dropout 0.1 · regularise.dropout null"
    )


def drawn(scores, *, higher, states=None):
    recipe = Recipe.model_validate({"name": "t", "task": "classify", "data": {"train": "a.csv"}})
    fields = {"train.schedule.peak": {"low": 1e-4, "high": 1e-2, "log": True}}
    trials = [
        {
            "number": at,
            "values": {"train.schedule.peak": 1e-3},
            "score": score,
            "state": (states or {}).get(at, "finished"),
        }
        for at, score in enumerate(scores)
    ]
    best = (max if higher else min)(trials, key=lambda one: one["score"])
    result = {"trials": trials, "higher_is_better": higher, "metric": "m", "best": best}
    text = coordinates(Space(recipe, Sweep.model_validate({"fields": fields}).fields), result)
    lines = [one.split('"')[0] for one in text.split('<path d="M')[1:] if "L" in one.split('"')[0]]
    return text, [float(line.rsplit(" ", 1)[1]) for line in lines]


@pytest.mark.parametrize("higher", [False, True])
def test_the_best_trial_is_on_top_and_drawn_last(higher):
    """Bug: a loss is drawn upside down, or grey lines hide the best one."""
    text, ends = drawn([0.5, 0.7, 0.6], higher=higher)
    assert ends == sorted(ends, reverse=True)  # pixels count downwards
    assert text.rindex("var(--accent)") > text.rindex("stroke-opacity")


def test_one_that_went_astray_does_not_press_the_others_together():
    """Bug: trials of 0.1 to 0.2 are one line where another has 100; scores below 0 have no logarithm."""
    text, ends = drawn([0.1, 0.2, 100.0], higher=False)
    assert "logarithmic" in text and ends[1] - ends[2] > 20
    assert "logarithmic" not in drawn([-0.1, 0.2, 100.0], higher=False)[0]
    assert drawn([0.5, 0.5], higher=False)[1] == [154.0, 154.0]
