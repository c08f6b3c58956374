"""The winner in the recipe: what trains, what is served, and what the file still says."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts_project import GOOD, write_project
from serving import serving
from tunesmith import flow
from tunesmith.cli.main import main
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import RecipeError
from tunesmith.prompts.write import write_winner
from tunesmith.recipe import load_recipe, parse_recipe
from tunesmith.release.aliases import promote
from tunesmith.text.task import TaskSpec

OWN = f'prompt:   # words\n  system: Sing.   # mine\n  candidates: ["Say hello.", {GOOD}]   # to try\n'


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["tunesmith", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
        raise SystemExit(0)
    captured = capsys.readouterr()
    assert not ended.value.code, captured.err
    return captured


@pytest.mark.slow
def test_the_winner_trains_and_is_served(minding, tmp_path, monkeypatch, capsys):
    """Bug: the recipe says one prompt and the Model, or what is served, has another."""
    recipe = write_project(tmp_path, minding, OWN)
    result = json.loads(run(monkeypatch, capsys, "prompts", recipe, "--write", "--json").out)
    assert result["written"] == str(recipe) and result["winner"]["system"] == GOOD
    text = recipe.read_text()
    assert all(comment in text for comment in ("# how to sort", "# a name", "# words", "# mine", "# to try", "# short"))
    project = flow.Project.of(recipe)
    assert project.recipe.prompt.system == GOOD
    assert [one.system for one in project.recipe.prompt.candidates] == ["Say hello.", "Sing."]
    model = flow.train(project)
    task = TaskSpec.load(model.path / "model")
    assert task.system == GOOD and task.template is None and len(task.shots) == result["winner"]["shots"]
    promote(project.store, "p", model.id, force=True)
    with serving(project.store, project.workspace) as running:
        answer = running.ask("parcel 3", model="p", max_tokens=20)
    assert answer.choices[0].message.content == "delivery"
    captured = run(monkeypatch, capsys, "prompts", recipe)
    assert "Sing." in captured.err, "the prompt from before is one of the candidates now"


def test_a_prompt_that_was_changed_meanwhile_is_not_overwritten(tmp_path):
    """Bug: what was typed while the search ran is lost, or a candidate that is gone ends in a traceback."""
    recipe = write_project(tmp_path, "nano", OWN)
    project = flow.Project.of(recipe)
    found = {"verdict": "better", "winner": winner_of(system=GOOD, given=1)}
    changed = recipe.read_text().replace('["Say hello.", ', "[").replace("Sing.", "Dance.")
    recipe.write_text(changed)
    with pytest.raises(RecipeError, match="changed while the search ran"):
        write_winner(project, found, as_teacher=False, anyway=False)
    assert recipe.read_text() == changed


@pytest.mark.slow
def test_as_a_teacher_it_is_learnt_by_heart(minding, tmp_path, monkeypatch, capsys):
    """Bug: the model's own prompt changes too, or the teacher is refused by the recipe that trains."""
    recipe = write_project(tmp_path, minding, f"prompt:\n  candidates: [{GOOD}]\n", more="prompts: {shots: []}\n")
    run(monkeypatch, capsys, "prompts", recipe, "--write", "--as-teacher")
    loaded = load_recipe(recipe)
    assert loaded.prompt.system is None and loaded.prompt.teacher.system == GOOD
    model = flow.train(flow.Project.of(recipe))
    assert TaskSpec.load(model.path / "model").system is None


def winner_of(**words):
    return {"system": None, "template": None, "shots": 0, "given": None, "name": "x", **words}


def project_of(folder, text):
    (folder / "recipe.yaml").write_text(text)
    return flow.Project(parse_recipe(text), folder, Workspace(folder / "home"), folder / "recipe.yaml")


BARE = "name: x\ntask: classify\ndata: {train: a.csv}\n"


@pytest.mark.parametrize("verdict", ["yours", "not told apart", "worse"])
def test_what_is_not_better_is_not_written_unless_asked(tmp_path, verdict):
    """Bug: --write replaces a prompt by one that is as good, or worse."""
    project, result = project_of(tmp_path, BARE), {"verdict": verdict, "winner": winner_of(system="a")}
    assert write_winner(project, result, as_teacher=False, anyway=False) is None
    assert (tmp_path / "recipe.yaml").read_text() == BARE
    written = write_winner(project, result, as_teacher=False, anyway=True)
    assert (written is None) == (verdict == "yours")


