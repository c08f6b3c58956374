"""``tunesmith prompts`` with a real model that minds its prompt."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from prompts_project import GOOD, rows, write_project
from tunesmith import flow
from tunesmith.core.errors import DataError, RecipeError
from tunesmith.evaluate.answers import Contender
from tunesmith.prompts.search import search
from tunesmith.text.task import TaskSpec

pytestmark = pytest.mark.slow

CANDIDATES = f'prompt:\n  candidates: ["Say hello.", {GOOD}]   # to try\n'


@pytest.fixture
def project(minding, tmp_path):
    return flow.Project.of(write_project(tmp_path, minding, CANDIDATES))


@pytest.fixture(scope="module")
def searched(minding, tmp_path_factory):
    """A project and what its search came to."""
    project = flow.Project.of(write_project(tmp_path_factory.mktemp("searched"), minding, CANDIDATES))
    return project, search(project)


def by_name(result):
    return {one["name"]: one for one in result["candidates"]}


def test_the_prompt_that_the_base_minds_wins_and_is_reported_on_other_rows(searched):
    """Bug: the winner is not the best, or is told by the rows that chose it, or without an interval."""
    _, result = searched
    assert result["winner"]["system"] == GOOD and result["verdict"] == "better"
    compared = result["comparison"]
    assert compared["delta"]["low"] > 0.5 and compared["delta"]["n"] == result["rows"]["reporting"] == 30
    assert compared["winner"]["value"] - compared["own"]["value"] == pytest.approx(compared["delta"]["value"])
    assert "that chose nothing" in result["sentence"] and result["sentence"].startswith("candidates.1 is better by")
    assert by_name(result)["yours"]["state"] == "asked on all"


def test_the_test_split_is_never_read(project):
    """Bug: a prompt is chosen, shown or reported by test rows."""
    dataset = flow.prepare(project)
    (dataset.path / "test.parquet").unlink()
    result = search(project)
    assert result["verdict"] == "better"


def test_rows_that_report_choose_nothing(project, monkeypatch):
    """Bug: scores of the reporting half decide who goes on."""
    asked = []
    real = Contender.answer

    def answer(self, examples):
        asked.append([one.row_id for one in examples])
        return real(self, examples)

    monkeypatch.setattr(Contender, "answer", answer)
    result = search(project)
    reported = asked[-2:]  # own prompt and winner, when all is chosen
    assert reported[0] == reported[1] and len(reported[0]) == result["rows"]["reporting"]
    assert not {row for rows in asked[:-2] for row in rows} & set(reported[0])


def test_done_again_nothing_is_asked_again(searched, monkeypatch):
    """Bug: answers that are kept are given again, or the second result is another one."""
    project, first = searched
    monkeypatch.setattr(Contender, "answer", None)
    assert search(project) == first


def test_no_row_is_asked_twice_with_one_prompt(minding, tmp_path, monkeypatch):
    """Bug: each round asks the rows of the round before again, or those that were dropped are asked on."""
    asked = Counter()
    real = Contender.answer

    def answer(self, examples):
        asked.update((self.name, one.row_id) for one in examples)
        return real(self, examples)

    monkeypatch.setattr(Contender, "answer", answer)
    recipe = write_project(tmp_path, minding, CANDIDATES, more="prompts: {shots: [2]}\n", count=80)
    result = search(flow.Project.of(recipe))
    assert set(asked.values()) == {1} and result["rows"]["choosing"] == 60
    spent = Counter(name for name, _ in asked)
    told = {one["name"]: one["rows"] for one in result["candidates"] if one["state"] != "refused"}
    reported = {"yours", result["winner"]["name"]}
    assert spent == {name: rows + 60 * (name in reported) for name, rows in told.items()}
    assert sorted(set(told.values())) == [30, 60]


def test_another_candidate_asks_for_itself_alone(minding, tmp_path, monkeypatch):
    """Bug: a candidate more, and all the others are asked anew."""
    off = "prompts: {templates: false, shots: []}\n"
    search(flow.Project.of(write_project(tmp_path, minding, CANDIDATES, more=off)))
    asked = []
    real = Contender.answer
    monkeypatch.setattr(Contender, "answer", lambda self, some: asked.append(self.name) or real(self, some))
    wider = CANDIDATES.replace('"Say hello."', '"Say hello.", "Sing."')
    search(flow.Project.of(write_project(tmp_path, minding, wider, more=off)))
    assert set(asked) == {"candidates.1"}


def test_prompts_that_do_not_fit_are_refused_with_numbers(minding, tmp_path):
    """Bug: a prompt of a book is cut, or rows that do not fit are only counted wrong."""
    long = "word " * 200
    result = search(flow.Project.of(write_project(tmp_path, minding, f'prompt: {{candidates: ["{long}"]}}\n')))
    refused = by_name(result)["candidates.0"]
    assert refused["state"] == "refused" and "tokens with the longest row" in refused["why"]
    assert "reads 512" in refused["why"]


def test_rows_with_system_messages_of_their_own_leave_nothing_to_choose(minding, tmp_path):
    """Bug: a system message that no row is asked with is compared, and wins or loses by nothing."""
    recipe = write_project(tmp_path, minding, CANDIDATES, more="prompts: {templates: false, shots: []}\n")
    with (tmp_path / "a.jsonl").open("w") as file:
        for text, label in rows(40):
            turns = [("system", "Mine."), ("user", text), ("assistant", label)]
            file.write(json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}) + "\n")
    recipe.write_text(recipe.read_text().replace("a.csv", "a.jsonl"))
    result = search(flow.Project.of(recipe))
    assert [one["state"] for one in result["candidates"]] == ["asked on all", "refused", "refused"]
    assert "system messages of their own" in by_name(result)["candidates.0"]["why"]
    assert result["verdict"] == "yours" and "keep it" in result["sentence"]


def test_two_prompts_as_good_are_not_told_apart(tiny, tmp_path):
    """Bug: the best of many noisy scores is sold as better."""
    result = search(flow.Project.of(write_project(tmp_path, tiny, CANDIDATES)))
    assert result["verdict"] in ("not told apart", "yours", "worse")
    assert "keep" in result["sentence"]


@pytest.mark.slow
def test_a_tuned_model_is_asked_in_place_of_the_base(minding, tmp_path):
    """Bug: --model asks the base all the same, or a Model of other labels answers with these."""
    recipe = write_project(tmp_path, minding, f"prompt: {{system: {GOOD}, candidates: [Sing.]}}\n")
    project = flow.Project.of(recipe)
    model = flow.train(project)
    result = search(project, model.id)
    assert result["model"] == model.id and result["winner"]["name"] in by_name(result)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / ".tunesmith", other / ".tunesmith")
    text = write_project(other, minding, "").read_text()
    (other / "recipe.yaml").write_text(text.replace("name: p ", "name: q "))
    (other / "a.csv").write_text((other / "a.csv").read_text().replace("damage", "broken"))
    with pytest.raises(Exception, match="was tuned for classify") as caught:
        search(flow.Project.of(other / "recipe.yaml"), model.id)
    assert "leave --model out" in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "more", "data", "fragments"),
    [
        ("", "", "split: {valid: 0.0, test: 0.1}", ["data.split.valid is 0", "data.split.valid: 0.1"]),
        (f"prompt:\n  system: {GOOD}\n  candidates: [a, {GOOD}, a]\n", "", None,
         ["recipe.yaml:8: prompt.candidates.1: has the words of prompt itself", "candidates.2: has the words of "]),
        ("", "prompts: {metric: acuracy}\n", None, ["prompts.metric", "acuracy", "accuracy"]),
        ("", "prompts: {metric: bleu}\n", None, ["prompts.metric", "which is for"]),
        ("", "prompts: {writer: {model: m}}\n", None, ["prompts.writer.key_env", "OPENAI_API_KEY is not set"]),
        ("", "prompts: {writer: {api: local, model: ./none}}\n", None, ["cannot load a tokenizer from './none'"]),
        ("", "prompts: {shots: [0, 500]}\n", None, ["prompts.shots: 500 examples", "try: "]),
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_told_with_a_way_out(tiny, tmp_path, monkeypatch, prompt, more, data, fragments):
    """Bug: a mistake is found after an hour of answers, or ends in a traceback."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(Contender, "answer", None)
    recipe = write_project(tmp_path, tiny, prompt, more=more)
    if data:
        recipe.write_text(recipe.read_text().replace("split: {valid: 0.5, test: 0.1}", data))
    with pytest.raises(Exception) as caught:
        search(flow.Project.of(recipe))
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("task", "target", "more", "named"),
    [
        ("extract", '{"number": %d}', "", "Its keys are among: number"),
        ("extract", '{"number": %d}', ", clean: {answer_schema: {type: object}}", "one JSON value of this schema"),
        ("chat", "number %d is on its way", "", "Answer in about 6 words."),
    ],
)
def test_other_tasks_are_asked_by_their_own_templates(tiny, tmp_path, task, target, more, named):
    """Bug: generated answers are compared as labels, a template of JSON is one of labels, or the schema is left out."""
    recipe = write_project(tmp_path, tiny, more="evaluate: {max_new_tokens: 8}\nprompts: {shots: [2]}\n")
    with (tmp_path / "a.jsonl").open("w") as file:
        for number in range(10, 90):
            turns = [("user", f"where is parcel {number}"), ("assistant", target % number)]
            file.write(json.dumps({"messages": [{"role": r, "content": c} for r, c in turns]}) + "\n")
    text = recipe.read_text().replace("task: classify", f"task: {task}").replace("a.csv", "a.jsonl")
    recipe.write_text(text.replace("test: 0.1}", f"test: 0.1}}{more}"))
    result = search(flow.Project.of(recipe))
    assert result["metric"] == {"extract": "exact_match", "chat": "token_f1"}[task]
    assert any(named in (one["system"] or "") for one in result["candidates"])
    assert any("cut at 8 tokens" in note for note in result["notes"])
    assert all("{input}" in one["template"] for one in result["candidates"] if one["template"])


