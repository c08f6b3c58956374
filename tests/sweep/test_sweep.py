"""``tunesmith sweep`` with real trainings of the tiny base, also killed with -9."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest

pytest.importorskip("optuna")

from bad_data import csv_text
from tunesmith import flow
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import stage as evaluation
from tunesmith.sweep import search
from tunesmith.sweep.search import sweep

FIELDS = "train.schedule.peak: {low: 1e-4, high: 3e-2, log: true}, train.regularise.dropout: [0.0, 0.1]"


def write_project(folder, base, *, fields=FIELDS, others="", data="", trials=6, seeds=2):
    rows = [(f"{what} number {number}", label) for number in range(40) for what, label in
            (("where is parcel", "delivery"), ("refund for order", "refund"), ("broken cup in box", "damage"))]  # fmt: skip
    (folder / "a.csv").write_text(csv_text(rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: s\ntask: classify\nbase: {base}\ndata: {{train: a.csv{data}}}\n"
        f"train: {{method: full, epochs: 2, batch_tokens: 64, eval_every: 2, threads: 1{others}}}\n"
        f"sweep: {{fields: {{{fields}}}, trials: {trials}, seeds: {seeds}}}\n"
    )
    return recipe


@pytest.fixture
def project(tiny, tmp_path):
    return flow.Project.of(write_project(tmp_path, tiny))


def test_only_validation_chooses_and_the_test_is_looked_at_when_all_is_chosen(project, monkeypatch):
    """Bug: the winner is chosen by the test split, or each trial looks at it."""
    looked = []
    real = evaluation.evaluate

    def evaluate(recipe, dataset, model, *rest, **more):
        looked.append((project.folder / "recipe.best.yaml").exists())
        return real(recipe, dataset, model, *rest, **more)

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    result = sweep(project)
    assert looked == [True] * 4  # two recipes on two seeds, none before the winner's recipe was written
    finished = [one for one in result["trials"] if one["state"] == "finished"]
    assert result["best"] == min(finished, key=lambda one: one["score"])
    assert result["counts"]["stopped early"] + result["counts"]["finished"] == len(result["trials"]) == 6


def test_the_winner_is_compared_on_seeds_that_chose_nothing(project):
    """Bug: the winner is reported on the seed it won on, or by one lucky run."""
    result = sweep(project)
    runs = result["comparison"]["runs"]
    assert [one["seed"] for one in runs["winner"]] == [one["seed"] for one in runs["default"]] == [1, 2]
    valid = result["comparison"]["valid"]
    assert valid["winner"]["mean"] == pytest.approx(sum(valid["winner"]["values"]) / 2)
    gain = [other - own for own, other in zip(valid["winner"]["values"], valid["default"]["values"], strict=True)]
    assert valid["gain"]["value"] == pytest.approx(sum(gain) / 2)
    assert valid["gain"]["low"] < valid["gain"]["value"] < valid["gain"]["high"]
    test = result["comparison"]["test"]
    assert test["metric"] == "accuracy" and 0 <= test["winner"]["mean"] <= 1


def test_the_winners_recipe_trains_the_winner(project):
    """Bug: recipe.best.yaml loses a value's last digits or a setting, so `run` trains something else."""
    result = sweep(project)
    best = flow.Project.of(project.folder / "recipe.best.yaml")
    assert best.recipe.train.schedule.peak == result["best"]["values"]["train.schedule.peak"]
    assert flow.train(best).result["best"]["value"] == result["best"]["score"]


def test_models_and_checkpoints_of_trials_are_taken_away_unless_asked(project, tiny, tmp_path):
    """Bug: twenty models and the checkpoints of stopped trials fill the disk; or a model that was there is taken."""
    own = flow.train(project)  # the default's, on the recipe's own seed
    result = sweep(project)
    assert [one.id for one in project.workspace.list("model")] == [own.id]
    assert not project.workspace.list("scorecard")
    assert not project.workspace.leftovers()
    (tmp_path / "kept").mkdir()
    kept = flow.Project.of(write_project(tmp_path / "kept", tiny, trials=2, seeds=1))
    kept_result = sweep(kept, kept.recipe.sweep.model_copy(update={"keep": True}))
    assert len(kept.workspace.list("model")) == 2 + 2
    assert result["best"] is not None and kept_result["best"] is not None


def test_done_again_it_trains_nothing_and_says_the_same(project, monkeypatch):
    """Bug: a finished sweep starts over, or another number of seeds starts the search over."""
    first = sweep(project)
    monkeypatch.setattr(flow, "train_on", None)
    assert sweep(project) == first


