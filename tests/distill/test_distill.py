"""A teacher's answers become examples: of every kind of question file, paid once, never junk, never without a source."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from judges import judging
from traffic import Traffic
from tunesmith import flow
from tunesmith.cli.distill import command
from tunesmith.core.errors import ArtifactError, DataError, RecipeError, RemoteError
from tunesmith.distill.answers import taught
from tunesmith.distill.stage import distill, plan
from tunesmith.providers.chat import Reply
from tunesmith.recipe import parse_recipe
from tunesmith.text.task import TaskSpec

LABELS = ["card", "refund"]


def knows(said: str) -> str:
    return (
        "**Refund.**"
        if "money back" in said
        else "`card`"
        if "my card" in said.lower() or "My  card" in said
        else "I would rather not say."
    )


def project(folder: Path, url: str, questions: str | None = "questions.csv", **more: Any) -> flow.Project:
    """Write a recipe whose train is what the teacher will have said; ``teacher`` and ``distill`` are added to its own."""
    teacher = {"model": "big", "base_url": url, "retries": 0, "timeout_s": 20, **more.pop("teacher", {})}
    distilled = {"teacher": teacher, **({"questions": questions} if questions else {}), **more.pop("distill", {})}
    data = {"train": "distilled.jsonl", "labels": {"names": LABELS}} | more.pop("data", {})
    given = {"name": "d", "task": "classify", "data": data, "distill": distilled, **more}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(given))
    return flow.Project.of(folder / "recipe.yaml")


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_answers_become_examples_with_their_source_and_the_rest_is_told(tmp_path):
    """Would let through: markdown learnt as a label, an answer that is no label, a question asked twice, a row that
    nobody can trace, a broken line that vanishes, money counted wrong.
    """
    (tmp_path / "questions.csv").write_text('text\nmy card is gone\nmoney back!\nMy  card is gone\nwho are you\n""\n')
    with judging(knows) as served:
        result = distill(project(tmp_path, served.url, teacher={"price": {"input": 10, "output": 20}}))
    assert rows_of(tmp_path / "distilled.jsonl") == [
        {
            "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": label}],
            "teacher": "big", "endpoint": served.url, "source": "questions.csv", "line": line,
        }
        for text, label, line in (("my card is gone", "card", 2), ("money back!", "refund", 3))
    ]  # fmt: skip
    left_out = rows_of(tmp_path / "distilled.left_out.jsonl")
    assert [(one["line"], one["why"]) for one in left_out] == [(6, "no_question"), (5, "not one of the labels")]
    assert len(served.asked) == 3 and result["again"] == 1 and result["examples"] == 2
    assert result["left_out"] == {"no_question": 1, "not one of the labels": 1}
    assert result["teacher"]["calls"] == {"asked": 3, "kept": 0}
    assert result["teacher"]["usd"] == pytest.approx(3 * (100 * 10 + 10 * 20) / 1e6)
    assert "big gives the answers" in result["terms"] and "shown no examples" in result["notes"][0]
    (turn,) = served.asked[0]["messages"]
    assert turn["content"].startswith("Answer with exactly one of these labels and nothing else: card, refund.\n\n")


def test_nothing_is_paid_twice_and_no_file_is_lost(tmp_path):
    """Would let through: a second bill after an error or a kill, edits of the user's written over."""
    (tmp_path / "questions.csv").write_text("text\n" + "".join(f"my card {n}\n" for n in range(30)))
    with judging(knows) as served:
        made = project(tmp_path, served.url, teacher={"concurrency": 1})
        seen = threading.Event()

        def failing_later(said: str) -> str:
            if len(served.asked) > 10:
                served.failing = (500, {})
                seen.set()
            return knows(said)

        served.script = failing_later
        with pytest.raises(RemoteError):
            distill(made)
        assert seen.is_set() and not (tmp_path / "distilled.jsonl").exists()
        served.failing, served.script = None, knows
        result = distill(made)
        assert result["teacher"]["calls"]["kept"] >= 10 and len(served.asked) == 30
    first = (tmp_path / "distilled.jsonl").read_bytes()
    assert distill(made)["teacher"]["calls"] == {"asked": 0, "kept": 30}, "the service is gone, its answers are not"
    (tmp_path / "distilled.jsonl").write_bytes(first + b"\n")
    with pytest.raises(ArtifactError, match="with other rows"):
        distill(made)
    distill(made, force=True)
    assert (tmp_path / "distilled.jsonl").read_bytes() == first