def test_pairs_have_no_answers_to_compare(tmp_path):
    """Bug: preferences are asked as if a prompt had an answer to them."""
    (tmp_path / "recipe.yaml").write_text("name: p\ntask: preference\ndata: {train: a.jsonl}\n")
    with pytest.raises(RecipeError, match="rows are pairs") as caught:
        search(flow.Project.of(tmp_path / "recipe.yaml"))
    assert "tunesmith sweep" in str(caught.value)


def test_too_few_rows_to_choose_and_report_are_refused(tiny, tmp_path):
    """Bug: five rows choose and five report, and something is said to be better."""
    with pytest.raises(DataError, match="too few to tell prompts apart") as caught:
        search(flow.Project.of(write_project(tmp_path, tiny, CANDIDATES, count=8)))
    assert "data.split.valid" in str(caught.value)


def test_more_shots_than_train_has_are_left_out_unless_asked(tiny, tmp_path):
    """Bug: the usual numbers of examples make a small data set an error."""
    recipe = write_project(tmp_path, tiny, count=8)
    recipe.write_text(recipe.read_text().replace("valid: 0.5", "valid: 0.85").replace("test: 0.1", "test: 0.0"))
    result = search(flow.Project.of(recipe))
    assert any("not tried" in note for note in result["notes"])


