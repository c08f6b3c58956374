"""Which settings can be searched: what is wrong is told at once, and what is allowed makes valid recipes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tunesmith.core.errors import RecipeError
from tunesmith.recipe import Recipe, Sweep, load_recipe
from tunesmith.sweep.space import Space, check_space

GIVEN = {"name": "t", "task": "classify", "data": {"train": "a.csv"}}


def space(fields, **changes):
    return Space(Recipe.model_validate({**GIVEN, **changes}), Sweep.model_validate({"fields": fields}).fields)


def refused(fields, *, metric="valid_loss", pruning="median", **changes):
    with pytest.raises(RecipeError) as caught:
        check_space(space(fields, **changes), metric, pruning)
    return str(caught.value)


GOOD = {
    "train.schedule.peak": {"low": 1e-4, "high": 1e-2, "log": True},
    "train.lora.rank": [4, 8, 16],
    "prompt.system": [None, "Name the topic."],
    "train.schedule.shape": ["cosine", "linear"],
    "data.dedup.near": [None, 0.8],
    "train.freeze": [None, {"layers": "0:1"}],
}


def test_what_exists_and_takes_the_values_is_allowed():
    """Bug: a choice of sections, null, or a setting of data is refused."""
    check_space(space(GOOD), "valid_loss", "median")


def test_all_that_is_wrong_is_told_at_once():
    """Bug: the second mistake is found only after the first is mended, or in the twentieth trial."""
    told = refused({
        "train.shedule.peak": [1e-3, 1e-2], "train.lora.rank": [4, 0], "train.schedule.peak": {"low": 0.1, "high": 3},
        "train.regularise.dropout": [0.0, "much"],
    })  # fmt: skip
    assert "4 things do not fit" in told
    assert "unknown key 'train.shedule'" in told
    assert "did you mean 'schedule'?" in told
    assert "sweep.fields.train.lora.rank: " in told and "got 0" in told
    assert "sweep.fields.train.schedule.peak: " in told and "got 3.0" in told
    assert "got 'much'" in told


@pytest.mark.parametrize(
    ("key", "values", "fragment"),
    [
        ("seed", [1, 2], "luck"),
        ("data.split.valid", [0.1, 0.2], "which rows validate"),
        ("evaluate.max_new_tokens", [8, 16], "looked at when training is over"),
        ("train.threads", [1, 2], "how fast"),
        ("train.epochs", [1, 2], "at the same validation"),
        ("base", ["nano", "other"], "what a validation loss means"),
        ("prompt.answer_weights", [{}, {"a": 0}], "what a validation loss means"),
        ("train.tokens", [None, {"add": {"<x>": "a word"}}], "what a validation loss means"),
        ("train.lora.alfa", [8, 16], "did you mean 'alpha'?"),
        ("train.lora.rank.x", [8, 16], "train.lora.rank, which holds a value"),
        ("nonsense", [8, 16], "unknown key 'nonsense'"),
        ("train.regularise", [{}, {"dropout": 0.0}], "holds train.regularise.early_stopping.metric"),
        ("prompt", [{}, {"system": "x", "teacher": {"shots": 2}}], "what a validation loss means"),
    ],
)
def test_what_would_compare_nothing_is_refused(key, values, fragment):
    """Bug: twenty trainings are spent on scores that cannot be compared."""
    assert fragment in refused({key: values})


def test_lengths_and_bases_are_searched_where_they_can_be_compared():
    """Bug: what is refused for one metric or with pruning is refused altogether."""
    check_space(space({"train.epochs": [1, 2], "base": ["nano", "other"]}), "accuracy", "off")


def test_a_setting_within_another_is_refused():
    """Bug: one overwrites the other, in the order of the recipe."""
    assert "lies within train.freeze" in refused(
        {"train.freeze": [None, {"layers": "0:1"}], "train.freeze.layers": ["0:1", "0:2"]}
    )


def test_a_value_that_fits_no_trial_is_refused_and_one_that_fits_some_is_not():
    """Bug: a value that every trial refuses is tried again and again, or one that fits beside another is forbidden."""
    told = refused(
        {"train.regularise.ema": [0.9, 0.99]}, train={"regularise": {"average": 0.5}},
    )  # fmt: skip
    assert "fits no trial" in told and "ema and average" in told
    both = {"train.regularise.ema": [0.0, 0.9], "train.regularise.average": [0.0, 0.5]}
    check_space(space(both), "valid_loss", "median")


def test_lines_of_the_recipe_are_named(tmp_path):
    """Bug: the error of one field in a long list does not say which line."""
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "name: t\ntask: classify\ndata: {train: a.csv}\nsweep:\n  fields:\n    train.lora.rank: [4, 8]\n"
        "    train.lora.rnk: [4, 8]\n"
    )
    recipe = load_recipe(file)
    with pytest.raises(RecipeError, match=r"recipe.yaml:7: sweep.fields.train.lora.rnk: "):
        check_space(Space(recipe, recipe.sweep.fields), "valid_loss", "median", file)


@pytest.mark.parametrize(
    "fields",
    [
        {"train.lora.rank": [4]},
        {"train.lora.rank": [4, 4]},
        {"train.lora.rank": 4},
        {"train.schedule.peak": {"low": 1e-2, "high": 1e-4}},
        {"train.schedule.peak": {"low": 0, "high": 1e-2, "log": True}},
        {"train.schedule.peak": {"low": 0.1, "high": 0.2, "step": 0.5}},
        {"train.schedule.peak": {"low": 0.1, "high": 0.2, "log": True, "step": 0.01}},
        {"train.schedule.peak": {"low": 0.1, "hihg": 0.2}},
    ],
)
def test_no_choice_and_no_range_are_refused_by_the_recipe(fields):
    """Bug: a list of one, the ends the wrong way round, or a log scale from 0 gets as far as Optuna's traceback."""
    with pytest.raises(ValidationError):
        Sweep.model_validate({"fields": fields})


