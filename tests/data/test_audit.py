"""The audit: what it says of the rules is true of them, no rule is left out, and the user's data stay as they are."""

from __future__ import annotations

import json
import random
import re
from functools import partial
from pathlib import Path

import pytest

from browser import flaws
from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data import gather
from tunesmith.data.audit import defects, measure, plant
from tunesmith.data.audit.defects import DEFECTS, NOT_PLANTED, Defect, defects_of
from tunesmith.data.audit.measure import audit
from tunesmith.data.audit.page import write_page
from tunesmith.data.noise.judge import Noise
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Clean, Recipe

pytestmark = pytest.mark.slow

SOURCES = Path(defects.__file__).parents[1]
LIST = (
    "garden window river market engine letter summer bridge kitchen paper mountain station doctor teacher music "
    "winter forest pocket silver corner button travel answer morning village history number orange blanket candle"
)
WORDS = LIST.split()


def made(folder, rows=260, **data):
    chance = random.Random(3)
    with (folder / "a.jsonl").open("w") as file:
        for number in range(rows):
            asked, told = chance.sample(WORDS, 12), chance.sample(WORDS, 24)
            question = f"How does the {' and the '.join(asked)} work in story {number}?"
            answer = f"In story {number} the {' meets the '.join(told)}, and so the {asked[0]} works well."
            file.write(json.dumps({"prompt": question, "completion": answer}) + "\n")
    return prepared(folder, task="chat", data={"train": "a.jsonl", **data})


def prepared(folder, **settings):
    recipe, workspace = Recipe(name="t", **settings), Workspace(folder / "home")
    return recipe, prepare(recipe, workspace, recipe_dir=folder), workspace


@pytest.fixture(autouse=True)
def _fewer(monkeypatch):
    """Plant eight defects of each kind, which takes a third of the time."""
    monkeypatch.setattr(measure, "PLANTED", 8)


def _in_one(in_processes, work, jobs, processes, settle):
    assert processes == 1
    in_processes(work, jobs, processes, settle)


def rule(result, name, estimate="recall"):
    return next(one[estimate] for one in result["rules"] if one["rule"] == name)


def test_every_rule_has_a_defect_or_a_reason():
    """Bug: a new rule is written and nobody notices that the audit says nothing of it."""
    said = r'RowFault\(\s*"(\w+)"|BadRow\(\w+, "(\w+)"|Finding\("(\w+)"|RULE = "(\w+)"|_removed\(row, "(\w+)"'
    said += r'|fates\.(?:remove|flag|mend)\([^"{]*?, "(\w+)"|rule = "(\w+)" if .* else "(\w+)"'
    found = {name for file in SOURCES.rglob("*.py") for match in re.findall(said, file.read_text()) for name in match}
    clean = set(Clean.model_fields) - {"answer_schema", "languages"}
    judged = set(Noise(Recipe(name="t", task="chat", data={"train": "a"})).actions)
    rules = (found | clean | judged | {"pii", "secret", "near_leak"}) - {""}
    assert len(rules) > 45 and {"echo", "size", "leak", "near_duplicate", "ragged_row", "too_long"} <= rules
    known = {one.rule for one in DEFECTS} | set(NOT_PLANTED)
    assert rules - known == set() and known - rules == set()


def test_every_task_has_what_its_rules_look_for():
    """Bug: rules of a task (JSON against its schema, labels that are not listed) are planted in no task."""
    on = {"decontaminate": "e.jsonl", "dedup": {"semantic": 0.95}, "train": "a"}
    own = {"classify": {"labels": {"names": ["a", "b"]}}, "extract": {"clean": {"answer_schema": {"type": "object"}}}}
    planted = {
        task: {one.rule for one in defects_of(Recipe(name="t", task=task, data=on | own.get(task, {})))}
        for task in ("classify", "extract", "chat", "preference")
    }
    assert set().union(*planted.values()) == {one.rule for one in DEFECTS}
    assert {"unknown_label", "label_error"} <= planted["classify"] and {"schema", "not_json"} <= planted["extract"]