def test_a_winner_that_the_recipe_refuses_leaves_the_file_as_it_is(tmp_path):
    """Bug: --write leaves a recipe that no command reads."""
    text = BARE + "prompt: {system: a, variants: [{system: b}]}\n"
    project, result = project_of(tmp_path, text), {"verdict": "better", "winner": winner_of(system="b")}
    with pytest.raises(RecipeError, match="the winner is not written") as caught:
        write_winner(project, result, as_teacher=False, anyway=False)
    assert "variants.0 has the words of prompt itself" in str(caught.value)
    assert (tmp_path / "recipe.yaml").read_text() == text


words = st.none() | st.sampled_from(["a", "b: {c}", "two\nlines"])
templates = st.none() | st.sampled_from(["Q: {input}", "{input}\nA:"])
prompts = st.tuples(words, templates, st.integers(0, 4))
NAMES = ("system", "template", "shots")


def said(system, template, shots):
    """Return what a prompt says: no template and a bare one are the same."""
    return system or "", template or "{input}", shots


@settings(max_examples=60)
@given(prompts, prompts, st.booleans(), st.none() | prompts)
def test_the_recipe_says_the_winner_afterwards(tmp_path_factory, own, winner, as_teacher, teacher):
    """Bug: a part that the winner has not is left from before, or filled in from the model's own prompt."""
    folder, before = tmp_path_factory.mktemp("written"), dict(zip(NAMES, own, strict=True))
    if teacher is not None:
        before["teacher"] = dict(zip(NAMES, teacher, strict=True))
    try:
        project = project_of(folder, BARE + yaml.safe_dump({"prompt": before}, allow_unicode=True))
    except RecipeError:
        return  # that teacher knows no more than the model itself
    result = {"verdict": "better", "winner": winner_of(**dict(zip(NAMES, winner, strict=True)))}
    try:
        write_winner(project, result, as_teacher=as_teacher, anyway=False)
    except RecipeError as error:
        assert "teacher has the prompt of the model itself" in str(error)
        assert load_recipe(folder / "recipe.yaml") == project.recipe
        return
    prompt = load_recipe(folder / "recipe.yaml").prompt
    assert (prompt.system, prompt.template, prompt.shots) == (own if as_teacher else winner)
    if as_teacher and prompt.teacher is not None:
        assert said(*prompt.filled(prompt.teacher), prompt.teacher_shots) == said(*winner)
    elif as_teacher:
        assert said(*winner) == said(*own)


def test_the_prompt_from_before_takes_the_winners_place(tmp_path):
    """Bug: the recipe has its own prompt among the candidates after --write, which is refused the next time."""
    text = (
        BARE
        + 'prompt:\n  template: "Q: {input}"\n  candidates:\n    - a  # one\n    - {system: b, template: "{input}!"}\n'
    )
    project, winner = project_of(tmp_path, text), winner_of(system="b", template="{input}!", given=1)
    write_winner(project, {"verdict": "better", "winner": winner}, as_teacher=False, anyway=False)
    prompt = load_recipe(tmp_path / "recipe.yaml").prompt
    assert (prompt.system, prompt.template) == ("b", "{input}!")
    assert prompt.filled(prompt.candidates[1]) == (None, "Q: {input}")
    assert "- a  # one" in (tmp_path / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--as-teacher"], ["--as-teacher", "add --write"]),
        (["--anyway"], ["--anyway", "add --write"]),
        (["--model", "nobody"], ["nobody", "try: "]),
    ],
)
def test_what_the_command_line_cannot_mean(tiny, tmp_path, monkeypatch, capsys, arguments, fragments):
    """Bug: --as-teacher alone looks as if it wrote something, or an unknown Model ends in a traceback."""
    recipe = write_project(tmp_path, tiny)
    flow.prepare(flow.Project.of(recipe))
    monkeypatch.setattr("sys.argv", ["tunesmith", "prompts", str(recipe), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "Traceback" not in told
    assert all(fragment in told for fragment in fragments)
