"""When training stops, and which weights are kept."""

import contextlib
import json

import numpy as np
import pytest

from bad_data import csv_text
from killed import killed_after
from made import CARDS, make_dataset
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.recipe import EarlyStopping, Recipe, Train
from tunesmith.train import overfit, stage
from tunesmith.train.batches import TokenSet
from tunesmith.train.checkpoint import as_lists
from tunesmith.train.progress import Progress
from tunesmith.train.stop import BestSoFar
from tunesmith.train.unfit import refuse_unfit_run
from tunesmith.train.validate import Judge


def test_patience_counts_validations_without_gain():
    settings, best = EarlyStopping(patience=2), BestSoFar()
    stops = []
    for step, value in enumerate([3.0, 2.0, 2.5, 2.1]):
        best.see(step, value, 0.0)
        stops.append(best.should_stop(settings))
    assert stops == [False, False, False, True]
    assert (best.step, best.value) == (1, 2.0)


@pytest.mark.parametrize("patience", [1, 3])
def test_a_patience_is_refused_exactly_where_it_cannot_stop_anything(patience):
    """Would let through: a run that nothing stops early, or one refused that its last validation but one could stop."""
    for steps in range(1, 8):
        settings, best = (
            Train(eval_every=1, batch_tokens="auto", regularise={"early_stopping": {"patience": patience}}),
            BestSoFar(),
        )
        stops = False
        for step in range(1, steps):  # after the last step there is nothing to stop
            best.see(step, 1.0, 0.0)
            stops |= best.should_stop(settings.regularise.early_stopping)
        with contextlib.nullcontext() if stops else pytest.raises(RecipeError, match=r"early_stopping\.patience"):
            refuse_unfit_run(settings, TokenSet([], []), [steps])


def test_gain_below_min_delta_keeps_the_best_but_spends_patience():
    settings, best = EarlyStopping(patience=2), BestSoFar()
    assert best.see(0, 2.0, 0.1)
    assert best.see(1, 1.95, 0.1) and not best.should_stop(settings)
    assert best.see(2, 1.91, 0.1) and best.should_stop(settings)
    assert best.step == 2


def test_nan_is_never_the_best():
    best = BestSoFar()
    assert not best.see(0, float("nan"), 0.0)
    assert not best.should_stop(None)


@pytest.mark.slow
def test_a_metric_stops_training_and_chooses_the_weights(tiny, tmp_path):
    """Would let through: weights kept by the loss, a metric of which less is taken for better."""
    rows = [(f"{word} {number}", label) for number in range(40) for word, label in (("card", "a"), ("loan", "b"))]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    recipe = recipe_of(tiny, {"metric": "accuracy", "patience": 6, "min_delta": "auto"})
    project = flow.Project(recipe, tmp_path, Workspace(tmp_path / "home"))
    model = flow.train(project)
    curve = [json.loads(line) for line in (model.path / "metrics.jsonl").read_text().splitlines()]
    seen = [(row["step"], row["accuracy"]) for row in curve if "accuracy" in row]
    assert model.result["best"] == {"step": max(seen, key=lambda one: one[1])[0], "metric": "accuracy",
                                    "value": max(value for _, value in seen)}  # fmt: skip
    assert model.result["best"]["value"] > 0.9
    assert model.result["stopped_by"] == "accuracy: no gain in 6 validations"