def test_planted_defects_are_found_and_little_else_is_taken(tmp_path):
    """Bug: the audit counts rows that are not planted, its copies are prepared by other rules, half of the duplicates
    count as missed because the original went, or chance decides what is told.
    """
    recipe, dataset, workspace = made(tmp_path)
    before = dataset.manifest["files"]
    result = audit(recipe, dataset, workspace)
    # of a row and its copy the one goes that comes later by hash: either counts
    names = ("html", "control", "pii", "no_answer", "echo", "duplicate", "near_duplicate", "leak", "conflict")
    for name in (*names, "invalid_json"):
        recall, precision = rule(result, name), rule(result, name, "precision")
        assert recall["value"] >= 0.85 and recall["n"] == 8 and precision["value"] >= 0.9, (name, recall, precision)
        assert recall["low"] < recall["value"] or recall["value"] == 0
    dataset.verify()
    assert dataset.manifest["files"] == before


def test_a_row_with_another_value_must_stay_and_is_told_if_it_does_not(tmp_path, monkeypatch):
    """Bug: a rule that takes rows which teach two things looks perfect, because nothing sound and alike is planted."""
    given = made(tmp_path)
    [one] = audit(*given)["must_stay"]
    assert one["rule"] == "near_duplicate" and one["planted"] == 8 and one["lost"]["value"] == 0
    monkeypatch.setattr("tunesmith.data.duplicates.agree.two_facts", lambda *_: False)
    monkeypatch.setattr("tunesmith.data.duplicates.search.two_facts", lambda *_: False)
    result = audit(*given)
    assert result["must_stay"][0]["lost"]["value"] >= 0.9 and one["sound"] in result["missed"]
    assert rule(result, "near_duplicate", "precision")["value"] < 0.6


def test_a_rule_that_is_off_is_not_measured(tmp_path, monkeypatch):
    """Bug: the audit measures the defaults and not the recipe; or it starts processes, and looks for topics and bias, of
    copies that one process has done before others have begun.
    """
    given = made(tmp_path, clean={"html": "off"}, privacy={"pii": "off"}, dedup={"near": None})
    monkeypatch.setattr("tunesmith.data.decide.look_at_topics", None)
    monkeypatch.setattr("tunesmith.data.decide.look_for_bias", None)
    monkeypatch.setattr("tunesmith.data.gather.in_processes", partial(_in_one, gather.in_processes))
    result = audit(*given)
    rules = {one["rule"] for one in result["rules"]}
    assert {"html", "pii", "near_duplicate", "near_conflict"} <= set(result["off"]) and "no_answer" in rules
    assert not rules & set(result["off"]) and not rules & set(result["not_planted"])


def test_a_blind_rule_and_a_trigger_happy_one_are_told(tmp_path, monkeypatch):
    """Bug: recall and precision are 1 whatever the rules do."""
    flagged = random.Random(0)
    monkeypatch.setattr("tunesmith.data.noise.judge._OF_ANSWERS", {
        "no_answer": lambda exchange: None,
        "refusal": lambda exchange: {"why": "chance"} if flagged.random() < 0.3 else None,
    })  # fmt: skip
    result = audit(*made(tmp_path, processes=1))
    assert rule(result, "no_answer")["value"] <= 0.3 and rule(result, "refusal", "precision")["value"] < 0.3
    assert rule(result, "refusal", "before")["value"] > 0.2
    assert "N/A" in result["missed"]["a word that stands for an answer"] or result["missed"]


def test_few_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match="too few to plant"):
        audit(*made(tmp_path, rows=60))


def test_preferences_are_audited_as_preferences(tmp_path):
    """Bug: the copy has no second answers, so every row goes by no_rejected and nothing is found."""
    made(tmp_path)
    with (tmp_path / "b.jsonl").open("w") as file:
        for line in (tmp_path / "a.jsonl").read_text().splitlines():
            row = json.loads(line)
            pair = {"input": {"messages": [{"role": "user", "content": row["prompt"]}]}}
            pair["preferred_output"] = [{"role": "assistant", "content": row["completion"]}]
            pair["non_preferred_output"] = [{"role": "assistant", "content": f"I say that {row['completion'][:60]}."}]
            file.write(json.dumps(pair) + "\n")
    result = audit(*prepared(tmp_path, task="preference", data={"train": "b.jsonl"}))
    for name in ("same_answers", "no_rejected", "html", "ai_disclaimer"):
        assert rule(result, name)["value"] >= 0.9, name
    assert rule(result, "no_rejected", "precision")["value"] >= 0.9