def test_questions_are_read_from_every_kind_of_file(tmp_path):
    """Would let through: an old answer that goes to the teacher with the question, an instruction without its input,
    context columns lost, a system message lost.
    """
    turns = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "card 1"}]
    files = {
        "a.jsonl": [{"messages": turns}, {"messages": [*turns[:1], {"role": "user", "content": "card 2"}, {"role": "assistant", "content": "old"}]}],
        "b.jsonl": [{"instruction": "Name it.", "input": "card 3"}],
        "c.jsonl": [{"prompt": "card 4", "completion": "old"}, {"prompt": "card 5", "completion": ""}],
        "d.jsonl": [{"conversations": [{"from": "human", "value": "card 6"}, {"from": "gpt", "value": "old"}]}],
        "e.jsonl": [{"question": "card 7", "id": 3}],
    }  # fmt: skip
    for name, records in files.items():
        (tmp_path / name).write_text("".join(f"{json.dumps(one)}\n" for one in records))
    with judging(lambda said: "card") as served:
        found = distill(project(tmp_path, served.url, questions=list(files), teacher={"as_tuned": True}))
    assert found["examples"] == 7 and "old" not in json.dumps(served.asked)
    asked = {one["messages"][-1]["content"]: one["messages"] for one in served.asked}
    assert set(asked) == {"card 1", "card 2", "Name it.\n\ncard 3", *(f"card {n}" for n in (4, 5, 6, 7))}
    assert asked["card 2"][0] == turns[0]


def test_the_questions_of_train_are_answered_anew_with_examples_shown(tmp_path):
    """Would let through: a held-out question that is learnt, a teacher that sees no examples, rows beyond the limit."""
    lines = [(f"my card {n}", "card") for n in range(20)] + [(f"money back {n}", "refund") for n in range(20)]
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in lines))
    data = {"train": "a.csv", "dedup": {"near": None}, "labels": {"fix": "off"}, "split": {"valid": 0.1, "test": 0.2}}
    with judging(knows) as served:
        made = project(
            tmp_path, served.url, questions=None, teacher={"shots": 4}, data=data, distill={"rows": 10, "to": "x/taught.jsonl"}
        )  # fmt: skip
        before = plan(made)
        assert not served.asked
        result = distill(made)
    assert before["questions"] == before["calls"] == 10 == result["examples"] and before["shots"] == 4
    assert before["usd_at_most"] is None and before["tokens"]["output_at_most"] == 10 * 1024
    assert len(served.asked[0]["messages"]) == 9
    dataset = flow.prepare(made)
    train = {json.dumps(one["messages"]) for one in dataset_rows(dataset, "train")}
    assert {json.dumps(one["messages"]) for one in rows_of(tmp_path / "x/taught.jsonl")} <= train
    assert "data.train: [x/taught.jsonl]" in result["notes"][-1]


