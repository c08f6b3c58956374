"""``tunesmith sweep`` with real trainings of the tiny base."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("optuna")

from browser import flaws
from sweep_project import write_project
from tunesmith import checks, flow
from tunesmith.core.errors import RecipeError
from tunesmith.evaluate import stage as evaluation
from tunesmith.sweep.search import sweep
from tunesmith.sweep.trainings import Bench

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tiny, tmp_path):
    return flow.Project.of(write_project(tmp_path, tiny))


@pytest.fixture(scope="module")
def swept(tiny, tmp_path_factory):
    """A project and what its sweep came to."""
    project = flow.Project.of(write_project(tmp_path_factory.mktemp("swept"), tiny))
    return project, sweep(project)


@pytest.mark.slow
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


def test_the_winner_is_compared_on_seeds_that_chose_nothing(swept):
    """Bug: the winner is reported on the seed it won on, or by one lucky run."""
    _, result = swept
    runs = result["comparison"]["runs"]
    assert [one["seed"] for one in runs["winner"]] == [one["seed"] for one in runs["default"]] == [1, 2]
    valid = result["comparison"]["valid"]
    assert valid["winner"]["mean"] == pytest.approx(sum(valid["winner"]["values"]) / 2)
    gain = [other - own for own, other in zip(valid["winner"]["values"], valid["default"]["values"], strict=True)]
    assert valid["gain"]["value"] == pytest.approx(sum(gain) / 2)
    assert valid["gain"]["low"] < valid["gain"]["value"] < valid["gain"]["high"]
    test = result["comparison"]["test"]
    assert test["metric"] == "accuracy" and 0 <= test["winner"]["mean"] <= 1


def test_the_winners_recipe_trains_the_winner(swept, tmp_path):
    """Bug: recipe.best.yaml loses a value's last digits or a setting, so `run` trains something else."""
    project, result = swept
    best = flow.Project.of(project.folder / "recipe.best.yaml", tmp_path)
    assert best.recipe.train.schedule.peak == result["best"]["values"]["train.schedule.peak"]
    assert flow.train(best).result["best"]["value"] == result["best"]["score"]


@pytest.mark.slow
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


def test_done_again_it_trains_nothing_and_says_the_same(swept, monkeypatch):
    """Bug: a finished sweep starts over, or fewer trials or seeds start the search over."""
    project, first = swept
    monkeypatch.setattr(flow, "train_on", None)
    monkeypatch.setattr(checks, "check_fit", None)
    fewer = sweep(project, project.recipe.sweep.model_copy(update={"trials": 2, "seeds": 1}))
    assert fewer["trials"] == first["trials"] and fewer["comparison"]["seeds"] == [1]
    assert sweep(project) == first


def test_what_fits_no_trial_is_refused_before_the_first(tiny, tmp_path, monkeypatch):
    """Bug: a value that base or data refuse is drawn again and again, or validation rows differ and the trial with the
    easiest ones wins."""
    fields = (
        "data.dedup.exact: [true, false], train.freeze: [null, {layers: '0:9'}], train.regularise.dropout: [0, 0.1]"
    )
    recipe = write_project(tmp_path, tiny, fields=fields, data=", dedup: {near: null}")
    lines = (tmp_path / "a.csv").read_text().splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join([*lines, *lines[1:31]]))
    monkeypatch.setattr(flow, "train_on", None)
    with pytest.raises(RecipeError) as caught:
        sweep(flow.Project.of(recipe))
    told = str(caught.value)
    assert "2 things do not fit" in told and "recipe.yaml:6: sweep.fields." in told
    assert "data.dedup.exact: False fits no trial: its validation or test rows are not those of the recipe" in told
    assert "train.freeze: {'layers': '0:9'} fits no trial: " in told