def test_wrong_labels_and_labels_that_are_not_listed_are_planted(tmp_path, shared_data):
    """Bug: a spoilt copy has a label only once, and the audit ends in an error of its own making."""
    text = (shared_data("banking77") / "train.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "a.csv").write_text("\n".join([text[0], *text[1:700]]), encoding="utf-8")
    result = audit(*prepared(tmp_path, task="classify", data={"train": "a.csv"}))
    assert rule(result, "label_error")["n"] == 8 and rule(result, "duplicate")["value"] >= 0.9
    assert "unknown_label" in result["off"]


def test_the_other_label_of_a_conflict_is_a_wrong_label_too():
    """Bug: a rule against wrong labels that speaks of a label planted wrong, for another rule, is called mistaken."""
    [conflict] = [one for one in DEFECTS if one.rule == "conflict"]
    unit = plant.Unit(conflict, (1, 2))
    copy = plant.Copy(["a row", "its copy with another label", "a sound row"], units=[unit])
    hits = {2: {"label_error"}, 3: {"label_error"}}
    assert measure._taken("label_error", copy, hits, {}) == (1, 1)
    assert not measure._is_found(unit, hits)


def test_chats_with_a_system_message_and_rules_about_groups_are_audited(tmp_path):
    """Bug: a system message leaves no row to plant in; a file named in the recipe is looked for beside the copy."""
    made(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    with (tmp_path / "b.jsonl").open("w") as file:
        for row in rows:
            said = [("system", "Be kind."), ("user", row["prompt"]), ("assistant", row["completion"])]
            messages = [{"role": role, "content": content} for role, content in said]
            file.write(json.dumps({"messages": messages}) + "\n")
    (tmp_path / "domain.txt").write_text("\n".join(row["prompt"] for row in rows[:60]))
    (tmp_path / "eval.jsonl").write_text(json.dumps({"question": "Which of the two rivers of the county is longer?"}))
    more = {"relevance": {"to": "domain.txt", "action": "flag"}, "balance": {"by": "length"}}
    result = audit(*prepared(tmp_path, task="chat", data={"train": "b.jsonl", "decontaminate": "eval.jsonl", **more}))
    assert rule(result, "html")["value"] >= 0.9 and rule(result, "contaminated")["value"] >= 0.9
    assert "irrelevant" in result["not_planted"]


def page_of(folder: Path) -> Path:
    """Write the page of an audit with one rule, one loss and one defect that was missed."""
    _, dataset, workspace = made(folder)
    estimate = {"value": 0.5, "low": 0.3, "high": 0.7, "n": 25}
    one = {"rule": "html", "defect": "tags", "planted": 25, "recall": estimate, "precision": None, "before": estimate}
    missed = {"tags": "<script>alert(1)</script>"}
    loss = {"rule": "near_duplicate", "sound": "another value", "planted": 25, "lost": estimate}
    told = {"rows": 420, "copies": 1, "rules": [one], "must_stay": [loss], "missed": missed}
    return write_page(told | {"not_planted": {"size": "counts"}, "off": []}, dataset, workspace)


def test_the_page_says_what_was_missed_and_runs_nothing(tmp_path):
    """Bug: a row of the data is written into the page as HTML; what is missed is not shown."""
    page = page_of(tmp_path).read_text("utf-8")
    assert "<script" not in page and "alert(1)" in page and "took nothing" in page and "1 rule" in page
    assert "lost 12 of 25 sound rows (another value)" in page


@pytest.mark.slow
def test_everybody_can_read_the_page(tmp_path, chromium):
    """Bug: no contrast, a page wider than a phone."""
    assert flaws(chromium, page_of(tmp_path)) == []


def test_a_defect_leaves_its_row_as_it_was(tmp_path):
    """Bug: a spoilt row shares its messages with the sound one, and later copies are spoilt twice."""
    from tunesmith.data.audit.rows import Kit, Row

    row = Row([{"role": "user", "content": "How is the weather in Oslo today, and is it going to rain?"},
               {"role": "assistant", "content": " ".join(WORDS) + "."}])  # fmt: skip
    others = [row, Row([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": " ".join(WORDS[5:])}])]
    recipe = Recipe(name="t", task="chat", data={"train": "a"})
    written, kit = row.line("chat"), Kit(random.Random(0), others, recipe, 50)
    spoilt = [defect.spoil(row, kit) for defect in DEFECTS if "chat" in defect.tasks]
    assert row.line("chat") == written
    assert sum(one is not None for one in spoilt) >= len(spoilt) - 2
    assert isinstance(DEFECTS[0], Defect)