def test_a_trial_whose_validation_rows_differ_is_refused(tiny, tmp_path):
    """Bug: losses on different validation rows are compared, and the trial with the easiest rows wins."""
    fields = "data.dedup.exact: [true, false], train.regularise.dropout: [0.0, 0.1]"
    recipe = write_project(tmp_path, tiny, fields=fields, trials=6, seeds=1, data=", dedup: {near: null}")
    lines = (tmp_path / "a.csv").read_text().splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join([*lines, *lines[1:31]]))
    result = sweep(flow.Project.of(recipe))
    for one in result["trials"]:
        same = one["values"]["data.dedup.exact"]
        assert one["state"] == ("finished" if same else "refused") or (same and one["state"] == "stopped early")
        assert same or "not comparable" in one["why"]
    assert {one["values"]["data.dedup.exact"] for one in result["trials"]} == {True, False}


def test_a_metric_that_chooses_no_weights_is_refused(project):
    """Bug: trials are compared by one metric and their weights chosen by another."""
    settings = project.recipe.sweep.model_copy(update={"metric": "accuracy"})
    with pytest.raises(RecipeError, match="weights of each trial are chosen by valid_loss"):
        sweep(project, settings)


def test_more_is_better_where_it_is(tiny, tmp_path):
    """Bug: the trial with the lowest accuracy wins."""
    others = ", regularise: {early_stopping: {metric: accuracy}}"
    fields = "train.schedule.peak: [1e-6, 2e-2]"
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, others=others, trials=4, seeds=1)))
    assert result["metric"] == "accuracy" and result["higher_is_better"]
    finished = [one["score"] for one in result["trials"] if one["state"] == "finished"]
    assert result["best"]["score"] == max(finished)


def test_the_page_shows_trials_importance_and_both_recipes(project):
    """Bug: a value is not escaped, a trial is missing from the coordinates, or the page loads something."""
    from pathlib import Path

    result = sweep(project)
    text = (Path(result["path"]) / "sweep.html").read_text()
    scored = [one for one in result["trials"] if one["score"] is not None]
    coordinates = text[text.index('class="scroll coordinates"') : text.index("Blue: the best fifth")]
    assert coordinates.count("<path") == len(scored) + 3  # a line each, and three axes
    assert result["sentence"] in text and "the recipe as it is" in text
    assert "http" not in text


def test_a_long_or_hostile_prompt_is_only_text(tmp_path, tiny):
    """Bug: a prompt with markup in it becomes part of the page."""
    from pathlib import Path

    fields = 'prompt.system: ["<script>alert(1)</script>", "Name the topic."]'
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, trials=2, seeds=1)))
    assert "<script>alert" not in (Path(result["path"]) / "sweep.html").read_text()


def start(recipe, home):
    command = [sys.executable, "-m", "tunesmith", "sweep", str(recipe), "--home", str(home), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def told(recipe, home):
    process = start(recipe, home)
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors.decode()
    result = json.loads(out)
    return {key: result[key] for key in ("trials", "best", "comparison", "sentence")}


@pytest.mark.slow
def test_killed_at_random_moments_no_trial_is_lost_or_repeated(tiny, tmp_path):
    """Bug: a kill loses a finished trial, trains it again, draws other values after it, or chooses another winner."""
    recipe = write_project(tmp_path, tiny)
    started = time.monotonic()
    undisturbed = told(recipe, tmp_path / "home")
    whole_s = time.monotonic() - started
    chance, seen = random.Random(8), []
    home = tmp_path / "killed"
    for _ in range(4):
        process = start(recipe, home)
        try:
            process.wait(timeout=chance.uniform(0.2, 0.6) * whole_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(finished_in(recipe, home))
        for artifact in Workspace(home).list():
            artifact.verify()  # whatever is visible is complete
    for before, after in pairwise(seen):
        assert after[: len(before)] == before  # nothing lost, nothing done again
    assert told(recipe, home) == undisturbed
    assert not Workspace(home).list("model")


def finished_in(recipe, home):
    """Return the trials of a study that have ended, straight from its file, with when they began and ended."""
    import optuna

    files = list((home / "sweeps").glob("*/study.db"))
    if not files:
        return []
    try:
        study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{files[0]}")
    except KeyError:
        return []  # killed before the study was there
    ended = [one for one in study.get_trials() if one.state.is_finished()]
    study._storage._backend.engine.dispose()
    return [(one.number, one.params, one.value, one.datetime_start, one.datetime_complete) for one in ended]


def test_two_sweeps_of_one_recipe_do_not_share_a_trial(project):
    """Bug: two processes take the same study at once and train the same trial twice."""
    from tunesmith.core.locks import is_locked

    locked = []
    real = search._Search._try

    def tries(self, attempt):
        locked.append(is_locked(self.lock))
        real(self, attempt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search._Search, "_try", tries)
        sweep(project, project.recipe.sweep.model_copy(update={"trials": 1, "seeds": 1}))
    assert locked == [True]