def test_examples_of_the_recipes_own_are_shown_and_learnt_beside_the_distilled_ones(tmp_path):
    """Would let through: a teacher that is shown nothing, or columns of one file asked of the other, once train has both."""
    lines = [(f"my card {n * 7919 % 997}", "card") for n in range(20)]
    lines += [(f"money back {n * 7919 % 997}", "refund") for n in range(20)]
    (tmp_path / "own.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in lines))
    (tmp_path / "questions.csv").write_text("text\nwhere did my card go\n")
    data = {"train": ["own.csv", "distilled.jsonl"], "labels": {}, "columns": {"input": "text", "target": "label"}}
    with judging(knows) as served:
        made = project(tmp_path, served.url, teacher={"shots": 2}, data=data)
        with pytest.raises(DataError, match="the teacher's answers go into it") as early:
            flow.prepare(made)
        assert "tunesmith distill" in early.value.hint and plan(made)["shots"] == 2
        assert distill(made)["notes"] == [] and len(served.asked[0]["messages"]) == 5
    assert flow.prepare(made).result["rows"]["kept"] == 41


@pytest.mark.parametrize("train", ["distilled.jsonl", "./distilled.jsonl"])
def test_without_questions_the_way_out_is_not_the_command_itself(tmp_path, train):
    """Would let through: `tunesmith distill` that says to run `tunesmith distill` first, for ever."""
    made = project(
        tmp_path, "http://127.0.0.1:1/v1", questions=None, data={"train": train, "labels": {"names": LABELS}}
    )
    with pytest.raises(RecipeError, match="no questions"):
        plan(made)
    with pytest.raises(DataError, match="the teacher's answers go into it"):
        flow.prepare(made)


def test_what_users_asked_can_be_asked_too(tmp_path):
    """Would let through: failed requests, those of another release, a question asked as often as users asked it."""
    with judging(knows) as served:
        made = project(tmp_path, served.url, questions=None, distill={"traffic": True})
        with pytest.raises(DataError, match="captured traffic"):
            distill(made)
        ours, other = Traffic(made.store, "d"), Traffic(made.store, "other")
        for text in ("my card is gone", "money back", "My card is  gone"):
            ours.ask(text)
        ours.ask("my card failed", None, status=500)
        other.ask("my card elsewhere")
        result = distill(made)
    assert [(one["messages"][0]["content"], one["source"], one["line"]) for one in rows_of(tmp_path / "distilled.jsonl")] == [
        ("my card is gone", "traffic", "req-d-000001"), ("money back", "traffic", "req-d-000002")
    ]  # fmt: skip
    assert result["again"] == 1


def dataset_rows(dataset: Any, split: str) -> list[dict[str, Any]]:
    import polars as pl

    return [{"messages": json.loads(one)} for one in pl.read_parquet(dataset.path / f"{split}.parquet")["messages"]]


def replies(*texts: str, ended: str = "stop") -> list[Reply]:
    return [Reply(text, ended=ended) for text in texts]


def test_of_several_answers_the_most_frequent_is_learnt():
    """Would let through: unusable samples that vote or that raise the agreement, key order that splits a majority."""
    labels, extract = TaskSpec("classify", ("card", "refund")), TaskSpec("extract")
    found = taught(replies("card", "Refund", "nonsense", "refund."), labels, 0.5)
    assert (found.text, found.agreement) == ("refund", 0.5)
    assert taught(replies("card", "refund", "nonsense"), labels, 0.5).why == "no agreement"
    assert taught(replies("nonsense", "what"), labels, 0.5).why == "not one of the labels"
    found = taught(replies('{"a": 1, "b": 2}', '```json\n{"b": 2, "a": 1}\n```', '{"a": 2}'), extract, 0.6)
    assert (found.text, found.agreement) == ('{"a": 1, "b": 2}', pytest.approx(2 / 3))
    assert taught(replies("3"), extract, 0).why == taught(replies("{"), extract, 0).why == "not a JSON object"
    chat = TaskSpec("chat")
    assert taught(replies("half a", ended="length"), chat, 0).why.startswith("cut at")
    assert taught(replies("no", ended="content_filter"), chat, 0).why == "ended by the service: content_filter"
    assert taught(replies("  "), chat, 0).why == "empty" and taught(replies(" hi "), chat, 0).text == "hi"


def test_samples_are_asked_apart_and_their_agreement_stands_with_the_example(tmp_path):
    """Would let through: one answer counted several times, samples of different questions mixed."""
    (tmp_path / "questions.csv").write_text("text\nmy card\nmoney back\n")
    said = iter(["card", "refund", "card", "refund", "refund", "refund"])
    with judging(lambda _: next(said)) as served:
        made = project(tmp_path, served.url, teacher={"concurrency": 1}, distill={"samples": 3, "agreement": 0.6})
        result = distill(made)
    assert [(one["messages"][-1]["content"], one["agreement"]) for one in rows_of(tmp_path / "distilled.jsonl")] == [
        ("card", pytest.approx(2 / 3)), ("refund", 1.0)
    ]  # fmt: skip
    assert len(served.asked) == 6 and result["agreement"] == pytest.approx(5 / 6)


def test_what_cannot_be_distilled_is_refused_before_anybody_is_asked(tmp_path, monkeypatch):
    """Would let through: a bill for answers that could never be used."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "questions.csv").write_text("text\nmy card\n")
    with judging(knows) as served:
        with pytest.raises(RecipeError, match="OPENAI_API_KEY"):
            distill(project(tmp_path, served.url, teacher={"base_url": None}))
        with pytest.raises(RecipeError, match=r"classify needs the labels.*\n.*data.labels.names"):
            distill(project(tmp_path, served.url, data={"labels": {}}))
        with pytest.raises(DataError, match=r"distill\.questions"):
            distill(project(tmp_path, served.url, questions="nowhere.csv"))
        bare = {"name": "d", "task": "chat", "data": {"train": "a"}}
        with pytest.raises(RecipeError, match="no distill"):
            distill(flow.Project(parse_recipe(yaml.safe_dump(bare)), tmp_path, flow.Workspace(tmp_path)))
        for task, more, words in (
            ("preference", {}, "learns from pairs"), ("chat", {"samples": 3}, "no most frequent"),
            ("classify", {"agreement": 0.7}, "set samples"), ("extract", {"to": "a.csv"}, "to"),
        ):  # fmt: skip
            given = {**bare, "task": task, "distill": {"teacher": {"model": "m"}, **more}}
            with pytest.raises(RecipeError, match=words):
                parse_recipe(yaml.safe_dump(given))
    assert not served.received


def test_answers_none_of_which_can_be_learnt_are_an_error_that_says_why(tmp_path):
    (tmp_path / "questions.csv").write_text("text\nwho are you\n")
    with judging(knows) as served, pytest.raises(DataError, match=r"none of 1 answers of big .*not one of the labels"):
        distill(project(tmp_path, served.url))
    assert not (tmp_path / "distilled.jsonl").exists()
    (left,) = rows_of(tmp_path / "distilled.left_out.jsonl")
    assert left["answers"] == ["I would rather not say."] and left["question"] == "who are you"


def test_the_cost_is_told_to_who_has_no_key_yet(tmp_path, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    (tmp_path / "questions.csv").write_text("text\nwho are you\n")
    made = project(tmp_path, "https://api.anthropic.com", teacher={"api": "anthropic"})
    assert plan(made)["calls"] == 1
    with pytest.raises(RecipeError, match="ANTHROPIC_API_KEY is not set"):
        distill(made)


def test_the_command_tells_the_cost_then_the_terms_and_what_to_do_next(tmp_path):
    (tmp_path / "questions.csv").write_text("text\nmy card is gone\nmoney back!\nwho are you\n")
    with judging(knows) as served:
        project(tmp_path, served.url, teacher={"price": {"input": 1, "output": 1}})
        told = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml"), "--plan"], catch_exceptions=False)
        assert "3 calls for 3 questions, 0 examples shown" in told.output and "USD at most" in told.output
        assert not served.asked
        told = CliRunner().invoke(command, [str(tmp_path / "recipe.yaml")], catch_exceptions=False)
    for words in ("terms of many services forbid", "3 asked", "left out: 1 not one of the labels", "2 examples"):
        assert words in told.output


@pytest.mark.slow
def test_a_vendor_s_model_is_recorded_and_its_successor_takes_over_or_may_not(tmp_path, tiny):
    """Record, compare, retrain. Would let through: a successor that is gated against other answers than the vendor's, or
    is promoted although it does not do what the vendor's model does.
    """
    asked = [f"{words} {n}" for n in range(60) for words in ("my card", "money back")]
    (tmp_path / "questions.csv").write_text("text\n" + "".join(f"{one}\n" for one in asked))
    verdicts = {}
    with judging(lambda said: knows(said).strip("`*.").lower()) as served:
        vendor = {"model": "ft:gpt-4.1-mini:acme::x", "base_url": served.url, "as_tuned": True, "retries": 0}
        rule = {"accuracy": {"not_worse_by": 0.2, "not_worse_than": ["vendor"]}}
        for name, epochs, peak in (("learns", 8, 0.02), ("hardly", 1, 1e-7)):
            train = {"method": "full", "epochs": epochs, "batch_tokens": 32, "threads": 1, "schedule": {"peak": peak}}
            made = project(
                tmp_path / name, served.url, questions=str(tmp_path / "questions.csv"), base=str(tiny), teacher=vendor,
                data={"dedup": {"near": None}, "labels": {"fix": "off", "names": LABELS}, "split": {"valid": 0.1, "test": 0.3}},
                train={**train, "regularise": {"early_stopping": None}},
                evaluate={
                    "rivals": {"vendor": vendor}, "baselines": [], "suites": [], "served": 0,
                    "gate": {"against": [], "metrics": rule},
                },
            )  # fmt: skip
            distill(made)
            verdicts[name] = flow.evaluate(made).result
    assert verdicts["learns"]["baselines"]["vendor"]["accuracy"]["value"] == 1.0, "its own answers are the truth"
    assert verdicts["learns"]["rivals"]["vendor"]["calls"]["asked"] == 0, "what it said before is kept"
    assert verdicts["learns"]["verdict"] == "pass", verdicts["learns"]["reasons"]
    assert verdicts["hardly"]["verdict"] in ("fail", "undecided"), verdicts["hardly"]["reasons"]