@pytest.mark.slow
def test_a_killed_run_stops_by_generated_answers_as_an_undisturbed_one(tiny, tmp_path):
    """Would let through: a best or a patience that a run which goes on begins anew, a look at answers that leaves the
    model or the random state other than it found them.
    """
    rows = [
        (f"{word} {number}", answer) for number in range(24) for word, answer in (("card", "lost"), ("loan", "late"))
    ]
    recipe = recipe_of(tiny, {"metric": "exact_match", "patience": 3, "min_delta": "auto"}, task="chat")
    projects = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.csv").write_text(csv_text(rows))
        projects.append(flow.Project(recipe, tmp_path / place, Workspace(tmp_path / place / "home")))
    undisturbed = flow.train(projects[0])
    best = undisturbed.result["best"]
    assert undisturbed.result["stopped_by"] == "exact_match: no gain in 3 validations" and best["value"] > 0.8
    for steps_done in (best["step"] - 1, 5, 6):  # before the best, behind it, and while the patience runs
        killed_after(steps_done, lambda: flow.train(projects[1]))
    resumed = flow.train(projects[1])
    assert {**resumed.result, "seconds": 0, "target_tokens_per_s": 0} == {
        **undisturbed.result,
        "seconds": 0,
        "target_tokens_per_s": 0,
    }
    files, same = undisturbed.manifest["files"], resumed.manifest["files"]
    assert {name for name in files if files[name] != same[name]} <= {"train.html"}


def test_an_unknown_metric_is_refused_with_the_known_ones(tiny, tmp_path):
    """Would let through: a misspelt metric that stops nothing."""
    with pytest.raises(RecipeError, match=r"early_stopping\.metric.*acuracy(?s:.)*accuracy"):
        flow.plan(flow.Project(recipe_of(tiny, {"metric": "acuracy"}), tmp_path, Workspace(tmp_path / "home")))


def test_a_metric_without_its_judge_is_no_validation_loss(tiny, workspace):
    """Would let through: a caller from Python whose run is stopped by another metric than the recipe says."""
    with pytest.raises(ValueError, match="looks at accuracy"):
        stage.train(recipe_of(tiny, {"metric": "accuracy"}), make_dataset(workspace, CARDS, CARDS), workspace)


def recipe_of(base, early_stopping, task="classify"):
    return Recipe.model_validate({
        "name": "stops", "task": task, "base": str(base), "evaluate": {"max_new_tokens": 8},
        "data": {"train": "a.csv", "columns": {"input": "text", "target": "intent"}},
        "train": {"method": "full", "epochs": 30, "batch_tokens": 64, "eval_every": 4, "precision": "float32", "threads": 1,
                  "schedule": {"peak": 0.01}, "regularise": {"early_stopping": early_stopping}},
    })  # fmt: skip


def seen_by(values):
    return {"x": np.asarray(values, dtype=float)}


def test_noise_is_the_standard_error_of_the_paired_difference():
    """Would let through: the noise of two independent samples, which pairs do not have."""
    judge = Judge("mean", True, seen_by, lambda seen: float(seen["x"].mean()))
    random = np.random.default_rng(0)
    hard = random.normal(0, 10, 400)  # rows differ much, looks at the same row little
    old, new = hard + random.normal(0, 1, 400), hard + random.normal(0.1, 1, 400)
    assert judge.noise(seen_by(new), as_lists(seen_by(old))) == pytest.approx(np.sqrt(2 / 400), rel=0.2)
    assert judge.cost(seen_by(new)) == -new.mean()


def test_overfitting_is_named_once_it_is_more_than_noise(capsys):
    """Would let through: noise called overfitting, a rise that is never told, one told at every validation."""
    judge = Judge("valid_loss", False, seen_by, lambda seen: float(seen["x"].mean()))
    random = np.random.default_rng(0)
    rows, progress = random.normal(2, 1, 300), Progress()
    for number, (train, shift) in enumerate([(2.0, 0.0), (1.8, -0.1), (1.7, -0.1), (1.0, 0.4), (0.5, 0.8)]):
        progress.step = number
        progress.metrics.append({"loss": train})
        overfit.look(judge, seen_by(rows + shift + random.normal(0, 0.3, 300)), progress)
        progress.metrics[-1]["valid_loss"] = 0.0
        assert bool(progress.overfitting) == (number >= 3)
    assert progress.overfitting["since_step"] in (1, 2)
    assert progress.overfitting["train_loss_fell"] == pytest.approx(1.3, abs=0.11)
    assert capsys.readouterr().err.count("overfitting") == 1