def test_the_page_shows_every_prompt_and_loads_nothing(minding, tmp_path):
    """Bug: a prompt is missing from the page, or its markup becomes part of it."""
    hostile = "prompt: {candidates: ['<script>alert(1)</script>']}\n"
    result = search(flow.Project.of(write_project(tmp_path, minding, hostile)))
    text = (Path(result["path"]) / "prompts.html").read_text()
    assert "<script>" not in text and "&lt;script&gt;alert" in text
    assert all(f"<td>{one['name']}</td>" in text for one in result["candidates"])
    assert not any(one in text for one in ("src=", "href=", "http:", "https:", "url("))
    assert json.loads((Path(result["path"]) / "prompts.json").read_text()) == result


@pytest.mark.slow
def test_killed_it_goes_on_with_the_answers_it_has(minding, tmp_path):
    """Bug: kill -9 loses the answers given so far, or the second run chooses another prompt."""
    recipe, home = write_project(tmp_path, minding, CANDIDATES), tmp_path / "home"
    command = [sys.executable, "-m", "tunesmith", "prompts", str(recipe), "--home", str(home), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 300
    while process.poll() is None and len(list(home.glob("answers/*.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()[1].decode()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in home.glob("answers/*.json")}
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert {name: (home / "answers" / name).stat().st_mtime_ns for name in kept} == kept
    whole = search(flow.Project.of(recipe, tmp_path / "whole"))
    for key in ("candidates", "winner", "comparison", "sentence"):
        assert told[key] == whole[key]


def test_shots_are_those_that_training_and_serving_show(searched):
    """Bug: the search shows other examples than the recipe it writes would."""
    from tunesmith.prompts.asked import tasks_and_shots
    from tunesmith.recipe import Prompt
    from tunesmith.text.prompts import task_of

    project, _ = searched
    dataset = flow.prepare(project)
    make, counts, _ = tasks_and_shots(project.recipe, dataset)
    assert counts == [0, 2, 4, 8]
    for count in counts:
        prompt = Prompt(system=GOOD, shots=count)
        trained = task_of(project.recipe.model_copy(update={"prompt": prompt}), dataset)
        assert isinstance(trained, TaskSpec) and make((GOOD, None), count) == trained


def test_answers_depend_on_the_rows_alone_and_not_on_their_place(searched):
    """Bug: kept answers are mixed up when the seed halves the rows otherwise."""
    project, first = searched
    recipe = project.recipe.model_copy(update={"prompts": project.recipe.prompts.model_copy(update={"rows": 40})})
    fewer = search(flow.Project(recipe, project.folder, project.workspace, project.file))
    assert fewer["rows"] == {"choosing": 20, "reporting": 20}
    assert fewer["winner"]["system"] == first["winner"]["system"]
    valid = pl.read_parquet(flow.prepare(project).path / "valid.parquet")
    assert len(valid) == 60
