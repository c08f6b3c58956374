"""Advice follows from figures: what gives a reason for it, what does not, and what it says it is worth."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bad_data import ROWS, csv_text
from tunesmith.advise.advice import Advice, Gain, ranked
from tunesmith.advise.evidence import Evidence
from tunesmith.advise.results import rows_needed
from tunesmith.advise.rules import advise
from tunesmith.cli.main import main
from tunesmith.core.artifacts import Workspace
from tunesmith.recipe import Recipe


def delta(value: float, half: float, n: int = 100) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n, "p": 0.5}


def verdict(word: str) -> dict[str, str]:
    return {"verdict": word, "why": "because"}


WELL = Evidence(
    task="classify",
    dataset={
        "dataset": "d-1", "rows": {"kept": 500}, "splits": {"train": 400}, "conflicts": 0, "near_conflicts": 0,
        "facts": {"doubtful_labels": 0},
        "verdicts": {topic: verdict("good") for topic in ("relevance", "cleanliness", "balance", "size")},
    },
    model={
        "steps": 100, "epochs": 4.0, "stopped_by": "valid_loss: no gain in 3 validations", "overfitting": None,
        "steps_left_out": 0, "left_out_too_long": 0, "unused_tokens": [], "peak_learning_rate": 1e-3,
    },
    scorecard={
        "metrics": {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.95, "n": 100}, "ece": {"value": 0.03, "low": 0.01, "high": 0.06}},
        "deltas": {name: {"accuracy": delta(0.3, 0.1)} for name in ("base", "linear", "prompt", "majority")},
        "criteria": [{"metric": "accuracy", "against": "base", "least": 0.0, "answer": "pass", "why": "better"}],
    },
    counts={"card": 100, "refund": 120, "order": 180},
    steps=[{"step": n, "loss": 4 / n, **({"valid_loss": 1 + 1 / n} if n % 25 == 0 else {})} for n in range(1, 101)],
    answers=pl.DataFrame({
        "row_id": [str(n) for n in range(100)], "expected": ["card"] * 60 + ["refund"] * 40,
        "answer": ["card"] * 100, "correct": [True] * 60 + [False] * 2 + [True] * 38,
    }),
)  # fmt: skip
"""A run of which there is nothing to say."""


def changed(part: str, **new: Any) -> Evidence:
    """Return the good run with some facts of a part changed."""
    return replace(WELL, **{part: {**getattr(WELL, part), **new}})


def names(known: Evidence) -> list[str]:
    return [one.name for one in advise(known)]


def with_verdict(topic: str, word: str) -> Evidence:
    return changed("dataset", verdicts={**WELL.dataset["verdicts"], topic: verdict(word)})


def falling(*losses: float) -> Evidence:
    steps = [{"step": 10 * n, "loss": 1 / n, "valid_loss": loss} for n, loss in enumerate(losses, 1)]
    known = changed("model", stopped_by="last step")
    return replace(known, steps=[*({"step": n, "loss": 4.0 / n} for n in range(1, 10)), *steps])


def against(name: str, value: float, half: float) -> Evidence:
    return changed("scorecard", deltas={**WELL.scorecard["deltas"], name: {"accuracy": delta(value, half)}})


def beside_a_rival(value: float, half: float) -> Evidence:
    known = against("claude", value, half)
    return replace(known, scorecard={**known.scorecard, "rivals": {"claude": {"model": "big"}}})


def answered(expected: list[str], answers: list[str]) -> Evidence:
    right = [one == other for one, other in zip(expected, answers, strict=True)]
    rows = {"row_id": [str(n) for n in range(len(right))], "expected": expected, "answer": answers, "correct": right}
    return replace(WELL, answers=pl.DataFrame(rows))


def searched(*tried: tuple[float, float | None]) -> dict[str, Any]:
    return {"peak": tried[0][0], "tried": [{"peak": peak, "loss": loss} for peak, loss in tried]}


OVERFIT = {"since_step": 25, "valid_loss_rose": 0.2, "train_loss_fell": 0.3}
CURVE = {
    "score": "accuracy", "probe": "a linear model", "sentence": "Twice as many rows bring 0.04.",
    "all": {"rows": 400, "score": 0.90}, "gain": {"value": 0.04, "low": 0.01, "high": 0.06},
}  # fmt: skip
UNDECIDED = [{"metric": "accuracy", "against": "base", "least": 0.0, "answer": "undecided", "why": "too few rows"}]
REASONS = {
    "conflicts": changed("dataset", near_conflicts=7),
    "doubtful labels": changed("dataset", facts={"doubtful_labels": 9}),
    "starved labels": replace(WELL, counts={"card": 100, "refund": 3, "order": 180}),
    "more rows": with_verdict("size", "look"),
    "relevance": with_verdict("relevance", "look"),
    "cleanliness": with_verdict("cleanliness", "poor"),
    "balance": with_verdict("balance", "poor"),
    "overfitting": changed("model", overfitting=OVERFIT),
    "underfitting": falling(2.0, 1.5, 1.2, 1.0),
    "nothing learnt": replace(WELL, steps=[{"step": n, "loss": 4.0} for n in range(40)]),
    "steps left out": changed("model", steps_left_out=2),
    "rows too long": changed("model", left_out_too_long=5),
    "unused tokens": changed("model", unused_tokens=["<order>"]),
    "peak at an end": changed("model", peak_search=searched((1e-3, 2.0), (2e-3, 1.5), (4e-3, 1.2))),
    "forgotten": changed("scorecard", suites={"retention": {"deltas": {"base": {"general_bits_per_byte": delta(0.5, 0.1)}}}}),
    "secrets memorised": changed("scorecard", suites={"memorised": {"metrics": {"secrets_kept": {"value": 0.4}}}}),
    "linear does as well": against("linear", -0.02, 0.05),
    "prompt does as well": against("prompt", -0.2, 0.05),
    "base does as well": against("base", 0.0, 0.05),
    "claude does better": beside_a_rival(-0.2, 0.05),
    "labels mixed up": answered(["card"] * 10 + ["refund"] * 4, ["card"] * 10 + ["card"] * 4),
    "undecided": replace(against("base", 0.02, 0.08), scorecard={**against("base", 0.02, 0.08).scorecard, "criteria": UNDECIDED}),
    "overconfident": changed("scorecard", metrics={**WELL.scorecard["metrics"], "ece": {"value": 0.2, "low": 0.1, "high": 0.3}}),
}  # fmt: skip


def test_of_a_good_run_there_is_nothing_to_say() -> None:
    """Catches advice for its own sake."""
    assert names(WELL) == []


@pytest.mark.parametrize("name", REASONS)
def test_each_reason_gives_its_advice(name: str) -> None:
    """Catches a rule that does not see its cause, or that another drowns."""
    assert name in names(REASONS[name])


@pytest.mark.parametrize("name", REASONS)
def test_what_is_to_be_set_is_a_field_of_the_recipe_that_takes_the_value(name: str) -> None:
    """Catches advice to set what the recipe does not know or refuses."""
    for one in advise(REASONS[name]):
        recipe: dict[str, Any] = {"name": "a", "task": "classify", "data": {"train": "x"}}
        for key, value in one.settings:
            at, parts = recipe, key.split(".")
            for part in parts[:-1]:
                at = at.setdefault(part, {})
            at[parts[-1]] = value
        in_words = [key for key, value in one.settings if isinstance(value, str) and " " in value]
        if in_words:
            assert set(in_words) <= {"base", "train.max_tokens", "data.split.test", "distill.teacher"}, in_words
        else:
            Recipe(**recipe)


@pytest.mark.parametrize(
    "known",
    [
        falling(2.0, 1.5, 1.6, 1.5),
        falling(2.0, 1.001, 1.0005, 1.0),
        changed("model", stopped_by="last step"),
        against("linear", 0.1, 0.05),
        beside_a_rival(-0.02, 0.05),
        answered(["a", "b", "c", "d"], ["b", "c", "d", "a"]),
        replace(WELL, counts={"card": 100, "refund": 30, "order": 180}),
        with_verdict("balance", "look"),
        replace(WELL, curve={**CURVE, "gain": {"value": 0.01, "low": -0.01, "high": 0.03}}),
        changed("model", peak_search=searched((1e-3, 2.0), (2e-3, 1.5), (4e-3, None))),
        changed("scorecard", suites={"retention": {"deltas": {"base": {"general_bits_per_byte": delta(0.05, 0.1)}}}}),
    ],
    ids=[
        "up and down",
        "flat",
        "few validations",
        "linear is worse",
        "a rival not told apart",
        "errors all over",
        "thirty rows",
        "a bit uneven",
        "a flat curve",
        "a peak in the middle",
        "hardly forgotten",
    ],
)
def test_what_is_no_reason_gives_no_advice(known: Evidence) -> None:
    """Catches noise that is taken for a trend."""
    known = replace(known, steps=known.steps if "valid_loss" in str(known.steps) else WELL.steps)
    assert names(known) == []


def test_gains_are_those_of_the_figures() -> None:
    """Catches a bound that counts other rows, a lead with the wrong sign."""
    (starved,) = advise(replace(WELL, counts={"card": 100, "refund": 3, "order": 180}))
    assert starved.gain is not None and starved.gain.at_most and starved.gain.value == 0.02
    (pair,) = advise(REASONS["labels mixed up"])
    assert pair.gain is not None and pair.gain.value == 4 / 14
    (prompt,) = advise(against("prompt", -0.2, 0.05))
    assert prompt.gain is not None
    assert (prompt.gain.value, prompt.gain.low, prompt.gain.high) == pytest.approx((0.2, 0.15, 0.25))
    (rows,) = advise(replace(WELL, curve=CURVE))
    assert rows.gain is not None and str(rows.gain).startswith("+0.040 [+0.010, +0.060] of accuracy")


def test_what_the_recipe_has_already_is_not_set_again() -> None:
    """Catches advice to do what was done."""
    (one,) = advise(replace(REASONS["overfitting"], given={"train": {"regularise": {"dropout": 0.1}}}))
    assert dict(one.settings) == {"train.epochs": 1.0}


@given(st.floats(-0.2, 0.2), st.floats(0.001, 0.2), st.integers(10, 10_000), st.floats(-0.1, 0.1))
def test_as_many_rows_as_are_told_to_be_needed_decide(value: float, half: float, n: int, least: float) -> None:
    """Catches a number of rows that leaves the limit within the interval, or far more than it takes."""
    rows = rows_needed(delta(value, half, n), least)
    if not rows:
        assert n * (half / max(abs(value - least), 1e-12)) ** 2 > 999_999
        return
    assert half * math.sqrt(n / rows) <= abs(value - least) * (1 + 1e-6)
    assert rows == 1 or half * math.sqrt(n / (rows - 1)) >= abs(value - least) * (1 - 1e-6)


def test_what_is_urgent_comes_first_and_then_what_is_worth_most() -> None:
    """Catches an order that buries what matters."""
    small, large = (Advice(str(x), "", "", gain=Gain("accuracy", x, "")) for x in (0.01, 0.2))
    plain, urgent = Advice("plain", "", ""), Advice("urgent", "", "", urgent=True)
    assert [one.name for one in ranked([plain, small, urgent, large])] == ["urgent", "0.2", "0.01", "plain"]


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str) -> tuple[int, Any, str]:
    """Run ``tunesmith advise`` in this process; return its exit status, its JSON and its words."""
    monkeypatch.setattr("sys.argv", ["tunesmith", "advise", *given, "--json"])
    status = 0
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    captured = capsys.readouterr()
    return status, json.loads(captured.out) if captured.out else None, captured.err


def test_a_run_of_the_ring_is_read_from_any_of_its_artifacts(
    tiny: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an artifact whose facts have other names, a run that is not found from its Dataset or Model, a recipe of
    which nothing was made that ends in a traceback.
    """
    rows = [(f"{text} again {turn}", label) for turn in range(4) for text, label in ROWS]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    recipe = {
        "name": "t", "task": "classify", "base": str(tiny), "data": {"train": "a.csv"},
        "train": {"method": "full", "max_steps": 4, "batch_tokens": 64, "threads": 1},
        "evaluate": {"baselines": ["base", "linear", "majority"], "gate": {"against": []}},
    }  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    monkeypatch.chdir(tmp_path)
    status, _, words = told(monkeypatch, capsys)
    assert status == 2 and "nothing was made of it yet" in words and "tunesmith run" in words
    for stage in ("prepare", "train", "evaluate"):
        monkeypatch.setattr("sys.argv", ["tunesmith", stage, "recipe.yaml"])
        main()
    capsys.readouterr()
    _, found, _ = told(monkeypatch, capsys)
    assert "linear does as well" in [one["name"] for one in found["advice"]]
    assert all(one["do"] and one["why"] for one in found["advice"])
    for artifact in Workspace(tmp_path / ".tunesmith").list():
        status, same, _ = told(monkeypatch, capsys, artifact.id)
        assert status == 0 and same["advice"] == found["advice"]
    status, _, words = told(monkeypatch, capsys, same["artifact"], "--curve")
    assert status == 2 and "--curve goes with a recipe" in words
    status, _, words = told(monkeypatch, capsys, "recipe.yaml", "--curve")
    assert status == 2 and "rows" in words, "too few for a curve, and it says so"