def test_values_that_do_not_fit_together_are_a_refused_trial(tiny, tmp_path):
    """Bug: one choice that the recipe refuses ends the sweep, or wins it."""
    fields = "train.regularise.ema: [0.0, 0.5], train.regularise.average: [0.0, 0.5]"
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, trials=8, seeds=1)))
    states = {tuple(one["values"].values()): one["state"] for one in result["trials"]}
    assert states.pop((0.5, 0.5)) == "refused"
    assert states and "refused" not in states.values()
    assert result["counts"]["refused"] == sum(one["state"] == "refused" for one in result["trials"])


@pytest.mark.slow
def test_the_same_values_again_are_not_trained_again(tiny, tmp_path, monkeypatch):
    """Bug: a space of two choices is trained in twenty trials."""
    trained, real = [], flow.train_on

    def train_on(project, *rest):
        trained.append(project.recipe.train.regularise.dropout)
        return real(project, *rest)

    monkeypatch.setattr(flow, "train_on", train_on)
    fields = "train.regularise.dropout: [0.0, 0.1]"
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, trials=8, seeds=1)))
    assert sorted(trained[:-2]) == [0.0, 0.1]  # and once each for the winner and the recipe as it is
    assert len({one["score"] for one in result["trials"]}) == 2
    assert sum(one["why"].startswith("as trial") for one in result["trials"]) == 6


def test_a_metric_that_chooses_no_weights_is_refused(project):
    """Bug: trials are compared by one metric and their weights chosen by another."""
    settings = project.recipe.sweep.model_copy(update={"metric": "accuracy"})
    with pytest.raises(RecipeError, match="weights of each trial are chosen by valid_loss"):
        sweep(project, settings)


@pytest.mark.slow
def test_more_is_better_where_it_is(tiny, tmp_path):
    """Bug: the trial with the lowest accuracy wins."""
    others = ", regularise: {early_stopping: {metric: accuracy}}"
    fields = "train.schedule.peak: [1e-6, 2e-2]"
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, others=others, trials=4, seeds=1)))
    assert result["metric"] == "accuracy" and result["higher_is_better"]
    finished = [one["score"] for one in result["trials"] if one["state"] == "finished"]
    assert result["best"]["score"] == max(finished)


def test_the_page_shows_trials_importance_and_both_recipes(swept):
    """Bug: a trial is missing from the coordinates, or the page loads something."""
    _, result = swept
    text = (Path(result["path"]) / "sweep.html").read_text()
    scored = [one for one in result["trials"] if one["score"] is not None]
    coordinates = text[text.index('class="wide coordinates"') : text.index("Blue: the best fifth")]
    assert coordinates.count("<path") == len(scored) + 3  # a line each, and three axes
    assert result["sentence"] in text and "the recipe as it is" in text
    assert not any(one in text for one in ("src=", "href=", "http:", "https:", "url("))


@pytest.mark.slow
def test_everybody_can_read_the_page(swept, chromium):
    """Bug: no contrast, a drawing without a name, a page wider than a phone."""
    assert flaws(chromium, Path(swept[1]["path"]) / "sweep.html") == []


def test_a_long_or_hostile_prompt_is_only_text(tmp_path, tiny):
    """Bug: a prompt with markup in it becomes part of the page."""
    fields = 'prompt.system: ["<script>alert(1)</script>", "Name the topic."]'
    result = sweep(flow.Project.of(write_project(tmp_path, tiny, fields=fields, trials=2, seeds=1)))
    assert "<script>alert" not in (Path(result["path"]) / "sweep.html").read_text()


def test_two_sweeps_of_one_recipe_do_not_share_a_trial(project, monkeypatch):
    """Bug: two processes take the same study at once and train the same trial twice."""
    from tunesmith.core.locks import is_locked

    locked = []
    real = Bench.make

    def make(self, training):
        locked.extend(is_locked(file) for file in project.workspace.sweeps_dir.glob("*.lock"))
        real(self, training)

    monkeypatch.setattr(Bench, "make", make)
    sweep(project, project.recipe.sweep.model_copy(update={"trials": 1, "seeds": 1}))
    assert locked and all(locked)