def test_numbers_that_yaml_leaves_as_text_are_numbers():
    """Bug: 1e-4, text in YAML 1.1, becomes a category, or is refused as no number."""
    fields = Sweep.model_validate(
        {"fields": {"train.schedule.peak": ["1e-4", "3e-4"], "train.lora.alpha": {"low": "1e0", "high": "1e2"}}}
    ).fields
    assert fields["train.schedule.peak"] == [1e-4, 3e-4]
    assert (fields["train.lora.alpha"].low, fields["train.lora.alpha"].high) == (1.0, 100.0)


@given(
    peak=st.floats(1e-5, 1.0), rank=st.integers(1, 1024), dropout=st.floats(0.0, 0.9),
    system=st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=40),
)  # fmt: skip
def test_a_changed_recipe_has_the_values_and_nothing_else_changed(peak, rank, dropout, system):
    """Bug: a value lands in another place, the sweep stays in the winner's recipe, or the user's own settings are lost."""
    own = {
        "name": "t",
        "task": "classify",
        "data": {"train": "a.csv"},
        "train": {"epochs": 2, "schedule": {"warmup": 0.1}},
    }
    fields = {"train.lora.rank": [4, 8]}
    recipe = Recipe.model_validate({**own, "sweep": {"fields": fields}})
    values = {"train.schedule.peak": peak, "train.lora.rank": rank, "train.regularise.dropout": dropout,
              "prompt.system": system}  # fmt: skip
    made = Space(recipe, recipe.sweep.fields).recipe_of(values)
    assert (made.train.schedule.peak, made.train.lora.rank) == (peak, rank)
    assert (made.train.regularise.dropout, made.prompt.system) == (dropout, system)
    assert (made.train.epochs, made.train.schedule.warmup, made.data) == (2, 0.1, recipe.data)
    assert not made.sweep.fields
    assert recipe.sweep.fields == fields  # and the recipe itself is as it was
