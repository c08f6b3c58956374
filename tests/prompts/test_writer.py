"""The writer of prompts: what it is told, how it is read, and that it never sees a row that chooses or reports."""

from __future__ import annotations

import json
import re
import sys
import threading

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import judging
from prompts_project import GOOD, write_project
from tunesmith import flow
from tunesmith.core.errors import MissingExtraError, RecipeError, RemoteError
from tunesmith.prompts.search import search
from tunesmith.prompts.writer import read_prompts

pytestmark = pytest.mark.slow


def project_of(folder, base, url, **more):
    settings = {"base_url": url, "model": "m", "retries": 0, "timeout_s": 20}
    text = json.dumps({"writer": settings, "templates": False, "shots": [], "proposals": 3, **more})
    return flow.Project.of(write_project(folder, base, more=f"prompts: {text}\n"))


class Writer:
    """A scripted writer: nothing good at first, the right words once it is shown mistakes."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, said: str) -> str:
        with self.lock:
            self.said.append(said)
        good = GOOD if "<mistake_1>" in said else "Dance."
        return f"Here they are.\n<prompt>{good}</prompt>\n<prompt>Sing.</prompt> <prompt> </prompt><prompt>cut off"


def test_it_learns_from_mistakes_on_train_and_sees_no_other_row(minding, tmp_path):
    """Bug: validation or test rows leave the machine, or choose by being shown; or the second round sees no mistake."""
    writer = Writer()
    with judging(writer) as served:
        project = project_of(tmp_path, minding, served.url)
        result = search(project)
    assert result["winner"]["name"] == "written 2.1" and result["winner"]["system"] == GOOD
    first, second = writer.said
    dataset = flow.prepare(project)
    splits = {one: [json.loads(row)[0]["content"] for row in pl.read_parquet(dataset.path / f"{one}.parquet")["messages"]]
              for one in ("train", "valid", "test")}  # fmt: skip
    shown = set(re.findall(r"question: (.*)", first + second))
    assert len(shown) > 8 and shown <= set(splits["train"])
    assert not shown & {*splits["valid"], *splits["test"]}
    assert "answer given: " in second and "delivery" in first
    assert result["writer"]["calls"] == {"asked": 2, "kept": 0}


def test_what_it_wrote_is_kept(minding, tmp_path):
    """Bug: the same search again pays the writer again."""
    with judging(Writer()) as served:
        project = project_of(tmp_path, minding, served.url)
        first = search(project)
        again = search(project)
        assert served.received == 2
    assert again["writer"]["calls"] == {"asked": 0, "kept": 2} and again["winner"] == first["winner"]


def test_a_reply_without_prompts_is_told_and_the_search_goes_on(minding, tmp_path):
    """Bug: a writer that does not keep the form ends the search, or its chatter is taken for a prompt."""
    with judging(lambda said: "I would rather not.") as served:
        result = search(project_of(tmp_path, minding, served.url))
    assert result["verdict"] == "yours" and result["writer"]["unreadable"] == 2
    assert any("held no prompt" in note for note in result["notes"])


def test_a_writer_that_refuses_is_told_by_its_own_setting(minding, tmp_path):
    """Bug: the user is sent to evaluate.judge, which the recipe has not."""
    with judging(Writer(), failing=(404, {})) as served, pytest.raises(RemoteError) as caught:
        search(project_of(tmp_path, minding, served.url))
    assert "prompts.writer.model" in str(caught.value) and "evaluate" not in str(caught.value)


def test_gepa_evolves_on_rows_of_train_alone(minding, tmp_path):
    """Bug: GEPA sees rows that choose or report, its proposals never join the race, or the same search pays again."""
    said: list[str] = []

    def writer(prompt: str) -> str:
        said.append(prompt)
        return "<prompt>Dance.</prompt>" if "<task>" in prompt else f"```\n{GOOD}\n```"

    with judging(writer) as served:
        project = project_of(tmp_path, minding, served.url, gepa=200)
        result = search(project)
        asked = served.received
        assert search(project)["winner"] == result["winner"] and served.received == asked
    assert (result["winner"]["name"], result["winner"]["system"]) == ("evolved 1", GOOD)
    dataset = flow.prepare(project)
    held_out = [json.loads(row)[0]["content"] for one in ("valid", "test")
                for row in pl.read_parquet(dataset.path / f"{one}.parquet")["messages"]]  # fmt: skip
    reflected = "".join(said[1:])
    assert "the right answer is: " in reflected
    assert not [row for row in held_out if re.search(rf"{row}\b", reflected)]


def test_gepa_needs_a_writer_and_its_package(minding, tmp_path, monkeypatch):
    """Bug: a search of hours that ends in an ImportError, or evolves nothing without a word."""
    with pytest.raises(RecipeError, match="name a model in writer"):
        flow.Project.of(write_project(tmp_path, minding, more="prompts: {gepa: 50}\n"))
    monkeypatch.setitem(sys.modules, "gepa", None)
    with pytest.raises(MissingExtraError, match="gepa"):
        search(project_of(tmp_path, minding, "http://127.0.0.1:9", gepa=50))


@given(st.lists(st.text(st.characters(exclude_characters="<>"), min_size=1).map(str.strip).filter(bool), max_size=5))
def test_prompts_are_read_whole_and_once(texts):
    """Bug: a prompt of several lines is cut, or one said twice is asked twice."""
    reply = " chatter ".join(f"<prompt>\n{one}\n</prompt>" for one in texts) + "<prompt>unfinished"
    assert read_prompts(reply) == list(dict.fromkeys(texts))
