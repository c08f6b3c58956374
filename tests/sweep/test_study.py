"""The search without trainings: what is tried, what is stopped, what is known after a kill."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("optuna")

from tunesmith.recipe import Recipe, Sweep
from tunesmith.sweep.space import Space
from tunesmith.sweep.study import Study, opened

pytestmark = pytest.mark.slow

RECIPE = Recipe.model_validate({"name": "t", "task": "classify", "data": {"train": "a.csv"}})
FIELDS = {"train.regularise.dropout": {"low": 0.0, "high": 0.9}, "train.lora.rank": [4, 8, 16]}
BEFORE = [0.3, 0.2, 0.1]
"""Validations of trials that go well."""


def space(fields):
    return Space(RECIPE, Sweep.model_validate({"fields": fields}).fields)


def bowl(values):
    return (values["train.regularise.dropout"] - 0.2) ** 2 + abs(values["train.lora.rank"] - 8) / 100


def searched(folder, most, *, stop_at=None):
    """Try until ``most`` are there; with ``stop_at`` die within that trial."""
    with opened(Study(folder, space(FIELDS), False, "off", 7)) as study:
        while (attempt := study.next(most)) is not None:
            if attempt.number == stop_at:
                return study.tried()
            attempt.finish(bowl(attempt.values))
        return study.tried()


def test_killed_within_any_trial_it_tries_the_same(tmp_path):
    """Bug: a resumed sampler draws its first values again, or a trial that was running is lost or done twice."""
    whole = searched(tmp_path / "whole", 14)
    for at in (0, 9, 13):
        folder = tmp_path / str(at)
        assert len(searched(folder, 14, stop_at=at)) == at + 1
        assert searched(folder, 14) == whole
    assert [one.number for one in whole] == list(range(14))
    assert len({one.values["train.regularise.dropout"] for one in whole}) == 14


def test_more_trials_go_on_from_those_that_are_there(tmp_path):
    """Bug: asking for more starts anew, or asking for fewer throws some away."""
    few = searched(tmp_path, 5)
    assert searched(tmp_path, 12)[:5] == few
    assert len(searched(tmp_path, 3)) == 12


def test_goes_by_what_it_saw(tmp_path):
    """Bug: the sampler is handed no history (a study of its own for each trial), so it is a random search."""
    tried = searched(tmp_path, 40)
    good = [one.score < 0.02 for one in tried]
    assert sum(good[20:]) > sum(good[:20])


@pytest.mark.parametrize(("higher", "bad"), [(False, 9.0), (True, -9.0)])
def test_a_trial_worse_than_the_others_is_stopped_and_counted_as_bad(tmp_path, higher, bad):
    """Bug: nothing is stopped, the good ones are where more is better, or a stopped trial is chosen as the best."""
    with opened(Study(tmp_path, space(FIELDS), higher, "median", 0)) as study:
        for turn in range(5):
            attempt = study.next(9)
            assert not any(attempt.see(BEFORE[: seen + 1]) for seen in range(3))
            attempt.finish(BEFORE[-1] + turn / 100)
        attempt = study.next(9)
        assert not attempt.see([bad])  # the first validation stops nobody
        assert attempt.see([bad, bad])
        attempt.stop("worse")
        last = study.tried()[-1]
        assert (last.state, last.score, last.validations, last.why) == ("stopped early", bad, (bad, bad), "worse")
        assert study.best().number == (4 if higher else 0)


def test_killed_between_a_validation_and_its_verdict_it_is_stopped_all_the_same(tmp_path):
    """Bug: a validation that was noted before a kill is never judged, so a bad trial trains to its end."""

    def study():
        return Study(tmp_path, space(FIELDS), False, "median", 0)

    with opened(study()) as one:
        for _ in range(5):
            attempt = one.next(9)
            attempt.see(BEFORE)
            attempt.finish(0.1)
        attempt = one.next(9)
        attempt.see([9.0])
        attempt._trial.report(9.0, 1)  # noted, then killed
    with opened(study()) as one:
        attempt = one.next(9)
        assert attempt.number == 5
        assert attempt.see([9.0, 9.0])


def test_hyperband_stops_some_trials_and_not_all(tmp_path):
    """Bug: the pruner that the recipe names is not the one that decides."""
    with opened(Study(tmp_path, space(FIELDS), False, "hyperband", 0)) as study:
        while (attempt := study.next(30)) is not None:
            seen = [1.0 + attempt.number % 7 - step / 10 for step in range(8)]
            if any(attempt.see(seen[: step + 1]) for step in range(8)):
                attempt.stop("worse")
            else:
                attempt.finish(seen[-1])
        states = [one.state for one in study.tried()]
    assert 3 <= states.count("stopped early") <= 27


def test_a_trial_that_diverged_or_was_refused_is_no_winner(tmp_path):
    """Bug: no score is taken for the best score, or a sweep without any finished trial has a winner."""
    with opened(Study(tmp_path, space(FIELDS), False, "off", 0)) as study:
        study.next(3).stop("the loss is no longer a number")
        study.next(3).refuse("ema and average")
        assert study.best() is None
        assert [one.state for one in study.tried()] == ["stopped early", "refused"]
        attempt = study.next(3)
        attempt.see([math.nan, 0.5])
        attempt.finish(0.5)
        assert study.best().number == 2


def test_values_of_any_kind_come_back_as_the_recipe_has_them(tmp_path):
    """Bug: a list, a mapping or null among the choices becomes text or a number of its place."""
    choices = {
        "train.lora.targets": [["q_proj"], ["q_proj", "v_proj"]],
        "train.freeze": [None, {"layers": "0:1"}],
        "train.lora.rank": {"low": 4, "high": 64, "log": True},
        "train.regularise.dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
    }
    with opened(Study(tmp_path, space(choices), False, "off", 0)) as study:
        for _ in range(20):
            attempt = study.next(20)
            attempt.finish(0.0)
        tried = study.tried()
    for one in tried:
        assert one.values["train.lora.targets"] in choices["train.lora.targets"]
        assert one.values["train.freeze"] in choices["train.freeze"]
        assert isinstance(one.values["train.lora.rank"], int)
        assert math.isclose(one.values["train.regularise.dropout"] * 10 % 1, 0, abs_tol=1e-6) or math.isclose(
            one.values["train.regularise.dropout"] * 10 % 1, 1, abs_tol=1e-6
        )
    assert len({str(one.values["train.freeze"]) for one in tried}) == 2


def test_a_trial_that_another_process_makes_is_left_to_it(tmp_path):
    """Bug: with several devices all of them take the first trial for one that was killed; or the last one is lost."""
    with opened(Study(tmp_path, space(FIELDS), False, "off", 0)) as study:
        assert [study.next(3, busy).number for busy in ((), (0,), (0, 1))] == [0, 1, 2]
        assert study.next(3, (0, 1, 2)) is None
        assert study.next(3, (0, 2)).number == 1


def test_the_twin_of_a_trial_ends_as_it_did(tmp_path):
    """Bug: the same values are trained twice; a twin of a stopped trial counts as finished; a twin of one that is going
    on, or of itself, ends it."""
    two = {"train.regularise.dropout": [0.0, 0.1]}
    ends = {0.0: lambda attempt: attempt.finish(0.5), 0.1: lambda attempt: attempt.stop("worse")}
    with opened(Study(tmp_path, space(two), False, "off", 0)) as study:
        seen = {}
        while (attempt := study.next(9)) is not None:
            value = attempt.values["train.regularise.dropout"]
            assert attempt.ends_as_its_twin() == (value in seen)
            if value not in seen:
                attempt.see([0.7, 0.5])
                ends[value](attempt)
                seen[value] = attempt.number
        for one in study.tried():
            first = study.tried()[seen[one.values["train.regularise.dropout"]]]
            assert (one.state, one.score, one.validations) == (first.state, first.score, first.validations)
            assert one is first or one.number == first.number or one.why == f"as trial {first.number}"
    assert len(seen) == 2


def importances_where_one_goes_astray(folder, higher, astray):
    """Return importance in a search where rank 16 is stopped early, the first time far off."""
    with opened(Study(folder, space(FIELDS), higher, "off", 0)) as study:
        sign = -1 if higher else 1
        while (attempt := study.next(24)) is not None:
            cost = attempt.values["train.regularise.dropout"] / 100
            if attempt.values["train.lora.rank"] == 16:
                attempt.see([sign * (cost + 0.01) * astray])
                attempt.stop("worse")
                astray = 1
            else:
                attempt.finish(sign * cost)
        return study.importances()


@pytest.mark.parametrize("higher", [False, True])
def test_importance_names_what_decides_also_where_bad_trials_were_stopped(tmp_path, higher):
    """Bug: only finished trials count, which all have the setting right that decides; or one that diverged is all that
    is seen."""
    shares = importances_where_one_goes_astray(tmp_path / "far", higher, 1e6)
    assert shares["train.lora.rank"] > 0.25
    assert sum(shares.values()) == pytest.approx(1)
    assert shares == importances_where_one_goes_astray(tmp_path / "near", higher, 10)


def test_too_few_trials_say_nothing_of_importance(tmp_path):
    """Bug: four trials name the setting that matters, by luck."""
    searched(tmp_path, 11)
    with opened(Study(tmp_path, space(FIELDS), False, "off", 7)) as study:
        assert study.importances() == {}
