"""The audit: what it says of the rules is true of them, and the user's data stay as they are."""

from __future__ import annotations

import json
import random

import pytest

from tunesmith.core.artifacts import Workspace
from tunesmith.core.errors import DataError
from tunesmith.data.audit import audit
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

LIST = (
    "garden window river market engine letter summer bridge kitchen paper mountain station doctor teacher music "
    "winter forest pocket silver corner button travel answer morning village history number orange blanket candle"
)
WORDS = LIST.split()


def made(folder, rows=420, **data):
    chance = random.Random(3)
    with (folder / "a.jsonl").open("w") as file:
        for number in range(rows):
            asked, told = chance.sample(WORDS, 12), chance.sample(WORDS, 24)
            question = f"How does the {' and the '.join(asked)} work in story {number}?"
            answer = f"In story {number} the {' meets the '.join(told)}, and so the {asked[0]} works well."
            file.write(json.dumps({"prompt": question, "completion": answer}) + "\n")
    recipe = Recipe(name="t", task="chat", data={"train": "a.jsonl", **data})
    return recipe, prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)


def recalls(result):
    return {one["defect"]: one["recall"]["value"] for one in result["kinds"]}


def test_planted_defects_are_found_and_sound_rows_left_alone(tmp_path):
    """Bug: the audit counts rows that are not planted, or its copy is prepared by other rules."""
    recipe, dataset = made(tmp_path)
    before = dataset.manifest["files"]
    result = audit(recipe, dataset)
    found = recalls(result)
    alarms = {one["defect"]: one["also_on_sound_rows"]["value"] for one in result["kinds"]}
    for kind in ("HTML of a web form", "control characters", "e-mail address", "no answer", "question as answer"):
        assert found[kind] >= 0.9 and alarms[kind] <= 0.02, (kind, found, alarms)
    dataset.verify()
    assert dataset.manifest["files"] == before


def test_a_rule_that_is_off_finds_nothing(tmp_path):
    """Bug: the audit measures the defaults and not the recipe."""
    recipe, dataset = made(tmp_path, clean={"html": "off"}, privacy={"pii": "off"})
    found = recalls(audit(recipe, dataset))
    assert found["HTML of a web form"] == found["e-mail address"] == 0 and found["no answer"] >= 0.9


def test_few_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match="too few to plant"):
        audit(*made(tmp_path, rows=60))


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
    more = {"relevance": {"to": "domain.txt", "action": "flag"}, "balance": {"by": "length"}}
    recipe = Recipe(name="s", task="chat", data={"train": "b.jsonl", **more})
    result = audit(recipe, prepare(recipe, Workspace(tmp_path / "home"), recipe_dir=tmp_path))
    assert recalls(result)["HTML of a web form"] >= 0.9
